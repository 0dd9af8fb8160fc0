# SPDX-License-Identifier: MIT
"""Virtio over MMIO for console, disk and entropy; the entropy device on PCI, too."""
import re
import subprocess

import pytest
from session import fsck

DTS = """/dts-v1/; / {
pci { compatible = "skerry,pci-host"; };
console { compatible = "skerry,virtio-console-mmio"; };
disk { compatible = "skerry,virtio-blk-mmio"; skerry,cap = "qdrv"; };
rng { compatible = "skerry,virtio-rng-mmio"; };
serial { compatible = "ns16550a"; };
rtc { compatible = "skerry,rtc-mc146818"; }; };
"""


def entropy(session):
    session.run("mount -a; mkdir -p /sys; mount -t sysfs s /sys; insmod /lib/modules/virtio-rng.ko")
    assert "virtio_rng" in session.run("cat /sys/class/misc/hw_random/rng_current")
    sums = {session.run("dd if=/dev/hwrng bs=512 count=8 2>/dev/null | md5sum").strip() for _ in range(3)}
    assert len(sums) == 3
    assert session.run("dd if=/dev/hwrng bs=4096 count=4 2>/dev/null | wc -c").strip() == "16384"


@pytest.mark.vmx
def test_entropy_on_pci(system):
    with system.boot(caps="") as session:
        session.wait_prompt()
        entropy(session)
        session.power_off()


@pytest.mark.vmx
def test_everything_on_mmio(system):
    subprocess.run(["dtc", "-q", "-I", "dts", "-O", "dtb", "-o", system.path("mmio.dtb")], input=DTS, text=True, check=True)
    system.modules.append("mmio.dtb")
    image = system.disk()
    system.add_nvme(image)
    with system.boot(fdt="mmio.dtb", bootargs="console=hvc0 rdinit=/bin/sh reboot=pci") as session:
        for turn in range(2):
            session.wait_prompt()
            assert re.search(r"virtio_blk virtio1: .*\[vda\] 20480", session.run("dmesg | grep virtio_blk"), re.S)
            session.run("mount -a; mkdir -p /mnt /sys; mount -t sysfs s /sys")
            assert "LNRO0005" in session.run("readlink -f /sys/bus/virtio/devices/virtio1")
            if turn == 0:
                session.run("mkfs.ext2 -q /dev/vda; mount /dev/vda /mnt; seq 1 50000 > /mnt/f; sync; umount /mnt")
                entropy(session)
                session.child.sendline("reboot -f")
                session.expect(r"starting it again", 60)
        session.run("mount /dev/vda /mnt")
        assert session.run("wc -l < /mnt/f").strip() == "50000"
        assert session.run("seq 1 50000 | cmp - /mnt/f && echo sa''me").strip() == "same"
        session.run("umount /mnt")
        session.power_off()
    assert not system.has_nvme or fsck(image) is None


def test_no_source_of_entropy(system):
    system.machine += ["-cpu", "EPYC,+svm,-rdrand,-rdseed"]
    with system.boot(caps="") as session:
        session.expect(r"uvmm: device tree node rng is disabled: this processor has neither RDSEED nor RDRAND", 60)
        session.wait_prompt()
