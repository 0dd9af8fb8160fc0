# SPDX-License-Identifier: MIT
"""A block server that ends while a Linux guest works, and is started again: the guest sees latency, and every byte is right. Without
a new server the guest gets I/O errors, not a hang."""
import os
import subprocess

import pytest
from conftest import SERIAL
from native import WORKS
from session import fsck

NED = """package.path = "rom/?.lua";
local L4 = require "L4";
local vmm = require "vmm";
local l = L4.default_loader;
local disk, svr = l:new_channel(), l:new_channel();
local busses = { nvme = 1 }
vmm.start_io(busses, "rom/test.vbus");
local function driver()
  return l:start({ caps = { vbus = busses.nvme, svr = svr:svr(), cl1 = disk:svr() }, log = { "nvme", "g" } },
    "rom/nvme-drv -v --client cl1 --device %(serial)s:n1 --ds-max 5 %(option)s")
end
""" + WORKS + """local function a_while(n) for i = 1, n do l:start({}, "rom/hello"):wait() collectgarbage() end end
local drv = driver()
vmm.start_vm({ id = 1, mem = 128, mon = false, rd = "rom/ramdisk-x86_64.cpio.gz", fdt = "rom/%(fdt)s",
  bootargs = "console=hvc0 earlyprintk=1 rdinit=/bin/sh", kernel = "rom/bzImage", log = L4.Env.log, ext_caps = { qdrv = disk } });
works(svr, "cl1", 1)
for i = 1, %(kills)d do
  a_while(12 - i) -- also while it still looks for the disk
  drv:kill()
  print("killed " .. i)
  a_while(5) -- QEMU 7.2 crashes when an NVMe controller is reset that has commands in flight
  if %(again)s then drv = driver() end
end
print("all killed")
"""


@pytest.mark.parametrize("option", ["", "--packed"], ids=["split", "packed"])
def test_guest_works_on(system, option):
    image = system.disk(64)
    system.add_nvme(image)
    system.modules += ["hello"]
    with system.boot(ned=NED % {"serial": SERIAL, "option": option, "fdt": "virt-pc.dtb", "kills": 12, "again": "true"}) as session:
        session.wait_prompt()
        session.run("mount -a; dmesg -n 1; mkdir -p /mnt; mkfs.ext4 -q -F -O ^metadata_csum /dev/vda; mount /dev/vda /mnt", timeout=120)
        rounds = 0
        while rounds < 5 or "all killed" not in session.text():
            assert rounds < 500
            rounds += 1
            session.run(f"cd /mnt; for i in $(seq 1 20); do dd if=/dev/vda of=r{rounds}f$i bs=4k skip=$((i * 99)) count=$i conv=fsync 2>/dev/null; done; "
                        f"sha256sum r{rounds}f* >> sums; rm -f r{rounds - 2}f*; sed -i /r{rounds - 2}f/d sums; cd /", timeout=120)
        session.run("sync; umount /mnt; echo 3 > /proc/sys/vm/drop_caches; mount /dev/vda /mnt", timeout=120)
        assert "rc=0" in session.run("cd /mnt; sha256sum -c sums > /tmp/checked; echo rc=$?; cd /", timeout=120)
        assert "I/O error" not in session.run("umount /mnt; sync; dmesg", timeout=120)
        session.power_off(timeout=120)
    assert session.text().count("is gone") > 0
    assert fsck(image) is None


def test_no_server_any_more(system):
    """After the node's skerry,server-timeout, requests end with errors, those in flight and new ones; a reset completes."""
    tree = subprocess.run(["dtc", "-q", "-I", "dtb", "-O", "dts", os.path.join(os.environ.get("SKERRY_BUILD", "build"), "bin", "virt-pc.dtb")],
                          capture_output=True, text=True, check=True).stdout
    tree = tree.replace('skerry,cap = "qdrv";', 'skerry,cap = "qdrv"; skerry,server-timeout = <2>;')
    subprocess.run(["dtc", "-q", "-I", "dts", "-O", "dtb", "-o", system.path("short.dtb")], input=tree, text=True, check=True)
    system.add_nvme(system.disk(64))
    system.modules += ["hello", "short.dtb"]
    with system.boot(ned=NED % {"serial": SERIAL, "option": "", "fdt": "short.dtb", "kills": 1, "again": "false"}) as session:
        session.wait_prompt()
        session.run("mount -a; dmesg -n 1; mkdir -p /sys; mount -t sysfs s /sys")
        while "no server has come in time: requests end with I/O errors" not in session.text():
            session.run("dd if=/dev/vda of=/dev/null bs=4k count=1 skip=99; sleep 1", timeout=60)
        assert "rc=0" not in session.run("dd if=/dev/vda of=/dev/null bs=4k count=1; echo rc=$?", timeout=60)
        assert "rc=0" not in session.run("dd if=/dev/zero of=/dev/vda bs=4k count=1 conv=fsync; echo rc=$?", timeout=60)
        assert "rc=0" in session.run("echo virtio1 > /sys/bus/virtio/drivers/virtio_blk/unbind; echo rc=$?", timeout=60)
        session.power_off(timeout=120)
