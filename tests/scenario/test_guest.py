# SPDX-License-Identifier: MIT
"""Guests that use the virtual PC in other ways than the tutorial's: without x2APIC, IO-APIC, local APIC, MSI or KVM clock, with
more memory than fits below the PCI hole."""
import re

import pytest

HVC = "console=hvc0 rdinit=/bin/sh"
TTY = "console=ttyS0 rdinit=/bin/sh"


@pytest.mark.vmx
@pytest.mark.parametrize("bootargs", [
    f"{HVC} nox2apic",
    f"{HVC} noapic",
    f"{HVC} pci=nomsi",
    f"{HVC} no-kvmclock",
    f"{HVC} clocksource=acpi_pm nohz=off highres=off",
    f"{TTY} nolapic pci=nomsi",
    f"{TTY} acpi=off",
    f"{HVC} acpi=off",
    f"{HVC} nolapic",
    f"{HVC} noapic pci=nomsi",
    f"{HVC} idle=poll",
])
def test_other_hardware(system, bootargs):
    with system.boot(bootargs=bootargs) as session:
        session.wait_prompt()
        assert session.run("echo two lines | tr ' ' '\\n'").split() == ["two", "lines"]
        session.run("sleep 1")  # timers work
        # Linux warns of itself when it tries MSI and has no local APIC; then it takes the 8259 pair's inputs.
        alone = "acpi=off" in bootargs or "nolapic" in bootargs
        assert alone or "Call Trace" not in session.run("dmesg | grep 'Call Trace'")


@pytest.mark.vmx
def test_time_keeps_up(system):
    with system.boot(bootargs=HVC) as session:
        session.wait_prompt()
        session.run("mount -a")
        before = float(session.run("cat /proc/uptime").split()[0])
        session.run("sleep 3")
        after = float(session.run("cat /proc/uptime").split()[0])
        assert 3.0 <= after - before < 10.0
        session.run("mkdir -p /sys; mount -t sysfs s /sys")
        assert session.run("cat /sys/devices/system/clocksource/clocksource0/current_clocksource") in ("tsc", "kvm-clock")


def test_tsc_of_a_processor_without_scaling(system):
    with system.boot(caps="", vm=', ext_args = { "--tsc-khz", "123456" }') as session:
        session.expect(r"uvmm: --tsc-khz 123456: this processor cannot scale a guest's TSC, which has its \d+ kHz; leave the option out", 60)
        session.expect("uvmm ended: exited with 1", 30)


def test_memory_above_the_hole(system):
    system.machine = ["-m", "8G", "-display", "none"]
    with system.boot(mem=3500) as session:
        session.wait_prompt(180)
        session.run("mount -a")
        total = int(re.search(r"MemTotal: *(\d+)", session.run("cat /proc/meminfo")).group(1))
        assert total > 3200 << 10
