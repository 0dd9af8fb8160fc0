# SPDX-License-Identifier: MIT
"""The block service without a VM: blktest, a native client, drives nvme-drv and verifies every block."""
import os
import re

import pytest
from conftest import SERIAL, run
from native import MODULES, PRELUDE, channels, driver

NED = PRELUDE + channels("c1", "c2") + driver("%s", cl1="c1", cl2="c2") + "%s\n"
CLIENT = 'l:start({ caps = { disk = c%d }, log = { "test%d", "y" } }, "rom/blktest %s");\n'
ONE = f"-v --client cl1 --device {SERIAL}:n1"
VERIFIED = r"all verified: (\d+) reads, (\d+) writes, (\d+) flushes"


def boot(system, driver, *clients, **settings):
    """Clients are blktest's options, for cl1, cl2, ..."""
    system.modules = list(MODULES)
    starts = "".join(CLIENT % (i + 1, i + 1, options) for i, options in enumerate(clients))
    return system.boot(ned=NED % (driver, starts), **settings)


def said(session, pattern):
    return any(re.search(pattern, line) for line in session.tagged("nvme"))


@pytest.mark.parametrize("machine, options, extra", [
    ("pc", "", ""), ("q35", "", ""), ("pc", "--nosgl", ""), ("pc", "--nosgl", ",mdts=1"), ("q35", "", ",mdts=1"), ("pc", "--nomsix", ""),
    ("q35", "--nomsix", ""), ("pc", "", ",max_ioqpairs=1"), ("pc", "", ",msix_qsize=1"),
], ids=["sgl", "q35", "prp", "prp-mdts", "sgl-mdts", "intx", "intx-q35", "one-queue", "one-vector"])
def test_verify(system, machine, options, extra):
    system.machine += ["-M", machine]
    system.add_nvme(system.disk(), extra=extra)
    with boot(system, f"{ONE} {options}", "--depth 32 --ops 4000 --max 524288 --hostile") as session:
        counts = session.expect(VERIFIED, 60)
        assert int(counts[1]) > 1000 and int(counts[2]) > 1000 and int(counts[3]) > 10


def one_after_another(system, driver, runs, **settings):
    """blktest with each of these options, at the same gate."""
    starts = ", ".join(f'"{options}"' for options in runs)
    start = f'for _, o in ipairs {{ {starts} }} do l:start({{ caps = {{ disk = c1 }}, log = {{ "test", "y" }} }}, "rom/blktest " .. o):wait(); end'
    system.modules = list(MODULES)
    with system.boot(ned=NED % (driver, start), **settings) as session:
        for options in runs:
            assert session.expect(r"blktest: (all verified|FAILED|bad option)", 120)[1] == "all verified", (options, session.tagged("test"))
        return session


@pytest.mark.parametrize("extra", ["--depth 1", "--depth 32 --pieces 6", "--depth 256 --queues 4 --align 1 --gaps"])
def test_packed_rings(system, extra):
    """The same with packed rings, and broken ones; split rings are offered beside them."""
    system.add_nvme(system.disk())
    runs = [f"--packed --ops 2000 --hostile --queue-resets {extra}", f"--ops 500 --queue-resets {extra}"]
    with one_after_another(system, f"{ONE} --packed", runs, msis="Property.num_msis = 5;") as session:
        pass
    assert said(session, r"VQ.* packed$") and said(session, r"VQ.* u:0x\w+$")


def test_no_packed_rings(system):
    system.add_nvme(system.disk())
    with boot(system, ONE, "--packed") as session:
        session.expect("the server does not offer packed rings", 60)


def test_every_depth(system):
    """From one request at a time to a full queue; beyond what direct descriptors allow, all are indirect."""
    system.add_nvme(system.disk(40))
    depths = [1, 2, 3, 5, 8, 13, 16, 32, 42, 43, 64, 100, 128, 255, 256]
    one_after_another(system, ONE, [f"--depth {depth} --ops {400 + 2 * depth} --max 16384 --seed {depth}" for depth in depths])


