# SPDX-License-Identifier: MIT
"""Partition tables as disks have them after accidents: tables made by sgdisk, then damaged, each a namespace of one controller.
What is served is what the specifications leave, and the driver's log says why the rest is not."""
import re
import shutil
import struct
import zlib

import pytest
from conftest import SERIAL, run
from native import MODULES
from test_block import DYNAMIC, boot, said, write_mbr
from test_clients import boot as boot_clients
from test_clients import content

MIB = 8
LAST = (MIB << 11) - 1
SERVED, REFUSED = "--ops 40 --max 4096", "--expect -15"


def block(f, lba):
    f.seek(lba * 512)
    return bytearray(f.read(512))


def put(f, lba, offset, data):
    f.seek(lba * 512 + offset)
    f.write(data)


def reseal(f, *headers):
    """Makes the checksums of the copies with these headers right again."""
    for lba in headers:
        head = block(f, lba)
        table, count, size = struct.unpack_from("<QII", head, 72)
        f.seek(table * 512)
        struct.pack_into("<I", head, 88, zlib.crc32(f.read(count * size)))
        struct.pack_into("<I", head, 16, 0)
        struct.pack_into("<I", head, 16, zlib.crc32(head[:struct.unpack_from("<I", head, 12)[0]]))
        put(f, lba, 0, head)


def entry_write(f, number, first, last):
    """Changes a partition's place in both copies, with right checksums."""
    for lba in (1, LAST):
        put(f, struct.unpack_from("<Q", block(f, lba), 72)[0], (number - 1) * 128 + 32, struct.pack("<QQ", first, last))
    reseal(f, 1, LAST)


def header_crc(f):
    put(f, 1, 60, b"\x7f")


def entries_crc(f):
    put(f, 3, 17, b"\x7f")


def backup_missing(f):
    put(f, LAST, 0, bytes(512))


def backup_differs(f):
    put(f, struct.unpack_from("<Q", block(f, LAST), 72)[0], 40, b"\x77")
    reseal(f, LAST)


def both_damaged(f):
    header_crc(f)
    put(f, LAST, 60, b"\x7f")


def overlapping(f):
    entry_write(f, 2, 4095, 6000)


def out_of_range(f):
    entry_write(f, 2, 0, 2 ** 64 - 1)


def behind_the_end(f):
    entry_write(f, 2, 4096, LAST)


def upside_down(f):
    entry_write(f, 2, 4096, 4000)


def many_entries(f):
    put(f, 1, 80, struct.pack("<I", 2 ** 32 - 1))
    head = block(f, 1)
    struct.pack_into("<I", head, 16, 0)
    put(f, 1, 16, struct.pack("<I", zlib.crc32(head[:92])))


def usable_over_table(f):
    put(f, 1, 40, struct.pack("<Q", 1))
    reseal(f, 1)


def protective_size(f):
    put(f, 0, 446 + 8, struct.pack("<II", 1, 17))


def no_mbr(f):
    put(f, 0, 0, bytes(512))


def hybrid(f):
    put(f, 0, 446 + 16, bytes([0, 0, 0, 0, 0x83, 0, 0, 0]) + struct.pack("<II", 2048, 2048))


def nothing(_):
    pass


# what is done to a disk with the partitions 1 (2048-4095), 2 (4096-6143) and 3 (8192-8199); those that remain; the log's line
DAMAGES = [
    (nothing, (1, 2, 3), None),
    (header_crc, (1, 2, 3), r"NSID %d: the primary partition table is damaged \(header CRC\); the backup is used"),
    (entries_crc, (1, 2, 3), r"NSID %d: the primary partition table is damaged \(CRC of the entries\); the backup is used"),
    (many_entries, (1, 2, 3), r"NSID %d: the primary partition table is damaged \(more entries than .*\); the backup is used"),
    (usable_over_table, (1, 2, 3), r"NSID %d: the primary partition table is damaged \(usable range\); the backup is used"),
    (backup_missing, (1, 2, 3), r"NSID %d: the backup of the partition table is damaged \(signature\); the primary is used"),
    (backup_differs, (1, 2, 3), r"NSID %d: the backup of the partition table is damaged \(it has other entries\)"),
    (both_damaged, (), r"NSID %d: both copies of the partition table are damaged \(header CRC\)"),
    (overlapping, (3,), r"Partition 2 of NSID %d \(blocks 4095 to 6000\) is not used: it overlaps"),
    (out_of_range, (1, 3), r"Partition 2 of NSID %d \(blocks 0 to \d+\) is not used: it lies outside"),
    (behind_the_end, (1, 3), r"Partition 2 of NSID %d .* is not used: it lies outside"),
    (upside_down, (1, 3), r"Partition 2 of NSID %d \(blocks 4096 to 4000\) is not used: it lies outside"),
    (protective_size, (1, 2, 3), None),
    (no_mbr, (1, 2, 3), None),
    (hybrid, (1, 2, 3), r"NSID %d: the MBR is a hybrid one"),
]


