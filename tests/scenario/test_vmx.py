# SPDX-License-Identifier: MIT
"""What is particular to Intel VMX with EPT, in Bochs. Tests of guests that are marked `vmx` run there as well as in QEMU; these
do not run in QEMU."""
import pytest
from scenario import BochsSystem

NED = """local L4 = require "L4"
L4.default_loader:start({ log = { "hello", "b" } }, "rom/hello --lines 1"):wait()
%s
"""


@pytest.fixture
def bochs(tmp_path):
    return BochsSystem(tmp_path)


def test_linux(bochs):
    """A Linux guest with two vcpus and a disk, on one processor."""
    bochs.add_nvme(bochs.disk(4))
    with bochs.boot(bootargs="console=hvc0 rdinit=/bin/sh", vm=", cpus = 3") as session:
        session.expect("virtual machines: VMX with EPT", 60)
        session.wait_prompt()
        session.run("mount -a")
        assert session.run("grep -c GenuineIntel /proc/cpuinfo") == "2"
        session.run("dd if=/dev/urandom of=/tmp/x bs=64k count=8 2>/dev/null; dd if=/tmp/x of=/dev/vda bs=4k conv=fsync 2>/dev/null")
        session.run("echo 3 > /proc/sys/vm/drop_caches")
        assert session.run("head -c 524288 /dev/vda | cmp - /tmp/x && echo sa''me") == "same"
        assert session.run("dmesg | grep -e 'Call Trace' -e 'I/O error' -e BUG:") == ""
        session.power_off()


@pytest.mark.long
def test_machine_reset(bochs):
    """After a reset the TSC starts at 0 again, and Bochs' deadline timer does not know it: the kernel must find that out."""
    bochs.modules = ["ned", "hello"]
    with bochs.boot(ned=NED % "L4.reset()") as session:
        for _ in range(3):
            session.expect("clock: TSC", 60)
            session.expect("hello .*line 1 of 1", 60)
