# SPDX-License-Identifier: MIT
"""An ordinary Debian 12, with Debian's own kernel and initrd, boots from a GPT partition of the namespace to systemd's
login prompt. Needs the image that `make debian` makes; without it the tests say that they are skipped."""
import os
import re
import subprocess

import pytest
from conftest import run
from scenario import BUILD, NED

GUEST = os.path.join(BUILD, "guest")
PARTUUID = "5ce44e00-0000-4000-8000-00000000d12a"
PARTITION = "?offset=1048576"
PROMPT = r"root@debian:\S*# "
BOOT_SECONDS = 400

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not os.path.exists(f"{GUEST}/debian.img"), reason="no Debian image; make debian makes it"),
]


class Debian:
    """One boot of the image, logged in as root. Kernel and initrd are boot modules, or those on the disk."""

    def __init__(self, system, console, image, own_kernel=False):
        system.machine = ["-m", "1024", "-display", "none"]
        system.modules = [m for m in system.modules if m not in {"bzImage", "ramdisk-x86_64.cpio.gz"}]
        ned = NED
        if own_kernel:
            ned = ned.replace('rd = "rom/%(rd)s", ', "").replace("rom/%(kernel)s", "qdrv:")
        else:
            system.modules += ["debian-bzImage", "debian-initrd"]
        system.add_nvme(image)
        self.session = system.boot(ned % {**system.settings, "mem": 512, "kernel": "debian-bzImage", "rd": "debian-initrd",
                                          "bootargs": f"console={console} root=PARTUUID={PARTUUID} rw"})

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.session.__exit__(*exception)

    def login(self):
        self.session.expect(r"debian login: ", BOOT_SECONDS, "login prompt")
        self.session.child.sendline("root")
        self.session.expect(PROMPT, 120, "root's shell")
        # no bracketed paste, nothing that systemd prints
        self.run("bind 'set enable-bracketed-paste off'; dmesg -n 1; stty cols 250; echo ready")

    def run(self, command, timeout=120):
        self.session.child.sendline(f"{command}; echo rc'='$?")
        self.session.expect(r"rc=(\d+)\r", timeout, f"end of '{command}'")
        code, text = int(self.session.child.match.group(1)), self.session.child.before
        self.session.expect(PROMPT, 60, "root's shell")
        return code, text.replace("\r", "")

    def power_off(self):
        self.session.child.sendline("systemctl poweroff")
        self.session.expect(r"powered off", 240, "uvmm's line that the VM is powered off")
        self.session.quit()


@pytest.fixture
def image(tmp_path):
    copy = str(tmp_path / "debian.img")
    run("cp", "--sparse=always", f"{GUEST}/debian.img", copy)
    yield copy
    os.remove(copy)


def check_partition(image):
    run("sgdisk", "--verify", image)
    run("e2fsck", "-fn", image + PARTITION)


@pytest.mark.parametrize("console", ["hvc0", "tty0 console=hvc0", "ttyS0"])
def test_debian(system, image, console):
    with Debian(system, console, image) as debian:
        debian.login()
        code, state = debian.run("systemctl is-system-running --wait", 240)
        assert "running" in state and code == 0, debian.run("systemctl --failed --no-pager")[1]
        code, text = debian.run("findmnt -no SOURCE,FSTYPE /")
        assert "/dev/vda1 ext4" in re.sub(r" +", " ", text)
        code, text = debian.run("! dmesg | grep -E 'Call Trace|cut here|BUG:|Marking TSC'")
        assert code == 0, text
        code, _ = debian.run("dd if=/dev/urandom of=/root/data bs=1M count=16 && sha256sum /root/data > /root/sum && sync")
        assert code == 0
        debian.power_off()
    check_partition(image)
    folder = os.path.dirname(image)
    for name in ("data", "sum"):
        run("debugfs", "-R", f"dump /root/{name} {folder}/{name}", image + PARTITION)
    wanted = open(f"{folder}/sum", encoding="ascii").read().split()[0]
    assert subprocess.check_output(["sha256sum", f"{folder}/data"], text=True).split()[0] == wanted


def test_kernel_of_its_own_and_reboot(system, image):
    """Debian boots the kernel on its own disk; after a reboot from inside, it is the same machine with the same disk."""
    with Debian(system, "tty0 console=hvc0", image, own_kernel=True) as debian:
        debian.login()
        code, text = debian.run("uname -r; readlink /vmlinuz")
        release, link = text.split()[-2:]
        assert link == f"boot/vmlinuz-{release}"
        assert debian.run("dd if=/dev/urandom of=/root/data bs=1M count=16 && sha256sum /root/data > /root/sum")[0] == 0
        assert debian.run("! command -v fio || fio --name=x --filename=/root/f --size=32m --rw=randrw --bs=4k --direct=1 "
                          "--verify=crc32c --iodepth=8 --ioengine=libaio", 400)[0] == 0
        debian.session.child.sendline("systemctl reboot")
        debian.login()
        assert debian.run("sha256sum -c /root/sum")[0] == 0
        debian.power_off()
    check_partition(image)
