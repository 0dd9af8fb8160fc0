# SPDX-License-Identifier: MIT
"""What happens to a drive beside its requests: orderly shutdown, namespaces that come and go, warnings."""
import re

import pexpect
import pytest
from conftest import SERIAL, run
from native import MODULES, PRELUDE, WORKS, channels, driver
from test_block import DYNAMIC, ONE, VERIFIED, boot, said
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
      test(d, "--ops 300 --seed " .. i):wait(); d:drop();
      repeat until L4.cast(L4.Proto.Factory, drv):control("list"):find("is shut down");
    end print("rounds", "done")"""
    system.modules = list(MODULES)
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


STOP = PRELUDE + channels("svr", "c1") + WORKS + """
local drv = l:start({ caps = { vbus = io_busses.nvme, svr = svr:svr(), cl1 = c1:svr() }, log = { "nvme", "g" } }, "rom/nvme-drv %s");
local test = l:start({ caps = { disk = c1 }, log = { "test", "y" } }, "rom/blktest --ops 1000000 --depth 16");
works(svr, "cl1", 300);
%s
"""


def stopped(system, action):
    system.add_nvme(system.disk())
    system.modules = list(MODULES)
    return system.boot(ned=STOP % (ONE, action))


def test_server_stops(system):
    """Asked to end while a client works: the client's requests end, then the drive is shut down, then the server."""
    trace = traced(system, "pci_nvme_mmio_shutdown_set")
    with stopped(system, 'drv:stop(); print("ended:", drv:wait())') as session:
        session.expect(r"ended:\s+0\s+exited with 0", 60)
    assert said(session, SHUT) and said(session, "NVMe driver ends")
    assert trace().count("pci_nvme_mmio_shutdown_set") == 1


@pytest.mark.parametrize("machine, call, said_so", [("pc", "reset", "reset"), ("pc", "poweroff", "switched off"), ("q35", "poweroff", "switched off")])
def test_machine_ends(system, machine, call, said_so):
    """All programs end before the machine is reset or switches itself off, and the drive is shut down."""
    system.machine += ["-M", machine]
    trace = traced(system, "pci_nvme_mmio_shutdown_set")
    with stopped(system, f"L4.{call}()") as session:
        session.expect(f"moe: the machine is {said_so}: ending all programs", 60)
        session.expect(r"program nvme-drv \(nvme\) ended: exited with 0", 60)
        session.expect(pexpect.EOF, 60, "the end of QEMU (-no-reboot: also by a reset)")
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


ADMIN = PRELUDE + channels("drv", "ctl", "c1", "c2") + driver("%s", ctl="ctl", svr="drv", cl1="c1", cl2="c2") + WORKS + """local function cmd(line) print("> " .. line .. "\\n" .. ctl:control(line) .. "<") end
local function test(name, d, options) return l:start({ caps = { disk = d }, log = { name, "y" } }, "rom/blktest " .. options) end
%s
print("script done");
"""


def subsystem(system, *namespaces, extra=""):
    """A controller whose namespaces (number, size in MiB, options) can be detached."""
    system.machine += ["-device", "nvme-subsys,id=s0,nqn=s0", "-device", f"nvme,id=n0,serial={SERIAL},subsys=s0{extra}"]
    for nsid, mib, options in namespaces:
        image = system.disk(mib, f"disk{nsid}.img")
        system.machine += ["-drive", f"if=none,file={image},format=raw,id=D{nsid}", "-device",
                           f"nvme-ns,drive=D{nsid},bus=n0,nsid={nsid}{options}"]


def admin(system, script, driver="-v"):
    system.modules = list(MODULES)
    return system.boot(ned=ADMIN % (driver, script))


