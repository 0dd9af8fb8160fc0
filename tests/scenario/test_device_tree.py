# SPDX-License-Identifier: MIT
"""The guest's machine from several device trees, and trees that make no machine: one line with the remedy."""
import subprocess

import pytest

HEAD = '/dts-v1/; '


def tree(system, name, text):
    subprocess.run(["dtc", "-@", "-q", "-I", "dts", "-O", "dtb", "-o", system.path(name)], input=HEAD + text, text=True, check=True)
    system.modules.append(name)


@pytest.mark.vmx
def test_overlay_and_merge(system):
    """An overlay takes the virtio console and the first disk node away, a plain tree adds a disk node of its own."""
    tree(system, "less.dtbo", '/plugin/; &hvc0 { status = "disabled"; }; &disk0 { status = "disabled"; };')
    tree(system, "more.dtb", '/ { mydisk { compatible = "skerry,virtio-blk"; skerry,cap = "mine"; }; };')
    system.add_nvme(system.disk())
    with system.boot(fdt=["virt-pc.dtb", "less.dtbo", "more.dtb"], caps="mine = nvmecl, qdrv = nvmecl",
                     bootargs="console=ttyS0 rdinit=/bin/sh") as session:
        session.wait_prompt()
        session.run("mount -a; mount -t sysfs s /sys")
        assert session.run("ls /sys/bus/virtio/devices").split() == ["virtio0", "virtio1"]  # entropy, disk
        assert "vda" in session.run("ls /dev/vda")
        session.power_off()


PCI = 'pci { compatible = "skerry,pci-host"; }; '
SERIAL0 = 'serial { compatible = "ns16550a"; }; '
DISK = '%s { compatible = "skerry,virtio-blk"; skerry,cap = "qdrv"; }; '


@pytest.mark.parametrize("trees, says, starts", [
    ([f'/ {{ {PCI} {SERIAL0} gpu {{ compatible = "x,gpu"; }}; }};'],
     r"device tree node gpu \(compatible: x,gpu\) is left out: uvmm knows skerry,pci-host, ", True),
    (['/ { console { compatible = "skerry,virtio-console"; }; };'],
     r"device tree node console: there is no PCI bus for it: put a node with compatible = \"skerry,pci-host\" before it", False),
    ([f'/ {{ {SERIAL0} serial1 {{ compatible = "ns16550a"; }}; }};'],
     r"device tree node serial1: its ports 0x3f8-0x3ff are those of serial: remove one of the two nodes", False),
    ([f'/ {{ {PCI} {SERIAL0} {DISK % "a"} {DISK % "b"} }};'],
     r"device tree node b: node a has the capability 'qdrv' already: name another one", False),
    ([f'/ {{ {PCI} disk {{ compatible = "skerry,virtio-blk"; }}; }};'],
     r"device tree node disk: skerry,cap must name its capability", False),
    ([f'/ {{ {PCI} {PCI.replace("pci {", "pci2 {")} }};'],
     r"device tree node pci2: there can be only one PCI host bridge: remove one of the two nodes", False),
    ([f'/ {{ {PCI} }};', '/plugin/; &nothing { status = "okay"; };'],
     r"device tree rom/t1.dtb does not go onto those before it: .*correct its targets", False),
    (['/plugin/; &pci { status = "okay"; };', f'/ {{ {PCI} }};'],
     r"device tree rom/t0.dtb is an overlay, it cannot be the first: name the tree that it changes before it", False),
    ([f'/ {{ {PCI} }};'], r"the device tree has no console, so nothing that the guest says is seen: add a node", None),
], ids=["unknown", "no-bus", "same-ports", "same-capability", "no-capability", "two-buses", "overlay-target", "overlay-first",
        "no-console"])
def test_bad_trees(system, trees, says, starts):
    for i, text in enumerate(trees):
        tree(system, f"t{i}.dtb", text)
    system.add_nvme(system.disk())
    with system.boot(fdt=[f"t{i}.dtb" for i in range(len(trees))], bootargs="console=ttyS0 rdinit=/bin/sh",
                     caps="qdrv = nvmecl" if "qdrv" in trees[0] else "") as session:
        session.expect(r"uvmm: " + says, 60)
        if starts:
            session.wait_prompt()
        elif starts is False:
            session.expect(r"uvmm ended: exited with 1", 20)


def test_bad_fdt_key(system):
    ned = ('package.path = "rom/?.lua"\nlocal vmm = require "vmm"\n'
           'vmm.start_vm { mem = 64, kernel = "rom/bzImage", fdt = { "rom/virt-pc.dtb", 7 } }\n')
    with system.boot(ned=ned) as session:
        session.expect(r"test\.ned:3: start_vm: fdt\[2\] must be of type string, not number", 60)
