# SPDX-License-Identifier: MIT
"""cons: consoles and logs of several programs and guests on one serial line."""
import os
import re

import pytest
from scenario import ROOT
from session import PROMPT

KEY = "\x05"
MENU = r"cons> "

HELLO = """package.path = "rom/?.lua"
local L4 = require "L4"
local l = L4.default_loader
local cons = l:new_channel()
l:start({ caps = { cons = cons:svr() }, log = L4.Env.log }, "rom/cons -k ^B -c echo")
local log = cons:create(L4.Proto.Log, "echo", "red")
print("raw by moe")
l:start({ log = cons:create(L4.Proto.Log, "other", "blue") }, "rom/hello --lines 3"):wait()
l:start({ log = log }, "rom/hello --echo")
local bad = l:new_channel()
print("cons ended with " .. l:start({ caps = { cons = bad:svr() } }, "rom/cons -k 5"):wait())
print(pcall(bad.create, bad, L4.Proto.Log, "x", ""))
"""


def test_programs(system):
    """Input for the connected program, tags for the others, scroll-back of one that has ended; errors."""
    system.modules = ["ned", "hello", "cons"]
    with system.boot(ned=HELLO) as session:
        session.expect(r"waiting for input", 60)
        session.expect(r"cannot create the console 'x' \(is the channel's server running\?\)", 30)
        session.child.send("typed\n")
        session.expect(r"echo: typed", 20)
        session.child.send("\x02tail oth 1\n")
        session.expect(r"cons> tail oth 1\s+line 3 of 3" + r"\s+.*cons> ", 20)
        session.child.send("list\n")
        session.expect(r"\* \S*echo .*connected.*other .*ended", 20)
        session.child.send("\nend\n")
        session.expect(r"echo has ended", 20)
        text = session.text()
    assert "other   | line 1 of 3\nother   | line 2 of 3\nother   | line 3 of 3\n" in text, text
    assert "cons    | connected to echo (Ctrl-B: menu)" in text
    assert re.search(r"cons +\| cons: -k 5: the key is a letter", text) and "cons ended with 2" in text


@pytest.mark.vmx
def test_two_guests(system):
    """The example: two guests, each typed at in turn; the other's lines are tagged or hidden."""
    system.modules = ["ned", "cons", "uvmm", "virt-pc.dtb", "vmm.lua", "bzImage", "ramdisk-x86_64.cpio.gz"]
    with open(os.path.join(ROOT, "conf", "examples", "consoles.ned"), encoding="utf-8") as f:
        ned = f.read()
    with system.boot(ned=ned) as session:
        session.wait_prompt()
        if "vm2     | sh:" not in session.text():  # what it says at its start would come into the echo
            session.expect(r"vm2     \| sh:", 120)
        session.run("mount -a; echo first > /tmp/me")
        session.child.send(KEY + "connect vm2\r")
        session.expect(r"connected to vm2 \(Ctrl-E: menu\)", 20)
        session.child.send("\r")
        session.wait_prompt()
        session.run("mount -a; echo second > /tmp/me")
        # Lines that the first guest writes while the second is connected are tagged, and hidden when it is told so.
        assert "second" in session.run("cat /tmp/me")
        session.child.send(KEY + "connect vm1\r")
        session.expect(PROMPT, 20, "the prompt, shown again")
        assert "first" in session.run("cat /tmp/me")
        session.run("(sleep 8; echo from'-'vm1; sleep 8; echo and'-'more; sleep 4; echo all-said) > /dev/console &")
        session.child.send(KEY + "connect vm2\r")
        session.expect(r"connected to vm2", 20)
        session.expect(r"vm1     \| from-vm1", 60)
        session.child.send(KEY + "hide vm1\r")
        session.expect(MENU, 20)
        session.child.send("\r")
        session.expect(PROMPT, 20)
        session.run("sleep 20")
        assert "and-more" not in session.text()
        session.child.send(KEY + "tail vm1 5\r")
        session.expect(r"and-more\s+all-said", 20)
        session.expect(MENU, 20)
        session.child.send("connect vm1\r")
        session.expect(r"connected to vm1", 20)
        session.child.send("\r")
        session.wait_prompt()
        session.power_off()
        session.expect(r"vm1 has ended", 20)
        session.child.send(KEY + "connect vm2\r")
        session.expect(PROMPT, 20)
        assert "second" in session.run("cat /tmp/me")
