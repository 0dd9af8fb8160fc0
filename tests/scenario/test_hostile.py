# SPDX-License-Identifier: MIT
"""Guests that mean harm: pkg/uvmm/test/hostile writes garbage to every register and into its virtqueues. Nothing but that
guest may suffer."""
import re

import pytest
from scenario import SERIAL

ITERATIONS = 20000

NED = """package.path = "rom/?.lua"
local L4 = require "L4"
local vmm = require "vmm"
local bad, good = L4.default_loader:new_channel(), L4.default_loader:new_channel()
local busses = { nvme = 1 }
vmm.start_io(busses, "rom/test.vbus -v")
L4.default_loader:start({ caps = { vbus = busses.nvme, cl1 = bad:svr(), cl2 = good:svr() }, log = { "nvme", "g" } },
  "rom/nvme-drv -v --client cl1 --device %(serial)s:n1 --client cl2 --device OTHER:n1")
vmm.start_vm { id = 2, mem = 128, kernel = "rom/hostile", fdt = "rom/virt-pc.dtb", bootargs = "seed=%(seed)d n=%(n)d",
  log = { "bad", "r" }, ext_caps = { qdrv = bad } }
%(more)s
"""
LINUX = """vmm.start_vm { id = 1, mem = 128, kernel = "rom/bzImage", rd = "rom/ramdisk-x86_64.cpio.gz", fdt = "rom/virt-pc.dtb",
  bootargs = "console=hvc0 rdinit=/bin/sh", log = L4.Env.log, ext_caps = { qdrv = good } }"""


def boot(system, seed, more=""):
    system.add_nvme(system.disk())
    system.add_nvme(system.disk(name="other.img"), serial="OTHER", ident="D2")
    system.modules.append("hostile")
    system.settings["msis"] = "Property.num_msis = 4;"
    return system.boot(ned=NED % {"serial": SERIAL, "seed": seed, "n": ITERATIONS if system.has_nvme else ITERATIONS // 10, "more": more})


def nothing_broke(session):
    text = session.text()
    assert re.search(r"hostile: done, \d+ interrupts", text)
    assert not re.search(r"panic|faulted|VM crashed|hostile: failed", text)


@pytest.mark.vmx
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_garbage_guest_ends_as_it_likes(system, seed):
    """The garbage guest comes to its own end; block server and kernel go on."""
    with boot(system, seed) as session:
        session.expect(r"bad +\| .*hostile: done", 120)
        session.expect(r"bad +\| uvmm: VM powered off", 30)
        if system.has_nvme:  # ramblk does not say it
            session.expect(r"cl1 is gone", 30)
    nothing_broke(session)


@pytest.mark.vmx
def test_neighbour_of_garbage_guest(system):
    """A Linux guest beside it, served by the same block server, boots and keeps its data."""
    with boot(system, 4, LINUX) as session:
        session.wait_prompt()
        session.run("mount -a")
        session.run("dd if=/dev/urandom of=/tmp/x bs=64k count=16")
        session.run("dd if=/tmp/x of=/dev/vda bs=64k; sync")
        session.run("head -c 1048576 /dev/vda > /tmp/y")
        assert "same" in session.run("cmp /tmp/x /tmp/y && echo sa''me")
        session.power_off()
    nothing_broke(session)
