# SPDX-License-Identifier: MIT
"""nvme-drv's commands: from a script through `svr` and `ctl`, and typed on a console of cons."""
import re

from conftest import SERIAL

NED = """package.path = "rom/?.lua";
local L4 = require "L4";
local vmm = require "vmm";
local l = L4.default_loader;
local drv, ctl, c1 = l:new_channel(), l:new_channel(), l:new_channel();
local io_busses = { nvme = 1 }
vmm.start_io(io_busses, "rom/test.vbus");
%s
"""


def test_script(system):
    """Commands by a script; what is not understood says so; a second gate has the commands alone."""
    system.add_nvme(system.disk())
    system.modules = ["ned", "io", "nvme-drv", "vmm.lua", "blktest"]
    script = f"""
l:start({{ caps = {{ vbus = io_busses.nvme, svr = drv:svr(), ctl = ctl:svr() }}, log = {{ "nvme", "g" }} }}, "rom/nvme-drv -v");
local d = L4.cast(L4.Proto.Factory, drv):create(0, "device={SERIAL}:n1", "read-only");
print("clients:", drv:control("clients"));
print("also:", L4.cast(L4.Proto.Factory, ctl):control("cl"));
print("unknown:", ctl:control("format"));
print("help:", (ctl:control("help"):gsub("%s+", " ")));
print("refused:", pcall(ctl.create, ctl, 0, "device={SERIAL}:n1"));
d:drop();
print("done");"""
    with system.boot(ned=NED % script) as session:
        session.expect(r"\ndone", 60)
        text = session.text()
    line = f"svr/1    {SERIAL}:n1 (read-only): has its disk\n"
    assert f"clients:\t{line}\ttrue" in text and f"also:\t{line}\ttrue" in text, text
    assert "unknown:\tthere is no command 'format'; help lists them\n\tfalse" in text
    assert "help:\t" in text and "clients who has which disk" in text
    assert "refused:\tfalse" in text


def test_console(system):
    system.add_nvme(system.disk())
    system.modules = ["ned", "io", "nvme-drv", "vmm.lua", "cons"]
    script = f"""
l:start({{ caps = {{ cons = ctl:svr() }}, log = L4.Env.log }}, "rom/cons -c nvme");
l:start({{ caps = {{ vbus = io_busses.nvme, cl1 = c1:svr() }}, log = ctl:create(L4.Proto.Log, "nvme", "g") }},
        "rom/nvme-drv --console --client cl1 --device {SERIAL}:n1");"""
    with system.boot(ned=NED % script) as session:
        session.expect("nvme> ", 60)
        session.child.send("clx\b\r")
        session.expect(rf"clx\x08 \x08\r+\ncl1 +{SERIAL}:n1: \w[ \w]+\r+\nnvme> ", 30)
        session.child.send("what\r")
        session.expect(r"there is no command 'what'; help lists them\r+\nnvme> ", 30)


def test_statistics(system):
    """The counters agree with what the client itself counts, per client and per namespace, live and when it is gone."""
    system.add_nvme(system.disk())
    system.modules = ["ned", "io", "nvme-drv", "vmm.lua", "blktest"]
    script = f"""
l:start({{ caps = {{ vbus = io_busses.nvme, svr = drv:svr(), cl1 = c1:svr() }}, log = {{ "nvme", "g" }} }},
        "rom/nvme-drv -v --client cl1 --device {SERIAL}:n1");
l:start({{ caps = {{ disk = c1 }}, log = {{ "test", "y" }} }}, "rom/blktest --ops 2000 --depth 16 --ranges"):wait();
local function show(s)
  local sum = 0
  for _, n in pairs(s.read.histogram) do sum = sum + n end
  print(("%s %s: reads %d writes %d flushes %d discards %d zeroes %d errors %d depth %d/%d histogram %s"):format(
    s.client or s.namespace, s.disk, s.read.ops, s.write.ops, s.flush.ops, s.discard.ops, s.zeroes.ops,
    s.read.errors + s.write.errors, s.depth, s.max_depth, sum == s.read.ops))
  print("quantiles", s.read.p50_ns > 0 and s.read.p50_ns <= s.read.p95_ns and s.read.p99_ns <= s.read.max_ns)
end
local s = L4.cast(L4.Proto.Factory, drv):stat();
show(s[1]); show(s.namespaces[1]);
c1 = nil; collectgarbage();
local d; repeat local ok; ok, d = pcall(drv.create, drv, 0, "device={SERIAL}:n1", "max-iops=100K", "burst=20") until ok;
l:start({{ caps = {{ disk = d }}, log = {{ "test", "y" }} }}, "rom/blktest --ops 100"):wait();
show(drv:stat("svr/1")[1]);
print((drv:control("stat svr/1")));
d:drop();
for i = 1, 1000 do if #drv:stat() == 1 then break end end
show(drv:stat().namespaces[1]);
drv:control("stat reset");
print("after the reset", drv:stat().namespaces[1].read.ops);
print(pcall(drv.stat, drv, "nobody"));
print("done");"""
    with system.boot(ned=NED % script) as session:
        session.expect(r"\ndone", 60)
        text = session.text()
    runs = [tuple(map(int, m)) for m in re.findall(r"all verified: (\d+) reads, (\d+) writes, (\d+) flushes", text)]
    ranges = re.search(r"blktest: (\d+) discards, (\d+) write zeroes", text)
    ours = re.findall(r"(\S+) \S+: reads (\d+) writes (\d+) flushes (\d+) discards (\d+) zeroes (\d+) errors (\d+) depth 0/(\d+) histogram true", text)
    assert [o[0] for o in ours] == ["cl1", f"{SERIAL}:n1", "svr/1", f"{SERIAL}:n1"], text
    # Besides what it counts, blktest has three reads, a write (and with --ranges six ranges) refused, and one flush.
    first = (runs[0][0] + 3, runs[0][1] + 1, runs[0][2] + 1, int(ranges[1]) + 3, int(ranges[2]) + 2)
    second = (runs[1][0] + 3, runs[1][1] + 1, runs[1][2] + 1, 0, 0)
    assert tuple(map(int, ours[0][1:6])) == first and ours[0][7] == "16", text
    assert tuple(map(int, ours[1][1:6])) == first
    assert tuple(map(int, ours[2][1:6])) == second and ours[2][6] == "4"
    assert tuple(map(int, ours[3][1:6])) == tuple(map(sum, zip(first, second)))
    assert text.count("quantiles\ttrue") == 4 and "after the reset\t0" in text
    assert re.search(r"client svr/1 on \S+: depth 0, at most 8, 0 retries, at most 100000 op/s, held back \d+ ms\n", text)
    assert "the server says: there is no client 'nobody'" in text
