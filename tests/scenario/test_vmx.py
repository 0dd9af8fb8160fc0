# SPDX-License-Identifier: MIT
"""What is particular to Intel VMX with EPT, in Bochs. Tests of guests that are marked `vmx` run there as well as in QEMU; these
do not run in QEMU."""
import re

import pytest
from conftest import guest_ramdisk
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
@pytest.mark.parametrize("bootargs", ["", "no-kvmclock"])
def test_tsc_scaling(bochs, bootargs):
    """The guest is told 120 MHz of Bochs' 50, and both clocks that are not its TSC agree."""
    with bochs.boot(rd=guest_ramdisk(bochs, "vmload.c"), bootargs=f"console=hvc0 rdinit=/bin/sh {bootargs}",
                    vm=', ext_args = { "--tsc-khz", "120000" }') as session:
        session.wait_prompt()
        session.run("mount -a; mkdir -p /sys; mount -t sysfs s /sys")
        detected = re.search(r"tsc: Detected ([0-9.]+) MHz", session.run("dmesg"))
        assert abs(float(detected[1]) - 120) < 0.01
        for clock in "acpi_pm", "tsc":
            session.run(f"echo {clock} > /sys/devices/system/clocksource/clocksource0/current_clocksource")
            rate = {k: int(v) for k, v in re.findall(r"(\w+)=(\d+)", session.run("vmload rate 2"))}
            assert abs(rate["tsc"] / rate["ns"] * 1e9 / 120e6 - 1) < 500e-6, (clock, rate)
        before = float(session.run("cat /proc/uptime").split()[0])
        session.run("sleep 3")  # by the deadline timer
        assert 3 <= float(session.run("cat /proc/uptime").split()[0]) - before < 6
        session.power_off()


@pytest.mark.long
def test_machine_reset(bochs):
    """After a reset the TSC starts at 0 again, and Bochs' deadline timer does not know it: the kernel must find that out."""
    bochs.modules = ["ned", "hello"]
    with bochs.boot(ned=NED % "L4.reset()") as session:
        for _ in range(3):
            session.expect("clock: TSC", 60)
            session.expect("hello .*line 1 of 1", 60)
