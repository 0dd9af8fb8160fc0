# SPDX-License-Identifier: MIT
"""Boots an image in Bochs, which emulates what QEMU's TCG does not: Intel VMX with EPT, and AMD SVM with next RIP.
Slow (a Linux guest needs about a minute), but it needs nothing of the host.

The console is the first serial port, on the terminal; Ctrl-a x quits, as in QEMU."""
import contextlib
import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import termios
import tty

SHARE = "/usr/share/bochs"
QUIT = b"\x01x"

# 50 million instructions are a second: nothing depends on the host's speed. A hybrid ISO boots as a hard disk too, which
# the firmware reads twice as fast as a CD. No display: the rfb one waits for nobody.
CONFIG = """plugin_ctrl: unmapped=1, biosdev=1, speaker=0, extfpuirq=1, parallel=0, serial=1
config_interface: textconfig
display_library: rfb, options="timeout=0"
romimage: file={share}/BIOS-bochs-latest
vgaromimage: file={share}/VGABIOS-lgpl-latest
vga: extension=none, update_freq=1
cpu: model={cpu}, count={cpus}, ips=50000000, reset_on_triple_fault=0, ignore_bad_msrs=1
memory: guest={memory}, host={memory}
clock: sync=none, time0=utc
boot: disk
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata0-master: type=disk, path={image}, mode=flat
com1: enabled=1, mode=term, dev={serial}
log: {folder}/bochs.log
panic: action=fatal
error: action=report
info: action=ignore
debug: action=ignore
"""


class BochsError(Exception):
    """One line for the user."""


def _start(folder, image, serial, machine):
    config = os.path.join(folder, "bochsrc")
    with open(config, "w", encoding="utf-8") as f:
        f.write(CONFIG.format(share=SHARE, image=image, serial=serial, folder=folder, **machine))
    with open(os.path.join(folder, "bochs.out"), "wb") as out:
        child = subprocess.Popen(["bochs", "-q", "-f", config], stdin=subprocess.PIPE, stdout=out, stderr=subprocess.STDOUT)
    child.stdin.write(b"c\n")  # Debian's has a debugger, which waits for a command before the first instruction;
    child.stdin.close()        # when the machine stops, it ends
    return child


def _relay(child, console, keys):
    """Copies the console to the terminal and, if there are any, keys to the console, until Bochs ends or the user quits it."""
    sources = [console] + ([keys] if keys is not None else [])
    held = b""
    while True:
        ready = select.select(sources, [], [], 0.2)[0]
        if console in ready:
            os.write(sys.stdout.fileno(), os.read(console, 65536))
        elif child.poll() is not None:
            return child.returncode
        if keys in ready:
            data = held + os.read(keys, 1024)
            if not data or QUIT in data:
                return 0
            held = data[-1:] if data.endswith(QUIT[:1]) else b""
            os.write(console, data[:-1] if held else data)


def run(folder, image, machine):
    """Boots image; returns when the user has quit or Bochs has ended: its exit code. Files go to folder. machine: cpu (a model),
    cpus, memory (MiB)."""
    if shutil.which("bochs") is None:
        raise BochsError("cannot start Bochs: 'bochs' is not installed (Debian: apt install bochs bochsbios vgabios)")
    os.makedirs(folder, exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(image + ".lock")  # of a Bochs that was killed
    master, slave = pty.openpty()
    tty.setraw(slave)
    keys = sys.stdin.fileno() if sys.stdin.isatty() else None
    before = termios.tcgetattr(keys) if keys is not None else None
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))
    child = _start(folder, image, os.ttyname(slave), machine)
    try:
        if keys is not None:
            tty.setraw(keys)
        return _relay(child, master, keys)
    finally:
        child.terminate()
        child.wait()
        if keys is not None:
            termios.tcsetattr(keys, termios.TCSADRAIN, before)
