# SPDX-License-Identifier: MIT
"""What takes minutes: many boots, a long life. make check-long."""
import re
import time

import pytest
from session import fsck

pytestmark = pytest.mark.long


@pytest.mark.parametrize("processors", [1, 2])
def test_fifty_boots(tmp_path_factory, processors):
    """Every boot reaches the shell and reads the disk, whatever the timing was."""
    from scenario import System
    for i in range(50):
        system = System(tmp_path_factory.mktemp(f"boot{i}"))
        if i % 2:
            system.machine += ["-M", "q35"]
        system.machine += ["-smp", str(processors)]
        system.add_nvme(system.disk())
        with system.boot(vm=", cpus = 15" if processors > 1 else "") as session:
            session.wait_prompt()
            assert "rc=0" in session.run("mount -a; dd if=/dev/vda of=/dev/null bs=1M; echo rc=$?")


def test_ten_minutes(system):
    """The clock keeps time and the disk keeps its data while the guest alternates between work and idling."""
    image = system.disk(64)
    system.add_nvme(image)
    with system.boot() as session:
        session.wait_prompt()
        session.run("mount -a; mkfs.ext2 /dev/vda; mkdir /mnt; mount /dev/vda /mnt")
        start_host, start_guest = time.monotonic(), uptime(session)
        for i in range(10):
            session.run(f"dd if=/dev/urandom of=/mnt/f{i} bs=64k count=64; sync; sha256sum /mnt/f{i} >> /mnt/sums", timeout=120)
            session.run("sleep 45", timeout=120)
        drift = (uptime(session) - start_guest) - (time.monotonic() - start_host)
        assert abs(drift) < 1.0
        session.run("umount /mnt; mount /dev/vda /mnt")
        assert "FAILED" not in session.run("sha256sum -c /mnt/sums", timeout=120)
        session.run("umount /mnt")
        session.power_off()
    assert fsck(image) is None


def uptime(session):
    return float(re.search(r"^([0-9.]+) ", session.run("cat /proc/uptime"), re.M).group(1))
