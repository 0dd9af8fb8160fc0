# SPDX-License-Identifier: MIT
"""ned's programs, logs and handlers on the real system; scripts' errors are in test_bad_input.py and ned's host test."""

NED = """package.path = "rom/?.lua"
local L4 = require "L4"
local vmm = require "vmm"
local l = L4.default_loader
local function ended(what, task) print(what .. " ended with " .. task:wait()) end

ended("io", vmm.start_io({ a = 1 }, "-v --no-such-option"))
ended("plain", l:start({}, "rom/hello a  b"))
ended("sched", l:start({ scheduler = vmm.new_sched(5, 1) }, "rom/hello"))
ended("small", l:start({ mem = 4 << 20, prio = 3 }, "rom/hello"))
local loader = L4.Loader.new({ mem = L4.Env.user_factory:create(L4.Proto.Factory, 8 << 20) })
ended("raw", loader:startv({ log = L4.Env.log }, "rom/hello", "one word", { X = "y" }))
print(pcall(l.start, l, {}, "rom/vmm.lua"))
print(pcall(l.start, l, {}, "rom/nope"))
local log = L4.Env.log_fab:create(L4.Proto.Log, "tagged", "green")
l:start({ log = log }, "rom/hello"):exit_handler(function(code) print("handler got " .. code) error("in it") end)
print("the script ends before")
"""


def test_programs(system):
    system.modules = ["ned", "io", "hello", "vmm.lua"]
    with system.boot(ned=NED) as session:
        session.expect(r"ned: rom/test\.ned:\d+: in it \(in an exit handler\)", 60)
        text = session.text()
    for line in ("io ended with 2", "plain ended with 0", "sched ended with 0", "small ended with 0", "raw ended with 0",
                 "\narg 1: one word", "handler got 0", "cannot start 'rom/vmm.lua': it is no ELF program",
                 "cannot start 'rom/nope': there is no such file"):
        assert line in text, text
    assert "error: unknown option '--no-such-option'" in "\n".join(session.tagged("io"))
    assert session.tagged("hello")[:3] == ["arg 0: rom/hello", "arg 1: a", "arg 2: b"]
    assert session.tagged("tagged") == ["arg 0: rom/hello"]
    assert text.index("the script ends before") < text.index("handler got 0")
