# SPDX-License-Identifier: MIT
"""io from a client's side: every operation, interrupts and DMA with QEMU's edu device, and a client after a client."""
import pytest

VBUS = """Io.add_vbusses { edu = Io.Vi.System_bus(function ()
  Property.num_msis = 1
  PCI0 = Io.Vi.PCI_bus(function () edu = wrap(Io.system_bus():match("PCI/VEN_1234&DEV_11e8")) end)
end) }
"""

NED = """package.path = "rom/?.lua"
local L4 = require "L4"
local vmm = require "vmm"
for i = 1, 2 do
  local busses = { edu = i == 1 and 1 or edu }
  if i == 1 then vmm.start_io(busses, "rom/test.vbus -v") edu = busses.edu end
  local task = L4.default_loader:start({ caps = { vbus = edu }, log = { "client" .. i } }, "rom/vbus-test")
  print("client " .. i .. " ended with " .. task:wait())
end
"""


@pytest.mark.parametrize("machine", ["pc", "q35"])
def test_client(system, machine):
    system.modules = ["ned", "io", "vbus-test", "vmm.lua"]
    system.machine += ["-M", machine, "-device", "edu,dma_mask=0xffffffff"]
    with system.boot(ned=NED, vbus=VBUS) as session:
        session.expect(r"client 2 ended with \d+", 60)
    for client in ("client1", "client2"):
        lines = session.tagged(client)
        assert lines and lines[-1].endswith(" 0 failed"), lines
