# SPDX-License-Identifier: MIT
"""Disks in memory: blktest and a guest as clients of ramblk, and what is said when a disk cannot be made."""
import os
import re

import pytest
from conftest import run

NED = """package.path = "rom/?.lua";
local L4 = require "L4";
local l = L4.default_loader;
local c1, c2 = l:new_channel(), l:new_channel();
l:start({ caps = { cl1 = c1:svr(), cl2 = c2:svr() }, log = { "ramblk", "g" } }, "rom/ramblk %s");
%s
"""
VERIFIED = r"all verified: (\d+) reads, (\d+) writes, (\d+) flushes"


def boot(system, options, *clients, after=""):
    system.modules += ["ramblk", "blktest"]
    starts = "".join('l:start({ caps = { disk = c%d }, log = { "test%d", "y" } }, "rom/blktest %s")%s;\n' % (i + 1, i + 1, c, after)
                     for i, c in enumerate(clients))
    return system.boot(ned=NED % (options, starts))


def test_verify(system):
    with boot(system, "--client cl1 --size 40M", "--depth 32 --ops 6000 --max 524288 --queues 4 --ranges --hostile") as session:
        counts = session.expect(VERIFIED, 60)
        assert int(counts[1]) > 1000 and int(counts[2]) > 1000 and int(counts[3]) > 10
    assert any("id ramblk:cl1" in line for line in session.tagged("test1"))


def test_two_disks(system):
    """One of them floods; nothing of one disk is seen on the other; 17 MiB is one piece and a bit."""
    with boot(system, "-v --client cl1 --size 17M --client cl2 --size 513K", "--ops 3000", "--ops 3000 --depth 32 --seed 7") as session:
        for _ in range(2):
            session.expect(VERIFIED, 60)
    assert "cl2: a disk of 513 KiB" in session.text()


def test_sessions_in_a_row(system):
    with boot(system, "--client cl1 --size 4M", "--ops 200", after=":wait()") as first:
        first.expect(VERIFIED, 60)
    starts = "for i = 1, 20 do " + 'l:start({ caps = { disk = c1 }, log = { "test", "y" } }, "rom/blktest --ops 200 --hostile"):wait() end'
    with system.boot(ned=NED % ("--client cl1 --size 4M", starts)) as session:
        for _ in range(20):
            session.expect(VERIFIED, 60)


def test_readonly_image(system):
    system.modules.append("disk.img")
    system.write("disk.img", os.urandom(300000))
    with boot(system, "--client cl1 --image rom/disk.img --readonly", "--readonly --ops 500") as session:
        session.expect(r"586 sectors", 60)
        session.expect(VERIFIED, 60)


@pytest.mark.parametrize("options, line", [
    ("", "no disk is asked for: say --client CAP --size 64M"),
    ("--client cl1", "--client cl1: how large? Say --size 64M, or --image rom/FILE"),
    ("--client cl1 --size 3", "--size 3: a multiple of 512 bytes up to 64G is needed"),
    ("--client cl1 --size 8G", "there is no memory for 8388608 KiB"),
    ("--client cl1 --image rom/none", "there is no file rom/none: add it to the modules"),
    ("--client cl1 --size 1K --image rom/blktest", "give a --size that holds it"),
    ("--client nosuch --size 1M", "give the program a channel's :svr() by that name"),
], ids=["none", "size", "odd", "memory", "image", "small", "gate"])
def test_refusals(system, options, line):
    with boot(system, options) as session:
        session.expect("ramblk: .*" + re.escape(line), 30)
        session.expect(r"\(ramblk\) ended: exited with 1", 30)


@pytest.mark.vmx
def test_guest(system):
    """The image's file system is there; what the guest writes survives its reboot."""
    image = system.disk(8, "disk.img")
    run("mke2fs", "-q", "-F", image)
    run("debugfs", "-w", "-R", "write /etc/os-release hello", image)
    system.modules += ["ramblk", "disk.img"]
    ned = NED % ("--client cl1 --size 16M --image rom/disk.img", """
require("vmm").start_vm({ id = 1, mem = 128, mon = false, rd = "rom/ramdisk-x86_64.cpio.gz", fdt = "rom/virt-pc.dtb",
  bootargs = "console=hvc0 rdinit=/bin/sh", kernel = "rom/bzImage", log = L4.Env.log, ext_caps = { qdrv = c1 } });""")
    with system.boot(ned=ned) as session:
        session.wait_prompt()
        session.run("mount -a; mkdir -p /mnt; mount /dev/vda /mnt")
        assert "Debian" in session.run("cat /mnt/hello")
        assert session.run("cat /sys/block/vda/size 2>/dev/null || blockdev --getsz /dev/vda") == "32768"
        session.run("dd if=/dev/urandom of=/mnt/data bs=64k count=64 2>/dev/null; sync; md5sum /mnt/data > /mnt/sum; umount /mnt")
        session.run("mount /dev/vda /mnt")
        assert "OK" in session.run("md5sum -c /mnt/sum")
        assert session.run("dmesg | grep -i 'I/O error'") == ""
