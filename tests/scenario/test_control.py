# SPDX-License-Identifier: MIT
"""nvme-drv's commands: from a script through `svr` and `ctl`, and typed on a console of cons."""
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
