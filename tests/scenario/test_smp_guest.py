# SPDX-License-Identifier: MIT
"""Guests of several processors, on a machine of fewer: all come up, wake each other, see each other's page tables, go and come
back, stop together; and their time is one time."""
import re
import time

import pytest
from conftest import guest_ramdisk

CPU = "/sys/devices/system/cpu"


def smp_boot(system, cpus, bootargs="", **settings):
    ramdisk = guest_ramdisk(system, "vmload.c")
    settings = {"mem": 192, "vm": f", cpus = {(1 << cpus) - 1}", **settings}
    return system.boot(rd=ramdisk, bootargs=f"console=hvc0 rdinit=/bin/sh {bootargs}", **settings)


def prepare(session):
    session.wait_prompt(180)
    session.run("mount -a; mkdir -p /sys; mount -t sysfs s /sys")


def load(session, command, timeout=240):
    out = session.run(f"vmload {command}", timeout=timeout)
    assert out.rstrip().endswith("ok"), out
    return out


def numbers(text):
    return {k: int(v) for k, v in re.findall(r"(\w+)=(\d+)", text)}


def assert_calm(session):
    """Nothing that the kernel says when processors or clocks misbehave."""
    log = session.run("dmesg")
    for bad in ("Call Trace", "rcu: INFO", "soft lockup", "unstable", "not responding", "Back to", "spurious", "No irq handler"):
        assert bad not in log, log


@pytest.mark.vmx
@pytest.mark.parametrize("cpus,bootargs", [pytest.param(2, "", marks=pytest.mark.long), (4, "nox2apic"), (8, "")])
def test_all_processors(system, cpus, bootargs):
    image = system.disk(16)
    system.add_nvme(image)
    with smp_boot(system, cpus, bootargs) as session:
        prepare(session)
        assert f"cpus: {cpus} ok" in load(session, "cpus")
        ids = re.findall(r"^apicid\s*: (\d+)", session.run("cat /proc/cpuinfo"), re.M)
        assert ids == [str(i) for i in range(cpus)]
        assert session.run(f"cat {CPU}/cpu0/topology/core_cpus_list {CPU}/cpu1/topology/core_id "
                           f"{CPU}/cpu{cpus - 1}/topology/package_cpus_list").split() == ["0", "1", f"0-{cpus - 1}"]
        load(session, f"pingpong {400 // cpus}")
        load(session, f"shootdown {cpus} {40 // cpus}")
        load(session, f"spin {cpus} 50")
        load(session, "clock 1")
        assert "PV spinlocks enabled" in session.run("dmesg")
        session.run("for i in 1 2 3 4; do dd if=/dev/urandom of=/tmp/r$i bs=64k count=32; done")
        session.run("for i in 1 2 3 4; do dd if=/tmp/r$i of=/dev/vda bs=4k seek=$((i * 512)) conv=fsync & done; wait")
        session.run("echo 3 > /proc/sys/vm/drop_caches")
        for i in range(1, 5):
            out = session.run(f"dd if=/dev/vda bs=4k skip=$(({i} * 512)) count=512 2>/dev/null | md5sum; md5sum < /tmp/r{i}")
            sums = re.findall(r"^([0-9a-f]{32})", out, re.M)
            assert len(sums) == 2 and sums[0] == sums[1], out
        assert_calm(session)
        session.power_off()


@pytest.mark.vmx
@pytest.mark.parametrize("cpus", [4, pytest.param(8, marks=pytest.mark.long)])
def test_on_two_processors(system, cpus):
    """Vcpus that really run at the same time, and more of them than processors."""
    system.machine += ["-smp", "2"]
    with smp_boot(system, cpus) as session:
        prepare(session)
        load(session, "pingpong 100")
        load(session, f"shootdown {cpus} 10")
        load(session, f"spin {cpus} 50")
        load(session, "clock 1")
        assert_calm(session)
        session.power_off()


@pytest.mark.vmx
def test_off_and_on(system):
    """A processor that goes offline waits in its INIT state, and starts again from real mode."""
    with smp_boot(system, 4) as session:
        prepare(session)
        for _ in range(3):
            session.run(f"for i in 1 2 3; do echo 0 > {CPU}/cpu$i/online; done")
            assert session.run(f"cat {CPU}/online") == "0"
            load(session, "pingpong 20")
            session.run(f"for i in 3 1 2; do echo 1 > {CPU}/cpu$i/online; done")
            assert session.run(f"cat {CPU}/online") == "0-3"
        load(session, "pingpong 100")
        assert_calm(session)
        session.child.sendline("reboot -f")  # stops the others first
        session.expect(r"uvmm: VM rebooted \(.*\)", 60)


@pytest.mark.vmx
def test_restart(system):
    """All of them stop, and start again with the machine."""
    with smp_boot(system, 4, vm=', ext_args = { "--cpus=4", "--on-reset", "restart" }') as session:
        prepare(session)
        session.run("vmload spin 3 100000000 &")
        session.child.sendline("reboot -f")
        session.expect(r"uvmm: VM rebooted \(.*\): starting it again", 60)
        prepare(session)
        assert "cpus: 4 ok" in load(session, "cpus")
        load(session, "pingpong 20")


@pytest.mark.vmx
def test_panic_stops_all(system):
    with smp_boot(system, 4, "panic=1") as session:
        prepare(session)
        session.run("vmload spin 3 100000000 &")
        session.child.sendline("echo c > /proc/sysrq-trigger")
        session.expect(r"Kernel panic - not syncing", 60)
        session.expect(r"uvmm: VM rebooted \(.*\)", 60)


