# SPDX-License-Identifier: MIT
"""Kernel and ramdisk from the guest's own disk: a file system on the whole disk or on a partition, by name or as its boot
configuration says, and one line for what cannot be booted."""
import os

import pytest
from conftest import SERIAL, run
from scenario import BUILD, NED

GUEST = os.path.join(BUILD, "guest")
GRUB = """set default="1"
menuentry 'first' {
  linux /boot/none
}
menuentry 'second' --class x $menuentry_id_option 'y' {
  insmod gzio
  linux /boot/vmlinuz-1 root=/dev/ram0 from.disk=1 $more
  initrd /boot/initrd-1
}
"""


def file_system(system, name, mib, files):
    """An ext4 file system with files (path: content, or the path of a file to copy)."""
    tree = system.path(name + "-tree")
    for path, content in files.items():
        os.makedirs(os.path.dirname(tree + path), exist_ok=True)
        if content.startswith("/"):
            os.symlink(content, tree + path) if not os.path.exists(content) else run("cp", content, tree + path)
        else:
            with open(tree + path, "w", encoding="ascii") as f:
                f.write(content)
    image = system.disk(mib, name)
    run("mke2fs", "-q", "-t", "ext4", "-d", tree, image)
    return image


def boot(system, kernel, rd=None, device="n1", **settings):
    """Neither kernel nor ramdisk are modules."""
    system.modules = [m for m in system.modules if m not in {"bzImage", "ramdisk-x86_64.cpio.gz"}]
    ned = NED.replace('rd = "rom/%(rd)s", ', f'rd = "{rd}", ' if rd else "").replace("rom/%(kernel)s", kernel)
    settings.setdefault("mem", 192)
    return system.boot(ned=ned % {**system.settings, "driver": f"--client cl1 --device {SERIAL}:{device} --ds-max 5", **settings})


SYSTEM = {"/boot/vmlinuz-1": f"{GUEST}/bzImage", "/boot/initrd-1": f"{GUEST}/ramdisk-x86_64.cpio.gz", "/vmlinuz": "boot/vmlinuz-1"}


def test_boot_configuration_of_a_partition(system):
    """The client has one partition, and a plain file system on it; the namespace's partition table is not its business."""
    image = file_system(system, "part.img", 60, {**SYSTEM, "/boot/grub/grub.cfg": GRUB})
    disk = system.disk(64)
    run("sgdisk", "-n", "2:4096:+60M", disk)
    run("dd", f"if={image}", f"of={disk}", "bs=1M", "seek=2", "conv=notrunc,sparse")
    system.add_nvme(disk)
    with boot(system, "qdrv:", device="n1:2") as session:
        session.wait_prompt()
        session.run("mount -a; mount -t sysfs none /sys")
        assert session.run("cat /proc/cmdline") == "root=/dev/ram0 from.disk=1 console=hvc0 earlyprintk=1 rdinit=/bin/sh"
        assert session.run("cat /sys/block/vda/size") == str(60 << 11)
        session.power_off()


def test_files_of_a_partition_by_name(system):
    """The client has the namespace with its partitions: the file systems are searched in their order."""
    other = file_system(system, "other.img", 8, {"/boot/readme": "nothing to boot here"})
    image = file_system(system, "part.img", 60, SYSTEM)
    disk = system.disk(72)
    run("sgdisk", "-n", "1:2048:+8M", "-n", "5:20480:+60M", disk)
    for part, start in ((other, 1), (image, 10)):
        run("dd", f"if={part}", f"of={disk}", "bs=1M", f"seek={start}", "conv=notrunc,sparse")
    system.add_nvme(disk)
    with boot(system, "qdrv:/boot/vmlinuz-1", "qdrv:5:/boot/initrd-1") as session:
        session.wait_prompt()
        session.power_off()


@pytest.mark.parametrize("kernel, line", [
    ("qdrv:/boot/nothing", r"kernel /boot/nothing is not on disk 'qdrv': correct -k"),
    ("qdrv:/boot", r"cannot read /boot on disk 'qdrv': it is not a regular file"),
    ("qdrv:/boot/readme", r"cannot boot qdrv:/boot/readme: it is not a Linux bzImage"),
    ("qdrv:", r"there is nothing to boot on disk 'qdrv': no grub.cfg, extlinux.conf or /vmlinuz"),
    ("other:/x", r"cannot boot from disk 'other': the VM has no such disk"),
])
def test_what_cannot_be_booted(system, kernel, line):
    system.add_nvme(file_system(system, "fs.img", 8, {"/boot/readme": "nothing to boot here"}))
    with boot(system, kernel) as session:
        session.expect(line, 60)
        session.expect(r"program uvmm ended: exited with 1", 30)


def test_no_file_system(system):
    system.add_nvme(system.disk())
    with boot(system, "qdrv:") as session:
        session.expect(r"no ext2, ext3 or ext4 file system to boot from on disk 'qdrv'", 60)
