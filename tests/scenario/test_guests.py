# SPDX-License-Identifier: MIT
"""Guests of other kinds, and guests that are used in unusual ways."""
import pytest


@pytest.mark.vmx
def test_prompt_is_the_tutorials(system):
    """98: the shell's prompt is "~ # " where the tutorial's is, and shows other folders by their names."""
    with system.boot(caps="") as session:
        session.expect(r"\n~ # ", 60)
        session.child.sendline("cd /dev; id; pwd")
        session.expect(r"uid=0\(root\).*\n/dev\s+/dev # ", 20)


@pytest.mark.vmx
def test_least_memory(system):
    """Linux unpacks itself at the address that it prefers: less memory is refused with the size that does, and that does."""
    with system.boot(mem=64, caps="") as session:
        least = int(session.expect(r"uvmm: the VM has too little memory: 64 MiB .*at least mem = (\d+)\s", 60)[1])
    with system.boot(mem=least, caps="") as session:
        session.wait_prompt()
        assert session.run("mount -a; echo works") == "works"


def test_memory_in_pieces(system):
    """RAM that the machine has only in two pieces, below and above 4 GiB."""
    system.machine = ["-m", "5G", "-display", "none"]
    with system.boot(mem=3072, caps="") as session:
        session.wait_prompt(60)
        session.run("mount -a")
        assert int(session.run("head -1 /proc/meminfo").split()[1]) > 2900 << 10


@pytest.mark.vmx
def test_suspend_to_idle(system):
    """The RTC's alarm wakes a guest that sleeps; its disk and consoles work on."""
    system.add_nvme(system.disk())
    with system.boot(vm=", cpus = 3") as session:
        session.wait_prompt()
        session.run("mount -a; mount -t sysfs none /sys; echo +2 > /sys/class/rtc/rtc0/wakealarm")
        assert session.run("echo freeze > /sys/power/state && echo awake").endswith("awake")
        session.run("dd if=/dev/vda of=/dev/null bs=64k iflag=direct && echo read")
        assert session.run("grep -c ^processor /proc/cpuinfo") == "2"
        session.power_off()