@pytest.mark.vmx
def test_timers(system):
    """Timers on four processors at once: never early; late by less than a tick (4 ms) but for what a loaded test machine adds."""
    with smp_boot(system, 4) as session:
        prepare(session)
        result = numbers(load(session, "timers 20000 100"))
        assert result["early"] == 0
        assert result["p50"] < 4000
        rate = numbers(load(session, "rate 2"))
        hz = float(re.search(r"tsc: Detected ([0-9.]+) MHz", session.run("dmesg")).group(1)) * 1e6
        assert abs(rate["tsc"] / rate["ns"] * 1e9 / hz - 1) < 100e-6
        assert session.run("cat /sys/devices/system/clocksource/clocksource0/current_clocksource") in ("tsc", "kvm-clock")


@pytest.mark.long
@pytest.mark.parametrize("cpus", [1, 4])
def test_time_over_minutes(system, cpus):
    """Clock and TSC against the host's for five minutes, and against the RTC; the guest works in between."""
    with smp_boot(system, cpus) as session:
        prepare(session)
        start_guest, start_host = guest_clock(session)
        for _ in range(5):
            load(session, "clock 20")
            load(session, "timers 10000 400")
            time.sleep(36)
        end_guest, end_host = guest_clock(session)
        # Reading the clock takes a while on a serial line; each reading is as exact as its error.
        error = (end_host[1] - end_host[0]) + (start_host[1] - start_host[0])
        passed = end_host[0] - start_host[0]
        assert abs((end_guest - start_guest) - passed) <= 100e-6 * passed + error
        rtc = int(session.run("cat /sys/class/rtc/rtc0/since_epoch"))
        assert abs(rtc - int(session.run("date +%s"))) <= 1
        assert abs(rtc - time.time()) <= 3
        assert_calm(session)


def guest_clock(session):
    """The guest's uptime in seconds, and the host's time before and after the reading."""
    best = None
    for _ in range(10):
        before = time.monotonic()
        ns = int(re.search(r"now=(\d+)", session.run("vmload now"))[1])
        after = time.monotonic()
        if best is None or after - before < best[1][1] - best[1][0]:
            best = ns / 1e9, (before, after)
    return best


@pytest.mark.long
def test_six_gigabytes(system):
    """Below and above the 4 GiB hole, in large pages on both sides."""
    free = int(re.search(r"MemAvailable: *(\d+)", open("/proc/meminfo", encoding="ascii").read())[1]) >> 10
    if free < 3000:
        pytest.skip("the test machine has too little memory")
    system.machine = ["-m", "8G", "-display", "none"]
    with smp_boot(system, 4, mem=6144) as session:
        prepare(session)
        total = int(re.search(r"MemTotal: *(\d+)", session.run("cat /proc/meminfo"))[1])
        assert total > 5900 << 10
        assert "ok" in session.run("vmload touch 1024", timeout=300)
        session.power_off()


@pytest.mark.parametrize("setting,message", [
    ('ext_args = { "--cpus", "9" }', r"uvmm: --cpus 9: too many vcpus, a VM has at most 8; give fewer"),
    ('ext_args = { "--cpus=0" }', r"uvmm: --cpus 0: not a number of vcpus; give 1 to 8"),
    ('ext_args = { "--cpus=two" }', r"uvmm: --cpus two: not a number of vcpus"),
    ("cpus = 0x1ff", r"uvmm: --cpus 9: too many vcpus"),
])
def test_wrong_number(system, setting, message):
    with system.boot(vm=f", {setting}") as session:
        session.expect(message, 60)
        session.expect("uvmm ended: exited with 1", 30)


@pytest.mark.parametrize("cpus,exits", [(1, 20), pytest.param(4, 40, marks=pytest.mark.long)])
def test_an_idle_guest_sleeps(system, cpus, exits):
    """Tickless: exits per second of the whole guest. Each wake-up of Linux takes three (two settings of the timer, HLT); it has five
    of its own per second, and some more for each further processor (its watchdogs)."""
    with smp_boot(system, cpus) as session:
        prepare(session)
        time.sleep(3)
        rate = session.guest_exits_per_second(15)
        assert sum(rate.values()) < exits, rate


# Warnings and errors that are not about the machine.
ALLOWED = [
    "unable to open an initial console",  # the test's ramdisk loads the driver of its console itself, later
    "fail to add MMCONFIG information",  # conventional PCI, as on a PC with the i440FX, has no extended configuration space
]


@pytest.mark.parametrize("cpus,machine", [
    (4, "-cpu EPYC,+svm"), pytest.param(1, "-cpu EPYC,+svm", marks=pytest.mark.long),
    pytest.param(1, "-cpu max", marks=pytest.mark.long), pytest.param(4, "-cpu max", marks=pytest.mark.long),
])
def test_nothing_to_complain_about(system, cpus, machine):
    """The kernel finds the machine as it should be: CPUID, MSRs, XSAVE, clocks, ACPI, PCI."""
    system.machine += machine.split()
    with smp_boot(system, cpus, "loglevel=4") as session:
        prepare(session)
        load(session, "clock 1")
        lines = [line for line in session.run("dmesg -r").splitlines() if re.match(r"<[0-4]>", line)]
        assert [line for line in lines if not any(a in line for a in ALLOWED)] == []
        flags = re.search(r"^flags\s*:(.*)", session.run("cat /proc/cpuinfo"), re.M).group(1).split()
        assert {"hypervisor", "x2apic", "constant_tsc", "nonstop_tsc", "tsc_adjust", "xsave"} <= set(flags)
        assert not {"svm", "vmx", "monitor", "mwaitx", "perfctr_core"} & set(flags)  # the guest has none of these
