# SPDX-License-Identifier: MIT
"""Scripts for ned without a VM: nvme-drv and native clients (blktest)."""

MODULES = ["ned", "io", "nvme-drv", "vmm.lua", "blktest"]
PRELUDE = """package.path = "rom/?.lua";
local L4 = require "L4";
local vmm = require "vmm";
local l = L4.default_loader;
local io_busses = { nvme = 1 }
vmm.start_io(io_busses, "rom/test.vbus");
"""


def channels(*names):
    return f"local {', '.join(names)} = {', '.join(['l:new_channel()'] * len(names))};\n"


def driver(options, **caps):
    """Starts nvme-drv as the server of these channels."""
    served = "".join(f", {name} = {channel}:svr()" for name, channel in caps.items())
    return f'l:start({{ caps = {{ vbus = io_busses.nvme{served} }}, log = {{ "nvme", "g" }} }}, "rom/nvme-drv {options}");\n'


# works(drv, "cl1", 100): waits until that client has done so many reads and writes. A busy loop says nothing of a loaded machine.
WORKS = """local function works(drv, client, ops)
  local done
  repeat
    done = 0;
    for _, s in ipairs(drv:stat()) do if s.client == client then done = s.read.ops + s.write.ops; end end
  until done >= ops;
end
"""
