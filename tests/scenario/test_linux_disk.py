# SPDX-License-Identifier: MIT
"""Linux's own programs on our disks: file systems under load on namespaces and partitions at once, which the host then checks; and
what util-linux and hdparm see, discard and refuse."""
import json
import os
import re
import subprocess

import pytest
from conftest import BUILD, ROOT, SERIAL, run
from scenario import NED
from session import ANSI, echo_of, fsck, tool

MIB = 1 << 20
PROGRAMS = ["blkdiscard", "blkzone", "blockdev", "e2fsck", "fstrim", "lsblk", "split"]
MOUNT = "mount -a; mkdir -p /sys /mnt; mount -t sysfs s /sys"


FETCHED = os.path.join(BUILD, "guest", "programs")
STUBS = os.path.join(FETCHED, "fio-libraries")  # for all that fio could drive besides disks


def host(*command):
    path = os.environ["PATH"] + ":/usr/sbin:/sbin:" + FETCHED
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "PATH": path, "LD_LIBRARY_PATH": STUBS})


def fetch(program):
    return [program] if host(os.path.join(ROOT, "tools/guest/fetch-program"), FETCHED, program, program).returncode == 0 else []


@pytest.fixture(scope="session")
def ramdisk(tmp_path_factory):
    """The default guest's ramdisk with more programs, in /sbin."""
    out = str(tmp_path_factory.mktemp("guest") / "test.cpio.gz")
    programs = PROGRAMS + fetch("hdparm") + fetch("fio")
    if "fio" in programs:
        run(os.path.join(ROOT, "tools/guest/stub-libraries"), os.path.join(FETCHED, "fio"), STUBS, "libc.", "libm.", "libz.", "libaio.")
    made = host(os.path.join(ROOT, "tools/guest/mkramdisk"), *(x for p in programs for x in ("-p", p)), os.path.join(BUILD, "guest"), out)
    assert made.returncode == 0, made.stderr
    return out


def use(system, ramdisk):
    os.symlink(ramdisk, system.path("test.cpio.gz"))
    system.modules[system.modules.index("ramdisk-x86_64.cpio.gz")] = "test.cpio.gz"
    system.settings["rd"] = "test.cpio.gz"


def blocks(image):
    return os.stat(image).st_blocks * 512


def add_drive(system, size=512, mib=16, extra=""):
    image = system.path("disk.img")
    with open(image, "wb") as f:
        f.write(b"\xee" * (mib * MIB))
    system.machine += ["-drive", f"if=none,file={image},format=raw,id=D1,discard=unmap", "-device",
                       f"nvme,drive=D1,serial={SERIAL},logical_block_size={size},physical_block_size={size}{extra}"]
    return image


def ok(session, command, timeout=60):
    """A command that must succeed; its lines."""
    out = session.run(f"{command}; echo rc=$?", timeout).split("\n")
    assert out[-1] == "rc=0", (command, out)
    return out[:-1]


@pytest.mark.parametrize("size", [pytest.param(512, marks=pytest.mark.long), 4096])
def test_values(system, ramdisk, size):
    use(system, ramdisk)
    add_drive(system, size)
    with system.boot() as session:
        session.wait_prompt()
        session.run(MOUNT)
        asked = "--getss --getpbsz --getiomin --getioopt --getalignoff --getro --getsize64"
        assert ok(session, f"/sbin/blockdev {asked} /dev/vda") == [str(v) for v in (size, size, size, 0, 0, 0, 16 * MIB)]
        names, values = (line.split() for line in ok(session, "/sbin/lsblk -t /dev/vda"))
        topology = dict(zip(names, values))
        assert [topology[k] for k in ("NAME", "ALIGNMENT", "MIN-IO", "OPT-IO", "PHY-SEC", "LOG-SEC")] == ["vda", "0", str(size), "0", str(size), str(size)]
        assert ok(session, "/sbin/lsblk -n -o NAME,SIZE,RO,TYPE,ZONED /dev/vda")[0].split() == ["vda", "16M", "0", "disk", "none"]
        assert ok(session, "/sbin/lsblk -n -D /dev/vda")[0].split() == ["vda", "0", "4K", "2G", "0"]
        assert ok(session, "cat /sys/block/vda/serial; echo") == [f"{SERIAL}:n1"]
        zones = session.run("/sbin/blkzone report /dev/vda; echo rc=$?")
        assert "unable to determine zone size" in zones and zones.endswith("rc=1")
        if "not found" in session.run("ls /sbin/hdparm"):
            pytest.skip("Debian's package hdparm could not be fetched")
        seen = "\n".join(ok(session, "/sbin/hdparm /dev/vda"))
        assert re.search(r"readonly +=  0 \(off\)", seen) and f"sectors = {16 * MIB // 512}, start = 0" in seen
        assert "Call Trace" not in session.run("dmesg")


