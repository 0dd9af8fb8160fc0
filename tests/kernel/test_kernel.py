# SPDX-License-Identifier: MIT
"""The kernel in QEMU: its own test as root task (kernel/test/ktest), and its page tables seen from QEMU's monitor."""
import os
import re
import socket
import subprocess
import time

import pytest
from session import Session

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN = os.path.join(os.environ.get("SKERRY_BUILD", os.path.join(ROOT, "build")), "bin")
TIMEOUT_S = 60


def command(initrd, *more, cpu="EPYC,+svm", timeout=TIMEOUT_S):
    return ["timeout", str(timeout), "qemu-system-x86_64", "-accel", "tcg", "-cpu", cpu, "-m", "256", "-display", "none",
            "-serial", "stdio", "-no-reboot", "-kernel", f"{BIN}/kernel", "-initrd", initrd, *more]


def run_ktest(*more, **kwargs):
    done = subprocess.run(command(f"{BIN}/ktest", *more, **kwargs), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, check=False)
    return done.returncode, done.stdout.decode(errors="replace").replace("\r", "")


def boot_until(text, *more):
    """The output up to a line with text."""
    out = ""
    with subprocess.Popen(command(f"{BIN}/ktest", *more), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL) as qemu:
        for raw in qemu.stdout:
            out += raw.decode(errors="replace").replace("\r", "")
            if text in out:
                qemu.terminate()  # timeout(1) passes SIGTERM on to QEMU
                break
    return out


@pytest.mark.parametrize("machine", ["pc", "q35"])
def test_ktest(machine):
    code, out = run_ktest("-M", machine)
    assert code == 0, out
    assert "not ok" not in out, out
    assert re.search(r"^ktest: \d+ .*passed, 0 failed$", out, re.M), out


@pytest.mark.parametrize("cpus", [2, 4])
def test_ktest_on_several_processors(cpus):
    code, out = run_ktest("-smp", str(cpus), timeout=180)
    assert code == 0, out
    assert f"kernel: processors: {cpus} of {cpus}\n" in out, out
    assert "not ok" not in out, out
    assert re.search(r"^ktest: \d+ .*passed, 0 failed$", out, re.M), out


@pytest.mark.parametrize("cpus", [2])
def test_ktest_in_bochs(tmp_path, cpus):
    """On an Intel processor, with TSC deadlines and x2APIC."""
    (tmp_path / "modules.list").write_text("entry ktest\nkernel skerry\nroottask ktest\n")
    args = [os.path.join(ROOT, "tools", "boot", "skboot"), "bochs", "--entry", "ktest", "--list", str(tmp_path / "modules.list"), "--src", ROOT,
            "--build", os.path.dirname(BIN), "--bochs-cpus", str(cpus), "--bochs-memory", "256"]
    with Session(args) as session:
        session.expect(r"ktest: \d+ .*passed, \d+ failed", 300)
        out = session.text()
    assert re.search(r"^ktest: \d+ .*passed, 0 failed$", out, re.M), out


@pytest.mark.parametrize("options, line", [
    ("maxcpus=2", "processors: 2 of 3 (as the options say)"),
    ("nosmp", "processors: 1 of 3 (as the options say)"),
    ("maxcpus=0", "option maxcpus: a number from 1 to 64 is needed; using 1"),
    ("maxcpus=2x", "option maxcpus: a number from 1 to 64 is needed; using 1"),
    ("maxcpus=", "option maxcpus: a number from 1 to 64 is needed; using 1"),
    ("maxcpus=1000", "processors: 3 of 3\n"),
])
def test_processor_options(options, line):
    assert "kernel: " + line in boot_until("ktest: start", "-smp", "3", "-append", "kernel " + options)


def test_more_processors_than_the_kernel_takes():
    assert "kernel: processors: 64 of 255 (more are not supported)\n" in boot_until("ktest: start", "-smp", "255")


