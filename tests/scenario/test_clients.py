# SPDX-License-Identifier: MIT
"""Many native clients at once: on several controllers, namespaces and partitions beside each other, coming, going and killed under load.
Each verifies its own blocks; what belongs to nobody must stay as it was."""
import re

from conftest import SERIAL, run
from native import MODULES, PRELUDE
from test_block import VERIFIED, said

HEAD = PRELUDE + """local caps, c = { vbus = io_busses.nvme }, {};
for i = 1, %d do c[i] = l:new_channel(); caps["cl" .. i] = c[i]:svr(); end
local drv = l:new_channel();
caps.svr = drv:svr();
l:start({ caps = caps, log = { "nvme", "g" } }, "rom/nvme-drv -v %s");
local function test(i, options) return l:start({ caps = { disk = c[i] }, log = { "test" .. i, "y" } }, "rom/blktest " .. options) end
"""


def boot(system, devices, script, msis="Property.num_msis = 6;", extra=""):
    system.modules = list(MODULES)
    options = " ".join(f"--client cl{i} --device {device}" for i, device in enumerate(devices, 1)) + extra
    return system.boot(ned=HEAD % (len(devices), options) + script, msis=msis)


def content(image):
    with open(image, "rb") as f:
        return f.read()


def filled(system, name, mib):
    path = system.write(name, b"\xee" * (mib << 20))
    return path


def test_all_at_once(system):
    """Two controllers, namespaces of both block sizes, three of four neighbouring partitions whose bounds are odd numbers."""
    parts, small, large, other = (filled(system, name, 16) for name in ("parts.img", "small.img", "large.img", "other.img"))
    run("sgdisk", "-a1", "-n1:2049:8192", "-n2:8193:12287", "-n3:12288:20480", "-n4:20481:32000", *(f"-c{i}:p{i}" for i in (1, 2, 3, 4)), parts)
    before = content(parts)
    system.machine += ["-device", f"nvme,id=n0,serial={SERIAL}", "-device", "nvme,id=n1,serial=OTHER"]
    for i, (image, bus, nsid, size) in enumerate(((parts, "n0", 1, 512), (small, "n0", 5, 512), (large, "n1", 2, 4096), (other, "n1", 9, 512))):
        system.machine += ["-drive", f"if=none,file={image},format=raw,id=D{i},discard=unmap", "-device",
                           f"nvme-ns,drive=D{i},bus={bus},nsid={nsid},logical_block_size={size},physical_block_size={size}"]
    devices = ["p1", "p3", "p4", f"{SERIAL}:n5", "OTHER:n2", "OTHER:n9"]
    runs = ["--depth 32 --ops 3000 --ranges --hostile", "--depth 64 --ops 3000 --pieces 30 --gaps --align 4 --ranges", "--depth 8 --ops 1000 --max 524288",
            "--depth 16 --ops 3000 --queues 4 --ranges", "--depth 48 --ops 3000 --queues 2 --ranges", "--depth 3 --ops 1500 --hostile"]
    starts = "".join(f'test({i}, "{options} --seed {i}");\n' for i, options in enumerate(runs, 1))
    with boot(system, devices, starts) as session:
        for _ in runs:
            session.expect(VERIFIED, 120)
        assert "FAILED" not in session.text()
    assert not said(session, "failed")
    after = content(parts)
    for first, last in ((0, 2048), (8193, 12287), (32001, 32767)):  # the table, the partition of nobody, the backup table
        assert after[first * 512:(last + 1) * 512] == before[first * 512:(last + 1) * 512]
    assert all(after[a * 512:b * 512] != before[a * 512:b * 512] for a, b in ((2049, 8193), (12288, 20481), (20481, 32001)))


def test_shared_line(system):
    """Three controllers by INTx, which have one line: each gets its interrupts."""
    for i in (1, 2, 3):
        system.add_nvme(system.disk(8, f"{i}.img"), serial=f"S{i}", ident=f"D{i}", extra=f",addr={4 * i:x}")
    script = "".join(f'test({i}, "--ops 800 --depth 8");' for i in (1, 2, 3))
    with boot(system, ["S1:n1", "S2:n1", "S3:n1"], script, extra=" --nomsi --nomsix") as session:
        for _ in range(3):
            session.expect(VERIFIED, 60)
    assert sum("which both share" in line for line in session.tagged("nvme")) == 2


