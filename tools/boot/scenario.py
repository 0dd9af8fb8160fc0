# SPDX-License-Identifier: MIT
"""A scenario in a folder of its own, for tests and benchmarks: a modules.list, a vbus file and a ned script like the
tutorial's, changed as wanted, booted in QEMU, or in Bochs, which has Intel VMX."""
import os
import re

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
    """A scenario in a folder of its own, for QEMU."""

    has_nvme = True  # what the guest writes is in the image afterwards

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
        return self._start(ned if ned is not None else NED % settings)

    def _start(self, ned):
        options = " ".join(["-serial mon:stdio -no-reboot", *self.machine])
        return Session(self._command("qemu", ned, "--qemu-options", options))

    def _command(self, emulator, ned, *options):
        """skboot's; writes the ned script and the modules.list."""
        self.write("test.ned", ned)
        lines = [f"entry test-{emulator}", f"kernel skerry {self.kernel_args}", "roottask moe rom/test.ned"]
        lines += [f"module {m}" for m in [*self.modules, "test.vbus", "test.ned"]]
        modules_list = self.write("modules.list", "\n".join(lines) + "\n")
        return [os.path.join(ROOT, "tools", "boot", "skboot"), emulator, "--entry", f"test-{emulator}", "--list", modules_list,
                "--src", ROOT, "--build", BUILD, "--search", self.folder, *options]


class BochsSystem(System):
    """The same scenario on Intel VMX with EPT. Bochs has no NVMe drive: ramblk serves copies of the images, in memory."""

    has_nvme = False
    SLOWER = 6  # than QEMU, so all waits are longer

    def __init__(self, folder):
        super().__init__(folder)
        self.images = {}  # serial number -> file

    def add_nvme(self, image, serial=SERIAL, ident="D1", extra=""):
        self.images[serial] = os.path.basename(image)

    def _machine(self, option, default):
        return self.machine[self.machine.index(option) + 1] if option in self.machine else default

    def _ramblk(self, driver):
        """Its options, from nvme-drv's."""
        clients = re.findall(r"--client (\w+) --device (\w+)", driver[0])
        disks = [(c, f"--image rom/{self.images[serial]}" if serial in self.images else "--size 8M") for c, serial in clients]
        return "rom/ramblk -v " + " ".join(f"--client {c} {disk}" for c, disk in disks)

    def _start(self, ned):
        ned = re.sub(r"^(vmm\.)?start_io\(.*\n|\bvbus = [\w.]+, ", "", ned, flags=re.M)
        ned = re.sub(r"rom/nvme-drv[^\"]*", self._ramblk, ned)
        self.modules = [m for m in self.modules if m not in {"io", "nvme-drv"}] + ["ramblk", *self.images.values()]
        self.modules = list(dict.fromkeys(self.modules))
        machine = ["--bochs-memory", self._machine("-m", "512"), "--bochs-cpus", self._machine("-smp", "1")]
        return Session(self._command("bochs", ned, *machine), slower=self.SLOWER)