@pytest.mark.parametrize("size, options, extra", [
    pytest.param(512, "", "", id="512"), pytest.param(512, "--nosgl", "", id="512-prp"),
    pytest.param(4096, "", "", id="4k", marks=pytest.mark.long), pytest.param(4096, "--nosgl", "", id="4k-prp", marks=pytest.mark.long),
    pytest.param(512, "", ",mdts=1", id="512-mdts", marks=pytest.mark.long), pytest.param(4096, "--nosgl", ",mdts=2", id="4k-prp-mdts"),
])
def test_every_size(system, size, options, extra):
    """From one block to more than the drive takes at a time, in up to as many pieces as virtio allows."""
    system.add_nvme(system.disk(40), extra=f",logical_block_size={size},physical_block_size={size}{extra}")
    runs = [f"--depth {depth} --ops {ops} --max {most} --pieces {pieces} --gaps --seed {most}" for most, pieces, depth, ops in (
        (size, 1, 4, 200), (4096, 8, 64, 1000), (32768, 126, 16, 600), (131072, 40, 8, 200), (1 << 20, 126, 4, 40), (3 << 20, 126, 2, 12))]
    one_after_another(system, f"{ONE} {options}", runs)


@pytest.mark.parametrize("options, runs", [
    ("", ("--align 1 --gaps --pieces 60", "--align 4 --gaps --pieces 126 --max 131072", "--align 2 --pieces 2 --max 4096", "--align 64 --gaps --ranges")),
    ("--nosgl", ("--align 4 --pieces 60", "--align 4 --pieces 1 --max 1048576 --ops 100", "--align 1 --gaps --pieces 60 --ops 600", "--align 128 --gaps --pieces 126 --ranges")),
], ids=["sgl", "prp"])
def test_unaligned_memory(system, options, runs):
    """Buffers anywhere; not a byte beside them is written. What PRPs cannot reach goes through a page of the driver's."""
    system.add_nvme(system.disk(40))
    one_after_another(system, f"{ONE} {options}", [f"--depth 16 --ops 1200 {run}" for run in runs])


@pytest.mark.parametrize("msis", ["", "Property.num_msis = 1;", "Property.num_msis = 3;"])
def test_two_namespaces_two_clients(system, msis):
    """113: a queue pair for each, with its own interrupt where there are enough."""
    system.machine += ["-device", f"nvme,id=n0,serial={SERIAL}"]
    for nsid, size in ((1, 512), (3, 4096)):
        image = system.disk(16, f"disk{nsid}.img")
        system.machine += ["-drive", f"if=none,file={image},format=raw,id=D{nsid}", "-device",
                           f"nvme-ns,drive=D{nsid},bus=n0,nsid={nsid},logical_block_size={size},physical_block_size={size}"]
    with boot(system, f"{ONE} --client cl2 --device {SERIAL}:n3", "--ops 2000 --depth 16", "--ops 2000 --depth 16 --seed 7",
              msis=msis) as session:
        for _ in range(2):
            session.expect(VERIFIED, 60)
    if "1" in msis:
        assert said(session, "shares")
    if "3" in msis:
        assert said(session, "vector=0x80000002")


@pytest.mark.parametrize("size, extra", [(512, ""), (4096, ""), (512, ",mdts=1")], ids=["512", "4k", "mdts"])
def test_discard_and_zeroes(system, size, extra):
    """Every block is verified; on the host, a disk with discard=unmap has lost its blocks."""
    image = system.disk(16)
    with open(image, "wb") as f:
        f.write(b"\xee" * (16 << 20))
    before = os.stat(image).st_blocks
    system.machine += ["-drive", f"if=none,file={image},format=raw,id=D1,discard=unmap", "-device",
                       f"nvme,drive=D1,serial={SERIAL},logical_block_size={size},physical_block_size={size}{extra}"]
    with boot(system, ONE, "--ranges --depth 16 --ops 5000 --max 262144") as session:
        counts = session.expect(r"blktest: (\d+) discards, (\d+) write zeroes", 60)
        assert int(counts[1]) > 100 and int(counts[2]) > 100
        session.expect(VERIFIED, 60)
    assert os.stat(image).st_blocks < before


@pytest.mark.parametrize("msis, extra", [("Property.num_msis = 5;", ""), ("Property.num_msis = 2;", ""), ("Property.num_msis = 5;", ",max_ioqpairs=2")],
                         ids=["own-vectors", "shared-vector", "two-pairs"])
