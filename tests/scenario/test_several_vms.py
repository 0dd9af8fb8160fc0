# SPDX-License-Identifier: MIT
"""Several VMs on one box: the example with a partition, memory, priority and console each; a guest on the second serial port; one
that crashes again and again beside one that computes checksums of its disk."""
import hashlib
import os
import re
import socket
import time

import pytest
from conftest import run
from scenario import ROOT, SERIAL
from session import PROMPT

KEY = "\x05"


def two_partitions(system):
    image = system.disk(66)
    run("sgdisk", "-n1:0:+32M", "-c1:vm1", "-n2:0:0", "-c2:vm2", image)
    system.add_nvme(image)
    system.settings["msis"] = "Property.num_msis = 3;"
    system.machine[system.machine.index("-m") + 1] = "768"
    return image


def example():
    with open(os.path.join(ROOT, "conf", "examples", "two-vms.ned"), encoding="utf-8") as f:
        return f.read().replace("rom/nvme.vbus", "rom/test.vbus")


def memory_of(session):
    return int(re.search(r"MemTotal: *(\d+)", session.run("mount -a; cat /proc/meminfo")).group(1)) >> 10


def test_example(system):
    """Each has its own partition and memory, whatever the other one does."""
    two_partitions(system)
    system.modules += ["cons"]
    with system.boot(ned=example()) as session:
        session.wait_prompt()
        if not re.search(r"vm2 +\| .*job control turned off", session.text()):
            session.expect(r"vm2 +\| .*job control turned off", 120)
        session.run("sleep 2")
        assert memory_of(session) < 128
        sectors = session.run("cat /proc/partitions")
        assert re.search(r"\b32768 vda", sectors)
        session.run("echo mine > /dev/vda")
        session.child.send(KEY + "connect vm2\r")
        session.expect(r"connected to vm2", 20)
        session.child.send("\r")
        session.wait_prompt()
        assert memory_of(session) > 128
        assert not re.search(r"\b32768 vda", session.run("cat /proc/partitions"))
        assert "mine" not in session.run("head -c 4 /dev/vda | tr -d '\\0'; echo")
        session.power_off()
        session.child.send(KEY + "connect vm1\r")
        session.expect(r"connected to vm1", 20)
        session.child.send("\r")
        session.expect(PROMPT, 20)
        assert "mine" in session.run("head -c 4 /dev/vda; echo")
        session.power_off()


def chat(line, text, pattern, timeout=60):
    """Sends text on a socket and waits for the pattern; what came until then."""
    line.sendall(text.encode())
    got, end = "", time.monotonic() + timeout
    line.settimeout(1)
    while not re.search(pattern, got):
        assert time.monotonic() < end, got
        try:
            got += line.recv(4096).decode(errors="replace")
        except socket.timeout:
            pass
    return got


UART = """package.path = "rom/?.lua"
local L4 = require "L4"
local vmm = require "vmm"
local loader = L4.default_loader
local com2 = loader:new_channel()
loader:start({ caps = { svr = com2:svr(), ioport = L4.Env.ioport, icu = L4.Env.icu }, log = { "uart", "w" } }, "rom/uart")
%s
"""
VM = """vmm.start_vm { id = 1, mem = 128, kernel = "rom/bzImage", rd = "rom/ramdisk-x86_64.cpio.gz", fdt = "rom/virt-pc.dtb",
  bootargs = "console=hvc0 rdinit=/bin/sh", log = %s }"""


@pytest.mark.parametrize("script", [
    VM % "com2",
    'loader.log_fab = loader:new_channel()\n'
    'loader:start({ caps = { cons = loader.log_fab:svr() }, log = com2 }, "rom/cons -c vm1")\n' + VM % '{ "vm1", "green" }',
], ids=["guest", "cons"])
def test_second_serial_port(system, script):
    """A guest, or consoles of many, on a port that QEMU makes a socket."""
    system.modules += ["uart", "cons"]
    path = system.path("com2")
    system.machine += ["-serial", f"unix:{path},server=on,wait=off"]
    with system.boot(ned=UART % script) as session:
        session.expect(r"moe: ", 60)
        with socket.socket(socket.AF_UNIX) as line:
            line.connect(path)
            chat(line, "\r", r"~ # ", 120)
            said = chat(line, "seq -s , 1 2000; echo al''l\r", r"\ball\b")
            assert ",".join(str(n) for n in range(1, 2001)) in re.sub(r"[\r\n]", "", said)
            chat(line, "mount -a; poweroff -f\r", r"powered off")


