# SPDX-License-Identifier: MIT
"""Figures of the virtual machine itself: what an exit costs, how often an idle guest exits, how fast programs run in it."""
import os
import re
import subprocess
import tempfile
import time

from scenario import BUILD, ROOT, System
from session import Session

BENCH = os.path.join(BUILD, "bench")
GUEST = os.path.join(BUILD, "guest")
COUNT = 2000  # as in exitguest.c
KINDS = ["nothing", "cpuid", "rdmsr", "wrmsr", "port", "mmio", "hypercall", "doorbell", "timer", "irq", "window", "hlt", "busy", "sleep"]
IDLE_AIM, COMPUTE_AIM, FAULTS_AIM = 20, 1.1, 1.6
WORK = [("compute", "compute 400000"), ("faults", "faults 600")]  # about a second each


def ramdisk(folder):
    """The default ramdisk with vmload behind it."""
    root = os.path.join(folder, "root")
    os.makedirs(os.path.join(root, "bin"))
    subprocess.run(["cp", f"{BENCH}/vmload", f"{root}/bin/"], check=True)
    cpio = subprocess.run(["/usr/bin/python3", f"{ROOT}/tools/guest/cpio.py", root], check=True, capture_output=True).stdout
    packed = subprocess.run(["gzip", "-1n"], input=cpio, check=True, capture_output=True).stdout
    out = os.path.join(folder, "vm.cpio.gz")
    with open(out, "wb") as f, open(f"{GUEST}/ramdisk-x86_64.cpio.gz", "rb") as base:
        f.write(base.read() + packed)
    return out


def boot(folder, disk, cpus=1, extra=()):
    system = System(folder)
    os.symlink(disk, system.path("vm.cpio.gz"))
    system.modules = ["vm.cpio.gz" if m.startswith("ramdisk") else m for m in system.modules]
    system.machine += extra
    session = system.boot(rd="vm.cpio.gz", vm=f", cpus = {(1 << cpus) - 1}")
    session.wait_prompt(600)
    session.run("mount -a")
    return session


def direct(disk, extra=("-accel", "tcg")):
    session = Session(["qemu-system-x86_64", "-display", "none", "-no-reboot", *extra, "-cpu", "EPYC", "-m", "128",
                       "-serial", "stdio", "-monitor", "none", "-kernel", f"{GUEST}/bzImage", "-initrd", disk,
                       "-append", "console=ttyS0 rdinit=/bin/sh"])
    session.wait_prompt(600)
    session.run("mount -a")
    return session


def counted(log):
    """What the guest's markers say: from each first to its second, (instructions of kernel and programs, all instructions)."""
    rows = [dict((k, int(v)) for k, v in re.findall(r"(\w+)=(\d+)", line)) for line in open(log, encoding="ascii")]
    return [((end["insns"] - end["guest"]) - (begin["insns"] - begin["guest"]), end["insns"] - begin["insns"])
            for begin, end in zip(rows[::2], rows[1::2])]


def exit_costs():
    """Instructions that are not the guest's for one exit of each kind, with exitguest.c, whose cycles with an interrupt hold
    other exits too."""
    with tempfile.TemporaryDirectory() as folder:
        log = os.path.join(folder, "count.log")
        system = System(folder)
        system.add_nvme(system.disk())
        os.symlink(f"{BENCH}/exitguest", system.path("exitguest"))
        system.modules = ["exitguest" if m == "bzImage" else m for m in system.modules]
        system.machine += ["-accel", "tcg,thread=single", "-plugin", f"{BENCH}/insncount.so,log={log}"]
        with system.boot(kernel="exitguest") as session:
            session.expect("exitguest: done", 300)
        host = dict(zip(KINDS, (other / COUNT for other, _ in counted(log)), strict=True))
    cost = {kind: host[kind] - host["nothing"] for kind in KINDS[1:]}
    end = cost["wrmsr"]  # of an interrupt
    return [
        ("CPUID", cost["cpuid"]), ("RDMSR", cost["rdmsr"]), ("WRMSR", cost["wrmsr"]), ("WRMSR that sets the timer", cost["timer"]),
        ("I/O port", cost["port"]), ("device memory (nested page fault, decoding)", cost["mmio"]), ("hypercall", cost["hypercall"]),
        ("doorbell (OUT that the kernel turns into the block server's signal)", cost["doorbell"]),
        ("interrupt window", cost["window"] - cost["irq"]), ("HLT with an interrupt pending", cost["hlt"] - cost["irq"]),
        ("external interrupt (the timer's, that becomes the guest's)", cost["busy"] - cost["timer"] - end),
        ("an idle guest's wake-up in all: timer set, HLT, interrupt, its end", cost["sleep"]),
    ]