def test_read_only(system, ramdisk):
    use(system, ramdisk)
    image = add_drive(system)
    system.settings["driver"] += " --readonly"
    with system.boot() as session:
        session.wait_prompt()
        session.run(MOUNT)
        assert ok(session, "/sbin/blockdev --getro /dev/vda") == ["1"]
        for refused in ("dd if=/dev/zero of=/dev/vda bs=4k count=1 conv=fsync", "/sbin/blkdiscard -f /dev/vda", "/sbin/blkdiscard -f -z /dev/vda",
                        "mkfs.ext4 -q -F /dev/vda"):
            assert not session.run(f"{refused}; echo rc=$?").endswith("rc=0"), refused
        assert ok(session, "dd if=/dev/vda bs=1M 2>/dev/null | tr -d '\\356' | wc -c")[-1] == "0"
    with open(image, "rb") as f:
        assert f.read() == b"\xee" * (16 * MIB)


@pytest.mark.parametrize("size", [pytest.param(512, marks=pytest.mark.long), 4096])
def test_blkdiscard(system, ramdisk, size):
    """Discarded blocks are the host's again; zeroed ones read as zeros; the others keep what they hold."""
    use(system, ramdisk)
    image = add_drive(system, size)
    with system.boot() as session:
        session.wait_prompt()
        session.run(MOUNT)
        ok(session, "/sbin/blkdiscard -f -o 2M -l 4M /dev/vda")
        assert blocks(image) <= 12 * MIB + 65536
        ok(session, "/sbin/blkdiscard -f -z -o 8388608 -l 1052672 /dev/vda")
        ok(session, "cmp -n 1052672 /dev/zero /dev/vda 0 8388608")
        assert not session.run("/sbin/blkdiscard -f -s /dev/vda; echo rc=$?").endswith("rc=0")  # NVMe erases no ranges securely
        unaligned = session.run("/sbin/blkdiscard -f -z -o 512 -l 512 /dev/vda; echo rc=$?")
        assert unaligned.endswith("rc=0") == (size == 512), unaligned
        session.power_off()
    with open(image, "rb") as f:
        data = f.read()
    assert data[8 * MIB:8 * MIB + 1052672] == bytes(1052672) and data[2 * MIB:6 * MIB] == bytes(4 * MIB)
    kept = [(0, 512), (1024, 2 * MIB), (6 * MIB, 8 * MIB), (8 * MIB + 1052672, 16 * MIB)]
    assert all(data[a:b] == b"\xee" * (b - a) for a, b in kept)
    assert data[512:1024] == (bytes(512) if size == 512 else b"\xee" * 512)


# --- file systems ------------------------------------------------------------------------------------------------

WORK = """cd $1 && seq 1 $3 | split -l 1 -a 3 - f$2 && mkdir a && mv f$2* a && cp -r a b && tar cf t a && mkdir d && tar xf t -C d &&
  mkdir c && for i in $(seq 1 $4); do dd if=/dev/urandom of=c/n bs=3k count=$i 2>/dev/null && sync c/n && mv c/n c/$i && sync c &&
  ln c/$i c/l$i && ln -s $i c/s$i && cp c/$i c/r$i; done && find d -type f -name '*a' -exec rm {} + && rm -r b && mv d/a e && rm t c/*3 &&
  find . -type f ! -path './a/*' -exec sha256sum {} + > /tmp/$2 && mv /tmp/$2 sums && cd / && echo done $1"""


