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
    "ms=8,pi=1,logical_block_size=4096,physical_block_size=4096",
])
def test_metadata(system, extra, options):
    namespace(system, 1, extra)
    with boot(system, f"{ONE} {options}", "--ops 2000 --depth 16 --max 131072") as session:
        session.expect(VERIFIED, 60)


def test_refused_formats(system):
    """One line each, and the others are used."""
    namespace(system, 1, "ms=0")
    namespace(system, 2, "ms=8,mset=1")
    namespace(system, 3, "ms=16,pi=1")
    namespace(system, 4, "zoned=true,zoned.zone_size=1M")
    namespace(system, 5, "detached=true")
    with boot(system, ONE, "--ops 500") as session:
        session.expect(VERIFIED, 60)
    assert said(session, "NSID 2 is not used: its metadata lie within the blocks")
    assert said(session, "NSID 3 is not used: its protection information is part of larger metadata")
    assert said(session, "NSID 4 is not used: it is a zoned namespace")
    assert not said(session, "NSID 5")


def test_no_write_cache(system):
    """Without a volatile cache there is nothing to flush, and clients are told so."""
    system.add_nvme(system.disk(), extra=",write-cache=off")
    with boot(system, ONE, "--ops 500") as session:
        session.expect(VERIFIED, 60)
    assert said(session, "Write Cache: off")
