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
KINDS = ["nothing", "cpuid", "out", "mmio", "hypercall"]
COUNT = 2000
IDLE_AIM, COMPUTE_AIM, FAULTS_AIM = 20, 1.1, 1.6
WORK = [("compute", "compute 20000"), ("faults", "faults 60")]


def ramdisk(folder):
    """The default ramdisk with exitcost and vmload behind it."""
    root = os.path.join(folder, "root")
    os.makedirs(os.path.join(root, "bin"))
    for program in ("exitcost", "vmload"):
        subprocess.run(["cp", f"{BENCH}/{program}", f"{root}/bin/"], check=True)
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


def direct(disk):
    session = Session(["qemu-system-x86_64", "-display", "none", "-no-reboot", "-accel", "tcg", "-cpu", "EPYC", "-m", "128",
                       "-serial", "stdio", "-monitor", "none", "-kernel", f"{GUEST}/bzImage", "-initrd", disk,
                       "-append", "console=ttyS0 rdinit=/bin/sh"])
    session.wait_prompt(600)
    session.run("mount -a")
    return session


def exit_costs(disk):
    """Instructions of kernel and VMM for one exit of each kind: everything that was executed, less what the guest itself did."""
    with tempfile.TemporaryDirectory() as folder:
        log = os.path.join(folder, "count.log")
        extra = ["-accel", "tcg,thread=single", "-plugin", f"{BENCH}/insncount.so,log={log}"]
        with boot(folder, disk, extra=extra) as session:
            for kind in KINDS:
                assert "ok" in session.run(f"exitcost {kind} {COUNT}", timeout=300)
        rows = [dict((k, int(v)) for k, v in re.findall(r"(\w+)=(\d+)", line)) for line in open(log, encoding="ascii")]
    pairs = zip(rows[::2], rows[1::2])
    host = [((end["insns"] - end["guest"]) - (begin["insns"] - begin["guest"])) / COUNT for begin, end in pairs]
    return {kind: cost - host[0] for kind, cost in zip(KINDS[1:], host[1:])}


def guest_exits(session):
    """All exits that the kernel has counted, by its debugger."""
    session.child.send("\x1b")
    session.expect(r"kdb> $", 10)
    session.child.send("c")
    session.expect(r"kdb> $", 10)
    total = sum(int(n) for n in re.findall(r"^guest exits, [^:]+: (\d+)", session.child.before.replace("\r", ""), re.M))
    session.child.send("g")
    session.expect(r"g\r*\n", 10)
    return total


def idle_exits(disk, cpus, seconds=30):
    with tempfile.TemporaryDirectory() as folder, boot(folder, disk, cpus) as session:
        time.sleep(5)
        before, start = guest_exits(session), time.monotonic()
        time.sleep(seconds)
        return (guest_exits(session) - before) / (time.monotonic() - start)


def work_ns(session):
    found = {}
    for name, command in WORK:
        found[name] = int(re.search(r"ns=(\d+)", session.run(f"vmload {command}", timeout=300))[1])
    return found


def work_ratios(disk, rounds=3):
    """The best time of several of each program, on Skerry over direct; both run at the same time of the day in turns."""
    best = {}
    with tempfile.TemporaryDirectory() as folder, boot(folder, disk) as ours, direct(disk) as theirs:
        for _ in range(rounds):
            for who, session in (("ours", ours), ("theirs", theirs)):
                for name, ns in work_ns(session).items():
                    best[name, who] = min(ns, best.get((name, who), ns))
    return {name: best[name, "ours"] / best[name, "theirs"] for name, _ in WORK}


def table():
    """Rows for the report: (figure, without Skerry, Skerry, aim, reached or None)."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        disk = ramdisk(folder)
        rows = []
        for cpus in (1, 4):
            exits = idle_exits(disk, cpus)
            rows.append((f"exits per second of an idle guest, {cpus} vcpu{'s' if cpus > 1 else ''}", "-", f"{exits:.1f}",
                         IDLE_AIM if cpus == 1 else "-", exits < IDLE_AIM if cpus == 1 else None))
        for kind, cost in exit_costs(disk).items():
            rows.append((f"instructions of kernel and VMM for an exit: {kind}", "-", f"{cost:.0f}", "-", None))
        ratios = work_ratios(disk)
        for name, aim, what in (("compute", COMPUTE_AIM, "CPU-bound"), ("faults", FAULTS_AIM, "page-fault-bound")):
            rows.append((f"{what} program, time against the same kernel directly in TCG", "1", f"x {ratios[name]:.2f}", f"x {aim}",
                         ratios[name] < aim))
    return rows
