# SPDX-License-Identifier: MIT
"""Drives that fail, hesitate, or stand still: the native client sees latency or an honest error, and its data is right."""
import json
import socket

import pytest
from conftest import SERIAL
from scenario import VBUS
from native import MODULES, PRELUDE, WORKS, channels, driver
from test_block import ONE, VERIFIED, boot, said


def blkdebug(system, image, rules, extra=""):
    """A drive whose image fails as the rules say."""
    config = system.write("blkdebug.conf", rules)
    system.machine += ["-drive", f"if=none,id=D1,driver=raw,file.driver=blkdebug,file.config={config},file.image.driver=file,"
                       f"file.image.filename={image}{extra}", "-device", f"nvme,drive=D1,serial={SERIAL}"]


RULE = '[inject-error]\nevent = "%s"\nerrno = "5"\nonce = "on"\n\n'


@pytest.mark.parametrize("event", ["read_aio", "write_aio", "flush_to_disk"])
def test_errors_that_pass(system, event):
    """Single errors and bursts: the client sees latency only."""
    blkdebug(system, system.disk(), RULE % event * 3)
    with boot(system, ONE, "--ops 3000 --depth 16") as session:
        session.expect(VERIFIED, 60)
    assert said(session, r"failed: .* trying again in 10 ms")
    assert not said(session, "also when repeated")


def throttled(system, extra=""):
    """A drive whose speed the returned function sets, in operations per second (0: as fast as it can)."""
    path = system.path("qmp")
    system.machine += ["-object", "throttle-group,id=tg", "-qmp", f"unix:{path},server=on,wait=off",
                       "-drive", f"if=none,id=D1,driver=throttle,throttle-group=tg,file.driver=raw,file.file.driver=file,"
                       f"file.file.filename={system.disk()}", "-device", f"nvme,drive=D1,serial={SERIAL}{extra}"]

    def limit(iops):
        qmp(path, "qom-set", path="/objects/tg", property="limits", value={"iops-total": iops})
    return limit


def qmp(monitor, command, **arguments):
    with socket.socket(socket.AF_UNIX) as s, s.makefile("rw") as f:
        s.connect(monitor)
        for c in ({"execute": "qmp_capabilities"}, {"execute": command, "arguments": arguments}):
            f.write(json.dumps(c) + "\n")
            f.flush()
            while not (answer := json.loads(f.readline())).keys() & {"return", "error"}:
                pass
            assert "return" in answer, answer


@pytest.mark.parametrize("options", ["", "--nosgl"])
def test_reset_under_load(system, options):
    """A drive that stands still for a while: Abort, reset, everything is repeated, and the data is right."""
    limit = throttled(system)
    with boot(system, f"{ONE} --io-timeout 1000 {options}", "--ops 6000 --depth 16") as session:
        session.expect("blktest: id", 60)
        limit(1)
        session.expect("has not ended within 1000 ms: aborting it", 60)
        session.expect(r"was reset and works again \(reset 1\); (\d+) requests", 60)
        limit(0)
        session.expect(VERIFIED, 120)
    assert not said(session, "failed:.*no answer")


def test_never_ends(system):
    """A drive that stands still for good: errors, no hang."""
    limit = throttled(system)
    with boot(system, f"{ONE} --io-timeout 100", "--ops 30000 --depth 4") as session:
        session.expect("blktest: id", 60)
        limit(1)
        session.expect(r"status 1, \d+ bytes", 120)
    assert said(session, r"n1: read at LBA \d+ failed: no answer from the controller")


BREAK = PRELUDE + channels("svr", "c1") + driver("%s", svr="svr", cl1="c1") + WORKS + """local t = l:start({ caps = { disk = c1 }, log = { "test", "y" } }, "rom/blktest --ops %d --depth 16");
works(svr, "cl1", 1000);
l:start({ caps = { vbus = io_busses.nvme }, log = { "break", "r" } }, "rom/vbus-test --clear 0 %d %d"):wait();
print("client:", t:wait()); collectgarbage();
"""
DMA, MEMORY = 4, 2


def broken(system, bits, ms, ops):
    """Somebody switches the controller's DMA (its commands fail fatally then: CSTS.CFS) or registers off."""
    system.modules = [*MODULES, "vbus-test"]
    system.add_nvme(system.disk())
    vbus = VBUS % {"msis": "Property.num_msis = 2;", "match": '"PCI/CC_0108"'}
    return system.boot(ned=BREAK % (f"{ONE} --io-timeout 1000", ops, bits, ms), vbus=vbus)


def test_fatal_status(system):
    """CSTS.CFS under load: a reset, everything is repeated, and the data is right."""
    with broken(system, DMA, 50, 30000) as session:
        session.expect(r"The controller reports a fatal error \(CSTS 0x[0-9a-f]+\): resetting it", 60)
        session.expect(r"was reset and works again \(reset \d\)", 60)
        session.expect(VERIFIED, 120)


def test_fatal_for_good(system):
    """CSTS.CFS after each reset: errors, no hang, and the controller is given up."""
    with broken(system, DMA, 0, 1000000) as session:
        session.expect("The controller is not used any more and all its requests fail", 60)
        session.expect(r"status 1, \d+ bytes", 60)
        session.expect(r"client:\s+1", 60)


@pytest.mark.long  # three attempts to reset it, 15 s each
def test_registers_gone(system):
    """A controller that does not answer any more: errors, no hang."""
    with broken(system, MEMORY, 0, 1000000) as session:
        session.expect("The controller is not used any more and all its requests fail", 120)
        session.expect(r"client:\s+1", 60)


def test_bad_sector(system):
    """A sector that cannot be read for good: a guest gets an I/O error for its page, and for nothing else."""
    blkdebug(system, system.disk(), '[inject-error]\nevent = "read_aio"\nerrno = "5"\nsector = "4001"\n')
    with system.boot() as session:
        session.wait_prompt()
        session.run("mount -t devtmpfs none /dev")
        read = "dd if=/dev/vda of=/dev/null bs=4096 skip=%d count=%d; echo status $?"
        assert "status 0" in session.run(read % (501, 300)) and "status 0" in session.run(read % (0, 400))
        bad = session.run(read % (499, 3))
        assert "dd: /dev/vda: Input/output error" in bad and "logical block 500," in bad and "status 1" in bad
        assert "status 0" in session.run(read % (499, 1))
        session.power_off()
    assert said(session, r"n1: read at LBA 4000 failed: .*SCT \d, SC")
