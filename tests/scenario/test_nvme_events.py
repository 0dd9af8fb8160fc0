# SPDX-License-Identifier: MIT
"""What happens to a drive beside its requests: orderly shutdown, namespaces that come and go, warnings."""
import pexpect
from conftest import SERIAL
from test_block import DYNAMIC, NED, ONE, VERIFIED, boot, said
from test_nvme_faults import qmp

SHUT = r"The controller has no clients and is shut down"


def traced(system, events):
    trace = system.path("trace.log")
    for event in events.split():
        system.machine += ["-trace", event]
    system.machine += ["-D", trace]

    def read():
        with open(trace, encoding="utf-8", errors="replace") as f:
            return f.read()
    return read


def test_shutdown(system):
    """The drive sees a normal shutdown when its last client has gone, and works again for the next one."""
    trace = traced(system, "pci_nvme_mmio_shutdown_set")
    system.add_nvme(system.disk())
    start = f"""for i = 1, 3 do
      local d; repeat local ok; ok, d = pcall(disk, "device={SERIAL}:n1") until ok;
      test(d, "--ops 300 --seed " .. i):wait(); d:drop(); for k = 1, 5e6 do end;
    end print("rounds", "done")"""
    system.modules = ["ned", "io", "nvme-drv", "vmm.lua", "blktest"]
    with system.boot(ned=DYNAMIC % start) as session:
        for _ in range(3):
            session.expect(VERIFIED, 60)
        session.expect(r"rounds\s+done", 60)
        if "svr/3 is gone" not in session.text():
            session.expect("svr/3 is gone", 60)
        if session.text().rfind("svr/3 is gone") > session.text().rfind("is shut down"):
            session.expect(SHUT, 60)
    shutdowns = trace().count("pci_nvme_mmio_shutdown_set")
    restarts = len([line for line in session.tagged("nvme") if "works again" in line])
    assert shutdowns == restarts + 1 and shutdowns >= 2


def test_unused_controller(system):
    """A drive that nobody wants is shut down after a while, too."""
    trace = traced(system, "pci_nvme_mmio_shutdown_set")
    system.add_nvme(system.disk())
    with boot(system, "-v --client cl1 --device NOSUCH:n1", "--expect -15") as session:
        session.expect(SHUT, 60)
    assert trace().count("pci_nvme_mmio_shutdown_set") == 1


STOP = """
local drv = l:start({ caps = { vbus = io_busses.nvme, cl1 = c1:svr() }, log = { "nvme", "g" } }, "rom/nvme-drv %s");
local test = l:start({ caps = { disk = c1 }, log = { "test", "y" } }, "rom/blktest --ops 1000000 --depth 16");
%s
"""


def stopped(system, action):
    system.add_nvme(system.disk())
    system.modules = ["ned", "io", "nvme-drv", "vmm.lua", "blktest"]
    ned = NED[:NED.index("l:start({ caps")] + STOP % (ONE, action)
    return system.boot(ned=ned)


def test_server_stops(system):
    """Asked to end while a client works: the client's requests end, then the drive is shut down, then the server."""
    trace = traced(system, "pci_nvme_mmio_shutdown_set")
    with stopped(system, 'for i = 1, 2e6 do end; drv:stop(); print("ended:", drv:wait())') as session:
        session.expect(r"ended:\s+0\s+exited with 0", 60)
    assert said(session, SHUT) and said(session, "NVMe driver ends")
    assert trace().count("pci_nvme_mmio_shutdown_set") == 1


def test_machine_ends(system):
    """All programs end before the machine is reset, and the drive is shut down."""
    trace = traced(system, "pci_nvme_mmio_shutdown_set")
    with stopped(system, "for i = 1, 2e6 do end; L4.reset()") as session:
        session.expect("moe: the machine is reset: ending all programs", 60)
        session.expect(r"program nvme-drv \(nvme\) ended: exited with 0", 60)
        session.expect(pexpect.EOF, 60, "the reset (-no-reboot ends QEMU)")
    text = session.text()
    assert text.index("program blktest (test) ended: killed") < text.index("program nvme-drv (nvme) ended: exited with 0")
    assert text.index("program nvme-drv (nvme) ended") < text.index("program io (io) ended: killed")
    assert trace().count("pci_nvme_mmio_shutdown_set") == 1


def test_guest_powers_off(system):
    """What a guest flushed is there, and the drive was shut down when the guest was off."""
    trace = traced(system, "pci_nvme_mmio_shutdown_set")
    image = system.disk()
    system.add_nvme(image)
    with system.boot() as session:
        session.wait_prompt()
        session.run("mount -t devtmpfs none /dev; echo the last words | dd of=/dev/vda conv=fsync")
        session.power_off()
        session.expect(SHUT, 60)
    with open(image, "rb") as f:
        assert f.read(14) == b"the last words"
    assert trace().count("pci_nvme_mmio_shutdown_set") == 1


def test_smart_warning(system):
    """The drive's warnings are logged in words, and one after the other."""
    path = system.path("qmp")
    system.machine += ["-qmp", f"unix:{path},server=on,wait=off"]
    system.add_nvme(system.disk(), extra=",id=n0")
    with boot(system, ONE, "--ops 100000 --depth 4") as session:
        session.expect("blktest: id", 60)
        for warning, text in ((4, "it has become unreliable"), (5, "its spare capacity is low"), (13, "its media are read-only")):
            qmp(path, "qom-set", path="/machine/peripheral/n0", property="smart_critical_warning", value=warning)
            session.expect(rf"The drive warns: {text}.*critical warning {warning:#x}", 60)
    assert len([line for line in session.tagged("nvme") if "The drive warns" in line]) == 3