def test_several_queues(system, msis, extra):
    """A queue pair and a vector for each queue as far as they go; shared, and said so, beyond that."""
    system.add_nvme(system.disk(), extra=extra)
    with boot(system, ONE, f"--queues {2 if extra else 4} --depth 32 --ops 6000 --hostile --ranges", msis=msis) as session:
        session.expect(VERIFIED, 60)
    assert said(session, "vector=0x80000002") == ("5" in msis)
    assert said(session, "No MSI is left") == ("2" in msis)


def test_two_controllers(system):
    system.add_nvme(system.disk(name="a.img"), ident="D1")
    system.add_nvme(system.disk(name="b.img"), serial="OTHER", ident="D2")
    with boot(system, f"{ONE} --client cl2 --device OTHER:n1", "", "--seed 3", msis="Property.num_msis = 4;") as session:
        for _ in range(2):
            session.expect(VERIFIED, 60)


def test_flush_reaches_the_drive(system):
    system.add_nvme(system.disk())
    trace = system.path("trace.log")
    system.machine += ["-trace", "pci_nvme_flush*", "-D", trace]
    with boot(system, ONE, "--ops 3000") as session:
        flushes = int(session.expect(VERIFIED, 60)[3])
    with open(trace, encoding="utf-8", errors="replace") as f:
        assert sum("pci_nvme_flush " in line or "pci_nvme_flush_ns" in line for line in f) >= flushes > 0


def test_disk_in_use(system):
    """The second client gets SK_EBUSY and a line; when the first has ended, its turn comes."""
    system.add_nvme(system.disk())
    with boot(system, f"{ONE} --client cl2 --device {SERIAL}:n1", "--ops 3000", "--ops 500 --patient") as session:
        for _ in range(2):
            session.expect(VERIFIED, 60)
    assert said(session, "cl2.*in use by client cl1")


DYNAMIC = PRELUDE + channels("drv") + driver("-v", svr="drv") + """local function disk(...) return L4.cast(L4.Proto.Factory, drv):create(0, ...) end
local function refused(...) local ok, why = pcall(disk, ...); print("refused:", not ok, why) end
local function test(d, options) return l:start({ caps = { disk = d }, log = { "test", "y" } }, "rom/blktest " .. options) end
%s
"""


def test_dynamic_clients(system):
    """Made by a script while the devices are still looked at; gone with their last holder, disk and memory with them."""
    system.add_nvme(system.disk())
    system.modules = list(MODULES)
    script = f"""
local d = disk("device={SERIAL}:n1", "ds-max=3");
refused("device={SERIAL}:n1"); refused("device=NOSUCH"); refused("size=1"); refused("ds-max=3"); refused("device=A", "ds-max=99");
test(d, "--ops 1000 --hostile"):wait(); d:drop();
for i = 1, 70 do -- more than there may be clients at a time
  local ok, d; repeat ok, d = pcall(disk, "device={SERIAL}:n1", i %% 10 == 0 and "read-only" or nil) until ok;
  if i %% 10 == 0 then test(d, "--readonly --ops 200"):wait(); end
  d:drop();
end
print("dynamic clients done");"""
    with system.boot(ned=DYNAMIC % script.replace("%%", "%")) as session:
        for _ in range(5):
            session.expect(r"refused:\s+true", 60)
        session.expect(VERIFIED, 60)
        for _ in range(7):
            session.expect(VERIFIED, 60)
        session.expect("dynamic clients done", 60)
    assert said(session, f"{SERIAL}:n1 is in use by client svr/")
    assert said(session, "there is no device 'NOSUCH'")
    assert said(session, "asks for 'size=1'") and said(session, "does not say which device") and said(session, "asks for 'ds-max=99'")
    assert not said(session, "No dynamic clients")


def test_gate_is_used_again(system):
    """A client that has ended leaves nothing behind: the next one has the same gate."""
    system.add_nvme(system.disk())
    start = 'for i = 1, 4 do l:start({ caps = { disk = c1 }, log = { "test", "y" } }, "rom/blktest --ops 500 --seed " .. i):wait(); end'
    system.modules = list(MODULES)
    with system.boot(ned=NED % (ONE, start)) as session:
        for _ in range(4):
            session.expect(VERIFIED, 60)


