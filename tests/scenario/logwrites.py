# SPDX-License-Identifier: MIT
"""What a power failure leaves on a drive. QEMU's driver "blklogwrites" keeps a log of all that was written and flushed, in the
format of Linux's dm-log-writes; this cuts it after any entry.

A drive with a volatile cache holds for sure what was written before its last finished flush, and writes with FUA; of everything
behind that, any blocks may be there and any may not, in any order. disks() therefore makes several images for a cut: none of
these, all of them, or a random choice, block by block.

Format, little endian, in sectors of `sector size`: superblock (magic, version, number of entries: 64 bits each, sector size: 32 bits);
then per entry one sector (sector, number of sectors, flags, bytes of data: 64 bits each) and its data, which a discard has not.
[Linux, Documentation/admin-guide/device-mapper/log-writes.rst and drivers/md/dm-log-writes.c, for the format]"""
import random
import struct

MAGIC = 0x6A736677736872
FLUSH, FUA, DISCARD, MARK = 1, 2, 4, 8


class Entry:
    def __init__(self, start, length, flags, at):
        self.start, self.length, self.flags, self.at = start, length, flags, at  # bytes on the disk; bytes in the log


class Log:
    """The log in a file, for a disk that began with the bytes `before`."""

    def __init__(self, path, before):
        self.before = before
        with open(path, "rb") as f:
            self.data = f.read()
        magic, version, count, self.sector = struct.unpack_from("<QQQI", self.data)
        assert magic == MAGIC and version == 1, "no log of writes"
        self.entries, at = [], self.sector
        for _ in range(count):
            start, sectors, flags, _ = struct.unpack_from("<QQQQ", self.data, at)
            at += self.sector
            self.entries.append(Entry(start * self.sector, sectors * self.sector, flags, at))
            at += 0 if flags & DISCARD else sectors * self.sector

    def content(self, entry):
        return bytes(entry.length) if entry.flags & DISCARD else self.data[entry.at:entry.at + entry.length]

    def count(self, flag):
        return sum(1 for e in self.entries if e.flags & flag)

    def writes(self):
        return [e for e in self.entries if e.length and not e.flags & DISCARD]

    def cuts(self, most):
        return self.cuts_of(len(self.entries), most)

    @staticmethod
    def cuts_of(n, most):
        """Numbers of entries that were done, of n: all of them, or `most` evenly spread."""
        return sorted({round(i * n / most) for i in range(most + 1)}) if n > most else list(range(n + 1))

    def disks(self, cuts, ways=("none", "all", "some"), seed=1, tear=512, ignore_flushes=False):
        """For each cut: (number of entries, way, the disk), a bytearray that lives until the next one. tear: bytes that a drive writes
        at once or not at all."""
        rng, durable, pending, done = random.Random(seed), bytearray(self.before), [], 0
        for cut in sorted(cuts):
            for entry in self.entries[done:cut]:
                if entry.flags & FLUSH and not ignore_flushes:
                    for earlier in pending:
                        self._apply(durable, earlier)
                    pending = []
                if entry.flags & FUA:
                    # its own blocks are durable at once; an older pending write of them must not come back
                    pending.append(entry)
                    self._apply(durable, entry)
                elif entry.length:
                    pending.append(entry)
            done = cut
            for way in ways:
                disk = bytearray(durable)
                if way != "none":
                    for entry in pending:
                        self._apply(disk, entry, rng if way == "some" and not entry.flags & FUA else None, tear)
                yield cut, way, disk

    def _apply(self, disk, entry, rng=None, tear=512):
        """Writes the entry; with rng only some of it."""
        data = self.content(entry)
        if rng is None:
            disk[entry.start:entry.start + entry.length] = data
            return
        fate = rng.randrange(3)  # not at all, whole, torn
        at, end = entry.start, entry.start + entry.length if fate else 0
        while at < end:
            upto = min(end, (at // tear + 1) * tear)
            if fate == 1 or rng.random() < 0.5:
                disk[at:upto] = data[at - entry.start:upto - entry.start]
            at = upto

    def marks(self, sector, magic):
        """(number of entries done, N) for each write of a block that says magic, N to that sector of 512 bytes."""
        found = []
        for i, entry in enumerate(self.entries):
            if entry.start <= sector * 512 < entry.start + entry.length and not entry.flags & DISCARD:
                word, number = struct.unpack_from("<II", self.data, entry.at + sector * 512 - entry.start)
                if word == magic:
                    found.append((i + 1, number))
        return found


def promised(marks, cut):
    """What the guest knew to be flushed when the first `cut` entries had been done."""
    return max((number for done, number in marks if done <= cut), default=0)


# --- blktest --journal: its format is told in pkg/blktest/src/journal.c ---------------------------------------------

RECORD, MARKER = 0x44434552, 0x4b52414d
SLOT_FIRST, SLOT_SECTORS, SLOTS_MAX = 64, 32, 512


class Journal:
    """Looks for records on a disk whose blocks are `unit` sectors."""

    def __init__(self, size, unit=1):
        self.slots, self.unit, self.known = min((size // 512 - SLOT_FIRST) // SLOT_SECTORS, SLOTS_MAX), unit, {}

    def sectors(self, number):
        return (1 + number * 2654435761 % 2 ** 32 % (SLOT_SECTORS // self.unit)) * self.unit

    def sector(self, number, index):
        key = number, index
        if key not in self.known:
            words = [RECORD, number, index, self.sectors(number)]
            words += [(number * 2654435761 + index * 40503 + i * 97) & 0xffffffff for i in range(4, 128)]
            self.known[key] = struct.pack("<128I", *words)
        return self.known[key]

    def missing(self, disk, upto):
        """A record up to `upto` that is not there and not overwritten by a newer one; None if all are."""
        for number in range(max(1, upto - self.slots + 1), upto + 1):
            at = (SLOT_FIRST + number % self.slots * SLOT_SECTORS) * 512
            for index in range(self.sectors(number)):
                found = disk[at + index * 512:at + index * 512 + 512]
                if found != self.sector(number, index):
                    magic, newer = struct.unpack_from("<II", found)
                    if magic != RECORD or newer <= number or (newer - number) % self.slots or found != self.sector(newer, index):
                        return number
        return None
