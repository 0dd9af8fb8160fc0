# SPDX-License-Identifier: MIT
"""A machine of several processors: programs and VMs where the script puts them, and guests that run there at the same time."""
import re

import pytest
from conftest import guest_ramdisk
from scenario import SERIAL

NED = """package.path = "rom/?.lua"
local L4 = require "L4"
local vmm = require "vmm"
local one, two = L4.default_loader:new_channel(), L4.default_loader:new_channel()
local busses = { nvme = 1 }
vmm.start_io(busses, "rom/test.vbus -v")
L4.default_loader:start({ caps = { vbus = busses.nvme, cl1 = one:svr(), cl2 = two:svr() }, log = { "nvme", "g" }, cpus = 1 },
  "rom/nvme-drv -v --client cl1 --device %(serial)s:n1 --client cl2 --device OTHER:n1")
vmm.start_vm { id = 2, mem = 128, kernel = "rom/bzImage", rd = "rom/ramdisk-x86_64.cpio.gz", fdt = "rom/virt-pc.dtb", cpus = 1,
  bootargs = "console=hvc0 rdinit=/bin/sh", log = { "two", "b" }, ext_caps = { qdrv = two } }
vmm.start_vm { id = 1, mem = 128, kernel = "rom/bzImage", rd = "rom/ramdisk-x86_64.cpio.gz", fdt = "rom/virt-pc.dtb", cpus = 2,
  bootargs = "console=hvc0 rdinit=/bin/sh", log = L4.Env.log, ext_caps = { qdrv = one } }
"""


def threads(session):
    """name -> processors of its threads, as the debugger shows them"""
    session.child.send("\x1b")
    session.expect(r"kdb> $", 20)
    session.child.send("t")
    session.expect(r"kdb> $", 20)
    found = {}
    for name, cpu in re.findall(r"thread \d+ task \d+ (\S+) prio \d+ cpu (\d+) ", session.child.before):
        found.setdefault(name, set()).add(int(cpu))
    session.child.send("g")
    session.expect(r"g\r*\n", 20)
    return found


def test_driver_and_two_vms_each_on_its_processor(system):
    system.machine += ["-smp", "2"]
    system.add_nvme(system.disk())
    system.add_nvme(system.disk(name="other.img"), serial="OTHER", ident="D2")
    system.settings["msis"] = "Property.num_msis = 4;"
    with system.boot(ned=NED % {"serial": SERIAL}) as session:
        session.expect(r"processors: 2 of 2", 60)
        for _ in range(2):  # nothing is typed: whose shell gets the input is another matter
            session.expect(r"job control turned off", 120)
        assert session.text().count("virtio1: [vda]") == 2
        where = threads(session)
        assert where["nvme-drv"] == {0} and where["uvmm"] == {0, 1} and where["moe"] == {0}, where
        assert not re.search("PANIC|BUG|Oops|I/O error|faulted", session.text())


@pytest.mark.long
def test_smp_guest_on_smp_machine(system):
    """Four vcpus, at most two of them on one processor: wake-ups, shootdowns and disk work across processors."""
    system.machine += ["-smp", "2"]
    system.add_nvme(system.disk(16))
    with system.boot(rd=guest_ramdisk(system, "vmload.c"), bootargs="console=hvc0 rdinit=/bin/sh", vm=", cpus = 15",
                     mem=192) as session:
        session.wait_prompt(180)
        session.run("mount -a; mkdir -p /sys; mount -t sysfs s /sys")
        for command in "cpus", "pingpong 50", "shootdown 4 10", "spin 4 50", "clock 1":
            out = session.run(f"vmload {command}", timeout=240)
            assert out.rstrip().endswith("ok"), out
        session.run("dd if=/dev/urandom of=/tmp/x bs=64k count=32; dd if=/tmp/x of=/dev/vda bs=4k conv=fsync")
        session.run("echo 3 > /proc/sys/vm/drop_caches")
        out = session.run("head -c 2097152 /dev/vda | cmp - /tmp/x && echo sa''me")
        assert "same" in out, out
        log = session.run("dmesg")
        for bad in "Call Trace", "rcu: INFO", "soft lockup", "unstable":
            assert bad not in log, log
        where = threads(session)
        assert where["uvmm"] == {0} and where["vcpu1"] == {1} and where["vcpu2"] == {0} and where["vcpu3"] == {1}, where
        session.power_off()
