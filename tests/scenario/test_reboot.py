# SPDX-License-Identifier: MIT
"""How a VM ends or starts again: resets restart the same guest with its disk's session, crashes end it, options change both."""
import re

import pytest
from session import fsck, tool

HVC = "console=hvc0 rdinit=/bin/sh"
TYPES = ["acpi", "kbd", "bios", "pci"]


def reset(session, method):
    session.run("mount -t sysfs s /sys 2>/dev/null")
    session.run(f"echo {method} > /sys/kernel/reboot/type")
    session.child.sendline("sync; reboot -f")
    session.expect(r"uvmm: VM rebooted \([^)]*\): starting it again", 60)
    session.wait_prompt()


def reboots(system, times, cpus):
    """A file grows by a line in each life; in the end the host finds all of them. Nothing is used up."""
    image = system.disk()
    system.add_nvme(image)
    with system.boot(vm=f', ext_args = {{ "-v", "--cpus={cpus}" }}') as session:
        session.wait_prompt()
        session.run("mount -a; mkfs.ext2 -q /dev/vda; mkdir -p /mnt")
        for life in range(times):
            session.run("mount /dev/vda /mnt")
            session.run(f"echo life {life} >> /mnt/lives; umount /mnt; echo {life} > /tmp/mark")
            reset(session, TYPES[life % len(TYPES)])
            session.run("mount -a; mkdir -p /mnt")
            assert "No such file" in session.run("cat /tmp/mark")
            assert session.run("grep -c ^processor /proc/cpuinfo").strip() == str(cpus)
            assert float(session.run("cat /proc/uptime").split()[0]) < 60
        session.run("mount /dev/vda /mnt")
        lives = session.run("cat /mnt/lives").split("\n")
        assert [line.strip() for line in lives] == [f"life {n}" for n in range(times)]
        session.run("umount /mnt")
        session.power_off()
        used = [int(n) for n in re.findall(r"restart \d+; kernel memory in use: (\d+) KiB", session.text())]
        assert len(used) == times and max(used[1:], default=0) <= used[0] + 16, used
        if system.has_nvme:
            assert len(re.findall("register client", session.text())) == 1  # one session in all lives
    if system.has_nvme:
        assert fsck(image) is None
        assert tool("debugfs", "-R", "cat /lives", image).stdout.count("life") == times


@pytest.mark.vmx
def test_reboots(system):
    reboots(system, len(TYPES), 2)


@pytest.mark.long
@pytest.mark.parametrize("cpus", [1, 4])
def test_twenty_reboots(system, cpus):
    reboots(system, 20, cpus)


@pytest.mark.vmx
def test_reset_while_the_disk_works(system):
    """Requests are in flight when the machine is reset: they end before the memory is used again."""
    image = system.disk(32)
    system.add_nvme(image)
    with system.boot() as session:
        session.wait_prompt()
        session.run("mount -a; mount -t sysfs s /sys; echo pci > /sys/kernel/reboot/type")
        for _ in range(2):
            session.child.sendline("for i in 1 2 3 4; do dd if=/dev/zero of=/dev/vda bs=1M 2>/dev/null & done; sleep 1; reboot -f")
            session.expect(r"starting it again", 60)
            session.wait_prompt()
            session.run("mount -a; mount -t sysfs s /sys; echo pci > /sys/kernel/reboot/type")
        session.run("dd if=/dev/urandom of=/tmp/x bs=64k count=16; dd if=/tmp/x of=/dev/vda bs=64k conv=fsync; echo 3 > /proc/sys/vm/drop_caches")
        assert "same" in session.run("head -c 1048576 /dev/vda | cmp - /tmp/x && echo sa''me")
        session.power_off()


def test_reset_ends_the_vm_on_demand(system):
    with system.boot(bootargs=f"{HVC} reboot=pci", vm=', ext_args = { "--on-reset", "exit" }', caps="") as session:
        session.wait_prompt()
        session.child.sendline("reboot -f")
        session.expect(r"uvmm: VM rebooted \(.*\): ending", 60)
        session.expect(r"uvmm ended: exited with 0", 30)


@pytest.mark.vmx
def test_triple_fault(system):
    with system.boot(bootargs=f"{HVC} reboot=triple", caps="") as session:
        session.wait_prompt()
        session.child.sendline("reboot -f")
        session.expect(r"uvmm: VM crashed: triple fault", 60)
        session.expect(r"uvmm:   cs:rip 0010:ffffffff", 10)
        session.expect(r"uvmm ended: exited with 1", 30)


@pytest.mark.vmx
def test_triple_fault_that_means_reboot(system):
    with system.boot(bootargs=f"{HVC} reboot=triple", vm=', ext_args = { "--on-crash", "restart" }', caps="") as session:
        session.wait_prompt()
        session.child.sendline("reboot -f")
        session.expect(r"uvmm: VM crashed: triple fault; starting it again", 60)
        session.expect(r"uvmm:   cs:rip 0010:ffffffff", 10)
        session.wait_prompt()
        session.power_off()


def test_crashes_in_a_row(system):
    """A guest that only crashes is started again more and more seldom; what it was is said each time."""
    with system.boot(bootargs=f"{HVC} panic=-1 reboot=triple", vm=', ext_args = { "--on-crash", "restart" }', rd="vmm.lua",
                     caps="") as session:
        session.expect(r"uvmm: ramdisk rom/vmm\.lua \(\d+ bytes\): it is no archive that Linux knows", 60)
        for wait, times in enumerate([None, 1, 2]):
            session.expect(r"uvmm: VM crashed: triple fault; starting it again", 90)
            if times:
                session.expect(rf"uvmm: VM crashed {wait + 1} times in a row within 60 s of its start; the next start is in {times} s", 10)


@pytest.mark.parametrize("option", ["--on-reset", "--on-crash"])
def test_bad_policy(system, option):
    with system.boot(vm=f', ext_args = {{ "{option}", "again" }}', caps="") as session:
        session.expect(rf"uvmm: {option} again: not known; use restart or exit", 60)