def attach(system, images):
    system.machine += ["-device", f"nvme,id=n0,serial={SERIAL}"]
    for nsid, image in enumerate(images, 1):
        system.machine += ["-drive", f"if=none,file={image},format=raw,id=D{nsid}", "-device", f"nvme-ns,drive=D{nsid},bus=n0,nsid={nsid}"]


def boot_many(system, devices):
    """A client for each of the devices (name, options), one after the other."""
    runs = ", ".join(f'"{options}"' for _, options in devices)
    script = f'for i, o in ipairs({{ {runs} }}) do test(i, o):wait(); end\nprint("all clients have ended");\n'
    return boot_clients(system, [name for name, _ in devices], script)


def check_served(session, devices, sectors):
    session.expect("all clients have ended", 120)
    for i, (name, options) in enumerate(devices, 1):
        lines = "\n".join(session.tagged(f"test{i}"))
        if options == SERVED:
            assert f"{sectors(name)} sectors" in lines and "all verified" in lines, (name, lines)
        else:
            assert "SK_ENODEV as expected" in lines, (name, lines)


def test_damaged_gpt(system):
    images, devices, good = [], [], system.disk(MIB, "good.img")
    run("sgdisk", "-n1:2048:4095", "-n2:4096:6143", "-n3:8192:8199", good)
    for nsid, (damage, left, _) in enumerate(DAMAGES, 1):
        images.append(shutil.copyfile(good, system.path(f"{damage.__name__}.img")))
        with open(images[-1], "r+b") as f:
            damage(f)
        devices += [(f"{SERIAL}:n{nsid}:{i}", SERVED if i in left else REFUSED) for i in (2, 3)]
    before = [content(image) for image in images]
    attach(system, images)
    with boot_many(system, devices) as session:
        check_served(session, devices, lambda name: 8 if name[-1] == "3" else 2048)
    log = "\n".join(session.tagged("nvme"))
    for nsid, (damage, _, line) in enumerate(DAMAGES, 1):
        assert said(session, (line or r"NSID %d: .*(damaged|not used)") % nsid) == (line is not None), (damage.__name__, log)
    for image, old, (damage, left, _) in zip(images, before, DAMAGES):
        new = content(image)
        assert new[:4096 * 512] == old[:4096 * 512] and new[8200 * 512:] == old[8200 * 512:], damage.__name__
        assert new[6144 * 512:8192 * 512] == old[6144 * 512:8192 * 512]
        for part, first, last in ((2, 4096, 6143), (3, 8192, 8199)):
            assert (new[first * 512:last * 512 + 512] != old[first * 512:last * 512 + 512]) == (part in left), damage.__name__


def logical_loop(image, link):
    """Two logical partitions; the second record's link leads where `link` says (relative to the extended partition)."""
    write_mbr(image, 0, (0x83, 2048, 2048), (0x0f, 4096, 8192))
    write_mbr(image, 4096, (0x83, 64, 1000), (0x05, 2048, 2048))
    write_mbr(image, 4096 + 2048, (0x83, 64, 1000), (0x05, link, 2048))


CHAINS = [
    (0, r"NSID %d: the logical partitions are damaged \(a link lies outside"),
    (2048, r"NSID %d: the logical partitions are damaged \(their chain is a loop"),
    (9000, r"NSID %d: the logical partitions are damaged \(a link lies outside"),
    (5000, r"NSID %d: the logical partitions are damaged \(a boot record of the chain is none"),
]


def test_damaged_mbr(system):
    images, devices = [], []
    for nsid, (link, _) in enumerate(CHAINS, 1):
        images.append(system.disk(MIB, f"chain{link}.img"))
        logical_loop(images[-1], link)
        devices += [(f"{SERIAL}:n{nsid}:{part}", SERVED) for part in (1, 5, 6)] + [(f"{SERIAL}:n{nsid}:7", REFUSED)]
    # a primary that reaches into the extended partition, one behind the end, a logical one over the next record
    images.append(system.disk(MIB, "overlaps.img"))
    write_mbr(images[-1], 0, (0x83, 1000, 3097), (0x0f, 4096, 8192), (0x83, 0xfffffff0, 100), (0x83, 64, 64))
    write_mbr(images[-1], 4096, (0x83, 64, 2000), (0x05, 2048, 2048))
    write_mbr(images[-1], 4096 + 2048, (0x83, 64, 1000))
    nsid = len(images)
    devices += [(f"{SERIAL}:n{nsid}:{part}", SERVED if part in (4, 6) else REFUSED) for part in (1, 3, 4, 5, 6)]
    attach(system, images)
    with boot_many(system, devices) as session:
        check_served(session, devices, lambda name: {"1": 2048, "4": 64}.get(name[-1], 1000))
    for i, (_, line) in enumerate(CHAINS, 1):
        assert said(session, line % i)
    for part, why in ((1, "overlaps the extended partition"), (3, "lies outside"), (5, "overlaps a boot record of logical partitions")):
        assert said(session, rf"Partition {part} of NSID {nsid} .*is not used: it {why}")


