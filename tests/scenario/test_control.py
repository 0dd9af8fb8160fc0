# SPDX-License-Identifier: MIT
"""nvme-drv's commands: from a script through `svr` and `ctl`, and typed on a console of cons."""
import os
import re

from conftest import SERIAL
from native import MODULES, PRELUDE, channels

NED = PRELUDE + channels("drv", "ctl", "c1") + "%s\n"


def test_script(system):
    """Commands by a script; what is not understood says so; a second gate has the commands alone."""
    system.add_nvme(system.disk())
    system.modules = list(MODULES)
    script = f"""
l:start({{ caps = {{ vbus = io_busses.nvme, svr = drv:svr(), ctl = ctl:svr() }}, log = {{ "nvme", "g" }} }}, "rom/nvme-drv -v");
local d = L4.cast(L4.Proto.Factory, drv):create(0, "device={SERIAL}:n1", "read-only");
print("clients:", drv:control("clients"));
print("also:", L4.cast(L4.Proto.Factory, ctl):control("cl"));
print("unknown:", ctl:control("format"));
print("help:", (ctl:control("help"):gsub("%s+", " ")));
print("refused:", pcall(ctl.create, ctl, 0, "device={SERIAL}:n1"));
for _, bad in ipairs {{ "max-iops=0", "max-iops=11M", "max-mbps=1.5", "burst=20" }} do print(bad, pcall(drv.create, drv, 0, "device=X:n1", bad)) end
print(l:start({{ caps = {{ vbus = io_busses.nvme, cl1 = c1:svr() }} }}, "rom/nvme-drv --client cl1 --device X --max-mbps no"):wait());
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
    for bad, why in (("max-iops=0", "operations per second"), ("max-iops=11M", "operations per second"), ("max-mbps=1.5", "MB (10^6 bytes)"),
                     ("burst=20", "without max-iops or max-mbps")):
        assert re.search(rf"\n{re.escape(bad)}\tfalse\t.*cannot create a disk", text)
        assert any(bad in line and why in line for line in session.tagged("nvme")), bad
    assert "nvme-drv: --max-mbps no: MB (10^6 bytes) per second from 1 to 100K are needed" in "\n".join(session.tagged("nvme-drv"))


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
    system.modules = list(MODULES)
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


def test_guest_counts(system):
    """What Linux counts of its disk is what the driver counts of the client: requests, sectors, flushes, discards."""
    system.add_nvme(system.disk(16))
    system.modules += ["cons"]
    script = f"""
l.log_fab = l:new_channel();
l:start({{ caps = {{ cons = l.log_fab:svr() }}, log = L4.Env.log }}, "rom/cons -c vm1");
l:start({{ caps = {{ vbus = io_busses.nvme, cl1 = c1:svr() }}, log = {{ "nvme", "g" }} }},
        "rom/nvme-drv --console --client cl1 --device {SERIAL}:n1 --ds-max 5");
vmm.start_vm({{ id = 1, mem = 128, rd = "rom/ramdisk-x86_64.cpio.gz", fdt = "rom/virt-pc.dtb", kernel = "rom/bzImage",
  bootargs = "console=hvc0 rdinit=/bin/sh", log = {{ "vm1", "w" }}, ext_caps = {{ qdrv = c1 }} }});"""
    with system.boot(ned=NED % script) as session:
        session.wait_prompt()
        session.run("mount -a; mkdir -p /sys /mnt; mount -t sysfs s /sys; mkfs.ext4 -q -F /dev/vda; mount -o discard /dev/vda /mnt")
        session.run("for i in 1 2 3 4 5 6; do dd if=/dev/zero of=/mnt/f bs=64k count=20 conv=fsync 2>/dev/null; done; rm /mnt/f; sync")
        session.run("umount /mnt; dd if=/dev/vda of=/dev/null bs=256k 2>/dev/null; sync")
        guest = list(map(int, session.run("cat /sys/block/vda/stat").split()))
        session.child.send("\x05connect nvme\r")
        session.expect(r"connected to nvme", 30)
        session.child.send("counters cl1\r")
        session.expect(r"other\.max_ns \d+", 30)
        ours = dict(re.findall(r"(\w+\.\w+) (\d+)\s", session.text()))
    ours = {k: int(v) for k, v in ours.items()}
    assert (ours["read.ops"], ours["read.bytes"]) == (guest[0], guest[2] * 512) and guest[0] > 60
    # To Linux, write zeroes are writes, and so are flushes without data, which have no bytes.
    writes = ours["write.ops"] + ours["zeroes.ops"]
    assert ours["write.bytes"] + ours["zeroes.bytes"] == guest[6] * 512
    assert 20 < writes <= guest[4] <= writes + ours["flush.ops"]
    assert (ours["discard.ops"], ours["discard.bytes"]) == (guest[11], guest[13] * 512) and guest[11] > 0
    assert ours["flush.ops"] == guest[15] > 5
    assert ours["read.errors"] + ours["write.errors"] == 0 and os.path.exists(system.path("disk.img"))


def test_nothing_leaks(system):
    """Clients that come and go, with and without work, leave the driver with the memory that it had."""
    system.add_nvme(system.disk())
    system.modules = list(MODULES)
    script = f"""
