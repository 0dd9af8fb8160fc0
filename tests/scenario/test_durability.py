# SPDX-License-Identifier: MIT
"""Power failures: after any write, whatever a client knew to be flushed is on the drive, and nothing is needed that was not."""
import os
import re
import shutil
import signal
import struct
import subprocess

import pytest
from conftest import SERIAL, run
from logwrites import FLUSH, FUA, MARKER, Journal, Log, promised
from session import tool
from test_block import ONE, VERIFIED, boot

MIB = 1 << 20


def add_logged(system, image, extra=""):
    """A drive whose writes are logged; returns the log's path. The host's own flushes would only cost time."""
    log = system.path("log.img")
    with open(log, "wb") as f:
        f.truncate(0)
    system.machine += ["-drive", f"if=none,id=D1,driver=blklogwrites,log-sector-size=512,log-append=off,file.driver=file,file.filename={image},"
                       f"file.cache.no-flush=on,log.driver=file,log.filename={log},log.cache.no-flush=on,discard=unmap",
                       "-device", f"nvme,drive=D1,serial={SERIAL}{extra}"]
    return log


def read(path):
    with open(path, "rb") as f:
        return f.read()


# --- the tool itself ------------------------------------------------------------------------------------------------

def make_log(path, *entries):
    """(sector, data or None for a flush, flags) each."""
    out = struct.pack("<QQQI", 0x6A736677736872, 1, len(entries), 512).ljust(512, b"\0")
    for sector, data, flags in entries:
        data = data or b""
        out += struct.pack("<QQQQ", sector, len(data) // 512, flags, len(data)).ljust(512, b"\0") + data
    with open(path, "wb") as f:
        f.write(out)


def test_model_of_a_cache(tmp_path):
    a, b, c = (bytes([v]) * 512 for v in (1, 2, 3))
    make_log(tmp_path / "log", (0, a, 0), (1, a + a, 0), (0, None, FLUSH), (0, b, 0), (3, c, FUA), (1, c, 0))
    log = Log(tmp_path / "log", bytes(2048))
    seen = {(cut, way): bytes(disk) for cut, way, disk in log.disks(log.cuts(100))}
    empty = bytes(512)
    assert seen[2, "none"] == bytes(2048) and seen[2, "all"] == a + a + a + empty
    assert seen[3, "none"] == seen[3, "all"] == seen[3, "some"] == a + a + a + empty
    assert seen[5, "none"] == a + a + a + c
    assert seen[6, "none"] == a + a + a + c and seen[6, "all"] == b + c + a + c
    some = {bytes(disk) for seed in range(50) for _, _, disk in log.disks([6], ways=("some",), seed=seed)}
    assert some == {x + y + a + c for x in (a, b) for y in (a, c)}


def test_journal_finds_what_is_missing():
    journal = Journal(4 * MIB)
    disk = bytearray(4 * MIB)
    for number in range(1, 300):
        at = (64 + number % journal.slots * 32) * 512
        data = b"".join(journal.sector(number, i) for i in range(journal.sectors(number)))
        disk[at:at + len(data)] = data
    assert journal.missing(disk, 299) is None and journal.missing(disk, 300) == 300
    disk[(64 + 250 % journal.slots * 32) * 512 + 77] ^= 1
    assert journal.missing(disk, 299) == 250


# --- blktest ------------------------------------------------------------------------------------------------

def check_journal(log, size, unit=1, most=200, ways=("none", "all", "some")):
    """Every promise is kept at every cut; returns the last one."""
    marks, journal = log.marks(0, MARKER), Journal(size, unit)
    assert len(marks) > 20
    for cut, way, disk in log.disks(log.cuts(most), ways=ways):
        lost = journal.missing(disk, promised(marks, cut))
        assert lost is None, f"after {cut} of {len(log.entries)} entries, {way} of the unflushed: record {lost} is lost"
    return marks[-1][1]


LONG = pytest.mark.long


@pytest.mark.parametrize("driver, options, extra, unit", [
    pytest.param("", "--depth 16", "", 1, id="sgl"),
    pytest.param("", "--depth 40 --queues 4 --ops 2500", "", 1, id="queues", marks=LONG),
    pytest.param("--nosgl", "--depth 8", ",logical_block_size=4096,physical_block_size=4096", 8, id="4k-prp"),
    pytest.param("", "--depth 24", ",mdts=1", 1, id="mdts", marks=LONG),
    pytest.param("--packed", "--packed --depth 24 --ops 2000", "", 1, id="packed", marks=LONG),
])
def test_cut_after_any_write(system, driver, options, extra, unit):
    image = system.disk(9)
    log = add_logged(system, image, extra)
    with boot(system, f"{ONE} {driver}", f"--journal --ops 1200 {options}", msis="Property.num_msis = 5;") as session:
        session.expect(VERIFIED, 60)
    log = Log(log, bytes(9 * MIB))
    assert log.count(FLUSH) > 20
    assert check_journal(log, 9 * MIB, unit) >= 1200
    # the check is sharp: were flushes not heeded, it would see it
    marks, journal = log.marks(0, MARKER), Journal(9 * MIB, unit)
    assert any(journal.missing(disk, promised(marks, cut)) for cut, _, disk in log.disks(log.cuts(20), ways=("none",), ignore_flushes=True))


def test_cut_without_a_cache(system):
    """A drive without a volatile cache: clients are offered no flush, and every finished write is there."""
    image = system.disk(9)
    log = add_logged(system, image, ",write-cache=off")
    with boot(system, ONE, "--journal --ops 800 --depth 16") as session:
        session.expect(VERIFIED, 60)
        assert int(re.search(r"features ([0-9a-f]+)", session.text())[1], 16) & 1 << 9 == 0
    log = Log(log, bytes(9 * MIB))
    # QEMU emulates such a drive by flushing after writes, but not after each that others overtake: the order alone can be checked
    assert log.count(FLUSH) > 20
    assert check_journal(log, 9 * MIB, ways=("all",)) == 800


def test_cut_write_through(system):
    """The client switches the write cache off: no flushes any more, each write has FUA. QEMU's controller ignores that bit (unit tests see
    it), so here, too, the order alone is checked."""
    image = system.disk(9)
    log = add_logged(system, image)
    with boot(system, ONE, "--journal --write-through --ops 800 --depth 16") as session:
        assert session.expect(VERIFIED, 60)[3] == "0"
    log = Log(log, bytes(9 * MIB))
    assert check_journal(log, 9 * MIB, ways=("all",)) == 800


def test_killed_while_writing(system):
    """What was told to be flushed is in the image, whenever QEMU dies."""
    image = system.disk(9)
    system.add_nvme(image)
    with boot(system, ONE, "--journal --ops 1000000 --depth 32") as session:
        for _ in range(10):
            session.expect(r"flushed (\d+)\D", 60)
        kill_qemu(session)
        flushed = max(int(n) for n in re.findall(r"flushed (\d+)\r?\n", session.text()))
    disk = read(image)
    mark = struct.unpack_from("<II", disk)
    assert mark[0] == MARKER and mark[1] + 1 >= flushed > 100
    assert Journal(9 * MIB).missing(disk, max(mark[1], flushed)) is None


def kill_qemu(session):
    """skboot's child, at once."""
    children = subprocess.run(["pgrep", "-P", str(session.child.pid), "-f", "qemu"], capture_output=True, text=True, check=False).stdout.split()
    for pid in children or [session.child.pid]:
        os.kill(int(pid), signal.SIGKILL)
    session.child.wait()


# --- Linux ------------------------------------------------------------------------------------------------

FS_MIB, KEPT = 16, 10
GUEST = """mark() { printf "MARK\\\\x$(printf %%02x $(($1 %% 256)))\\\\x$(printf %%02x $(($1 / 256)))\\\\0\\\\0" |
  dd of=/dev/vda2 bs=512 conv=sync oflag=direct 2>/dev/null; }
work() { i=0; while [ $i -lt %d ]; do i=$((i + 1)); yes "file $i" | head -c $((i %% 7 * 4000 + 100)) > new; sync new
  mv new f$i; sync .; [ $i -le %d ] || rm f$((i - %d)); mark $i; done; }
"""


def content(number):
    line = f"file {number}\n".encode()
    return (line * 5000)[:number % 7 * 4000 + 100]


def check_files(folder, upto, last):
    """The files that were promised, whole; others whole as well, or not there, or not yet renamed."""
    for name in os.listdir(folder):
        if name[0] == "f":
            number = int(name[1:])
            assert number <= last and read(os.path.join(folder, name)) == content(number), f"{name} has other content"
    for number in range(max(1, upto - KEPT + 1), upto + 1):
        # the last but KEPT may be removed already when the next one's promise is not yet written
        assert os.path.exists(os.path.join(folder, f"f{number}")) or number == upto - KEPT + 1, f"file {number} of {upto} is lost"


def linux_run(system, count, extra=""):
    """A guest's numbered files with fsync, and marks on the second partition; returns the log, the disk's first bytes and the marks' sector."""
    image = system.disk(FS_MIB + 3)
    run("sgdisk", f"-n1:2048:+{FS_MIB}M", "-n2:0:0", image)
    before = read(image)
    log = add_logged(system, image, extra)
    with system.boot() as session:
        session.wait_prompt()
        session.run("mount -a; mkdir /mnt")
        made = session.run("mkfs.ext4 -q -F /dev/vda1 && mount -o discard /dev/vda1 /mnt && cd /mnt; echo rc=$?")
        assert "rc=0" in made, made
        for line in (GUEST % (count, KEPT, KEPT)).splitlines():
            session.child.sendline(line)
        assert "rc=0" in session.run("sync; mark 0; work; echo rc=$?", timeout=240)
        session.run("cd /; umount /mnt")
        session.power_off()
    return Log(log, before), 2048 + FS_MIB * 2048


def check_cuts(log, sector, folder, most, ways=("none", "all", "some")):
    """Each cut's file system needs no more than its journal, and holds what was promised."""
    marks = log.marks(sector, MARKER)
    assert marks[0][1] == 0 and marks[-1][1] >= 20
    cuts = [marks[0][0] + cut for cut in Log.cuts_of(len(log.entries) - marks[0][0], most)]
    image, files = os.path.join(folder, "cut.img"), os.path.join(folder, "files")
    for cut, way, disk in log.disks(cuts, ways=ways, tear=4096):  # ext4 expects its superblock in one piece
        with open(image, "wb") as f:
            f.write(memoryview(disk)[MIB:(FS_MIB + 1) * MIB])
        where = f"after {cut} of {len(log.entries)} entries, {way} of the unflushed"
        checked = tool("e2fsck", "-fp", image)
        assert checked.returncode in (0, 1), f"{where}: {checked.stdout}{checked.stderr}"
        shutil.rmtree(files, ignore_errors=True)
        os.mkdir(files)
        tool("debugfs", "-R", f"rdump / {files}", image)
        try:
            check_files(files, promised(marks, cut), marks[-1][1])
        except AssertionError as e:
            raise AssertionError(f"{where}: {e}") from None


def test_linux_cut_after_any_write(system):
    log, sector = linux_run(system, 30)
    assert log.count(FLUSH) > 30
    check_cuts(log, sector, system.folder, 25)


@LONG
def test_linux_cut_after_every_write(system):
    log, sector = linux_run(system, 250)
    check_cuts(log, sector, system.folder, 500)


@LONG
def test_linux_without_a_cache(system):
    log, sector = linux_run(system, 60, ",write-cache=off")
    check_cuts(log, sector, system.folder, 100, ways=("all",))


@LONG
def test_linux_killed(system):
    """The host kills QEMU in the middle of the guest's work."""
    image = system.disk(FS_MIB + 3)
    run("sgdisk", f"-n1:2048:+{FS_MIB}M", "-n2:0:0", image)
    system.add_nvme(image)
    with system.boot() as session:
        session.wait_prompt()
        session.run("mount -a; mkdir /mnt; mkfs.ext4 -q -F /dev/vda1; mount /dev/vda1 /mnt; cd /mnt")
        for line in (GUEST % (100000, KEPT, KEPT)).replace("mark $i;", "mark $i; echo =$i=;").splitlines():
            session.child.sendline(line)
        session.child.sendline("work")
        session.expect("=25=", 120)
        kill_qemu(session)
        told = max(int(n) for n in re.findall(r"=(\d+)=", session.text()))
    with open(system.path("cut.img"), "wb") as f:
        f.write(read(image)[MIB:(FS_MIB + 1) * MIB])
    assert tool("e2fsck", "-fp", system.path("cut.img")).returncode in (0, 1)
    os.mkdir(system.path("files"))
    tool("debugfs", "-R", f"rdump / {system.path('files')}", system.path("cut.img"))
    check_files(system.path("files"), told, told + 2)
