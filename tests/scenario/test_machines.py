# SPDX-License-Identifier: MIT
"""The default guest with its disk on other machines: memory, processors, buses, devices, NVMe properties."""
import pytest
from scenario import SERIAL
from test_variants import use_disk

LONG = pytest.mark.long
BRIDGE = "-device pci-bridge,id=b,chassis_nr=3"
PORT = "-M q35 -device pcie-root-port,id=b,chassis=1,slot=1"


@pytest.mark.parametrize("options, nvme", [
    ("-M q35 -m 5G -smp 2", ""), (BRIDGE, ",bus=b,addr=5"), (PORT, ",bus=b"),
    *(pytest.param(o, n, marks=LONG) for o, n in [
        ("-m 256", ""), ("-M q35 -m 8G", ""), ("-cpu max", ""), ("-cpu phenom,+svm", ""), ("-cpu Opteron_G5,+svm,+npt", ""), ("-cpu EPYC,+svm,-xsave", ""),
        ("-M q35 -device intel-iommu", ""), ("-M q35 -device amd-iommu", ""), ("-M pc,hpet=off", ""), ("-M q35 -vga none", ""),
        ("-M q35 -device qemu-xhci -device e1000e -device virtio-net-pci", ""), ("-nodefaults", ""), ("-M pc -no-acpi", ""),
        ("", ",max_ioqpairs=1,msix_qsize=1,mdts=1"), ("", ",cmb_size_mb=4"), ("", ",use-intel-id=on"), ("", ",addr=0x9")])])
def test_machine(system, options, nvme):
    system.machine += options.split()
    system.machine += ["-drive", f"if=none,file={system.disk()},format=raw,id=D1", "-device", f"nvme,drive=D1,serial={SERIAL}{nvme}"]
    with system.boot() as session:
        session.wait_prompt()
        use_disk(session)
        session.power_off()
