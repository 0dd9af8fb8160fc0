# SPDX-License-Identifier: MIT
"""One file that boots: the modules as an object to link into the kernel (elfimage), and a GRUB ISO (grub2iso)."""
import os
import shutil
import struct
import subprocess

PAGE = 4096
BUILTIN_MAGIC = 0x4E49544C49554253  # kernel/include/kernel/builtin.h
TABLE = struct.Struct("<QII")
MODULE = struct.Struct("<QQII")


class ImageError(Exception):
    """One line for the user."""


def _run(what, *command):
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as e:
        raise ImageError(f"{what}: {command[0]} is not installed (tools/setup installs it)") from e
    if result.returncode != 0:
        raise ImageError(f"{what}: {command[0]} failed: {(result.stderr or result.stdout).strip().splitlines()[-1:]}")


def builtin_blob(scenario):
    """The table of kernel/include/kernel/builtin.h with the modules behind it."""
    modules = [scenario.roottask, *scenario.modules]
    strings_at = TABLE.size + MODULE.size * len(modules)
    strings = b""
    offsets = []
    for text in [scenario.kernel.cmdline, *(m.cmdline for m in modules)]:
        offsets.append(strings_at + len(strings))
        strings += text.encode() + b"\0"
    blob = bytearray()
    records = b""
    at = _page_up(strings_at + len(strings))
    for module, cmdline in zip(modules, offsets[1:]):
        with open(module.path, "rb") as f:
            content = f.read()
        records += MODULE.pack(at, len(content), cmdline, 0)
        blob += content + b"\0" * (_page_up(len(content)) - len(content))
        at += _page_up(len(content))
    head = TABLE.pack(BUILTIN_MAGIC, len(modules), offsets[0]) + records + strings
    return head + b"\0" * (_page_up(len(head)) - len(head)) + blob


def _page_up(n):
    return -(-n // PAGE) * PAGE


def elfimage(scenario, build, entry):
    """Makes the object with the modules and returns its path; make links the kernel with it."""
    folder = f"{build}/boot/{entry}"
    os.makedirs(folder, exist_ok=True)
    with open(f"{folder}/builtin.bin", "wb") as f:
        f.write(builtin_blob(scenario))
    with open(f"{folder}/builtin.S", "w", encoding="utf-8") as f:
        f.write(f'.section .builtin, "a"\n.balign {PAGE}\n.incbin "{folder}/builtin.bin"\n.section .note.GNU-stack, "", @progbits\n')
    _run("make the modules' object", "gcc", "-c", "-o", f"{folder}/builtin.o", f"{folder}/builtin.S")
    return f"{folder}/builtin.o"


def grub_entry(scenario, name):
    """GRUB unpacks what looks like gzip, but only the first of several archives in a file: a ramdisk stays as it is."""
    lines = [f"menuentry '{name}' {{", f"  multiboot2 /boot/{scenario.kernel.cmdline}"]
    lines += [f"  module2 --nounzip /boot/{module.name} {module.cmdline}" for module in [scenario.roottask, *scenario.modules]]
    return "\n".join(lines) + "\n}\n"


GRUB_HEAD = """set timeout=0
set default=0
serial --unit=0 --speed=115200
terminal_input console serial
terminal_output console serial
"""


def grub2iso(stage, scenario, build, entry):
    """A hybrid ISO that boots by BIOS and by UEFI; returns its path."""
    root = f"{build}/boot/{entry}/iso"
    shutil.rmtree(root, ignore_errors=True)
    os.makedirs(f"{root}/boot/grub")
    for module in [scenario.kernel, scenario.roottask, *scenario.modules]:
        shutil.copy(f"{stage}/{module.name}", f"{root}/boot/{module.name}")
    with open(f"{root}/boot/grub/grub.cfg", "w", encoding="utf-8") as f:
        f.write(GRUB_HEAD + grub_entry(scenario, entry))
    iso = f"{build}/images/{entry}.iso"
    os.makedirs(os.path.dirname(iso), exist_ok=True)
    _run("make the ISO", "grub-mkrescue", "-o", iso, root)
    return iso