def test_two_readers(system):
    system.add_nvme(system.disk())
    driver = f"{ONE} --readonly --client cl2 --device {SERIAL}:n1 --readonly"
    with boot(system, driver, "--readonly", "--readonly") as session:
        for _ in range(2):
            session.expect(VERIFIED, 60)


def test_missing_device(system):
    system.add_nvme(system.disk())
    with boot(system, "--client cl1 --device NOSUCH:n1", "--expect -15") as session:
        session.expect("SK_ENODEV as expected", 60)
    assert said(session, f"cl1.*NOSUCH:n1.*{SERIAL}:n1")


def test_no_bus(system):
    ned = NED.replace("vbus = io_busses.nvme, ", "") % (ONE, CLIENT % (1, 1, "--expect -15"))
    system.modules = list(MODULES)
    system.add_nvme(system.disk())
    with system.boot(ned=ned) as session:
        session.expect("SK_ENODEV as expected", 60)
    assert said(session, "vbus")


def test_partition_keeps_its_limits(system):
    """Nothing outside the partition changes, whatever its client does."""
    image = system.disk(16)
    run("sgdisk", "-n", "1:2048:12287", "-c", "1:data", "-n", "2:12288:20479", "-c", "2:other", image)
    with open(image, "rb") as f:
        before = f.read()
    system.add_nvme(image)
    with boot(system, "-v --client cl1 --device data", "--ops 3000 --hostile") as session:
        session.expect(VERIFIED, 60)
    with open(image, "rb") as f:
        after = f.read()
    assert after[:2048 * 512] == before[:2048 * 512] and after[12288 * 512:] == before[12288 * 512:]
    assert after != before
    assert said(session, "GUID partition header found")


def test_backup_partition_table(system):
    image = system.disk(16)
    run("sgdisk", "-n", "1:2048:12287", "-c", "1:data", image)
    with open(image, "r+b") as f:
        f.seek(512 + 80)
        f.write(b"\x7f")
    system.add_nvme(image)
    with boot(system, "-v --client cl1 --device data", "--ops 500") as session:
        session.expect(VERIFIED, 60)
    assert said(session, "primary partition table is damaged.*backup is used")


@pytest.mark.parametrize("device, part", [
    (f"{SERIAL}:n1:1", 1), (f"{SERIAL}:n1:2", 2), ("partlabel:data", 1), ("PARTLABEL:OTHER", 2),
    ("partuuid:4f68bce3-e8cd-4db1-96e7-fbcaf984b709", 2), ("4F68BCE3-e8cd-4DB1-96e7-FBCAF984B709", 2), ("Data", 1),
])
def test_partition_by_name(system, device, part):
    image = system.disk(16)
    run("sgdisk", "-n", "1:2048:6143", "-c", "1:data", "-n", "2:6144:14335", "-c", "2:other", "-u",
        "2:4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709", image)
    system.add_nvme(image)
    with boot(system, f"-v --client cl1 --device {device}", "--ops 300") as session:
        assert session.expect(r"blktest: (\d+) sectors", 60)[1] == {1: "4096", 2: "8192"}[part]
        assert session.expect(r"blktest: id ([\w:]+)[^\w:]", 60)[1] == f"{SERIAL}:n1:{part}"
        session.expect(VERIFIED, 60)


def write_mbr(image, lba, *entries, signature=0):
    """A boot record: (type, start, sectors) each."""
    table = b"".join(bytes([0, 0, 0, 0, kind, 0, 0, 0]) + start.to_bytes(4, "little") + count.to_bytes(4, "little")
                     for kind, start, count in entries)
    with open(image, "r+b") as f:
        f.seek(lba * 512 + 440)
        f.write(signature.to_bytes(6, "little") + table.ljust(64, b"\0") + b"\x55\xaa")


