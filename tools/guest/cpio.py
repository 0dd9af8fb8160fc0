# SPDX-License-Identifier: MIT
"""cpio.py DIR: writes DIR as a "newc" cpio archive, owned by root, with /dev/console and /dev/null, to standard output.
cpio(1) cannot make device nodes without being root. Format: cpio(5), "New ASCII Format"."""
import os
import stat
import sys

NODES = {"dev/console": (5, 1), "dev/null": (1, 3), "dev/ttyS0": (4, 64)}


def record(out, ino, name, mode, data=b"", rdev=(0, 0)):
    raw = name.encode() + b"\0"
    fields = [ino, mode, 0, 0, 1, 0, len(data), 0, 0, rdev[0], rdev[1], len(raw), 0]
    head = b"070701" + b"".join(b"%08X" % f for f in fields) + raw
    out.write(head + b"\0" * (-len(head) % 4) + data + b"\0" * (-len(data) % 4))


def main():
    root, out, ino = sys.argv[1], sys.stdout.buffer, 1
    for folder, dirs, files in os.walk(root):
        dirs.sort()
        for name in sorted(dirs + files):
            path = os.path.join(folder, name)
            rel, st = os.path.relpath(path, root), os.lstat(path)
            if stat.S_ISLNK(st.st_mode):
                data = os.readlink(path).encode()
            elif stat.S_ISREG(st.st_mode):
                with open(path, "rb") as f:
                    data = f.read()
            else:
                data = b""
            record(out, ino, rel, st.st_mode, data)
            ino += 1
    for name, rdev in NODES.items():
        record(out, ino, name, stat.S_IFCHR | 0o600, b"", rdev)
        ino += 1
    record(out, 0, "TRAILER!!!", 0)


if __name__ == "__main__":
    main()
