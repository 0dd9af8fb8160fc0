# SPDX-License-Identifier: MIT
"""A person at the serial console: starts QEMU or Bochs with an entry, types at the guest's shell, reads what comes back."""
import os
import re
import subprocess
import time

import pexpect

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROMPT = re.compile(r"(?:^|\n)\r*(?:\x1b\[[0-9;]*m)*[~/][^\s#]* # ")
ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b(?:\[[0-9;?]*)?$")  # also one that has not come completely yet
QEMU_QUIT = "\x01x"  # Ctrl-a x on a "mon:stdio" line


def echo_of(command):
    """A pattern for the end of a command's echo, which the shell breaks at the terminal's width."""
    gap = r"(?:\s|\x1b\[[0-9;?]*[A-Za-z])*"
    return gap.join(re.escape(c) for c in command[-20:] if not c.isspace())


class SessionError(Exception):
    """What was waited for, and the end of the log."""


class Session:
    """One emulator. Everything that it prints is kept in `log`. slower: every wait is so many times longer."""

    def __init__(self, command, cwd=ROOT, env=None, echo=None, slower=1):
        self.log = ""
        self._slower = slower
        self._echo = echo
        self._start = time.monotonic()
        self.child = pexpect.spawn(command[0], command[1:], cwd=cwd, env={**os.environ, **(env or {}), "TERM": "dumb"},
                                   encoding="utf-8", codec_errors="replace", timeout=None, dimensions=(50, 200))
        self.child.delaybeforesend = None
        self.child.logfile_read = self

    # pexpect's logfile interface
    def write(self, text):
        self.log += text
        if self._echo:
            self._echo.write(text)

    def flush(self):
        if self._echo:
            self._echo.flush()

    def expect(self, pattern, timeout, what=None):
        """Waits for a regular expression; returns the match. A hang is an error that shows the log's end."""
        timeout *= self._slower
        try:
            self.child.expect(pattern, timeout=timeout)
            return self.child.match
        except pexpect.TIMEOUT:
            reason = f"no {what or pattern!r} within {timeout} s"
        except pexpect.EOF:
            reason = f"the emulator ended while waiting for {what or pattern!r}"
        raise SessionError(f"{reason}. The console's last lines:\n" + "\n".join(self.text().splitlines()[-40:]))

    def wait_prompt(self, timeout=120):
        self.expect(PROMPT, timeout, "shell prompt")
        return time.monotonic() - self._start

    def run(self, command, timeout=60):
        """Types a command at the shell's prompt; returns what it printed."""
        self.child.sendline(command)
        self.expect(echo_of(command), timeout, f"echo of '{command}'")
        self.expect(PROMPT, timeout, f"prompt after '{command}'")
        return ANSI.sub("", self.child.before).replace("\r", "").strip("\n")

    def power_off(self, timeout=60):
        """Powers the guest off and waits for uvmm's line."""
        self.child.sendline("poweroff -f")
        self.expect(r"powered off", timeout, "uvmm's line that the VM is powered off")

    def guest_exits(self):
        """The kernel's counters of guest exits, by its debugger: all guests together, by reason."""
        self.child.send("\x1b")
        self.expect(r"kdb> $", 10)
        self.child.send("c")
        self.expect(r"kdb> $", 10)
        counters = re.findall(r"^guest exits, ([^:]+): (\d+)", self.child.before.replace("\r", ""), re.M)
        self.child.send("g")
        self.expect(r"g\r*\n", 10)
        return {reason: int(n) for reason, n in counters}

    def guest_exits_per_second(self, seconds):
        """What they grow by in that time, by reason."""
        before, start = self.guest_exits(), time.monotonic()
        time.sleep(seconds)
        after, gone = self.guest_exits(), time.monotonic() - start
        return {reason: (n - before.get(reason, 0)) / gone for reason, n in after.items()}

    def quit(self):
        """Ends QEMU; what it wrote to images is on disk afterwards."""
        if self.child.isalive():
            self.child.send(QEMU_QUIT)
            try:
                self.child.expect(pexpect.EOF, timeout=10)
            except pexpect.TIMEOUT:
                pass
            self._wait_end(10)
        self.child.close(force=True)

    def _wait_end(self, seconds):
        """Behind the console's end QEMU still writes its trace file."""
        end = time.monotonic() + seconds
        while self.child.isalive() and time.monotonic() < end:
            time.sleep(0.02)

    def text(self):
        return ANSI.sub("", self.log).replace("\r", "")

    def tagged(self, tag):
        """The lines of one component, without its prefix."""
        prefix = f"{tag:8.8}| "
        return [line[len(prefix):] for line in self.text().splitlines() if line.startswith(prefix)]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.quit()


def make_qemu(entry, options=None, build=None, extra=(), **kwargs):
    """A session of `make E=entry qemu`, in the build folder or the source tree."""
    command = ["make", "-s", f"E={entry}", "qemu", *extra]
    if options is not None:
        command += ["QEMU_OPTIONS=-serial mon:stdio", f"QEMU_OPTIONS-amd64={options}"]
    return Session(command, cwd=build or ROOT, **kwargs)


# --- the disk image, seen from the host ------------------------------------------------------------------------

def tool(*command):
    env = {**os.environ, "PATH": os.environ.get("PATH", "") + ":/sbin:/usr/sbin", "LC_ALL": "C"}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=env)


def fsck(image):
    """None if the file system is clean, else e2fsck's output."""
    result = tool("e2fsck", "-fn", image)
    return None if result.returncode == 0 else result.stdout + result.stderr


def file_in_image(image, path, target):
    """Copies a file out of an ext2 image; False if it is not there."""
    tool("debugfs", "-R", f"dump {path} {target}", image)
    return os.path.exists(target)
