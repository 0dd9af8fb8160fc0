# SPDX-License-Identifier: MIT
"""Bad input: one clear line that names the thing, the reason and the remedy, and nothing else breaks."""
import os
import re
import subprocess

import pytest
from scenario import BUILD, NED, ROOT, SERIAL, VBUS

WAIT = 60


def says(session, pattern, timeout=WAIT):
    """One line of the console matches."""
    session.expect(pattern, timeout)


def boots_without_disk(session):
    session.wait_prompt()
    session.run("mount -a")
    assert "No such file" in session.run("ls /dev/vda")


# --- the drive ---------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("device, named", [("NOSUCHDRIVE:n1", "NOSUCHDRIVE"), (f"{SERIAL}:n7", "n7"), ("no-such-label", "no-such-label")])
def test_missing_device_names_what_there_is(system, device, named):
    """112: the guest boots, without the disk; the driver says what it has."""
    system.add_nvme(system.disk())
    with system.boot(driver=f"-v --client cl1 --device {device} --ds-max 5") as session:
        boots_without_disk(session)
    lines = [line for line in session.tagged("nvme") if named in line]
    assert any(SERIAL in line for line in lines), session.tagged("nvme")


def test_missing_client_capability(system):
    system.add_nvme(system.disk())
    with system.boot(clients="", caps="") as session:
        boots_without_disk(session)
    assert any("cl1" in line for line in session.tagged("nvme"))


def test_bad_driver_option(system):
    system.add_nvme(system.disk())
    with system.boot(driver="--no-such-option", caps="") as session:
        session.wait_prompt()
    assert any("no-such-option" in line for line in session.tagged("nvme"))


# --- the bus -------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("vbus, pattern", [
    ("Io.add_vbusses { nvme = ", r"test\.vbus:\d+: .*"),
    (VBUS % {"msis": "Property.num_msi = 2;", "match": '"PCI/storage"'}, r"test\.vbus:\d+:.*num_msi"),
    (VBUS % {"msis": "", "match": '"PCI/nonsense"'}, r"test\.vbus:\d+:.*nonsense"),
    ("Io.add_vbusses { nvme = Io.Vi.No_such_bus(function () end) };", r"test\.vbus:\d+:.*No_such_bus"),
], ids=["syntax", "property", "match", "class"])
def test_bad_vbus(system, vbus, pattern):
    system.add_nvme(system.disk())
    with system.boot(vbus=vbus) as session:
        says(session, r"io +\| .*" + pattern)


def test_vbus_that_matches_nothing(system):
    system.add_nvme(system.disk())
    with system.boot(match='"PCI/CC_0c03"') as session:
        boots_without_disk(session)
    assert any("CC_0c03" in line for line in session.tagged("io"))


# --- the script -------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("ned, pattern", [
    ("local x = = 1\n", r"test\.ned:1: "),
    ("\nno_such_function()\n", r"test\.ned:2: .*no_such_function"),
    ('local L4 = require "L4"\nL4.default_loader:start({}, "rom/no-such-program")\n', r"no-such-program"),
    ('package.path = "rom/?.lua"\nlocal vmm = require "vmm"\nvmm.start_vm { kernle = "rom/bzImage" }\n', r"kernle"),
    ('local L4 = require "L4"\nL4.default_loader:start({}, "rom/test.vbus")\n', r"test\.vbus.*ELF"),
], ids=["syntax", "call", "program", "key", "elf"])
def test_bad_script(system, ned, pattern):
    with system.boot(ned=ned) as session:
        says(session, pattern)


def test_missing_lua_module(system):
    """One line of what was looked for, without the paths of libraries that cannot be here."""
    system.modules.remove("vmm.lua")
    with system.boot() as session:
        says(session, r"ned: rom/test\.ned:3: module 'vmm' not found:.*no file 'rom/vmm\.lua'[^/]*\r*\n")


def test_script_that_dies_after_io(system):
    """io says why nobody can use its bus, not how it is to be called."""
    system.modules.remove("nvme-drv")
    with system.boot() as session:
        says(session, r"cannot start 'rom/nvme-drv': there is no such file")
        says(session, r"vbus 'nvme': cannot serve its capability: who made it has ended")
        says(session, r"program io \(io\) ended: exited with 1")
    assert "usage" not in session.text()


# --- the guest -----------------------------------------------------------------------------------------------------------------

def corrupt(system, name, source, change):
    with open(source, "rb") as f:
        content = bytearray(f.read())
    change(content)
    system.write(name, bytes(content))
    system.modules.append(name)


def test_corrupt_kernel(system):
    corrupt(system, "badImage", os.path.join(BUILD, "guest", "bzImage"), lambda c: c.__setitem__(slice(0x202, 0x206), b"XXXX"))
    with system.boot(kernel="badImage", caps="") as session:
        says(session, r"uvmm.*badImage.*")


