# SPDX-License-Identifier: MIT
"""The table of modules inside the kernel image, read back as kernel/include/kernel/builtin.h describes it; GRUB's menu."""
import struct

from image import builtin_blob, grub_entry
from modlist import Module, Scenario


def test_blob_holds_every_module(tmp_path):
    (tmp_path / "moe").write_bytes(b"m" * 5000)
    (tmp_path / "io").write_bytes(b"i")
    scenario = Scenario("e", Module("kernel", "kernel", "-serial_esc"), Module(str(tmp_path / "moe"), "moe", "rom/x.ned"),
                        [Module(str(tmp_path / "io"), "io")])
    blob = builtin_blob(scenario)
    magic, count, cmdline = struct.unpack_from("<QII", blob)
    assert (magic.to_bytes(8, "little"), count) == (b"SBUILTIN", 2)

    def text(at):
        return blob[at:blob.index(b"\0", at)].decode()

    assert text(cmdline) == "kernel -serial_esc"
    rows = [struct.unpack_from("<QQI", blob, 16 + 24 * i) for i in range(2)]
    assert [text(row[2]) for row in rows] == ["moe rom/x.ned", "io"]
    assert [blob[row[0]:row[0] + row[1]] for row in rows] == [b"m" * 5000, b"i"]
    assert all(row[0] % 4096 == 0 for row in rows) and len(blob) % 4096 == 0


def test_grub_leaves_modules_packed():
    scenario = Scenario("e", Module("kernel", "kernel", "-serial_esc"), Module("moe", "moe", "rom/x.ned"), [Module("rd.gz", "rd.gz")])
    assert grub_entry(scenario, "e").splitlines() == [
        "menuentry 'e' {", "  multiboot2 /boot/kernel -serial_esc", "  module2 --nounzip /boot/moe moe rom/x.ned",
        "  module2 --nounzip /boot/rd.gz rd.gz", "}"]
