# SPDX-License-Identifier: MIT
"""moe and the runtime, tested from inside by pkg/moe-test; what only the console shows is checked here."""
import os
import re
import subprocess

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN = os.path.join(os.environ.get("SKERRY_BUILD", os.path.join(ROOT, "build")), "bin")
TIMEOUT_S = 120


def boot(moe_arguments, modules, until, text=b"", mib=256):
    """Boots moe and returns the console's lines up to the one that matches."""
    initrd = ",".join([f"{BIN}/moe {moe_arguments}"] + modules)
    command = ["timeout", str(TIMEOUT_S), "qemu-system-x86_64", "-accel", "tcg", "-cpu", "EPYC,+svm", "-m", str(mib), "-display", "none",
               "-serial", "stdio", "-no-reboot", "-kernel", f"{BIN}/kernel", "-initrd", initrd]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as qemu:
        lines = []
        for raw in qemu.stdout:
            lines.append(raw.decode(errors="replace").rstrip("\r\n"))
            if text and "waiting for input" in lines[-1]:
                qemu.stdin.write(text)
                qemu.stdin.flush()
            if re.search(until, lines[-1]):
                break
        else:
            pytest.fail("no line matches %r:\n%s" % (until, "\n".join(lines)))
        qemu.terminate()  # timeout(1) passes SIGTERM on to QEMU
    return lines


@pytest.fixture(scope="module")
def inside(tmp_path_factory):
    """One boot of moe-test."""
    text = tmp_path_factory.mktemp("moe") / "no-program.txt"
    text.write_text("this is no program\n")
    return boot("--init=rom/moe-test", [f"{BIN}/moe-test", f"{BIN}/hello", str(text)], "moe: system memory")


def test_all_pass_inside(inside):
    result = [line for line in inside if line.startswith("moe-test:")]
    assert len(result) == 1 and re.fullmatch(r"moe-test: \d+ passed, 0 failed", result[0]), "\n".join(inside)


def test_tagged_lines(inside):
    """Whole lines, padded tags, colours; a raw line is ended first; a partial line is shown at the end of its log."""
    at = inside.index("raw part")
    assert inside[at - 1] == "\x1b[34;1msecond-l| another log\x1b[0m"
    assert inside[at + 1] == "\x1b[32mfirst   | a part of one line\x1b[0m"
    assert inside[at + 2] == "\x1b[34;1msecond-l| and its rest\x1b[0m"


def test_bad_programs_are_named(inside):
    console = "\n".join(inside)
    assert "moe: there is no rom/no-such-program: add" in console
    assert "moe: rom/no-program.txt is no program that can be started: " in console
    assert 'moe: log "odd": no colour "nocolour"' in console


def test_ends_of_programs(inside):
    assert "moe: program hello ended: exited with 7" in inside
    assert "moe: program hello ended: killed" in inside
    assert any(re.match(r"moe: program hello ended: page fault reading 0x10 \(.*\) at ip 0x4", line) for line in inside)


def test_fault_report_has_names(inside):
    assert any(re.match(r"    ip +0x[0-9a-f]+ fault_null\+0x", line) for line in inside)
    assert any(re.match(r"    from +0x[0-9a-f]+ main\+0x", line) for line in inside)


def test_footprint(inside):
    (line,) = [line for line in inside if "system memory besides" in line]
    assert int(re.search(r"modules: (\d+) KiB", line)[1]) <= 24 * 1024


@pytest.mark.parametrize("mib", [64, 1536, 4096, 8192])
def test_footprint_on_any_machine(mib):
    """Of the 24 MiB, 8 are for the scenario's programs; with -m 8192 QEMU needs no more memory than is touched."""
    lines = boot("rom/x.ned", [], "system memory besides", mib=mib)
    assert int(re.search(r"modules: (\d+) KiB", lines[-1])[1]) <= 16 * 1024


def test_input_reaches_a_program():
    lines = boot("--init=rom/hello --lines 1 --echo", [f"{BIN}/hello"], "moe: program hello ended", b"good morning\nend\n")
    assert "echo: good morning" in lines


def test_missing_ned():
    lines = boot("rom/x.ned", [], "nothing else will be started")
    assert any("there is no rom/ned" in line for line in lines)
