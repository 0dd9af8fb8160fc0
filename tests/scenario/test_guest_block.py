# SPDX-License-Identifier: MIT
"""What a Linux guest's virtio-blk driver makes of a disk: limits in sysfs, discard down to the host's file, the write cache's switch.
Its programs and file systems: test_linux_disk.py."""
import os

import pytest
from conftest import SERIAL
from session import fsck

MIB = 1 << 20


def blocks(image):
    return os.stat(image).st_blocks * 512


def fill(image, mib):
    with open(image, "wb") as f:
        for _ in range(mib):
            f.write(b"\xee" * MIB)
    return image


def zero(image, start, size):
    with open(image, "rb") as f:
        f.seek(start)
        return not any(f.read(size))


@pytest.mark.parametrize("option, packed", [("", False), ("--packed", True)])
def test_ring_formats(system, option, packed):
    """Linux takes packed rings when they are offered; the data are right with both."""
    image = fill(system.path("disk.img"), 16)
    system.add_nvme(image)
    with system.boot(driver=f"{system.settings['driver']} {option}") as session:
        session.wait_prompt()
        session.run("mount -a; mkdir -p /sys /mnt; mount -t sysfs s /sys")
        bits = session.run("cat /sys/block/vda/device/features").strip()
        assert bits[34] == str(int(packed)) and bits[28] == "1"
        session.run("mkfs.ext4 -q -F -O ^metadata_csum /dev/vda; mount /dev/vda /mnt")
        session.run("cd /mnt; for i in $(seq 1 60); do dd if=/dev/urandom of=f$i bs=1k count=$((i * 3)) 2>/dev/null; done; "
                    "sha256sum f* > sums; cd /", timeout=120)
        session.run("umount /mnt; echo 3 > /proc/sys/vm/drop_caches; mount /dev/vda /mnt")
        assert "FAILED" not in session.run("cd /mnt; sha256sum -c sums | grep -v OK; cd /")
        session.run("umount /mnt; sync")
        session.power_off()
    assert fsck(image) is None


@pytest.mark.parametrize("size", [512, 4096])
def test_discard_reaches_the_host(system, size):
    image = fill(system.path("disk.img"), 16)
    system.machine += ["-drive", f"if=none,file={image},format=raw,id=D1,discard=unmap", "-device",
                       f"nvme,drive=D1,serial={SERIAL},logical_block_size={size},physical_block_size={size}"]
    with system.boot() as session:
        session.wait_prompt()
        session.run("mount -a; mkdir -p /sys /mnt; mount -t sysfs s /sys; cd /sys/block/vda/queue")
        words = session.run("cat logical_block_size physical_block_size max_segments write_cache discard_granularity").split("\n")
        assert [w.strip() for w in words[:4]] == [str(size), str(size), "126", "write back"]
        assert int(words[4]) % size == 0
        assert int(session.run("cat discard_max_bytes").split()[0]) > 0
        assert int(session.run("cat write_zeroes_max_bytes").split()[0]) > 0
        assert session.run("cat /sys/block/vda/serial; echo").strip() == f"{SERIAL}:n1"
        assert "rc=0" in session.run("blkdiscard -o 4194304 -l 8388608 /dev/vda; echo rc=$?")
        assert blocks(image) <= 8 * MIB + 65536
        session.run("mkfs.ext4 -q -F /dev/vda; mount /dev/vda /mnt; dd if=/dev/urandom of=/mnt/f bs=1M count=6; sync")
        full = blocks(image)
        assert "rc=0" in session.run("rm /mnt/f; sync; fstrim /mnt; echo rc=$?")
        assert blocks(image) <= full - 5 * MIB
        session.run("cd /; umount /mnt; sync")
        session.power_off()
    assert fsck(image) is None


def test_write_through(system):
    """The writeback switch is wired: without it, writes carry FUA and the guest sends no flush."""
    trace = system.path("trace.log")
    system.add_nvme(system.disk())
    system.machine += ["-trace", "pci_nvme_write", "-trace", "pci_nvme_flush*", "-D", trace]
    with system.boot() as session:
        session.wait_prompt()
        session.run("mount -a; mkdir -p /sys; mount -t sysfs s /sys; cd /sys/block/vda")
        assert "write back" in session.run("cat cache_type")
        assert "write through" in session.run("echo 'write through' > cache_type; cat cache_type; cat queue/write_cache")
        assert "rc=0" in session.run("dd if=/dev/zero of=/dev/vda bs=4k count=4 conv=fsync; echo rc=$?")
        assert "write back" in session.run("echo 'write back' > cache_type; cat cache_type")
        session.power_off()


def test_reads_under_icount(system):
    """QEMU with counted instructions stops its processor at any of them, also right after it has injected an interrupt: Linux hung
    in its timer interrupt, which came twice."""
    system.machine += ["-icount", "shift=0,sleep=off"]
    system.add_nvme(system.disk())
    with system.boot() as session:
        session.wait_prompt()
        session.run("mount -a")
        for _ in range(12):
            assert session.run("head -c 1048576 /dev/vda | sha256sum", 60).split()[0] == (
                "30e14955ebf1352266dc2ff8067e68104607e750abb9d3b36582b8af909fcb58")
            session.run("echo 3 > /proc/sys/vm/drop_caches")
