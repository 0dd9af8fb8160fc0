# SPDX-License-Identifier: MIT
"""Guests and vcpus on the real kernel: boots kernel/test/vmtest in QEMU, and in Bochs for Intel VMX."""
import os
import re
import subprocess

import pytest
from session import Session

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("SKERRY_BUILD", os.path.join(ROOT, "build"))
PASSED = 1  # isa-debug-exit: value << 1 | 1


def boot(cpu, cpus=1):
    kernel, program = (os.path.join(BUILD, "bin", name) for name in ("kernel", "vmtest"))
    for path in (kernel, program):
        if not os.path.exists(path):
            pytest.fail(f"{path} is missing: run make first")
    qemu = ["qemu-system-x86_64", "-accel", "tcg", "-cpu", cpu, "-m", "256", "-display", "none", "-no-reboot", "-smp", str(cpus),
            "-serial", "stdio", "-monitor", "none", "-kernel", kernel, "-initrd", program,
            "-device", "isa-debug-exit,iobase=0xf4,iosize=4"]
    try:
        run = subprocess.run(qemu, stdin=subprocess.DEVNULL, capture_output=True, timeout=120, check=False)
        return run.returncode, run.stdout.decode(errors="replace")
    except subprocess.TimeoutExpired as e:
        return None, (e.stdout or b"").decode(errors="replace") + "\n[no end within 120 s]"


@pytest.mark.parametrize("cpu, cpus", [("EPYC,+svm", 1), ("max", 1), ("EPYC,+svm", 2), ("EPYC,+svm", 4)])
def test_vmtest(cpu, cpus):
    status, output = boot(cpu, cpus)
    results = re.findall(r"^vmtest: (ok|FAIL|skip) (.*?)\r?$", output, re.M)
    assert status == PASSED, output
    assert len(results) >= 40, output
    assert not [name for result, name in results if result == "FAIL"], output


# What Bochs 2.7 does wrong as an AMD processor: no VINTR exits, no EXITINTINFO for a guest's own exception; triple
# faults end the emulation.
BOCHS_SVM = {"interrupt window", "interrupt shadow", "interrupted event of the guest's own"}


def boot_in_bochs(tmp_path, cpu, options, cpus=1):
    """What vmtest says there."""
    (tmp_path / "modules.list").write_text(f"entry vmtest-{cpu}\nkernel skerry\nroottask vmtest no-if-0 {options}\n")
    command = [os.path.join(ROOT, "tools", "boot", "skboot"), "bochs", "--entry", f"vmtest-{cpu}", "--list", str(tmp_path / "modules.list"),
               "--src", ROOT, "--build", BUILD, "--bochs-cpu", cpu, "--bochs-cpus", str(cpus), "--bochs-memory", "256"]
    with Session(command) as session:
        session.expect(r"vmtest: \d+ passed, (\d+) failed, (\d+) skipped", 180)
        return session.text()


@pytest.mark.parametrize("cpu, cpus, kind, options, known", [
    ("corei7_skylake_x", 1, "VMX with EPT", "", set()),
    ("corei7_skylake_x", 2, "VMX with EPT", "", set()),
    ("ryzen", 1, "SVM with nested paging, next RIP", "no-triple-fault", BOCHS_SVM),
], ids=["vmx", "vmx-smp", "svm"])
def test_vmtest_in_bochs(tmp_path, cpu, cpus, kind, options, known):
    """VMX; and SVM with what QEMU's TCG has not: next RIP."""
    output = boot_in_bochs(tmp_path, cpu, options, cpus)
    assert f"virtual machines: {kind}" in output
    results = re.findall(r"^vmtest: (ok|FAIL|skip) (.*?)$", output, re.M)
    assert len(results) >= 40, output
    assert {name for result, name in results if result == "FAIL"} <= known, output


def test_no_ept(tmp_path):
    output = boot_in_bochs(tmp_path, "core2_penryn_t9600", "")
    assert "no virtual machines: the processor's VMX lacks EPT or unrestricted guests, which are required" in output
    assert "vmtest: 1 passed, 0 failed" in output


def test_no_svm():
    """Without SVM the kernel says why, guests cannot be made, and everything else works."""
    status, output = boot("EPYC,-svm")
    assert status == PASSED, output
    assert "no AMD SVM" in output
    assert "vmtest: 1 passed, 0 failed" in output
