-- SPDX-License-Identifier: MIT
-- The package "L4" that ned's scripts require. Arguments: the primitives (primitives.c), verbosity.
--
-- Errors name the script's line: fail() looks for the first caller outside this chunk, and outside of modules that said
-- L4.is_library().
local os, verbose = ...
local L4, Cap, Loader, Task = {}, os.cap, {}, {}
local libraries = { ["=L4"] = true }

function L4.is_library() libraries[debug.getinfo(2, "S").source] = true end

local function fail(text, ...)
    local level = 2
    while true do
        local info = debug.getinfo(level, "S")
        if not info or (info.what ~= "C" and not libraries[info.source]) then break end
        level = level + 1
    end
    error(text:format(...), level)
end

-- check(primitive(...), what): the result, or an error "cannot <what>: reason"
local function check(what, result, reason)
    if result == nil then fail("cannot %s: %s", what, reason) end
    return result
end

local function is_cap(v) return type(v) == "userdata" and getmetatable(v) == getmetatable(L4.Env.log) end

local function sorted_keys(t)
    local keys = {}
    for k in pairs(t) do keys[#keys + 1] = tostring(k) end
    table.sort(keys)
    return keys
end

-- Refuses keys that nobody would look at.
local function check_keys(what, t, known)
    if type(t) ~= "table" then fail("%s: a table is needed, not a %s", what, type(t)) end
    for k in pairs(t) do
        if not known[k] then
            fail("%s: unknown key '%s' (known: %s)", what, tostring(k), table.concat(sorted_keys(known), ", "))
        end
    end
end

local function check_type(what, v, wanted, optional)
    if v == nil and optional then return v end
    if math.type(v) == wanted or type(v) == wanted then return v end
    fail("%s: %s is needed, not %s", what, wanted, v == nil and "nil" or "a " .. type(v))
end

-- Constants ---------------------------------------------------------------------------------------------------------
local R, W, X, CALL, BIND, CTRL, ALL = 1, 2, 4, 8, 16, 32, 63

L4.Proto = {
    Namespace = 1, Goos = 2, Dataspace = 3, Rm = 4, Factory = 5, Log = 6, Scheduler = 7, Ipc_gate = 8, Sigma0 = 9,
    Irq = 10, Semaphore = 11, Task = 12, Thread = 13, Icu = 14, Debugger = 15, Vm = 16, Dma_space = 17, Jdb = 18,
}
L4.Rights = { r = R | CALL, w = W | CALL, s = BIND, ro = R | CALL, rw = R | W | CALL, rws = R | W | CALL | BIND,
              x = X, d = CTRL }
L4.Mem_alloc_flags = { Continuous = 1, Pinned = 2, Super_pages = 4 }
L4.Info = {}
function L4.Info.arch() return "amd64" end
function L4.Info.platform() return "pc" end
function L4.Info.words_bigendian() return false end
function L4.Info.mp() return select(2, os.version()) > 1 end
L4.Info.Kip = { str = function() return (os.version()) end, arch = L4.Info.arch, platform = L4.Info.platform }

-- Capabilities ------------------------------------------------------------------------------------------------------
local names = setmetatable({}, { __mode = "k" }) -- capability -> what it is, for messages

local function rights_mask(mode)
    if math.type(mode) == "integer" then return mode end
    if type(mode) ~= "string" then fail("rights are a string of the letters r, w, x, s, d, not a %s", type(mode)) end
    local mask = 0
    for c in mode:gmatch(".") do
        if c ~= "o" and not L4.Rights[c] then
            fail("rights '%s': unknown letter '%s' (known: r, w, x, s, d)", mode, c)
        end
        mask = mask | (L4.Rights[c] or 0)
    end
    return mask
end

local function copy(cap, mask)
    local new = check("copy " .. tostring(names[cap] or cap), os.copy(cap, mask))
    names[new] = names[cap]
    return new
end

-- The server's side of a channel. It has no right to call: the server is told when the last caller is gone.
function Cap:svr()
    if os.info(self) ~= "gate" then fail("svr(): %s is no channel", tostring(names[self] or self)) end
    return copy(self, BIND)
end
-- The same object with fewer rights. Memory that may be read may be executed, as scripts written for L4Re expect:
-- "rw" is enough for a guest's RAM.
function Cap:m(mode)
    local mask = rights_mask(mode)
    if mask & R ~= 0 and os.info(self) == "memory" then mask = mask | X end
    return copy(self, mask)
end
Cap.mode = Cap.m
function Cap:drop() os.drop(self) end
function Cap:info() return os.info(self) end

-- Factories: memory allowances ("mem") and loaders create things --------------------------------------------------------
local function env(name)
    return L4.Env[name] or fail("ned has no capability '%s'", name)
end

local function alignment(align)
    if align == nil then return 0 end
    check_type("alignment", align, "integer")
    if align >= 0 and align < 48 then return align == 0 and 0 or 1 << align end
    if align < 0 or align & (align - 1) ~= 0 then fail("alignment %d is no power of two", align) end
    return align
end

local function human(size) return ("%d KiB"):format((size + 1023) // 1024) end

local function create_dataspace(mem, size, flags, align)
    check_type("size of the memory", size, "integer")
    if size <= 0 then fail("memory of %d bytes cannot be created: the size must be positive", size) end
    flags = check_type("memory flags", flags or 0, "integer")
    local bytes, super = alignment(align), flags & L4.Mem_alloc_flags.Super_pages ~= 0
    -- Memory in superpages is a guest's: moe leaves it out of what the system itself takes.
    local cap, reason = os.mem_alloc(mem, size, bytes, super and 1 | 2 or 0)
    if not cap then -- what nobody refers to any more, a former VM's RAM for example, is still there until it is collected
        collectgarbage()
        cap, reason = os.mem_alloc(mem, size, bytes, super and 1 | 2 or 0)
    end
    if not cap then
        local allowed, used, free = os.mem_stat(mem)
        local state = ""
        if allowed then
            state = ("; %s allowed, %s used, %s free in the machine"):format(human(allowed), human(used), human(free))
            if size <= free and size <= allowed - used then
                state = state .. ", but not in one piece: memory of a PC lies below and above 4 GiB; take less"
            end
        end
        fail("cannot allocate %s of memory: %s%s", human(size), reason, state)
    end
    return cap
end

-- Logs are made by moe's loader, and by any other server of factories for logs (cons) that a script has a channel to.
local function create_log(factory, tag, colour)
    check_type("log tag", tag, "string")
    if factory == nil or (names[factory] or ""):find("^L4%.Env%.") then
        return check("create a log", os.log(env("loader"), tag, colour or ""))
    end
    local what = ("create the console '%s' (is the channel's server running?)"):format(tag)
    return check(what, os.console(factory, tag, colour or ""))
end

local function create_sched(_, max_prio, base_prio, cpus)
    return L4.Scheduler(max_prio, base_prio, cpus)
end

local function create_mem(mem, size)
    return check("create a memory allowance", os.mem_sub(mem, check_type("allowance", size, "integer")))
end

-- what a block server's refusals mean (include/abi/types.h)
local disk_errors = {
    [-1] = "an argument is wrong, or the name fits several partitions (SK_EINVAL)",
    [-7] = "another client has it (SK_EBUSY)",
    [-15] = "there is no such disk (SK_ENODEV)",
}

-- A disk of a block server: svr:create(0, "device=SERIAL:n1", "ds-max=5", "read-only")
local function create_disk(server, ...)
    local args = { ... }
    for i, arg in ipairs(args) do
        if type(arg) ~= "string" then fail("create(): argument %d of the disk is a %s; it must be a string", i, type(arg)) end
        if #arg > 159 then fail("create(): argument %d of the disk is longer than 159 characters", i) end
    end
    if #args > 8 then fail("create(): a disk has no more than 8 arguments") end
    if os.info(server) ~= "gate" then fail("create(): %s is no block server", tostring(names[server] or server)) end
    local disk, reason, number = os.block(server, table.unpack(args))
    reason = disk_errors[number] and disk_errors[number] .. "; the server's log says more" or reason
    return check(("create a disk (%s)"):format(table.concat(args, ", ")), disk, reason)
end

local creators = {
    [0] = create_disk,
    [L4.Proto.Dataspace] = create_dataspace,
    [L4.Proto.Log] = create_log,
    [L4.Proto.Scheduler] = create_sched,
    [L4.Proto.Factory] = create_mem,
    [L4.Proto.Ipc_gate] = function() return check("create a channel", os.gate()) end,
    [L4.Proto.Sigma0] = function(cap) return cap end, -- device memory is its own factory
}

function Cap:create(proto, ...)
    local create = creators[proto]
    if not create then
        local name = tostring(proto)
        for k, v in pairs(L4.Proto) do if v == proto then name = "L4.Proto." .. k end end
        fail("create(): a factory cannot create %s (it can: Dataspace, Log, Scheduler, Factory, Ipc_gate; 0: a disk)", name)
    end
    return create(self, ...)
end

-- A command line of a server, as typed on its console: its output, and whether it was understood.
function Cap:control(line)
    check_type("control(): the command", line, "string")
    if #line > 511 then fail("control(): the command is longer than 511 characters") end
    if os.info(self) ~= "gate" then fail("control(): %s is no channel to a server", tostring(names[self] or self)) end
    local text, understood = os.control(self, line)
    return check(("run the server's command '%s'"):format(line), text, understood), understood
end

-- What a block server counts: { { client = "cl1", disk = "SERIAL:n1", depth = 0, read = { ops = 1, ... }, ... }, ... };
-- .namespaces has the same for each namespace. The server sends lines of a key ("read.ops") and its value.
local stat_names = { client = true, namespace = true, disk = true }
local function stat_put(entry, key, value)
    local path, last = key:match("^(.-)%.?([^.]+)$")
    for name in path:gmatch("[^.]+") do
        entry[name] = entry[name] or {}
        entry = entry[name]
    end
    entry[tonumber(last) or last] = stat_names[key] and value or tonumber(value)
end
function Cap:stat(client)
    check_type("stat(): the client", client, "string", true)
    local text, understood = self:control("counters " .. (client or ""))
    if not understood or (client and not text:find("^client ")) then
        fail("stat(): the server says: %s", (text:gsub("%s+$", "")))
    end
    local all, entry = { namespaces = {} }, nil
    for key, value in text:gmatch("(%S+) ([^\n]*)\n") do
        if key == "client" or key == "namespace" then
            local list = key == "client" and all or all.namespaces
            entry = {}
            list[#list + 1] = entry
        end
        stat_put(entry or fail("stat(): %s is no block server", tostring(names[self] or self)), key, value)
    end
    return all
end

-- A capability has one type; casts are there for scripts that spell it out.
function L4.cast(_, cap) return cap end

-- Scheduler proxies: the priorities (0: the loader's default) and processors that a program may use ---------------------------------------------
local Scheduler = {}
Scheduler.__index = Scheduler
-- A mask of processors, or nil: all of them.
local function check_cpus(what, cpus)
    check_type(what .. ": processors", cpus or 1, "integer")
    local count = select(2, os.version())
    local present = count < 64 and (1 << count) - 1 or -1
    if cpus and cpus & present == 0 then
        fail("%s: none of the processors 0x%x exists (there are 0x%x)", what, cpus, present)
    end
end
function L4.Scheduler(max_prio, base_prio, cpus)
    check_type("scheduler: highest priority", max_prio, "integer")
    check_type("scheduler: base priority", base_prio or 0, "integer")
    check_cpus("scheduler", cpus)
    if max_prio < 0 or max_prio > 255 then fail("scheduler: priority %d is outside 0..255", max_prio) end
    return setmetatable({ max_prio = max_prio, base_prio = base_prio or 0, cpus = cpus or 0 }, Scheduler)
end
function Scheduler:svr() return self end
function Scheduler:m() return self end

-- Tasks ----------------------------------------------------------------------------------------------------------------
Task.__index = Task
-- Blocks until the program has ended: exit code, reason ("exited with 1", "page fault at ...").
function Task:wait()
    check("wait for " .. self.name, os.wait(self.program))
    local _, code, reason = os.status(self.program)
    return code, reason
end
-- "running", "exited", "faulted", "killed"; exit code; reason
function Task:state() return os.status(self.program) end
-- fn(exit code, reason) is called when the program has ended.
function Task:exit_handler(fn)
    check_type("exit_handler", fn, "function")
    check("watch " .. self.name, os.on_exit(self.program, fn))
    return self
end
function Task:kill() check("end " .. self.name, os.kill(self.program)) end
-- Asks the program to end in an orderly way; it is killed when it has not after so many milliseconds (10000).
function Task:stop(limit)
    limit = check_type("stop", limit or 10000, "integer")
    if limit < 0 then fail("stop: %d is no number of milliseconds", limit) end
    check("stop " .. self.name, os.stop(self.program, limit))
end

-- Ends all programs in an orderly way, the last started first, and resets the machine.
function L4.reset() check("reset the machine", os.reset(false)) end
-- The same, and switches it off.
function L4.poweroff() check("switch the machine off", os.reset(true)) end

-- The loader -------------------------------------------------------------------------------------------------------------
local loader_keys = { mem = true, factory = true, log_fab = true, loader = true, sched_fab = true, ns_fab = true,
                      rm_fab = true, dbg_fab = true }
local start_keys = { caps = true, log = true, mem = true, factory = true, scheduler = true, prio = true, cpus = true, kmem = true,
                     l4re_dbg = true, ldr_flags = true, env = true }

Loader.__index = Loader
function Loader.new(options)
    check_keys("L4.Loader.new", options or {}, loader_keys)
    return setmetatable(options or {}, Loader)
end
function Loader:new_channel()
    local cap = check("create a channel", os.gate())
    names[cap] = "a channel"
    return cap
end

-- Gates of moe: a program with one of them as its log would end without a word.
local no_logs = { ["L4.Env.rom"] = true, ["L4.Env.mem"] = true, ["L4.Env.loader"] = true }

local function make_log(loader, log, name)
    if is_cap(log) then
        if os.info(log) ~= "gate" or no_logs[names[log]] then
            fail("start '%s': log is no console but %s; give { \"tag\", \"colour\" }, L4.Env.log or a console of cons", name,
                 names[log] or "a capability of type " .. os.info(log))
        end
        return log
    end
    if log == nil then return create_log(loader.log_fab, name, "") end
    if type(log) ~= "table" then fail("start '%s': log is { \"tag\", \"colour\" } or a capability", name) end
    for k in pairs(log) do
        if k ~= 1 and k ~= 2 then fail("start '%s': log has only a tag and a colour, no '%s'", name, tostring(k)) end
    end
    return create_log(loader.log_fab, log[1] or name, log[2])
end

local function give_caps(program, name, caps)
    for _, key in ipairs(sorted_keys(caps)) do
        local cap = caps[key]
        if not is_cap(cap) then
            fail("start '%s': caps.%s is a %s; it must be a capability", name, key, type(cap))
        end
        if #key > 31 then fail("start '%s': the name caps.%s is longer than 31 characters", name, key) end
        -- Every program has rom already.
        if not (key == "rom" and cap == L4.Env.rom) then
            check(("start '%s': pass the capability '%s'"):format(name, key), os.give(program, key, cap))
        end
    end
end

local function give_environment(program, name, options, extra)
    for _, source in ipairs({ options.env or {}, extra or {} }) do
        for _, key in ipairs(sorted_keys(source)) do
            check(("start '%s': set %s"):format(name, key), os.setenv(program, key .. "=" .. tostring(source[key])))
        end
    end
    for _, key in ipairs { "SKERRY_EPOCH", "SKERRY_RSDP" } do
        local value = _G.os.getenv(key)
        if value then check("pass " .. key .. " on", os.setenv(program, key .. "=" .. value)) end
    end
end

local function create_program(loader, path, name, options)
    local sched = options.scheduler
    if sched ~= nil and getmetatable(sched) ~= Scheduler then
        fail("start '%s': scheduler is no scheduler (vmm.new_sched makes one)", name)
    end
    local prio = options.prio or (sched and sched.max_prio) or 0
    check_cpus(("start '%s'"):format(name), options.cpus)
    local cpus = options.cpus or (sched and sched.cpus) or 0
    local mem = options.mem or options.factory or loader.mem or loader.factory or env("mem")
    if math.type(mem) == "integer" then mem = create_mem(env("mem"), mem) end
    if not is_cap(mem) then fail("start '%s': mem is a number of bytes or a memory capability", name) end
    local log <close> = os.copy(make_log(loader, options.log, name), ALL)
    local program, reason, code = os.create(loader.loader or env("loader"), path, options.kmem or 0, prio, cpus, log,
                                              mem)
    if not program then
        if code == -1 then reason = "it is no ELF program for this system (the loader's line says what is wrong)" end
        if code == -9 then reason = ("there is no such file (is 'module %s' in the entry of modules.list?)"):format(name) end
        fail("cannot start '%s': %s", path, reason)
    end
    return program
end

local ARGUMENT_MAX = 3500 -- what one message to moe takes

-- startv({ options }, "rom/program", "argument", ..., { environment })
function Loader:startv(options, path, ...)
    check_type("start: the program's path", path, "string")
    local args, extra = { ... }, nil
    if type(args[#args]) == "table" then extra = table.remove(args) end
    local name = path:match("[^/]*$")
    check_keys(("start '%s'"):format(name), options, start_keys)
    check_type(("start '%s': caps"):format(name), options.caps, "table", true)
    local program = create_program(self, path, name, options)
    check("pass arguments", os.arg(program, path))
    for i, arg in ipairs(args) do
        if type(arg) ~= "string" and type(arg) ~= "number" then
            fail("start '%s': argument %d is a %s; it must be a string", name, i, type(arg))
        end
        local text = tostring(arg)
        if #text > ARGUMENT_MAX or text:find("\0", 1, true) then
            fail("start '%s': argument %d (%s...) has %d characters, more than %d, or a NUL among them; shorten it", name, i,
                 text:match("^[^\0]*"):sub(1, 32), #text, ARGUMENT_MAX)
        end
        check(("start '%s': pass argument %d"):format(name, i), os.arg(program, text))
    end
    give_caps(program, name, options.caps or {})
    give_environment(program, name, options, extra)
    check(("start '%s'"):format(name), os.start(program))
    if verbose > 0 then print(("ned: started %s %s"):format(path, table.concat(args, " "))) end
    return setmetatable({ name = name, program = program }, Task)
end

-- start({ options }, "rom/program argument ...", { environment }): the command is split at blanks
function Loader:start(options, command, extra)
    check_type("start: the command", command, "string")
    local words = {}
    for word in command:gmatch("%S+") do words[#words + 1] = word end
    if #words == 0 then fail("start: the command is empty") end
    words[#words + 1] = extra
    return self:startv(options, table.unpack(words))
end
Loader.exec = Loader.start

L4.Loader = Loader
L4.Env = os.env()
for name, cap in pairs(L4.Env) do names[cap] = "L4.Env." .. name end
L4.Env.user_factory, L4.Env.factory, L4.Env.mem_alloc = L4.Env.mem, L4.Env.mem, L4.Env.mem
L4.Env.log_fab, L4.Env.sched_fab = L4.Env.loader, L4.Env.loader
L4.default_loader = Loader.new({})
function L4.default_loader.new(options) return Loader.new(options) end

package.cpath = "" -- there are no shared libraries: do not name their paths in messages
package.preload.L4 = function() return L4 end
