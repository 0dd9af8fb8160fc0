# SPDX-License-Identifier: MIT
"""The monitor of a VM: on a console of cons, and behind Ctrl-] on the VM's own console."""
import re
import time

import pytest
from session import PROMPT

MON = r"uvmm> "
CONS = """package.path = "rom/?.lua"
local L4 = require "L4"
local vmm = require "vmm"
local loader = L4.default_loader
loader.log_fab = loader:new_channel()
loader:start({ caps = { cons = loader.log_fab:svr() }, log = L4.Env.log }, "rom/cons -c vm1")
vmm.start_vm { id = 1, mem = 128, kernel = "rom/bzImage", rd = "rom/ramdisk-x86_64.cpio.gz", fdt = "rom/virt-pc.dtb",
  bootargs = "console=hvc0 rdinit=/bin/sh nokaslr", log = { "vm1", "green" }, cpus = 3 }
"""


def command(session, text, pattern=None):
    """Types a command at the monitor; returns what it printed, which must match."""
    session.child.send(text + "\r")
    session.expect(re.escape(text) + r"\r+\n", 30, f"echo of {text}")
    session.expect(MON, 60, f"prompt after {text}")
    said = session.child.before.replace("\r", "")
    assert pattern is None or re.search(pattern, said, re.S), said
    return said


def kernel_symbol(session, name):
    session.run("mount -a")
    return int(session.run(f"grep -w {name} /proc/kallsyms").split()[0], 16)


@pytest.mark.vmx
def test_on_its_console(system):
    system.modules = ["ned", "cons", "uvmm", "virt-pc.dtb", "vmm.lua", "bzImage", "ramdisk-x86_64.cpio.gz"]
    with system.boot(ned=CONS) as session:
        session.wait_prompt()
        banner = kernel_symbol(session, "linux_banner")
        session.child.send("\x05connect mon1\r")
        session.expect(r"connected to mon1", 20)
        session.child.send("\r")
        session.expect(MON, 20)
        command(session, "help", r"regs .*counters .*translate .*button")
        command(session, "info", r"VM running, 2 vcpus.*vcpu 0: (halted|running), cs:rip 0010:ffffffff.*vcpu 1: ")
        command(session, "regs 1", r"rax [0-9a-f]{16}.*cr3 .*gs .*idt .*lstar ffffffff")
        command(session, "counters", r"entries \d+.*(io|cpuid) +\d+")
        command(session, "map", r"memory 0000000000-0007ffffff  RAM, 128 MiB.*lapic.*ports  0cf8-0cff")
        command(session, "devices", r"PCI 00:01\.0 1af4:1043 console.*queue 0: size 128, made available \d+, used \d+, in flight \d+")
        said = command(session, f"memory 0x{banner:x} 32", r"Linux version 6")
        where = int(re.search(r"-> 0x([0-9a-f]+) \(RAM\)", command(session, f"translate 0x{banner:x} 1")).group(1), 16)
        assert said.split("\n")[0][16:64] == command(session, f"physical 0x{where:x} 32").split("\n")[0][16:64]
        command(session, "memory 0x10", r"\.\. \.\.")
        command(session, "regs 2", r"there is no vcpu 2; the VM has 2, from 0 on")
        command(session, "physical x", r"x: a number is needed")
        assert "0000000000000000" not in command(session, "memory 0xffffffffffffffff 64", r"none of these bytes is mapped to RAM")
        command(session, "physical 0xfee00000", r"none of these bytes is RAM; \"map\"")
        command(session, "memory 0 0", r"0 bytes are none")
        # A paused guest does not run.
        command(session, "pause", r"paused")
        before = command(session, "counters").split(",")[0]
        assert before == command(session, "counters").split(",")[0]
        command(session, "info", r"VM paused")
        command(session, "resume", r"running")
        # NMIs in the middle of other interrupts, whose injection they interrupt
        for i in range(24):
            command(session, f"nmi {i % 2}", rf"NMI sent to vcpu {i % 2}")
        session.child.send("\x05connect vm1\r")
        session.expect(r"connected to vm1", 20)
        session.child.send("\r")
        session.expect(PROMPT, 30)
        assert "sane" in session.run("echo sa''ne")
        assert re.search(r"NMI: +[1-9]\d* +[1-9]", session.run("grep NMI: /proc/interrupts"))
        session.child.send("\x05connect mon1\r")
        session.child.send("\rreset\r")
        session.expect(r"uvmm: VM rebooted \(by the monitor\): starting it again", 30)
        session.expect(r"vm1 +\| BusyBox", 60)
        session.child.send("poweroff\r")
        session.expect(r"uvmm: VM powered off \(by the monitor\)", 30)


def test_backtrace_and_pause(system):
    """A vcpu in the kernel's idle loop, by its stack; and a pause that the guest's clocks and watchdogs do not see."""
    with system.boot(bootargs="console=hvc0 rdinit=/bin/sh nokaslr rcupdate.rcu_cpu_stall_timeout=3", caps="",
                     vm=', ext_args = { "--monitor", "--cpus=2" }') as session:
        session.wait_prompt()
        start, end = (kernel_symbol(session, name) for name in ("_stext", "_etext"))
        session.run("echo 1 > /proc/sys/kernel/watchdog_thresh; mkdir -p /sys; mount -t sysfs s /sys")
        idle = kernel_symbol(session, "do_idle")
        session.child.send("\x1d")
        session.expect(MON, 20)
        said = command(session, "backtrace 1", r"vcpu 1 at 0010:ffffffff.*stack \+ ")
        found = [int(a, 16) for a in re.findall(r"stack \+ [0-9a-f]+: ([0-9a-f]{16})", said)]
        assert all(start <= a < end for a in found) and any(idle < a < idle + 0x400 for a in found), said
        command(session, "backtrace 2", r"there is no vcpu 2")
        session.child.send("\x1d")
        before = uptime(session)
        session.child.send("\x1d")
        command(session, "pause", r"paused")
        began = time.monotonic()
        time.sleep(8)  # longer than the guest's watchdogs, now 2 and 3 s, wait
        command(session, "resume", r"running")
        paused = time.monotonic() - began
        session.child.send("\x1d")
        session.run("sleep 4")
        passed, all_of_it = uptime(session) - before, time.monotonic() - began
        assert 4 <= passed < all_of_it - paused + 4, (passed, all_of_it, paused)
        log = session.run("dmesg")
        assert not re.search(r"soft lockup|rcu: INFO|unstable", log), log
        assert abs(int(session.run("cat /sys/class/rtc/rtc0/since_epoch")) - time.time()) < 4
        session.power_off()


def uptime(session):
    return float(session.run("cat /proc/uptime").split()[0])


@pytest.mark.vmx
def test_power_button(system):
    """The guest sees the button as an input event; the monitor is behind Ctrl-] of its console."""
    with system.boot(bootargs="console=hvc0 rdinit=/bin/sh", caps="", vm=', ext_args = { "--monitor" }') as session:
        session.wait_prompt()
        session.run("mount -a; insmod /lib/modules/button.ko; insmod /lib/modules/evdev.ko; mkdir -p /sys; mount -t sysfs s /sys; ls /dev/input")
        session.run("(dd if=/dev/input/event0 of=/tmp/event bs=24 count=1 2>/dev/null; poweroff -f) &")
        session.run("while ! ls -l /proc/[0-9]*/fd 2>/dev/null | grep -q event0; do usleep 50000; done")  # dd listens
        session.child.send("\x1d")
        session.expect(MON, 20)
        command(session, "button", "pressed")
        session.expect(r"uvmm: VM powered off \(ACPI soft-off\)", 60)