def test_killed_clients(system):
    """A client that dies with a full queue: its requests end, its memory is not written any more, the next one has its disk."""
    image = filled(system, "disk.img", 32)
    run("sgdisk", "-n1:2048:+14M", "-n2:0:+14M", "-c1:dies", "-c2:lives", image)
    system.add_nvme(image)
    script = """
test(2, "--depth 16 --ops 12000 --max 16384");
for i = 1, 12 do
  local t = test(1, "--depth 64 --ops 1000000 --queues " .. i % 4 + 1 .. " --max " .. (i % 2 == 0 and 65536 or 4096) .. " --seed " .. i);
  test(3, "--readonly --ops " .. 40 * i):wait();
  t:kill();
end
test(1, "--depth 64 --ops 1000 --hostile"):wait();
print("the last one has ended");
"""
    other = filled(system, "other.img", 8)
    system.add_nvme(other, serial="OTHER", ident="D2")
    with boot(system, ["dies", "lives", "OTHER:n1"], script, extra=" --readonly") as session:
        session.expect("the last one has ended", 180)
        assert re.search(r"test1 .*all verified", session.text())
        if "test2   | blktest: all verified" not in session.text():
            session.expect(r"test2 .*all verified", 120)
        assert "FAILED" not in session.text()
    assert sum(" sectors, " in line for line in session.tagged("test1")) >= 8  # got so far before they were killed
    assert not said(session, "failed") and not said(session, "broke the virtio protocol.*dies")


def test_dynamic_clients_under_load(system):
    """They come and go, in order or killed, while others work; whoever is late gets SK_EBUSY and then the disk."""
    image = filled(system, "disk.img", 32)
    run("sgdisk", "-n1:2048:+14M", "-n2:0:+14M", "-c1:busy", "-c2:shared", image)
    before = content(image)
    system.add_nvme(image)
    script = """
local function disk() return L4.cast(L4.Proto.Factory, drv):create(0, "device=partlabel:shared", "ds-max=3") end
test(1, "--depth 32 --ops 20000 --queues 2");
local refused = 0;
for i = 1, 30 do
  local ok, d;
  repeat ok, d = pcall(disk); refused = refused + (ok and 0 or 1); until ok;
  if pcall(disk) then error("a second client of the disk"); end
  local t = l:start({ caps = { disk = d }, log = { "test" .. i % 3, "y" } }, "rom/blktest --depth 32 --ops " .. (i % 3 == 0 and 1000000 or 300) .. " --seed " .. i);
  if i % 3 == 0 then
    l:start({ caps = { disk = c[2] }, log = { "ro", "y" } }, "rom/blktest --expect -15"):wait();
    t:kill();
  else
    t:wait();
  end
  d:drop();
end
print("thirty clients have come and gone");
"""
    with boot(system, ["busy", "NOSUCH"], script) as session:
        session.expect("thirty clients have come and gone", 180)
        if "20000" not in session.text():
            session.expect(r"test1 .*all verified", 120)
        assert "FAILED" not in session.text()
    assert sum("all verified" in line for tag in ("test1", "test2") for line in session.tagged(tag)) >= 20
    assert content(image)[:2048 * 512] == before[:2048 * 512] and content(image)[29 << 20:] == before[29 << 20:]


def test_two_paths(system):
    """A namespace behind two controllers of a subsystem is one disk: found by name, and nobody gets it twice."""
    image = filled(system, "disk.img", 16)
    run("sgdisk", "-n1:2048:12287", "-c1:data", image)
    system.machine += ["-device", "nvme-subsys,id=s0,nqn=two", "-device", f"nvme,serial={SERIAL},subsys=s0", "-device", f"nvme,serial={SERIAL},subsys=s0",
                       "-drive", f"if=none,file={image},format=raw,id=D1", "-device", "nvme-ns,drive=D1,nsid=1,shared=on"]
    script = 'test(1, "--ops 1000"); test(2, "--expect -7"); test(3, "--expect -7");'
    with boot(system, ["partlabel:data", f"{SERIAL}:n1:1", f"{SERIAL.lower()}:n1"], script, msis="Property.num_msis = 4;") as session:
        session.expect(VERIFIED, 60)
        for _ in range(2):
            if session.text().count("SK_EBUSY as expected") < 2:
                session.expect("SK_EBUSY as expected", 60)
