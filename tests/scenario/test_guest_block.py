# SPDX-License-Identifier: MIT
"""A Linux guest works on its disks: limits and topology in sysfs, discard down to the host's file, file systems on a namespace and
on a partition at once, which the host then checks."""
import os
import subprocess

import pytest
from conftest import SERIAL, run
from scenario import NED
from session import fsck, tool

MIB = 1 << 20
WORK = ("cd /mnt/%(d)s && for i in $(seq 1 40); do mkdir -p d$i/e; dd if=/dev/urandom of=d$i/e/f bs=1k count=$i 2>/dev/null; "
        "ln d$i/e/f l$i; ln -s d$i/e/f s$i; mv d$i/e/f d$i/g; done; for i in $(seq 1 3 40); do rm -r d$i l$i s$i; done; "
        "find . -type f -exec sha256sum {} + > /tmp/%(d)s.sums; cp /tmp/%(d)s.sums sums; cd /")


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
        session.run("mkfs.ext4 -q -F -O ^metadata_csum /dev/vda; mount /dev/vda /mnt; dd if=/dev/urandom of=/mnt/f bs=1M count=6; sync")
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


def test_file_systems_at_once(system):
    """A namespace and a partition of another, both in use at the same time, twice."""
    whole, parts = system.disk(48, "whole.img"), system.disk(64, "parts.img")
    run("sgdisk", "-n1:2048:+40M", "-c1:guest", "-n2:0:0", "-c2:other", parts)
    before = open(parts, "rb").read()
    system.machine += ["-device", f"nvme,id=n0,serial={SERIAL}"]
    for nsid, image in ((1, whole), (2, parts)):
        system.machine += ["-drive", f"if=none,file={image},format=raw,id=D{nsid},discard=unmap", "-device",
                           f"nvme-ns,drive=D{nsid},bus=n0,nsid={nsid}"]
    ned = NED.replace("local io_busses", "local c2 = l:new_channel();\nlocal io_busses")
    settings = {**system.settings, "caps": "qdrv = nvmecl, qdrv1 = c2", "clients": "cl1 = nvmecl:svr(), cl2 = c2:svr()",
                "driver": f"-v --client cl1 --device {SERIAL}:n1 --ds-max 5 --client cl2 --device guest --ds-max 5",
                "msis": "Property.num_msis = 3;"}
    for turn in range(2):
        with system.boot(ned=ned % settings) as session:
            session.wait_prompt()
            session.run("mount -a; mkdir -p /mnt/a /mnt/b")
            for d in "ab":
                made = session.run(f"mkfs.ext4 -q -F -O ^metadata_csum /dev/vd{d} && mount /dev/vd{d} /mnt/{d}; echo rc=$?")
                assert made.strip().endswith("rc=0"), made
            session.run(f"( {WORK % {'d': 'a'}} ) & ( {WORK % {'d': 'b'}} ) ; wait", timeout=120)
            assert session.run("fstrim /mnt/a && fstrim /mnt/b && umount /mnt/a /mnt/b; echo rc=$?").strip().endswith("rc=0")
            session.power_off()
        after = open(parts, "rb").read()
        start, end = 2048 * 512, 2048 * 512 + 40 * MIB
        assert after[:start] == before[:start] and after[end:] == before[end:]
        with open(system.path("guest.img"), "wb") as f:
            f.write(after[start:end])
        for image in (whole, system.path("guest.img")):
            assert fsck(image) is None
            folder = system.path(f"files-{os.path.basename(image)}-{turn}")
            os.mkdir(folder)
            tool("debugfs", "-R", f"rdump / {folder}", image)
            checked = subprocess.run(["sha256sum", "--quiet", "-c", "sums"], cwd=folder, capture_output=True, text=True)
            assert checked.returncode == 0 and len(open(os.path.join(folder, "sums")).readlines()) > 50, checked.stderr
