# SPDX-License-Identifier: MIT
"""Drivers that die in the middle of DMA: nothing else is harmed, and the device serves the next driver."""
import pytest
from conftest import SERIAL

PROLOGUE = """package.path = "rom/?.lua"
local L4 = require "L4"
local vmm = require "vmm"
local l = L4.default_loader
local busses = { nvme = 1 }
local io = vmm.start_io(busses, "rom/test.vbus -v")
local function a_while() for i = 1, 10 do l:start({}, "rom/hello"):wait() end end
local function driver(n, c)
  return l:start({ caps = { vbus = busses.nvme, cl1 = c:svr() }, log = { "nvme" .. n } }, "rom/nvme-drv --client cl1 --device %s:n1")
end
local function client(n, c, ops)
  return l:start({ caps = { disk = c }, log = { "test" .. n } }, "rom/blktest --depth 32 --max 524288 --ops " .. ops .. " --seed " .. n)
end
""" % SERIAL

NEXT_DRIVER = PROLOGUE + """
for i = 1, 3 do
  local c = l:new_channel()
  local drv = driver(i, c)
  local test = client(i, c, 1000000)
  a_while()
  drv:kill()
  print("killed " .. i)
  test:kill()
  a_while() -- QEMU 7.2 crashes when an NVMe controller is reset that has commands in flight
end
local c = l:new_channel()
driver(4, c)
client(4, c, 2000)
"""

DIES = PROLOGUE + """
local c = l:new_channel()
local drv = driver(1, c)
client(1, c, 1000000)
a_while()
%s:kill()
a_while()
print("still alive")
"""


@pytest.fixture(params=["pc", "q35"])
def disk(system, request):
    system.machine += ["-M", request.param]
    system.modules = ["ned", "io", "nvme-drv", "vmm.lua", "blktest", "hello"]
    system.add_nvme(system.disk())
    return system


def test_next_driver(disk):
    """ned keeps the bus: the next driver has the same session, and the old ones' memory stays reserved."""
    with disk.boot(ned=NEXT_DRIVER) as session:
        session.expect(r"all verified: (\d+) reads, (\d+) writes", 60)
    assert "killed 3" in session.text()
    assert "legacy interrupt" not in session.text()


def test_nobody_is_left(disk):
    """The last holder of the bus is gone with the script: io stops the device and gives the memory back."""
    with disk.boot(ned=DIES % "drv") as session:
        session.expect("vbus 'nvme': its client is gone; devices are quiet", 30)
    assert "may still do DMA" not in session.text()


def test_io_is_killed(disk):
    """Then nobody can stop the device: what it may write to is never used again, and the kernel says so."""
    with disk.boot(ned=DIES % "io") as session:
        session.expect(r"kernel: device 00:0[34]\.0 may still do DMA, and who could stop it is gone: its memory stays reserved", 30)
        session.expect("still alive", 30)