def test_admin_commands(system):
    """What people ask of drives; also of one that is shut down, and nonsense."""
    subsystem(system, (1, 16, ""), (7, 10, ",logical_block_size=4096,physical_block_size=4096"), extra=",smart_critical_warning=1")
    image = system.path("disk1.img")
    run("sgdisk", "-n", "1:2048:12287", "-c", "1:data", image)
    lines = ["list", f"identify {SERIAL}", f"identify {SERIAL.lower()} 7", f"identify {SERIAL} 3", f"smart {SERIAL}", f"errors {SERIAL}",
             "rescan", f"rescan {SERIAL}", f"reset {SERIAL}", "smart NOSUCH", f"identify {SERIAL} 0", f"identify {SERIAL} 1x", "smart",
             f"attach {SERIAL} 1", f"detach {SERIAL} 99"]
    started = 'repeat until ctl:control("list"):find("works:.* n1:1:.* n7:");'
    with admin(system, started + "".join(f'cmd("{line}");' for line in lines)) as session:
        session.expect("script done", 90)
        text = session.text()

    def answer(line):
        return text.split(f"> {line}\n")[1].split("<")[0]
    assert re.search(rf"{SERIAL} at 0000:\d\d:\d\d.\d works: ", answer("list"))
    assert re.search(r"n1: 32768 blocks of 512 bytes\n +n1:1: 10240 blocks from 2048 on, [0-9A-F-]{36}, data\n +n7: 2560 blocks of 4096", answer("list"))
    assert "QEMU NVMe Ctrl" in answer(f"identify {SERIAL}") and "write cache        on" in answer(f"identify {SERIAL}")
    assert re.search(r"4096 bytes, 0 of metadata, in use", answer(f"identify {SERIAL.lower()} 7"))
    assert re.search(r"refuses: invalid|is not active", answer(f"identify {SERIAL} 3"))
    assert "its spare capacity is low" in answer(f"smart {SERIAL}") and "unsafe shutdowns" in answer(f"smart {SERIAL}")
    assert "no errors" in answer(f"errors {SERIAL}")
    assert f"{SERIAL} works again" in answer(f"reset {SERIAL}")
    assert "there is no controller 'NOSUCH'" in answer("smart NOSUCH")
    assert "no namespace" in answer(f"identify {SERIAL} 0") and "no namespace" in answer(f"identify {SERIAL} 1x")
    assert "CTRL" in answer("smart")
    assert "refuses: namespace is already attached" in answer(f"attach {SERIAL} 1")
    assert "refuses: " in answer(f"detach {SERIAL} 99")


def test_namespaces_under_load(system):
    """One namespace goes and comes back while its client and another one work: errors, then work, and right data."""
    subsystem(system, (1, 16, ""), (2, 16, ""))
    script = f"""
local a = test("one", c1, "--ops 1000000 --depth 16"); local b = test("two", c2, "--ops 4000 --depth 8 --seed 5");
works(drv, "cl1", 300); cmd("detach {SERIAL} 1"); cmd("clients"); print("one:", a:wait());
cmd("attach {SERIAL} 1"); test("again", c1, "--ops 1000 --depth 16"):wait(); print("two:", b:wait()); cmd("list")"""
    with admin(system, script, f"{ONE} --client cl2 --device {SERIAL}:n2") as session:
        session.expect(r"status 1,", 60)  # of a read, a write or a flush
        session.expect(r"one:\s+1", 60)
        session.expect("script done", 120)
    assert len(re.findall(VERIFIED, session.text())) == 2
    assert said(session, "NSID 1 is gone") and said(session, "NSID 1 is back") and said(session, r"cl1: .*:n1 is not there any more")
    assert not said(session, "NSID 2 is gone")


@pytest.mark.parametrize("driver, disk", [
    (f"-v --client cl1 --device {SERIAL}:n2", "c1"), ("-v", f'drv:create(0, "device={SERIAL}:n2")'),
], ids=["static", "dynamic"])
def test_new_namespace(system, driver, disk):
    """A client that waits for a namespace gets it when it is attached; a script can make one for it."""
    subsystem(system, (1, 16, ""), (2, 16, ",detached=on"))
    script = f"""
print("there:", pcall(drv.create, drv, 0, "device={SERIAL}:n2"));
cmd("attach {SERIAL} 2"); test("two", {disk}, "--ops 500"):wait();"""
    with admin(system, script, driver) as session:
        session.expect(r"there:\s+false", 60)
        session.expect(VERIFIED, 60)
        session.expect("script done", 60)
    assert said(session, "Making NSID 2 visible to clients")


def test_reset_by_command(system):
    """A reset under load: what was in flight is repeated, and the data is right."""
    system.add_nvme(system.disk())
    script = f"""local a = test("one", c1, "--ops 15000 --depth 32");
for i = 1, 10 do works(drv, "cl1", 300 * i); ctl:control("reset {SERIAL}") end; print("one:", a:wait())"""
    with admin(system, script, ONE) as session:
        session.expect(VERIFIED, 90)
        session.expect("script done", 60)
    resets = re.findall(r"works again \(reset (\d+)\)", session.text())
    assert resets == [str(i) for i in range(1, 11)], session.text()[-3000:]
