# SPDX-License-Identifier: MIT
"""The tutorial end to end, from its own files. Numbers in comments are the points of its acceptance list."""
import hashlib
import os
import re
import shutil
import subprocess

import pytest
import tutorial
from conftest import BUILD, ROOT
from session import Session, file_in_image, fsck

TEXT = tutorial.text()
pytestmark = pytest.mark.skipif(TEXT is None, reason="the tutorial's text is not at hand (../shared/tutorial)")

# The driver's log: patterns for what may differ, in the tutorial's order (77-97).
LOG = [
    r"NVMe\[\]: NVMe driver says hello\.$",
    r"NVMe\[\]: Starting device discovery\.$",
    r"NVMe\[\]: ICU info: features=80000000 #Irqs=\d+, #MSIs=2$",
    r"NVMe\[\]: MSI info: vector=0x80000000 addr=[0-9a-f]+, data=[0-9a-f]+$",
    r"NVMe\[\]: Device: interrupt : 80000000 trigger: 1, polarity: 0$",
    r"NVMe\[\]: All devices scanned\.$",
    r"Serial Number: MYNVMECTLSN$",
    r"Model Number: QEMU NVMe Ctrl",
    r"Firmware Revision: \S+",
    r"Controller ID: 0$",
    r"SGL Support: yes$",
    r"Number of Namespaces: 256$",
    r"NVMe\[\]: MSI info: vector=0x80000001 addr=[0-9a-f]+, data=[0-9a-f]+$",
    r"Making NSID 1 visible to clients$",
    r"libblock\[\]: No GUID partition header found\.$",
    r"NVMe\[\]: Capability 'svr' not found\. No dynamic clients accepted\.$",
    r"Registering dataspace from 0x0 with 131072 KiB, offset 0x0$",
    r"PORT\[0x[0-9a-f]+\]: DMA guest \[0-7ffffff\]  local \[[0-9a-f]+-[0-9a-f]+\]  offset 0$",
    r"register client: host IRQ: [0-9a-f]+",
    r"Resetting device$",
    r"shm=\[0-7ffffff\] local=\[[0-9a-f]+-[0-9a-f]+\] desc=\[([0-9a-f]+)-([0-9a-f]+)\] \(0x[0-9a-f]+-0x[0-9a-f]+\)$",
    r"shm=\[0-7ffffff\] local=\[[0-9a-f]+-[0-9a-f]+\] avail=\[([0-9a-f]+)-([0-9a-f]+)\] \(0x[0-9a-f]+-0x[0-9a-f]+\)$",
    r"shm=\[0-7ffffff\] local=\[[0-9a-f]+-[0-9a-f]+\] used=\[([0-9a-f]+)-([0-9a-f]+)\] \(0x[0-9a-f]+-0x[0-9a-f]+\)$",
    r"VQ\[0x[0-9a-f]+\]: num=256 d:0x[0-9a-f]+ a:0x[0-9a-f]+ u:0x[0-9a-f]+$",
]
AREA_SIZES = {"desc": 0x1000, "avail": 0x206, "used": 0x806}


def check_driver_log(lines):
    """Every pattern in order, other lines between them allowed."""
    rest = iter(lines)
    for pattern in LOG:
        for line in rest:
            if re.match(pattern, line):
                break
        else:
            pytest.fail(f"the driver's log lacks, at its place, {pattern!r}:\n" + "\n".join(lines))
    for name, size in AREA_SIZES.items():
        area = next(m for m in (re.search(rf" {name}=\[([0-9a-f]+)-([0-9a-f]+)\]", line) for line in lines) if m)
        assert int(area[2], 16) - int(area[1], 16) == size


@pytest.fixture(scope="module")
def somedir(tmp_path_factory):
    """The tutorial's folder: its files as they stand, our guest kernel and ramdisk, a build folder."""
    top = tmp_path_factory.mktemp("somedir")
    for name in ("conf", "images", "ramdisk", "build-linux-x86_64/arch/x86/boot"):
        (top / name).mkdir(parents=True)
    found = tutorial.blocks(TEXT)
    for name in ("nvme.vbus", "uvmm-nvme.ned"):
        (top / "conf" / name).write_text(found[name])
    shutil.copy(os.path.join(BUILD, "guest", "ramdisk-x86_64.cpio.gz"), top / "ramdisk")
    shutil.copy(os.path.join(BUILD, "guest", "bzImage"), top / "build-linux-x86_64/arch/x86/boot")
    (top / "l4conf").mkdir()
    with open(os.path.join(ROOT, "conf", "modules.list"), encoding="utf-8") as f:
        (top / "l4conf" / "modules.list").write_text(f.read() + "\n" + found["modules.list"])
    subprocess.run(["make", "-s", f"B={top}/build-x86_64"], cwd=ROOT, check=True)
    # what is built already need not be built again to test the scenario
    shutil.copytree(BUILD, top / "build-x86_64", dirs_exist_ok=True, ignore=shutil.ignore_patterns("conf", "boot", "Makefile", "*.work"))
    (top / "build-x86_64" / "conf").mkdir()
    example = open(os.path.join(ROOT, "conf", "Makeconf.boot.example"), encoding="utf-8").read()
    (top / "build-x86_64" / "conf" / "Makeconf.boot").write_text(example + tutorial.makeconf(TEXT, str(top)))
    return top