@pytest.mark.parametrize("device, start, sectors", [
    (f"{SERIAL}:n1:1", 2048, 4096), ("partuuid:1234ABCD-05", 10240, 2048), ("1234abcd-06", 14336, 1000),
])
def test_mbr(system, device, start, sectors):
    image = system.disk(16)
    write_mbr(image, 0, (0x83, 2048, 4096), (0x0f, 8192, 16384), signature=0x1234abcd)
    write_mbr(image, 8192, (0x83, 2048, 2048), (0x05, 4096, 4096))
    write_mbr(image, 12288, (0x83, 2048, 1000))
    with open(image, "rb") as f:
        before = f.read()
    system.add_nvme(image)
    with boot(system, f"-v --client cl1 --device {device}", "--ops 500") as session:
        assert session.expect(r"blktest: (\d+) sectors", 60)[1] == str(sectors)
        session.expect(VERIFIED, 60)
    with open(image, "rb") as f:
        after = f.read()
    end = (start + sectors) * 512
    assert after[:start * 512] == before[:start * 512] and after[end:] == before[end:] and after != before


def test_protective_without_table(system):
    """Type EEh and no GUID partition table: nothing is a partition, the namespace is still there."""
    image = system.disk(16)
    write_mbr(image, 0, (0xee, 1, 32767))
    system.add_nvme(image)
    with boot(system, f"-v --client cl1 --device {SERIAL}:n1:1 --client cl2 --device {SERIAL}:n1", "--expect -15",
              "--ops 100") as session:
        session.expect(r"all verified: [1-9]", 60)
    assert "SK_ENODEV as expected" in session.text()
    assert said(session, "MBR says that there is a GUID partition table; no partition is used")


def test_hybrid_and_stale(system):
    """A hybrid record: the GUID partition table counts; a legacy one without EEh: it does not."""
    image, stale = system.disk(16), system.disk(16, "stale.img")
    for name in (image, stale):
        run("sgdisk", "-n", "1:2048:6143", "-c", "1:" + ("data" if name == image else "old"), "-h", "1", name)
    with open(stale, "r+b") as f:
        f.seek(446)
        table = bytearray(f.read(64))
        for i in range(4):
            if table[16 * i + 4] == 0xee:
                table[16 * i:16 * i + 16] = bytes(16)
        f.seek(446)
        f.write(table)
    system.add_nvme(image)
    system.add_nvme(stale, serial="STALE", ident="D2")
    with boot(system, "-v --client cl1 --device data --client cl2 --device old", "--ops 300", "--expect -15",
              msis="Property.num_msis = 4;") as session:
        session.expect(r"all verified: [1-9]", 60)
    assert "SK_ENODEV as expected" in session.text()
    assert said(session, "the MBR is a hybrid one")
    assert said(session, "no protective entry, so the GUID partition table is not in force")


def test_whole_disk_or_partitions(system):
    """Never both for writing: the second is refused with a line that says why."""
    image = system.disk(16)
    run("sgdisk", "-n", "1:2048:6143", "-c", "1:data", image)
    system.add_nvme(image)
    with boot(system, f"-v --client cl1 --device {SERIAL}:n1 --client cl2 --device data", "--ops 2000", "--expect -7") as session:
        session.expect("SK_EBUSY as expected", 60)
    assert said(session, "Client cl2: data is in use by client cl1, which has MYNVMECTLSN:n1")


def test_read_error(system):
    """An error of the drive reaches the client, with a line in words."""
    image = system.disk()
    config = system.write("blkdebug.conf", '[inject-error]\nevent = "read_aio"\nerrno = "5"\nsector = "4000"\n')
    system.machine += ["-drive", f"if=none,id=D1,driver=raw,file.driver=blkdebug,file.config={config},file.image.driver=file,"
                       f"file.image.filename={image}", "-device", f"nvme,drive=D1,serial={SERIAL}"]
    with boot(system, f"{ONE} --readonly", "--ops 20000 --readonly --depth 4") as session:
        session.expect(r"status 1, \d+ bytes", 60)
    assert said(session, r"n1: read at LBA \d+ failed: .*SCT")


def test_controllers_without_disks(system):
    system.machine += ["-device", f"nvme,id=n0,serial={SERIAL}"]
    with boot(system, ONE, "--expect -15") as session:
        session.expect("SK_ENODEV as expected", 60)
    assert said(session, "there is no device")
