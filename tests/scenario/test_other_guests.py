# SPDX-License-Identifier: MIT
"""Guests other than distributions' kernels: memtest86+, which is no Linux and drives screen, serial port, timers and APIC
by itself; and the smallest Linux that `make tinyconfig` and the virtio drivers give, with everything built in."""
import os
import re

import pytest
from conftest import run
from scenario import BUILD

GUEST = os.path.join(BUILD, "guest")


def guest(system, *files):
    system.modules = [m for m in system.modules if m not in {"bzImage", *files}] + list(files)
    system.add_nvme(system.disk())


@pytest.mark.vmx
def test_memtest(system):
    """Tests all of the VM's memory as a PC's; Escape resets the machine."""
    guest(system, "memtest86+x64.bin")
    with system.boot(kernel="memtest86+x64.bin", bootargs="console=ttyS0,115200", mem=64) as session:
        session.expect(r"Memtest86\+ ", 60, "memtest86+'s title")
        session.expect(r"64MB", 60, "the VM's memory")
        session.expect(r"Moving inversions", 120, "a test of all memory")
        text = session.text()
        assert not re.search(r"Errors: *[1-9]", text), text[-3000:]
        assert "unsupported" not in text and "uvmm: error" not in text


tiny = pytest.mark.skipif(not os.path.exists(f"{GUEST}/tiny-bzImage"), reason="no tiny guest; make tiny builds it")


@tiny
@pytest.mark.long
@pytest.mark.parametrize("console", ["hvc0", "ttyS0"])
def test_tinyconfig(system, console):
    guest(system, "tiny-bzImage", "tiny-ramdisk.cpio.gz")
    disk = system.path("disk.img")
    run("mke2fs", "-q", "-t", "ext4", disk)
    with system.boot(kernel="tiny-bzImage", rd="tiny-ramdisk.cpio.gz", bootargs=f"console={console}") as session:
        session.expect("/ # ", 60, "busybox's shell")
        session.child.sendline("mount -t ext4 /dev/vda /mnt && head -c 300000 /dev/urandom > /mnt/x && sha256sum < /mnt/x; umount /mnt")
        session.expect(r"([0-9a-f]{64})  -", 60, "the checksum")
        wanted = session.child.match.group(1)
        session.child.sendline("poweroff -f")
        session.expect("powered off", 60, "uvmm's line that the VM is powered off")
    run("e2fsck", "-fn", disk)
    run("debugfs", "-R", f"dump /x {disk}.x", disk)
    assert run("sha256sum", disk + ".x").split()[0] == wanted