def test_uart_that_is_not_there(system):
    system.modules += ["uart"]
    with system.boot(ned=UART % "") as session:
        session.expect(r"uart +\| uart: there is no 16550 at port 0x2f8; with QEMU each -serial option makes one", 60)


CRASH = """package.path = "rom/?.lua"
local L4 = require "L4"
local vmm = require "vmm"
local loader = L4.default_loader
local bad, worse, good = loader:new_channel(), loader:new_channel(), loader:new_channel()
local busses = { nvme = 1 }
loader.log_fab = loader:new_channel()
loader:start({ caps = { cons = loader.log_fab:svr() }, log = L4.Env.log }, "rom/cons -c good")
vmm.start_io(busses, "rom/test.vbus")
loader:start({ caps = { vbus = busses.nvme, cl1 = good:svr(), cl2 = bad:svr(), cl3 = worse:svr() }, log = { "nvme", "g" } },
  "rom/nvme-drv --client cl1 --device %(serial)s:n1 --client cl2 --device OTHER:n1 --client cl3 --device THIRD:n1")
vmm.start_vm { id = 1, mem = 128, kernel = "rom/bzImage", rd = "rom/ramdisk-x86_64.cpio.gz", fdt = "rom/virt-pc.dtb",
  bootargs = "console=hvc0 rdinit=/bin/sh", log = { "good", "g" }, ext_caps = { qdrv = good } }
vmm.start_vm { id = 2, mem = 96, kernel = "rom/bzImage", fdt = "rom/virt-pc.dtb", log = { "panic", "r" },
  bootargs = "console=hvc0 panic=-1 reboot=t", ext_caps = { qdrv = bad }, ext_args = { "-q", "--on-crash", "restart" } }
vmm.start_vm { id = 3, mem = 64, kernel = "rom/hostile", fdt = "rom/virt-pc.dtb", log = { "bad", "r" },
  bootargs = "seed=7 n=1000000000", ext_caps = { qdrv = worse }, ext_args = { "-q" } }
"""


def menu(session, key, command):
    session.child.send(key + command + "\r")
    session.expect(re.escape(command) + r"\s", 30)
    session.expect(r"cons> ", 30)
    return session.child.before


def tail(session, name):
    """The last lines of a console, back at the connected one's prompt."""
    said = menu(session, KEY, f"tail {name} 200")
    session.child.send("\r")
    session.expect(PROMPT, 60)
    return said


def crashes_beside(system, seconds):
    image = system.path("disk.img")
    content = os.urandom(8 << 20)
    system.write("disk.img", content)
    system.add_nvme(image)
    system.add_nvme(system.disk(name="other.img"), serial="OTHER", ident="D2")
    system.add_nvme(system.disk(name="third.img"), serial="THIRD", ident="D3")
    system.modules += ["hostile", "cons"]
    system.settings["msis"] = "Property.num_msis = 6;"
    digest = hashlib.sha256(content).hexdigest()
    with system.boot(ned=CRASH % {"serial": SERIAL}) as session:
        session.expect(r"bad +\| .*hostile: seed 7", 120)
        menu(session, KEY, "hide bad")
        menu(session, "", "hide panic")
        session.child.send("\r")
        session.expect(PROMPT, 240)
        session.run("mount -a", 240)
        end, rounds = time.monotonic() + seconds, 0
        while time.monotonic() < end or rounds == 0 or not re.search("VM crashed: triple fault", tail(session, "panic")):
            assert digest in session.run("echo 3 > /proc/sys/vm/drop_caches; sha256sum /dev/vda", 240)
            rounds += 1
        assert "clean" in session.run("dmesg | grep -E 'vda.*error|timed out|soft lockup' || echo cle''an", 60)
        session.power_off(120)
        text = session.text()
    assert not re.search(r"kernel: panic|program (nvme-drv|io|uvmm) .*(faulted|ended: exited with [1-9])", text)
    assert hashlib.sha256(open(image, "rb").read()).hexdigest() == digest


@pytest.mark.vmx
def test_crashes_beside_checksums(system):
    crashes_beside(system, 1)


@pytest.mark.long
def test_crashes_beside_checksums_for_minutes(system):
    crashes_beside(system, 150)
