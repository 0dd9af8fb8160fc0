# SPDX-License-Identifier: MIT
"""Scenario tests boot the whole system in QEMU and use its serial console as a person would. Those that are marked `vmx` run a
second time in Bochs, on Intel VMX, when the long ones are run."""
import os
import subprocess

import pytest
from scenario import BUILD, ROOT, SERIAL, BochsSystem, System  # noqa: F401 (for the tests)


def pytest_generate_tests(metafunc):
    if metafunc.definition.get_closest_marker("vmx"):
        metafunc.parametrize("system", ["svm", pytest.param("vmx", marks=pytest.mark.long)], indirect=True)


@pytest.fixture
def system(request, tmp_path):
    return BochsSystem(tmp_path) if getattr(request, "param", "svm") == "vmx" else System(tmp_path)


def run(*command, **kwargs):
    """A host tool that must succeed."""
    env = {**os.environ, "PATH": os.environ["PATH"] + ":/sbin:/usr/sbin"}
    return subprocess.run(command, check=True, capture_output=True, text=True, env=env, **kwargs).stdout


def guest_ramdisk(system, *sources):
    """The default ramdisk with programs of tests/guest behind it, in the system's folder; the modules.list's name for it."""
    root = system.path("ramdisk-root")
    for source in sources:
        os.makedirs(os.path.join(root, "bin"), exist_ok=True)
        program = os.path.join(root, "bin", os.path.splitext(os.path.basename(source))[0])
        run("gcc", "-O2", "-static", "-pthread", "-o", program, os.path.join(ROOT, "tests", "guest", source))
    cpio = subprocess.run(["/usr/bin/python3", f"{ROOT}/tools/guest/cpio.py", root], check=True, capture_output=True).stdout
    packed = subprocess.run(["gzip", "-1n"], input=cpio, check=True, capture_output=True).stdout
    with open(f"{BUILD}/guest/ramdisk-x86_64.cpio.gz", "rb") as base:
        system.write("tests.cpio.gz", base.read() + packed)
    system.modules = ["tests.cpio.gz" if m.startswith("ramdisk") else m for m in system.modules]
    return "tests.cpio.gz"