@pytest.mark.parametrize("disks, files, rounds", [("ab", 150, 12), pytest.param("abcd", 1200, 60, marks=pytest.mark.long)], ids=["two", "four"])
def test_file_systems_at_once(system, ramdisk, disks, files, rounds):
    """A namespace, two partitions of another, one of 4 KiB blocks: thousands of files on each at the same time, twice."""
    use(system, ramdisk)
    whole, large, parts = system.disk(48, "whole.img"), system.disk(48, "large.img"), system.disk(98, "parts.img")
    run("sgdisk", "-n1:2048:+48M", "-c1:first", "-n2:0:+48M", "-c2:second", parts)
    before = read(parts)
    boot = many_disks(system, (f"{SERIAL}:n1", "partlabel:first", f"{SERIAL}:n3", "partlabel:second")[:len(disks)],
                      (whole, 512), (parts, 512), (large, 4096))
    for turn in range(2):
        with boot() as session:
            session.wait_prompt()
            session.run(MOUNT)
            for d in disks if turn else "":  # what the last turn left
                ok(session, f"mkdir -p /mnt/{d} && mount /dev/vd{d} /mnt/{d} && (cd /mnt/{d} && sha256sum -c sums > /dev/null) && umount /mnt/{d}")
            for d in disks:
                ok(session, f"mkdir -p /mnt/{d} && mkfs.ext4 -q -F /dev/vd{d} && mount /dev/vd{d} /mnt/{d}")
            for line in f"work() {{ {WORK}; }}".splitlines():
                session.child.sendline(line)
            out = session.run(f"for d in {' '.join(disks)}; do (work /mnt/$d $d {files + 50 * turn} {rounds}) & done; wait", timeout=400)
            assert len(re.findall(r"done /mnt/[abcd]", out)) == len(disks), out
            for d in disks:
                ok(session, f"dd if=/dev/urandom of=/mnt/{d}/big bs=1M count=4 conv=fsync 2>/dev/null")
            full = [blocks(image) for image in (whole, parts)]
            for d in disks:
                ok(session, f"rm -r /mnt/{d}/a /mnt/{d}/big && sync && /sbin/fstrim /mnt/{d}")
                ok(session, f"umount /mnt/{d} && /sbin/e2fsck -fn /dev/vd{d}")
            assert all(blocks(image) < was - 3 * MIB for image, was in zip((whole, parts), full))
            assert "I/O error" not in session.run("dmesg")
            session.power_off()
        check_parts(system, parts, before)
        images = [whole, system.path("first.img"), large, system.path("second.img")][:len(disks)]
        for image in images:
            check_image(image, system.path(f"files{turn}-{os.path.basename(image)}"), files)


def many_disks(system, devices, *namespaces):
    """A guest with these devices of one controller's namespaces (image, block size) as /dev/vda, vdb, ...; returns a function that boots it."""
    system.machine += ["-device", f"nvme,id=n0,serial={SERIAL}"]
    for nsid, (image, size) in enumerate(namespaces, 1):
        system.machine += ["-drive", f"if=none,file={image},format=raw,id=D{nsid},discard=unmap", "-device",
                           f"nvme-ns,drive=D{nsid},bus=n0,nsid={nsid},logical_block_size={size},physical_block_size={size}"]
    channels = "".join(f"local c{i} = l:new_channel();\n" for i in range(len(devices)))
    settings = {**system.settings, "mem": 192, "msis": "Property.num_msis = 5;",
                "caps": ", ".join(f"qdrv{i or ''} = c{i}" for i in range(len(devices))),
                "clients": ", ".join(f"cl{i} = c{i}:svr()" for i in range(len(devices))),
                "driver": "-v " + " ".join(f"--client cl{i} --device {d} --ds-max 5" for i, d in enumerate(devices))}
    ned = NED.replace("local io_busses", channels + "local io_busses", 1) % settings
    return lambda: system.boot(ned=ned)


def read(path):
    with open(path, "rb") as f:
        return f.read()


def check_parts(system, image, before):
    """Nothing outside of the partitions has changed; they become images of their own."""
    after = read(image)
    starts = [MIB, 49 * MIB, 97 * MIB]
    assert after[:MIB] == before[:MIB] and after[starts[2]:] == before[starts[2]:]
    for name, start, end in (("first.img", starts[0], starts[1]), ("second.img", starts[1], starts[2])):
        system.write(name, after[start:end])