def idle_exits(disk, cpus, seconds=30):
    """Exits per second, by reason."""
    with tempfile.TemporaryDirectory() as folder, boot(folder, disk, cpus) as session:
        time.sleep(5)
        return session.guest_exits_per_second(seconds)


def cpu_seconds(session):
    """Processor time that QEMU has used: what else the machine does disturbs it less than time on the wall."""
    with open(f"/proc/{session.child.pid}/stat", encoding="ascii") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def work_seconds(session):
    found = {}
    for name, command in WORK:
        start = cpu_seconds(session)
        assert "ok" in session.run(f"vmload {command}", timeout=300)
        found[name] = cpu_seconds(session) - start
    return found


def work_instructions(disk):
    """All instructions that each program's work takes, on Skerry over direct: no machine's load disturbs them."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for who in ("ours", "theirs"):
            log = os.path.join(folder, who)
            extra = ["-accel", "tcg,thread=single", "-plugin", f"{BENCH}/insncount.so,log={log}"]
            with boot(folder, disk, extra=extra) if who == "ours" else direct(disk, extra) as session:
                work_seconds(session)
            found[who] = [everything for _, everything in counted(log)]
    return {name: ours / theirs for (name, _), ours, theirs in zip(WORK, found["ours"], found["theirs"], strict=True)}


def work_ratios(disk, rounds=5):
    """The best processor time of several of each program, on Skerry over direct; both run at the same time of the day in turns."""
    best = {}
    with tempfile.TemporaryDirectory() as folder, boot(folder, disk) as ours, direct(disk) as theirs:
        for _ in range(rounds):
            for who, session in (("ours", ours), ("theirs", theirs)):
                for name, seconds in work_seconds(session).items():
                    best[name, who] = min(seconds, best.get((name, who), seconds))
    return {name: best[name, "ours"] / best[name, "theirs"] for name, _ in WORK}


def table():
    """Rows for the report: (figure, without Skerry, Skerry, aim, reached or None)."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        disk = ramdisk(folder)
        rows = []
        for cpus in (1, 4):
            reasons = idle_exits(disk, cpus)
            exits = sum(reasons.values())
            why = ", ".join(f"{reason} {n:.1f}" for reason, n in reasons.items() if n >= 0.1)
            rows.append((f"exits per second of an idle guest, {cpus} vcpu{'s' if cpus > 1 else ''}", "-", f"{exits:.1f} ({why})",
                         IDLE_AIM if cpus == 1 else "-", exits < IDLE_AIM if cpus == 1 else None))
        for kind, cost in exit_costs():
            rows.append((f"instructions of kernel and programs for an exit: {kind}", "-", f"{cost:.0f}", "-", None))
        instructions, ratios = work_instructions(disk), work_ratios(disk)
        for name, aim, what in (("compute", COMPUTE_AIM, "CPU-bound"), ("faults", FAULTS_AIM, "page-fault-bound")):
            rows.append((f"{what} program, instructions against the same kernel directly", "1", f"x {instructions[name]:.3f}", f"x {aim}",
                         instructions[name] < aim))
            rows.append((f"{what} program, processor time against the same kernel directly in TCG", "1", f"x {ratios[name]:.2f}", f"x {aim}",
                         ratios[name] < aim))
    return rows
