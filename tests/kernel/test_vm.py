# SPDX-License-Identifier: MIT
"""Guests and vcpus on the real kernel: boots kernel/test/vmtest in QEMU and takes each of its tests as one of ours."""
import os
import re
import subprocess

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("SKERRY_BUILD", os.path.join(ROOT, "build"))
PASSED = 1  # isa-debug-exit: value << 1 | 1


def boot(cpu):
    kernel, program = (os.path.join(BUILD, "bin", name) for name in ("kernel", "vmtest"))
    for path in (kernel, program):
        if not os.path.exists(path):
            pytest.fail(f"{path} is missing: run make first")
    qemu = ["qemu-system-x86_64", "-accel", "tcg", "-cpu", cpu, "-m", "256", "-display", "none", "-no-reboot",
            "-serial", "stdio", "-monitor", "none", "-kernel", kernel, "-initrd", program,
            "-device", "isa-debug-exit,iobase=0xf4,iosize=4"]
    try:
        run = subprocess.run(qemu, stdin=subprocess.DEVNULL, capture_output=True, timeout=120, check=False)
        return run.returncode, run.stdout.decode(errors="replace")
    except subprocess.TimeoutExpired as e:
        return None, (e.stdout or b"").decode(errors="replace") + "\n[no end within 120 s]"


@pytest.mark.parametrize("cpu", ["EPYC,+svm", "max"])
def test_vmtest(cpu):
    status, output = boot(cpu)
    results = re.findall(r"^vmtest: (ok|FAIL|skip) (.*?)\r?$", output, re.M)
    assert status == PASSED, output
    assert len(results) >= 40, output
    assert not [name for result, name in results if result == "FAIL"], output


def test_no_svm():
    """Without SVM the kernel says why, guests cannot be made, and everything else works."""
    status, output = boot("EPYC,-svm")
    assert status == PASSED, output
    assert "no AMD SVM" in output
    assert "vmtest: 1 passed, 0 failed" in output