def test_truncated_kernel(system):
    with open(os.path.join(BUILD, "guest", "bzImage"), "rb") as f:
        system.write("shortImage", f.read(3000))
    system.modules.append("shortImage")
    with system.boot(kernel="shortImage", caps="") as session:
        says(session, r"uvmm.*shortImage.*")


def test_corrupt_dtb(system):
    system.write("bad.dtb", b"\xd0\x0d\xfe\xed" + b"\xff" * 100)
    system.modules.append("bad.dtb")
    with system.boot(fdt="bad.dtb", caps="") as session:
        says(session, r"uvmm.*bad\.dtb.*")


def wrong_kernel(kind):
    if kind == "program":
        return open(os.path.join(BUILD, "bin", "uvmm"), "rb").read()
    if kind == "text":
        return b"not a kernel at all\n" * 200
    content = bytearray(open(os.path.join(BUILD, "guest", "bzImage"), "rb").read())
    if kind == "old":
        content[0x206:0x208] = b"\x00\x02"
    elif kind == "32-bit":
        content[0x236] &= 0xfe
    return bytes(content)


@pytest.mark.parametrize("kind, why", [("program", "no boot header"), ("text", "no boot header"), ("old", "older than 2.12"),
                                       ("32-bit", "no 64-bit entry")])
def test_wrong_kernel(system, kind, why):
    system.write("wrongImage", wrong_kernel(kind))
    system.modules.append("wrongImage")
    with system.boot(kernel="wrongImage", caps="") as session:
        says(session, rf"uvmm: cannot boot rom/wrongImage: .*{why}.*; give a .*with -k")
        says(session, r"uvmm ended: exited with 1")


def test_truncated_ramdisk(system):
    with open(os.path.join(BUILD, "guest", "ramdisk-x86_64.cpio.gz"), "rb") as f:
        system.write("short.cpio.gz", f.read(os.stat(f.name).st_size // 2))
    system.modules.append("short.cpio.gz")
    with system.boot(rd="short.cpio.gz", caps="") as session:
        says(session, r"uvmm: ramdisk rom/short\.cpio\.gz \(\d+ bytes\): it is truncated: .*; make or copy it again")
        says(session, r"uvmm ended: exited with 1")


@pytest.mark.parametrize("caps, vm, pattern, goes_on", [
    ("qdrv = L4.Env.log", "", r"uvmm: disk: no disk behind 'qdrv': what it names is no block server; the VM starts without it: ", True),
    ("qdrv = L4.Env.icu", "", r"uvmm: disk: no disk behind 'qdrv': what it names is no block server; the VM starts without it: ", True),
    ("", ", mon = L4.Env.mem", r'uvmm: the monitor cannot use the capability "mon": it takes no input; give a console', False),
    ("net = L4.Env.log", "", r"uvmm: device tree node net: network devices are not supported", False),
], ids=["log-as-disk", "icu-as-disk", "monitor", "net"])
def test_wrong_capability(system, caps, vm, pattern, goes_on):
    ned = NED.replace("mon = false, ", "") if vm else NED
    with system.boot(ned=ned % {**system.settings, "caps": caps, "vm": vm}) as session:
        says(session, pattern)
        if goes_on:
            session.wait_prompt()


def test_ram_that_is_no_memory(system):
    ned = NED.replace("mem = %(mem)s", "mem = L4.Env.log")
    with system.boot(ned=ned % {**system.settings, "caps": ""}) as session:
        says(session, r'uvmm: the capability "ram" is not memory .*; give a memory object')


def test_ramdisk_larger_than_memory(system):
    system.write("huge.cpio.gz", b"\0" * (80 << 20))
    system.modules.append("huge.cpio.gz")
    with system.boot(rd="huge.cpio.gz", mem=64, caps="") as session:
        says(session, r"uvmm.*huge\.cpio\.gz.*")


def test_too_little_guest_memory(system):
    with system.boot(mem=8, caps="") as session:
        says(session, r"uvmm.*(memory|RAM|MiB).*")


def test_more_memory_than_the_machine_has(system):
    with system.boot(mem=4096, caps="") as session:
        says(session, r"(4096|memory)")


def test_corrupt_program(system):
    corrupt(system, "uvmm", os.path.join(BUILD, "bin", "uvmm"), lambda c: c.__setitem__(slice(4, 8), b"XXXX"))
    system.modules.remove("uvmm")
    with system.boot(caps="") as session:
        says(session, r"uvmm.*ELF")


def test_no_svm(system):
    system.machine += ["-accel", "tcg", "-cpu", "qemu64,-svm"]
    with system.boot(caps="") as session:
        says(session, r"kernel: .*(SVM|virtualization)")
        says(session, r"uvmm.*(SVM|virtualization)")


# --- the build's tools -------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("entry, pattern", [("no-such-entry", r"unknown entry 'no-such-entry'"), ("", r"which entry\?")])
def test_entry(entry, pattern):
    result = subprocess.run(["make", "-s", f"O={BUILD}", f"E={entry}", "show"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode != 0 and re.search(pattern, result.stderr)
