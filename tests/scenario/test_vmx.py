# SPDX-License-Identifier: MIT
"""A Linux guest on Intel VMX with EPT, in Bochs, its disk in memory (ramblk): the entry "ramblk" of conf/modules.list."""
import os

import pytest
from scenario import BUILD, ROOT
from session import Session


@pytest.mark.long
def test_guest_on_vmx(tmp_path):
    """With two vcpus, on one processor."""
    with open(f"{ROOT}/conf/examples/ramblk.ned", encoding="utf-8") as f:
        (tmp_path / "ramblk.ned").write_text(f.read().replace("  id = 1,\n", "  id = 1,\n  cpus = 3,\n"))
    command = [os.path.join(ROOT, "tools", "boot", "skboot"), "bochs", "--entry", "ramblk", "--list", f"{ROOT}/conf/modules.list",
               "--src", ROOT, "--build", BUILD, "--search", str(tmp_path)]
    with Session(command) as session:
        session.expect("virtual machines: VMX with EPT", 180)
        session.wait_prompt(900)
        session.run("mount -a", 120)
        assert session.run("grep -c GenuineIntel /proc/cpuinfo", 120) == "2"
        assert "done" in session.run("mke2fs /dev/vda && echo done", 300)
        session.run("mkdir -p /mnt; mount /dev/vda /mnt", 120)
        session.run("dd if=/dev/urandom of=/mnt/data bs=64k count=32 2>/dev/null; md5sum /mnt/data > /mnt/sum; umount /mnt", 300)
        session.run("mount /dev/vda /mnt", 120)
        assert "data: OK" in session.run("md5sum -c /mnt/sum", 300)
        assert session.run("sleep 2; dmesg | grep -e 'Call Trace' -e 'I/O error' -e BUG:", 120) == ""
        session.power_off(120)
