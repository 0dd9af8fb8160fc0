# SPDX-License-Identifier: MIT
"""Esc on the serial line opens the kernel's debugger, and only Esc alone: the guest's shell goes on afterwards."""
import re
import time

import pytest
from session import PROMPT as SHELL

PROMPT = r"kdb> $"
# A key and what it must show of the running tutorial.
KEYS = [
    ("h", [r"t threads", r"g go on"]),
    ("t", [r"^thread \d+ task \d+ moe prio 250 ", r" nvme-drv prio \d+ cpu \d+ waiting ", r" uvmm prio "]),
    ("p", [r"^task \d+$", r"^  1: task \d+ rights 3f$", r"^  4: gate \d+ rights 8$", r"^  \d+: memory \d+ rights "]),
    ("s", [r"^task \d+$", r"^guest \d+$", r"^dma \d+$", r"^  0-[0-9a-f]+ memory \d+$", r"^  7fffffffe000-7ffffffff000 memory 0$"]),
    ("m", [r"^memory \d+ [0-9a-f]+-[0-9a-f]+ device ", r"^quota \d+ limit \d+ used \d+ of \d+$"]),
    ("i", [r"^  line   4: vector [0-9a-f]+, edge", r"vectors free: \d+", r"^signal \d+ msi vector \d+"]),
    ("c", [r"^up \d+ ms, idle \d+ ms$", r"^kernel memory \d+ of \d+ KiB$", r"^guest exits, I/O port: \d+$", r"^guest exits, HLT: \d+$"]),
    ("r", [r"rip [0-9a-f]{16}", r"r15 [0-9a-f]{16}"]),
    ("b", [r"^backtrace:$", r"  (trap_kernel|trap_user)\+"]),
    ("x", [r"no such command"]),
]


@pytest.fixture
def guest(system):
    system.add_nvme(system.disk())
    with system.boot() as session:
        session.wait_prompt()
        session.run("mount -a")
        yield session


def enter(session):
    session.child.send("\x1b")
    session.expect(r"--- Skerry debugger: Esc on the serial line", 10)
    session.expect(PROMPT, 5)


def leave(session):
    session.child.send("g")
    session.expect(r"g\r*\n", 5)


def test_every_key(guest):
    enter(guest)
    for key, patterns in KEYS:
        guest.child.send(key)
        guest.expect(PROMPT, 10, f"prompt after {key}")
        shown = guest.child.before.replace("\r", "")
        for pattern in patterns:
            assert re.search(pattern, shown, re.M), (key, pattern, shown)
        assert " ?" not in shown, (key, shown)
    leave(guest)
    assert guest.run("echo back; cat /proc/uptime >/dev/null; expr 6 \\* 7") == "back\n42"


def test_an_idle_guest_leaves_the_processor_idle(guest):
    """Time is accounted for up to now, and nobody polls."""
    def times():
        enter(guest)
        guest.child.send("c")
        found = guest.expect(r"up (\d+) ms, idle (\d+) ms", 10)
        guest.expect(PROMPT, 10)
        leave(guest)
        return int(found[1]), int(found[2])

    before = time.monotonic()
    up, idle = times()
    time.sleep(4)
    up2, idle2 = times()
    assert 3500 < up2 - up < (time.monotonic() - before) * 1000 + 500 and idle2 - idle > (up2 - up) // 2, (up, idle, up2, idle2)


def test_time_in_the_debugger_does_no_harm(guest):
    """The clock runs on meanwhile; the guest takes it as a long wait and its disk still works."""
    for _ in range(3):
        enter(guest)
        leave(guest)
    out = guest.run("dd if=/dev/vda of=/dev/null bs=64k count=16 2>&1 | tail -1; dmesg | grep -c BUG")
    assert out == "16+0 records out\n0", out


def test_cursor_keys_reach_the_shell(guest):
    """Up brings the last command back: an escape sequence is no Esc."""
    assert guest.run("echo one$((1 + 1))") == "one2"
    for _ in range(3):
        guest.child.send("\x1b[A")
        guest.expect(r"echo one\$\(\(1 \+ 1\)\)", 10)
        guest.child.send("\r")
        guest.expect(r"\none2\r*\n", 10)
        guest.expect(SHELL, 10)
    assert "Skerry debugger" not in guest.text()