def new_image(somedir, mib=10):
    image = somedir / "images" / "disk.img"
    with open(image, "wb") as f:
        f.truncate(mib << 20)
    return str(image)


def start(somedir, *extra):
    return Session(["make", "-s", "E=uvmm-nvme", f"MODULES_LIST={somedir}/l4conf/modules.list", "QEMU_OPTIONS=-serial mon:stdio", *extra,
                    "qemu"], cwd=str(somedir / "build-x86_64"))


MKFS = """Filesystem label=
OS type: Linux
Block size=1024 (log=0)
Fragment size=1024 (log=0)
2560 inodes, 10240 blocks
512 blocks (5%) reserved for the super user
First data block=1
Maximum filesystem blocks=262144
2 block groups
8192 blocks per group, 8192 fragments per group
1280 inodes per group
Superblock backups stored on blocks:
\t8193"""


def play_guest(session, mib=10):
    """98-108 of the list; returns the SHA-256 of a file that is left on the disk."""
    session.wait_prompt()
    assert session.text().endswith("\n~ # ")
    found = session.run("dmesg | grep virtio_blk")
    assert re.search(r"virtio_blk virtio1: 1/0/0 default/read/poll queues", found)
    assert f"virtio_blk virtio1: [vda] {mib * 2048} 512-byte logical blocks" in found
    assert "console=hvc0 earlyprintk=1 rdinit=/bin/sh" in session.run("mount -a; cat /proc/cmdline")
    mounts = session.run("mount")
    for line in (r"rootfs on / type rootfs \(rw", r"none on /proc type proc \(rw,relatime\)", r"devtmpfs on /dev type devtmpfs \(rw,nosuid,relatime,"):
        assert re.search(line, mounts)
    assert session.run("ls /dev/vda") == "/dev/vda"
    made = session.run("mkfs.ext2 /dev/vda")
    if mib == 10:
        assert made == MKFS  # 106
    else:
        assert f" inodes, {mib * 1024} blocks\n" in made
    assert session.run("mkdir /mnt") == ""
    session.run("mount /dev/vda /mnt")
    assert session.run("mount").endswith("/dev/vda on /mnt type ext2 (rw,relatime)")
    session.run("dd if=/dev/urandom of=/mnt/file bs=1k count=3000; sync")
    digest = session.run("sha256sum /mnt/file").split()[0]
    session.run("umount /mnt")
    assert quiet_dmesg(session) == []
    return digest


def quiet_dmesg(session):
    """Lines of trouble in the guest's log."""
    log = session.run("dmesg")
    return [line for line in log.splitlines() if re.search(r"WARNING: (CPU|at|possible)|BUG:|Oops|Call Trace|unchecked MSR|Spurious|nobody cared|I/O error", line)]


def check_image(image, digest, tmp_path):
    assert fsck(image) is None
    copy = str(tmp_path / "file")
    assert file_in_image(image, "/file", copy)
    with open(copy, "rb") as f:
        assert hashlib.sha256(f.read()).hexdigest() == digest


@pytest.mark.parametrize("machine", ["pc", "q35"])
def test_tutorial_verbatim(somedir, tmp_path, machine):
    image = new_image(somedir)
    extra = [] if machine == "pc" else ["QEMU_PATH=" + machine_wrapper(tmp_path, machine)]
    with start(somedir, *extra) as session:
        digest = play_guest(session)
        session.power_off()
    assert "Going on with QEMU's emulation" in session.text() or os.access("/dev/kvm", os.R_OK)
    check_driver_log(session.tagged("nvme"))
    assert "\x1b[32mnvme    | " in session.log  # 41: tag in eight columns, green
    check_image(image, digest, tmp_path)


def machine_wrapper(tmp_path, machine):
    """The tutorial's options name no machine: QEMU with another default."""
    wrapper = tmp_path / "qemu"
    wrapper.write_text(f'#!/bin/sh\nexec qemu-system-x86_64 -M {machine} "$@"\n')
    wrapper.chmod(0o755)
    return str(wrapper)


def test_other_image_size(somedir, tmp_path):
    image = new_image(somedir, 33)  # 16
    with start(somedir) as session:
        digest = play_guest(session, 33)
        session.power_off()
    check_image(image, digest, tmp_path)


def test_listentries_names_the_entry(somedir):
    out = subprocess.run(["make", "-s", "listentries", f"MODULES_LIST={somedir}/l4conf/modules.list"], cwd=somedir / "build-x86_64",
                         capture_output=True, text=True, check=True).stdout
    assert "uvmm-nvme" in out.split()