def check_image(image, folder, files):
    assert fsck(image) is None
    os.mkdir(folder)
    tool("debugfs", "-R", f"rdump / {folder}", image)
    assert read(os.path.join(folder, "sums")).count(b"\n") > files
    checked = subprocess.run(["sha256sum", "--quiet", "-c", "sums"], cwd=folder, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_a_queue_for_each_processor(system, ramdisk):
    """Four processors write and trim through a queue, a queue pair of the drive and an interrupt each."""
    use(system, ramdisk)
    image = system.disk(48)
    system.machine += ["-drive", f"if=none,file={image},format=raw,id=D1,discard=unmap", "-device", f"nvme,drive=D1,serial={SERIAL}"]
    with system.boot(vm=", cpus = 0xf", mem=192, msis="Property.num_msis = 6;") as session:
        session.wait_prompt(180)
        session.run(MOUNT)
        assert "4/0/0 default/read/poll queues" in session.run("dmesg | grep virtio_blk")
        assert session.run("cat /sys/block/vda/mq/*/cpu_list").split() == ["0", "1", "2", "3"]
        ok(session, "mkfs.ext4 -q -F /dev/vda && mount -o discard /dev/vda /mnt && cd /mnt && mkdir 0 1 2 3")
        work = "for i in $(seq 1 25); do dd if=/dev/urandom of=$1/f$i bs=8k count=$i 2>/dev/null && sync $1/f$i; done && rm $1/f*3"
        ok(session, f"echo '{work}' > /tmp/work")
        ok(session, "for i in 0 1 2 3; do taskset $((1 << i)) sh /tmp/work $i & done; wait", timeout=240)
        ok(session, "sha256sum */f* > sums; cd / && umount /mnt && mount /dev/vda /mnt && cd /mnt && sha256sum -c sums > /dev/null", timeout=120)
        counts = session.run("cat /proc/interrupts | grep virtio1-req").splitlines()
        assert len(counts) == 4 and all(sum(map(int, re.findall(r"\s(\d+)(?=\s)", line))) > 20 for line in counts), counts
        ok(session, "cd / && /sbin/fstrim /mnt && umount /mnt")
        session.power_off()
    lines = "\n".join(session.tagged("nvme"))
    assert all(f"vector=0x8000000{v}" in lines for v in (1, 2, 3, 4)) and "No MSI is left" not in lines, lines
    assert fsck(image) is None


# --- a drive with errors ------------------------------------------------------------------------------------------------

def add_faulty(system, *rules, mib=24):
    """A drive whose image fails as blkdebug's rules say."""
    image = system.disk(mib)
    config = system.write("blkdebug.conf", "".join(f"[inject-error]\n{rule}\n" for rule in rules))
    system.machine += ["-drive", f"if=none,id=D1,driver=raw,file.driver=blkdebug,file.config={config},file.image.driver=file,"
                       f"file.image.filename={image}", "-device", f"nvme,drive=D1,serial={SERIAL}"]
    return image


@pytest.mark.long
def test_bad_sectors(system):
    """Reading or writing them is an honest error in the guest, which names the right place; everything else works."""
    add_faulty(system, 'event = "read_aio"\nerrno = "5"\nsector = "20000"', 'event = "write_aio"\nerrno = "5"\nsector = "30000"')
    with system.boot() as session:
        session.wait_prompt()
        session.run(MOUNT)
        for block, reads, writes in ((2499, True, True), (2500, False, True), (2501, True, True), (3750, True, False), (3751, True, True)):
            got = session.run(f"dd if=/dev/vda of=/tmp/block bs=4k count=1 skip={block} iflag=direct 2>/tmp/e; echo rc=$?", timeout=120)
            assert got.endswith("rc=0") == reads, (block, got)
            put = session.run(f"dd if=/dev/zero of=/dev/vda bs=4k count=1 seek={block} oflag=direct 2>/tmp/e; echo rc=$?", timeout=120)
            assert put.endswith("rc=0") == writes, (block, put)
        log = session.run("dmesg")
        assert re.search(r"I/O error, dev vda, sector 20000 op 0x0:\(READ\)", log) and re.search(r"I/O error, dev vda, sector 30000 op 0x1:\(WRITE\)", log)
    lines = "\n".join(session.tagged("nvme"))
    assert re.search(r"n1: read at LBA 20000 failed: .*SCT", lines) and re.search(r"n1: write at LBA 30000 failed: .*SCT", lines)


@pytest.mark.long
def test_errors_that_pass(system):
    """Bursts of failures that end when a command is sent again: the guest sees latency only."""
    rules = [f'event = "{event}"\nerrno = "5"\nonce = "on"' for event in ("read_aio", "write_aio", "flush_to_disk") for _ in range(3)]
    rules += [f'event = "write_aio"\nerrno = "5"\nonce = "on"\nsector = "{sector}"' for sector in range(16, 4000, 160)]
    image = add_faulty(system, *rules)
    with system.boot() as session:
        session.wait_prompt()
        session.run(MOUNT)
        ok(session, "mkfs.ext4 -q -F /dev/vda && mount /dev/vda /mnt && cp -r /bin /mnt && sync", timeout=180)
        ok(session, "dd if=/dev/urandom of=/mnt/f bs=64k count=100 && sync && umount /mnt && mount /dev/vda /mnt", timeout=180)
        ok(session, "cmp /bin/busybox /mnt/bin/busybox && umount /mnt", timeout=120)
        assert "I/O error" not in session.run("dmesg")
        session.power_off()
    assert fsck(image) is None


FIO = """package.path = "rom/?.lua";
local L4 = require "L4";
local vmm = require "vmm";
local l = L4.default_loader;
local drv, ctl, c1 = l:new_channel(), l:new_channel(), l:new_channel();
local io_busses = { nvme = 1 }
vmm.start_io(io_busses, "rom/test.vbus");
l.log_fab = l:new_channel();
l:start({ caps = { cons = l.log_fab:svr() }, log = L4.Env.log }, "rom/cons -c vm1");
l:start({ caps = { vbus = io_busses.nvme, cl1 = c1:svr() }, log = { "nvme", "g" } },
        "rom/nvme-drv --console --client cl1 --device %s:n1 --ds-max 5");
vmm.start_vm({ id = 1, mem = 160, rd = "rom/test.cpio.gz", fdt = "rom/virt-pc.dtb", kernel = "rom/bzImage",
  bootargs = "console=hvc0 rdinit=/bin/sh", log = { "vm1", "w" }, ext_caps = { qdrv = c1 } });"""


def on_console(session, command, end):
    """A command to the driver, and back to the guest; what it printed."""
    session.child.send("\x05connect nvme\r")
    session.expect("connected to nvme", 30)
    session.child.send(command + "\r")
    session.expect(echo_of(command), 30)
    session.expect(end, 30)
    text = ANSI.sub("", session.child.before + session.child.after)
    session.child.send("\x05connect vm1\r")
    session.expect("connected to vm1", 30)
    session.child.send("\r")
    session.wait_prompt(30)
    return text


JOBS = [("randrw", "--bssplit=512/10:4k/50:16k/20:128k/20 --size=24M --iodepth=16 --fsync=32"), ("write", "--bs=64k --size=8M --iodepth=4 --fsync=8"),
        ("randtrim", "--bs=64k --size=16M --iodepth=2"), ("read", "--bs=256k --size=32M --iodepth=8")]


def test_fio_counts(system, ramdisk):
    """What fio counts in the guest is what the driver counts: requests and bytes in each direction to the last one, times as far as they can."""
    use(system, ramdisk)
    system.modules += ["cons"]
    add_drive(system, mib=64)
    with system.boot(ned=FIO % SERIAL, msis="Property.num_msis = 6;") as session:
        session.wait_prompt()
        if "not found" in session.run("ls /sbin/fio"):
            pytest.skip("Debian's package fio could not be fetched")
        session.run(MOUNT + "; echo none > /sys/block/vda/queue/scheduler; echo 2 > /sys/block/vda/queue/nomerges; mkdir -p /dev/shm")
        for kind, options in JOBS:
            on_console(session, "stat reset", r"nvme> ")
            ok(session, f"/sbin/fio --name=j --filename=/dev/vda --direct=1 --ioengine=libaio --thread --rw={kind} {options} "
               "--output-format=json --output=/tmp/j", 120)
            job = json.loads("\n".join(ok(session, "cat /tmp/j")))["jobs"][0]
            ours = {k: int(v) for k, v in re.findall(r"(\w+\.\w+) (\d+)\s", on_console(session, "counters cl1", r"other\.max_ns \d+\s"))}
            for fio, name in (("read", "read"), ("write", "write"), ("trim", "discard")):
                assert (job[fio]["total_ios"], job[fio]["io_bytes"]) == (ours[f"{name}.ops"], ours[f"{name}.bytes"]), (kind, fio, job[fio], ours)
                if job[fio]["total_ios"]:  # a request's time with us is a part of its time with fio; the clocks are not the same
                    lat = job[fio]["lat_ns"]
                    assert 0 < ours[f"{name}.mean_ns"] <= lat["mean"] * 1.05, (kind, fio, lat, ours)
                    assert ours[f"{name}.max_ns"] <= lat["max"] * 1.05 and ours[f"{name}.p50_ns"] <= ours[f"{name}.p99_ns"] <= ours[f"{name}.max_ns"]
            assert ours["flush.ops"] == job["sync"]["total_ios"] and job["error"] == 0, (kind, job["sync"], ours)
            assert ours["zeroes.ops"] == 0 and not any(ours[f"{k}.errors"] for k in ("read", "write", "flush", "discard"))
