# SPDX-License-Identifier: MIT
"""The same scenario on other machines, firmware, interrupts, consoles and disks."""
import os
import re
import shutil
import subprocess
import time

import pytest
from conftest import BUILD, ROOT, SERIAL, run
from session import Session

OVMF = "/usr/share/OVMF/OVMF_CODE.fd"


def use_disk(session, device="/dev/vda"):
    """Writes and reads back through the page cache's floor."""
    session.run(f"mount -a; dd if=/dev/urandom of=/tmp/x bs=64k count=16; dd if=/tmp/x of={device} bs=64k; sync; echo 3 > /proc/sys/vm/drop_caches")
    sums = session.run(f"head -c 1048576 {device} | sha256sum; sha256sum < /tmp/x").split()
    assert sums[0] == sums[2]


@pytest.mark.parametrize("msis, expected", [
    ("", r"interrupt"),                       # 29: no MSI: legacy interrupts
    ("Property.num_msis = 0;", r"No MSI for the admin queue \(.*num_msis\): using the legacy interrupt"),
    ("Property.num_msis = 1;", r"shar"),      # 29: too few: shared, and said so
], ids=["no-msi", "zero-msi", "one-msi"])
def test_interrupts(system, msis, expected):
    system.add_nvme(system.disk())
    with system.boot(msis=msis) as session:
        session.wait_prompt()
        use_disk(session)
    assert any(re.search(expected, line) for line in session.tagged("nvme"))


@pytest.mark.parametrize("option", ["--nosgl", "--nomsix", "--nomsi --nomsix"])
def test_driver_options(system, option):
    system.add_nvme(system.disk())
    with system.boot(driver=f"-v {option} --client cl1 --device {SERIAL}:n1 --ds-max 5") as session:
        session.wait_prompt()
        use_disk(session)


def test_serial_console(system):
    system.add_nvme(system.disk())
    with system.boot(bootargs="console=ttyS0 rdinit=/bin/sh") as session:
        session.wait_prompt()
        assert "ttyS0" in session.run("mount -a; cat /proc/cmdline")
        use_disk(session)


def test_time_of_day(system):
    """The guest's clock starts with the PC's."""
    with system.boot(caps="") as session:
        session.wait_prompt()
        assert abs(int(session.run("date +%s")) - time.time()) < 3


def test_without_disk_capability(system):
    with system.boot(caps="") as session:  # 56
        session.wait_prompt()
        session.run("mount -a")
        assert "No such file" in session.run("ls /dev/vda")


def test_read_only_client(system):
    system.add_nvme(system.disk())
    with system.boot(driver=f"-v --client cl1 --device {SERIAL}:n1 --ds-max 5 --readonly") as session:
        session.wait_prompt()
        assert session.run("mount -a; cat /sys/block/vda/ro 2>/dev/null || (mkdir -p /sys; mount -t sysfs s /sys; cat /sys/block/vda/ro)").strip().endswith("1")
        assert session.run("dd if=/dev/zero of=/dev/vda bs=4k count=1; echo rc=$?").strip().endswith("rc=1")


PARTITION_GUID = "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709"


@pytest.fixture
def gpt_disk(system):
    image = system.disk(32)
    run("sgdisk", "-n1:2048:+8M", "-c1:first", "-n2:0:+10M", "-c2:guest data", f"-u2:{PARTITION_GUID}", image)
    return image


@pytest.mark.parametrize("device", [PARTITION_GUID, PARTITION_GUID.lower(), "first"])
def test_partition(system, gpt_disk, device):
    """55, 114: the client has that partition and not one byte around it."""
    system.add_nvme(gpt_disk)
    before = open(gpt_disk, "rb").read()
    start, size = (2048 * 512, 8 << 20) if device == "first" else (2048 * 512 + (8 << 20), 10 << 20)
    with system.boot(driver=f"-v --client cl1 --device {device} --ds-max 5") as session:
        session.wait_prompt()
        assert f"[vda] {size // 512} 512-byte" in session.run("dmesg | grep virtio_blk")
        session.run("mount -a; tr '\\0' '\\377' < /dev/zero | dd of=/dev/vda bs=64k; sync", timeout=120)
        session.power_off()
    after = open(gpt_disk, "rb").read()
    assert after[start:start + size] == b"\xff" * size
    assert after[:start] == before[:start] and after[start + size:] == before[start + size:]
    assert any("GUID partition header found" in line and "No " not in line for line in session.tagged("nvme"))


def test_last_block_and_beyond(system):
    system.add_nvme(system.disk())
    with system.boot() as session:
        session.wait_prompt()
        session.run("mount -a")
        assert "rc=0" in session.run("dd if=/dev/zero of=/dev/vda bs=512 seek=20479 count=1 conv=fsync; echo rc=$?")
        assert "rc=1" in session.run("dd if=/dev/zero of=/dev/vda bs=512 seek=20480 count=1; echo rc=$?")


def image_of(target, extra=()):
    return subprocess.run(["make", "-s", "E=uvmm-nvme", f"O={BUILD}", target, *extra], cwd=ROOT, capture_output=True, text=True,
                          check=True).stdout.split()[-1]


def boot_image(*options):
    return Session(["qemu-system-x86_64", "-accel", "tcg", "-cpu", "EPYC,+svm", "-display", "none", "-serial", "mon:stdio", *options])


@pytest.mark.parametrize("firmware", ["bios", "uefi"])
def test_iso(system, firmware, tmp_path):
    """One ISO boots by BIOS and by UEFI."""
    iso = image_of("grub2iso")
    options = ["-m", "1024", "-cdrom", iso, "-M", "q35" if firmware == "uefi" else "pc"]
    if firmware == "uefi":
        if not os.path.exists(OVMF):
            pytest.fail(f"{OVMF} is missing (Debian: ovmf)")
        shutil.copy("/usr/share/OVMF/OVMF_VARS.fd", tmp_path / "vars.fd")
        options += ["-drive", f"if=pflash,format=raw,unit=0,readonly=on,file={OVMF}", "-drive", f"if=pflash,format=raw,unit=1,file={tmp_path}/vars.fd"]
    image = system.disk()
    options += ["-drive", f"if=none,file={image},format=raw,id=D1", "-device", f"nvme,drive=D1,serial={SERIAL}"]
    with boot_image(*options) as session:
        session.wait_prompt(240)
        use_disk(session)
        session.power_off()


def test_elfimage(system):
    """One file with all modules inside."""
    image = system.disk()
    with boot_image("-m", "512", "-kernel", image_of("elfimage"), "-drive", f"if=none,file={image},format=raw,id=D1",
                    "-device", f"nvme,drive=D1,serial={SERIAL}") as session:
        session.wait_prompt()
        use_disk(session)