def test_panic_stops_all_processors():
    """The debugger's P on processor 0, with another one busy: nothing more is printed."""
    args = command(f"{BIN}/ktest busy", "-smp", "2", "-append", "kernel -serial_esc")
    with subprocess.Popen(args, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as qemu:
        out = ""
        for raw in qemu.stdout:
            out += raw.decode(errors="replace").replace("\r", "")
            if "ktest: busy" in out and "debugger" not in out:
                qemu.stdin.write(b"\x1b")
                qemu.stdin.flush()
            if "h: help" in out and "PANIC" not in out:
                qemu.stdin.write(b"P\n")
                qemu.stdin.flush()
            if "kernel: stopped" in out:
                break
        time.sleep(0.5)
        qemu.terminate()  # timeout(1) passes SIGTERM on to QEMU
        assert b"busy" not in qemu.stdout.read()
    assert "PANIC: asked for in the debugger" in out, out
    assert re.search(r"kdb> P\n+kernel: PANIC", out), out


def test_ktest_without_svm():
    """Everything but guests works on a processor without virtualization and with SSE only."""
    code, out = run_ktest(cpu="qemu64,-svm,+smep,+smap")
    assert code == 0, out
    assert re.search(r"^ktest: \d+ .*passed, 0 failed$", out, re.M), out


def test_root_task_that_dies_is_reported():
    args = command(f"{BIN}/ktest fault")
    with subprocess.Popen(args, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as qemu:
        out = ""
        for raw in qemu.stdout:
            out += raw.decode(errors="replace")
            if "root task" in out:
                break
        qemu.terminate()  # timeout(1) passes SIGTERM on to QEMU
    assert re.search(r"^kernel: the root task's program ktest died: page fault writing 123000 \(nothing is mapped there\) at ip "
                     r"4[0-9a-f]+, sp 7f[0-9a-f]+; nothing new can run: reset the machine\r?$", out, re.M), out


class Monitor:
    """QEMU's human monitor on a UNIX socket."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(TIMEOUT_S)
        self.socket.connect(path)
        self.read()

    def read(self):
        text = b""
        while not text.endswith(b"(qemu) "):
            text += self.socket.recv(65536)
        return text.decode().replace("\r", "")

    def ask(self, line):
        self.socket.sendall(line.encode() + b"\n")
        return self.read()


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    """A stopped system with ktest in user mode, and its monitor."""
    path = str(tmp_path_factory.mktemp("monitor") / "socket")
    args = command(f"{BIN}/ktest stay", "-monitor", f"unix:{path},server,nowait")
    with subprocess.Popen(args, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as qemu:
        out = ""
        for raw in qemu.stdout:
            out += raw.decode(errors="replace")
            if re.search(r"^ktest: \d.* failed", out, re.M):
                break
        else:
            pytest.fail(out)
        monitor = Monitor(path)
        monitor.ask("stop")
        yield monitor
        qemu.terminate()  # timeout(1) passes SIGTERM on to QEMU


def pages(live):
    """(virtual address, flags) of every page of the current page table; flags as "info tlb" prints them."""
    found = re.findall(r"^([0-9a-f]{16}): [0-9a-f]{16} ([-XGPDACTUW]{9,10})$", live.ask("info tlb"), re.M)
    assert len(found) > 20
    return [(int(address, 16), flags) for address, flags in found]


def test_write_xor_execute(live):
    bad = [f"{address:x} {flags}" for address, flags in pages(live) if "W" in flags and "X" not in flags]
    assert not bad, "writable and executable: " + ", ".join(bad)


def test_some_code_is_executable(live):
    """The test above would pass with a monitor that shows no NX bits."""
    table = pages(live)
    assert any("X" not in flags and address >= 1 << 63 for address, flags in table)
    assert any("X" not in flags and address < 1 << 47 for address, flags in table)
    assert any("X" in flags and "W" in flags for _, flags in table)


def test_kernel_pages_are_not_user(live):
    for address, flags in pages(live):
        assert ("U" in flags) == (address < 1 << 47), f"{address:x} {flags}"


def test_protection_is_on(live):
    registers = live.ask("info registers")
    cr0 = int(re.search(r"CR0=([0-9a-f]+)", registers)[1], 16)
    cr4 = int(re.search(r"CR4=([0-9a-f]+)", registers)[1], 16)
    efer = int(re.search(r"EFER=([0-9a-f]+)", registers)[1], 16)
    assert cr0 & 1 << 16, "CR0.WP"
    assert cr4 & 1 << 20 and cr4 & 1 << 21, "CR4.SMEP, CR4.SMAP"
    assert cr4 & 1 << 2 == 0, "RDPMC is not for programs"
    assert efer & 1 << 11, "EFER.NXE"