l:start({{ caps = {{ vbus = io_busses.nvme, svr = drv:svr(), cl1 = c1:svr() }}, log = {{ "nvme", "g" }} }},
        "rom/nvme-drv -q --client cl1 --device {SERIAL}:n1");
local function disk(...) local ok, d; repeat collectgarbage(); ok, d = pcall(drv.create, drv, 0, "device={SERIAL}:n1", ...) until ok; return d end
local function test(d) l:start({{ caps = {{ disk = d }}, log = {{ "test", "y" }} }}, "rom/blktest --ops 60 --depth 8"):wait() end
local function used() collectgarbage() return (drv:control("memory"):gsub("%s+", " ")) end
test(c1); c1:drop();
local first;
for i = 1, 255 do
  local d = disk("max-iops=100K", "ds-max=" .. i % 16 + 1);
  if i % 13 == 0 then test(d) end
  d:drop();
  if i == 40 then first = used() end
end
drv:stat();
print("before", first); print("after", used()); print("done");"""
    with system.boot(ned=NED % script) as session:
        session.expect(r"\ndone", 120)
        kernel, memory = (re.findall(rf"(?:before|after)\s.*{what}: (\d+) of", session.text()) for what in ("kernel memory", "may share"))
    assert len(kernel) == 2 and int(kernel[1]) - int(kernel[0]) <= 4, (kernel, memory)
    assert int(memory[1]) - int(memory[0]) <= 64, (kernel, memory)


def test_batches(system):
    """One doorbell write and one interrupt for a batch, counted by QEMU and by the client."""
    system.add_nvme(system.disk(16))
    system.modules = list(MODULES)
    trace = system.path("trace.log")
    for event in ("pci_nvme_mmio_doorbell_sq", "pci_nvme_mmio_doorbell_cq", "pci_nvme_irq_msix", "pci_nvme_rw"):
        system.machine += ["-trace", event]
    system.machine += ["-D", trace]
    script = f"""
l:start({{ caps = {{ vbus = io_busses.nvme, cl1 = c1:svr() }}, log = {{ "nvme", "g" }} }},
        "rom/nvme-drv -v --client cl1 --device {SERIAL}:n1");
l:start({{ caps = {{ disk = c1 }}, log = {{ "test", "y" }} }}, "rom/blktest --load read --max 4096 --depth 32 --ms 700"):wait();
print("done");"""
    with system.boot(ned=NED % script, msis="Property.num_msis = 4;") as session:
        found = session.expect(r"load: (\d+) requests", 60)
        requests = int(found[1])
        kicks, calls = map(int, session.expect(r"(\d+) kicks, (\d+) interrupts", 60).groups())
        session.expect(r"\ndone", 60)
    with open(trace, encoding="utf-8", errors="replace") as f:
        text = f.read()
    io = "sqid 2" if re.search(r"doorbell_sq.*sqid 2", text) else "sqid 1"
    doorbells = len(re.findall(rf"doorbell_sq.*{io}", text))
    acknowledged = len(re.findall(rf"doorbell_cq.*c{io[1:]}", text))
    interrupts = len(re.findall(r"irq_msix", text))
    assert requests > 500 and doorbells > 0 and acknowledged > 0
    assert doorbells <= kicks + 10  # what was kicked for is one batch
    assert acknowledged <= interrupts and calls <= interrupts