def gpt_4k(image, blocks=2048):
    """A table as it is on a disk of 4 KiB blocks, which sgdisk cannot make in a file."""
    entry = struct.pack("<16s16sQQQ72s", bytes(range(16)), bytes(range(16, 32)), 256, 511, 0, "native".encode("utf-16-le"))
    table = entry.ljust(128 * 128, b"\0")

    def header(here, other, entries):
        head = bytearray(struct.pack("<8sIIIIQQQQ16sQIII", b"EFI PART", 0x10000, 92, 0, 0, here, other, 6, blocks - 6,
                                     bytes(range(32, 48)), entries, 128, 128, zlib.crc32(table)))
        struct.pack_into("<I", head, 16, zlib.crc32(head))
        return head
    write_mbr(image, 0, (0xee, 1, blocks - 1))
    with open(image, "r+b") as f:
        for lba, data in ((1, header(1, blocks - 1, 2)), (2, table), (blocks - 5, table), (blocks - 1, header(blocks - 1, 1, blocks - 5))):
            f.seek(lba * 4096)
            f.write(data)


@pytest.mark.parametrize("damaged", [False, True])
def test_gpt_of_4k_blocks(system, damaged):
    image = system.disk(MIB)
    gpt_4k(image)
    if damaged:
        with open(image, "r+b") as f:
            f.seek(4096 + 60)
            f.write(b"\x7f")
    before = content(image)
    system.add_nvme(image, extra=",logical_block_size=4096,physical_block_size=4096")
    with boot(system, "-v --client cl1 --device partlabel:native", "--ops 1000 --ranges") as session:
        assert session.expect(r"blktest: (\d+) sectors, blocks of (\d+)\s", 60).groups() == ("2048", "4096")
        session.expect("all verified", 60)
    assert said(session, "the primary partition table is damaged") == damaged
    after = content(image)
    assert after[:1 << 20] == before[:1 << 20] and after[2 << 20:] == before[2 << 20:] and after != before


def grown(system, name, damage):
    """A disk that has grown to twice its size; the backup is where it was."""
    image = system.disk(MIB, name)
    run("sgdisk", "-n1:2048:4095", f"-c1:{name}", image)
    with open(image, "r+b") as f:
        f.truncate(2 * MIB << 20)
        damage(f)
    return image


def test_names_and_places(system):
    """Labels of any script in any case, with terminal codes that stay in the table; serial numbers with blanks; backups in the middle."""
    names = system.disk(MIB, "names.img")
    run("sgdisk", "-S256", "-n200:2048:4095", "-c200:Größe Łódź 日本", "-n3:4096:6143", "-c3:\x1b[31mred", names)
    images = [names, grown(system, "header", header_crc), grown(system, "entries", entries_crc)]
    devices = [("PARTLABEL:GRÖßE ŁÓDŹ 日本", 2048), (f"{SERIAL}:n1:200", 2048), ("?[31mRED", 2048), ("header", 2048), ("partlabel:ENTRIES", 2048),
               ("with blanks:n1", 2 * MIB << 11), ("WITH BLANKS:N1", 2 * MIB << 11)]
    attach(system, images)
    config = system.write("blanks.cfg", '[device "blanks"]\n  driver = "nvme"\n  drive = "B"\n  serial = "  with blanks"\n')
    system.machine += ["-drive", f"if=none,file={system.disk(2 * MIB, 'blanks.img')},format=raw,id=B", "-readconfig", config]
    script = "".join(f"""do local d; repeat local ok; ok, d = pcall(disk, "device={name}"); until ok;
test(d, "--ops 60 --max 4096"):wait(); d:drop() end\n""" for name, _ in devices) + 'refused("device=with:n1"); print("all names have served");'
    system.modules = list(MODULES)
    with system.boot(ned=DYNAMIC % script, msis="Property.num_msis = 4;") as session:
        session.expect("all names have served", 60)
    text = session.text()
    assert [int(n) for n in re.findall(r"blktest: (\d+) sectors", text)] == [sectors for _, sectors in devices]
    assert text.count("all verified") == len(devices) and "\x1b[31mred" not in session.log
    assert "cannot create a disk (device=with:n1): there is no such disk (SK_ENODEV)" in text
    for nsid, why in ((2, "header CRC"), (3, "CRC of the entries")):
        assert said(session, rf"NSID {nsid}: the primary partition table is damaged \({why}\); the backup is used")


def test_unreadable_header(system):
    """A block of the table that the drive cannot read: the backup serves."""
    image = system.disk(MIB)
    run("sgdisk", "-n1:2048:4095", "-c1:data", image)
    config = system.write("blkdebug.conf", '[inject-error]\nevent = "read_aio"\nerrno = "5"\nsector = "1"\n')
    system.machine += ["-drive", f"if=none,id=D1,driver=raw,file.driver=blkdebug,file.config={config},file.image.driver=file,"
                       f"file.image.filename={image}", "-device", f"nvme,drive=D1,serial={SERIAL}"]
    with boot(system, "-v --client cl1 --device data", "--ops 300") as session:
        session.expect("all verified", 60)
    assert said(session, r"the primary partition table is damaged \(it cannot be read\); the backup is used")
