# SPDX-License-Identifier: MIT
"""A scenario in a folder of its own, for tests and benchmarks: a modules.list, a vbus file and a ned script like the
tutorial's, changed as wanted, booted in QEMU."""
import os

from session import Session

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("SKERRY_BUILD", os.path.join(ROOT, "build"))
SERIAL = "MYNVMECTLSN"
MODULES = ["l4re", "ned", "io", "nvme-drv", "uvmm", "virt-pc.dtb", "vmm.lua", "bzImage", "ramdisk-x86_64.cpio.gz"]

VBUS = """Io.add_vbusses { nvme = Io.Vi.System_bus(function ()
  %(msis)s
  PCI0 = Io.Vi.PCI_bus(function () pci_hd = wrap(Io.system_bus():match(%(match)s)); end);
end); };
"""

NED = """package.path = "rom/?.lua";
local L4 = require "L4";
local vmm = require "vmm";
local l = L4.default_loader;
local nvmecl = l:new_channel();
local io_busses = { nvme = 1 }
vmm.start_io(io_busses, "rom/test.vbus -v");
l:start({ caps = { vbus = io_busses.nvme, %(clients)s }, log = { "nvme", "g" } },
  "rom/nvme-drv %(driver)s");
vmm.start_vm({ id = 1, mem = %(mem)s, mon = false, rd = "rom/%(rd)s", fdt = { "rom/%(fdt)s" },
  bootargs = "%(bootargs)s", kernel = "rom/%(kernel)s", log = L4.Env.log, ext_caps = { %(caps)s } %(vm)s });
"""


class System:
    """A scenario in a folder of its own."""

    def __init__(self, folder):
        self.folder = str(folder)
        self.files = {}          # name in rom/ -> content or None (from the build)
        self.modules = list(MODULES)
        self.kernel_args = "-serial_esc"
        self.machine = ["-m", "512", "-display", "none"]
        self.settings = {
            "msis": "Property.num_msis = 2;", "match": '"PCI/storage"', "clients": "cl1 = nvmecl:svr()",
            "driver": f"-v --client cl1 --device {SERIAL}:n1 --ds-max 5", "mem": 128, "rd": "ramdisk-x86_64.cpio.gz",
            "fdt": "virt-pc.dtb", "bootargs": "console=hvc0 earlyprintk=1 rdinit=/bin/sh", "kernel": "bzImage",
            "caps": "qdrv = nvmecl", "vm": "",
        }

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, content):
        with open(self.path(name), "wb" if isinstance(content, bytes) else "w") as f:
            f.write(content)
        return self.path(name)

    def disk(self, mib=10, name="disk.img"):
        with open(self.path(name), "wb") as f:
            f.truncate(mib << 20)
        return self.path(name)

    def add_nvme(self, image, serial=SERIAL, ident="D1", extra=""):
        self.machine += ["-drive", f"if=none,file={image},format=raw,id={ident}",
                         "-device", f"nvme,drive={ident},serial={serial}{extra}"]

    def boot(self, ned=None, vbus=None, **settings):
        settings = {**self.settings, **settings}
        if not isinstance(settings["fdt"], str):
            settings["fdt"] = '", "rom/'.join(settings["fdt"])
        self.write("test.vbus", vbus if vbus is not None else VBUS % settings)
        self.write("test.ned", ned if ned is not None else NED % settings)
        lines = ["entry test", f"kernel skerry {self.kernel_args}", "roottask moe rom/test.ned"]
        lines += [f"module {m}" for m in [*self.modules, "test.vbus", "test.ned"]]
        modules_list = self.write("modules.list", "\n".join(lines) + "\n")
        command = [os.path.join(ROOT, "tools", "boot", "skboot"), "qemu", "--entry", "test", "--list", modules_list, "--src", ROOT,
                   "--build", BUILD, "--search", self.folder, "--qemu-options",
                   " ".join(["-serial mon:stdio -no-reboot", *self.machine])]
        return Session(command)
