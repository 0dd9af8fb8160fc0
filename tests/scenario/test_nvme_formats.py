# SPDX-License-Identifier: MIT
"""Formats of namespaces: metadata, protection information, zones; the state of the write cache."""
import pytest
from conftest import SERIAL
from test_block import ONE, VERIFIED, boot, said


def namespace(system, nsid, extra, mib=16):
    if nsid == 1:
        system.machine += ["-device", "nvme-subsys,id=s0,nqn=s0", "-device", f"nvme,id=n0,serial={SERIAL},subsys=s0"]
    image = system.disk(mib, f"disk{nsid}.img")
    system.machine += ["-drive", f"if=none,file={image},format=raw,id=D{nsid}", "-device",
                       f"nvme-ns,drive=D{nsid},bus=n0,nsid={nsid},{extra}"]


@pytest.mark.parametrize("options", ["", "--nosgl"])
@pytest.mark.parametrize("extra", [
    "ms=8,mset=0", "ms=64,mset=0", "ms=8,pi=1", "ms=8,pi=2", "ms=8,pi=3", "ms=8,mset=1,pi=1",
    "ms=16,pi=1", "ms=64,pi=3,pil=1", "ms=8,pi=1,logical_block_size=4096,physical_block_size=4096",
])
def test_metadata(system, extra, options):
    namespace(system, 1, extra)
    with boot(system, f"{ONE} {options}", "--ops 2000 --depth 16 --max 131072") as session:
        session.expect(VERIFIED, 60)


@pytest.mark.parametrize("extra", ["ms=8,pi=1", "ms=8,pi=3,logical_block_size=4096,physical_block_size=4096"])
def test_ranges_with_protection(system, extra):
    """What was discarded and zeroed can be read: no guard is left over from before."""
    image = system.disk(10, "disk1.img")
    system.machine += ["-device", f"nvme,id=n0,serial={SERIAL}", "-drive", f"if=none,file={image},format=raw,id=D1,discard=unmap",
                       "-device", f"nvme-ns,drive=D1,bus=n0,nsid=1,{extra}"]
    with boot(system, ONE, "--ops 2000 --depth 16 --max 131072 --ranges --gaps --align 1 --pieces 60") as session:
        session.expect(VERIFIED, 60)


def test_refused_formats(system):
    """One line each, and the others are used."""
    namespace(system, 1, "ms=0")
    namespace(system, 2, "ms=8,mset=1")
    namespace(system, 3, "ms=16,mset=1,pi=1")
    namespace(system, 4, "zoned=true,zoned.zone_size=1M")
    namespace(system, 5, "detached=true")
    with boot(system, ONE, "--ops 500") as session:
        session.expect(VERIFIED, 60)
    assert said(session, "NSID 2 is not used: its metadata lie within the blocks")
    assert said(session, "NSID 3 is not used: its metadata lie within the blocks")
    assert said(session, "NSID 4 is not used: it is a zoned namespace")
    assert not said(session, "NSID 5")


def test_no_write_cache(system):
    """Without a volatile cache there is nothing to flush, and clients are told so."""
    system.add_nvme(system.disk(), extra=",write-cache=off")
    with boot(system, ONE, "--ops 500") as session:
        session.expect(VERIFIED, 60)
    assert said(session, "Write Cache: off")


@pytest.mark.parametrize("extra, size", [(",use-intel-id=on", 512), (",mdts=1", 4096), (",mdts=2,max_ioqpairs=1", 512)],
                         ids=["intel", "4k-mdts", "mdts-one-queue"])
@pytest.mark.parametrize("options", ["", "--nosgl --nomsi --nomsix"])
def test_controllers(system, extra, size, options):
    """Other identities, small transfers, one queue pair; by messages and by the line."""
    system.add_nvme(system.disk(), extra=f"{extra},logical_block_size={size},physical_block_size={size}")
    with boot(system, f"{ONE} {options}", "--ops 1500 --depth 16 --max 262144") as session:
        session.expect(VERIFIED, 60)
    assert said(session, "Interrupts by line" if options else "Interrupts by MSI-X")


def test_last_namespaces(system):
    """Two controllers with several namespaces each, up to the highest identifier that QEMU has."""
    for n, (serial, nsids) in enumerate({SERIAL: (1, 255, 256), "OTHER": (2, 200)}.items()):
        system.machine += ["-device", f"nvme-subsys,id=s{n},nqn=s{n}", "-device", f"nvme,id=n{n},serial={serial},subsys=s{n}"]
        for nsid in nsids:
            size = 512 if nsid != 200 else 4096
            image = system.disk(10 if nsid % 2 else 12, f"disk{n}-{nsid}.img")
            system.machine += ["-drive", f"if=none,file={image},format=raw,id=D{n}{nsid}", "-device",
                               f"nvme-ns,drive=D{n}{nsid},bus=n{n},nsid={nsid},logical_block_size={size},physical_block_size={size}"]
    with boot(system, f"{ONE}56 --client cl2 --device OTHER:n200".replace(":n156", ":n256"), "--ops 1500 --depth 16",
              "--ops 1500 --depth 16 --seed 3", msis="Property.num_msis = 8;") as session:
        for _ in range(2):
            session.expect(VERIFIED, 60)
    for nsid in (1, 255, 256, 2, 200):
        assert said(session, f"Making NSID {nsid} visible")


def test_readonly_drive(system):
    """A drive that cannot be written: reading works, a client that writes gets errors and no hang."""
    image = system.disk()
    system.machine += ["-drive", f"if=none,file={image},format=raw,id=D1,readonly=on", "-device", f"nvme,drive=D1,serial={SERIAL}"]
    with boot(system, f"{ONE} --readonly", "--ops 500 --readonly") as session:
        session.expect(VERIFIED, 60)
