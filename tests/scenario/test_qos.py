# SPDX-License-Identifier: MIT
"""Limits of clients, and fairness among them, by blktest's load."""
import re

from conftest import SERIAL
from native import MODULES, PRELUDE, channels, driver

NED = PRELUDE + channels("drv") + driver("-v", svr="drv") + """local function disk(...) return drv:create(0, ...) end
local function test(tag, d, options) return l:start({ caps = { disk = d }, log = { tag, "y" } }, "rom/blktest " .. options) end
%s
"""
LOAD = r"load: (\d+) requests of (\d+) bytes in (\d+) us; latency us: mean (\d+) p50 (\d+) p99 (\d+) max (\d+)"


def boot(system, script, namespaces=1):
    """A controller with so many namespaces of 64 MiB."""
    system.machine += ["-device", f"nvme,id=n0,serial={SERIAL}"]
    for nsid in range(1, namespaces + 1):
        image = system.disk(64, f"disk{nsid}.img")
        system.machine += ["-drive", f"if=none,file={image},format=raw,id=D{nsid}", "-device", f"nvme-ns,drive=D{nsid},bus=n0,nsid={nsid}"]
    system.modules = list(MODULES)
    return system.boot(ned=NED % script, msis="Property.num_msis = 10;")


def loads(session, tag):
    """Of each load of that tag: requests, bytes of each, us in all, and mean, p50, p99, max latency."""
    return [tuple(map(int, m)) for m in re.findall(LOAD, "\n".join(session.tagged(tag)))]


LIMITS = [("max-iops=500", "--load read --max 4096 --depth 32", 500, None),
          ("max-iops=2K", "--load write --max 4096 --depth 32 --queues 4", 2000, None),
          ("max-mbps=20", "--load read --max 131072 --depth 8", None, 20),
          ("max-mbps=5", "--load write --max 4096 --depth 16 --queues 2", None, 5),
          ("max-mbps=20", "--load zeroes --max 262144 --depth 8", None, 20),
          ("max-iops=300", "--load discard --max 65536 --depth 16", 300, None)]


def rates(system):
    """What each client of LIMITS reached of its limit, all at once, one disk each, for three seconds."""
    script = "local t = {};\n"
    for i, (limit, load, _, _) in enumerate(LIMITS):
        script += f't[{i + 1}] = test("c{i}", disk("device={SERIAL}:n{i + 1}", "{limit}"), "{load} --ms 3000");\n'
    script += 'for _, task in ipairs(t) do task:wait(); end print("all done");'
    with boot(system, script, len(LIMITS)) as session:
        session.expect("all done", 120)
        for i, (_, _, iops, mbps) in enumerate(LIMITS):
            requests, size, us = loads(session, f"c{i}")[0][:3]
            yield requests * 1e6 / us / iops if iops else requests * size / us / mbps


def test_limits(system):
    """They hold within 5 %, whatever the size, kind and number of queues. On a machine that stands still for longer than the
    burst, less is done: then once more."""
    machine = list(system.machine)
    for _ in range(3):
        system.machine = list(machine)
        found = list(rates(system))
        assert max(found) <= 1.05, found
        if min(found) >= 0.95:
            return
    raise AssertionError(f"less than the limits: {found}")


def test_flood(system):
    """Beside a flood of 256 requests of 1 MiB, another client's small requests take little longer than in its share."""
    script = f"""
local flood, small = disk("device={SERIAL}:n1"), disk("device={SERIAL}:n2");
test("alone", small, "--load read --max 4096 --depth 1 --ms 2000"):wait();
local f = test("flood", flood, "--load read --max 1048576 --depth 256 --ms 6000");
test("small", small, "--load read --max 4096 --depth 1 --ms 2000"):wait();
test("deep", small, "--load write --max 4096 --depth 32 --ms 2000"):wait();
f:wait();
print(drv:control("stat"));
print("all done");"""
    with boot(system, script, 2) as session:
        session.expect("all done", 120)
        alone, small, deep, flood = (loads(session, tag)[0] for tag in ("alone", "small", "deep", "flood"))
    assert flood[0] > 100
    # What is in flight at a time is 1 MiB of the flood's: a 256th of what it wants.
    per_mib = flood[2] / flood[0]
    assert small[3] < alone[3] + 4 * per_mib, (alone, small, flood)
    assert small[0] > 50 and deep[0] > small[0]
