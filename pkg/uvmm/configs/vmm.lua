-- SPDX-License-Identifier: MIT
-- Starting io and virtual machines from a ned script:
--
--   local vmm = require "vmm"
--   vmm.start_io({ nvme = 1 }, "rom/nvme.vbus -v")   -- one key per virtual bus
--   vmm.start_vm({ id = 1, mem = 128, kernel = "rom/bzImage", rd = "rom/initrd", fdt = "rom/virt-pc.dtb",
--                  bootargs = "console=hvc0", ext_caps = { qdrv = client } })
--
-- vmm.loader is the loader that both use. Every function refuses keys it does not know.
local L4 = require "L4"
L4.is_library()

local vmm = { loader = L4.default_loader }

-- An error at the line of the script that called the public function (which is `depth` calls away).
local function fail(depth, text, ...) error(text:format(...), depth + 2) end

-- A type, or types joined by "|"; "cap": a capability.
local vm_keys = {
    id = "integer", name = "string", kernel = "string", rd = "string", bootargs = "string", fdt = "string|table",
    mem = "integer|cap", ram_base = "integer", ram_align = "integer", mem_align = "integer", prio = "integer", cpus = "integer",
    scheduler = "table|cap", log = "cap|table", mon = "boolean|string|cap", jdb = "boolean", net = "cap", net_caps = "table",
    ext_caps = "table", ext_args = "table", vbus = "cap",
}

-- 1024 / 2 and 2 ^ 4 - 1 are whole numbers too, which Lua keeps as floats.
local function whole_numbers(options)
    local copy = {}
    for key, value in pairs(options) do
        local fits = math.type(value) == "float" and tostring(vm_keys[key]):match("integer")
        copy[key] = fits and math.tointeger(value) or value
    end
    return copy
end

local function type_fits(value, wanted)
    for t in wanted:gmatch("[^|]+") do
        if type(value) == t or math.type(value) == t or (t == "cap" and type(value) == "userdata") then return true end
    end
    return false
end

-- What is behind a hole in a list (a false condition, a variable that is nil) would be left out without a word.
local function check_list(list, key, what)
    local count = 0
    for i, value in pairs(list) do
        if math.type(i) ~= "integer" then fail(3, "start_vm: %s is a list of %s; it has no key '%s'", key, what, tostring(i)) end
        if type(value) ~= "string" then fail(3, "start_vm: %s[%d] must be of type string, not %s", key, i, type(value)) end
        if value == "" then fail(3, "start_vm: %s[%d] is empty; leave it out", key, i) end
        count = count + 1
    end
    if count ~= #list then fail(3, "start_vm: %s is a list with nil in it; leave out what is not needed", key) end
end

local function check_options(options)
    for key, value in pairs(options) do
        local wanted = vm_keys[key]
        if not wanted then
            local known = {}
            for k in pairs(vm_keys) do known[#known + 1] = k end
            table.sort(known)
            fail(2, "start_vm: unknown key '%s' (known: %s)", tostring(key), table.concat(known, ", "))
        end
        if not type_fits(value, wanted) then
            local names = wanted:gsub("cap", "capability"):gsub("|", " or ")
            fail(2, "start_vm: %s must be of type %s, not %s", key, names, math.type(value) or type(value))
        end
    end
    for _, key in ipairs { "name", "kernel", "rd", "fdt" } do
        if options[key] == "" then fail(2, "start_vm: %s is empty; leave the key out, or name one", key) end
    end
    check_list(options.ext_args or {}, "ext_args", "options")
    if type(options.fdt) == "table" then check_list(options.fdt, "fdt", "files") end
    for _, key in ipairs { "ext_caps", "net_caps" } do
        for name, cap in pairs(options[key] or {}) do
            if type(name) ~= "string" then
                fail(2, "start_vm: %s[%s] has no name; write %s = { qdrv = capability }", key, tostring(name), key)
            end
            if type(cap) ~= "userdata" then
                fail(2, "start_vm: %s.%s must be of type capability, not %s", key, tostring(name), type(cap))
            end
        end
    end
    if options.cpus and options.cpus <= 0 then
        fail(2, "start_vm: cpus is a mask of processors, a bit for each, and %d is none; 0x3 are the first two", options.cpus)
    end
    if options.prio and (options.prio < 0 or options.prio > 255) then
        fail(2, "start_vm: prio is 0 to 255, not %d", options.prio)
    end
    if options.vbus then fail(2, "start_vm: vbus: devices cannot be passed through to a guest; leave it out") end
end

-- A scheduler proxy for priorities up to prio + 10 on the processors of the mask; nil without either.
function vmm.new_sched(prio, cpus)
    if not prio and not cpus then return nil end
    return L4.Env.user_factory:create(L4.Proto.Scheduler, prio and math.min(prio + 10, 255) or 0, prio or 0, cpus)
end

-- Puts a scheduler made from prio and cpus into the options of a start call.
function vmm.set_sched(options, prio, cpus)
    local sched = vmm.new_sched(prio, cpus)
    if sched then options.scheduler = sched end
    return options
end

local function exists(path)
    local file = io.open(path)
    if file then file:close() end
    return file ~= nil
end

-- start_io({ bus = 1, ... }, "config files and options"): starts io, which serves one virtual bus per key. Each value
-- becomes the client's capability. rom/<bus>.vbus is read besides the files given, where it is there.
function vmm.start_io(busses, options, io_options)
    if type(busses) ~= "table" then fail(1, "start_io: a table of virtual buses is needed, not a %s", type(busses)) end
    if type(options or "") ~= "string" then fail(1, "start_io: the options are one string, not a %s", type(options)) end
    local caps = { sigma0 = L4.cast(L4.Proto.Factory, L4.Env.sigma0):create(L4.Proto.Sigma0), icu = L4.Env.icu,
                   iommu = L4.Env.iommu, ioport = L4.Env.ioport }
    local names = {}
    for name in pairs(busses) do
        if type(name) ~= "string" or caps[name] then
            fail(1, "start_io: '%s' cannot be the name of a virtual bus", tostring(name))
        end
        names[#names + 1] = name
    end
    table.sort(names)
    local command = "rom/io " .. (options or "")
    local file_given = command:match("%S+%.vbus")
    for _, name in ipairs(names) do
        if type(busses[name]) ~= "userdata" then busses[name] = vmm.loader:new_channel() end
        caps[name] = busses[name]:svr()
        -- Without any file io says what is missing; with one, the bus may be defined there.
        local file = "rom/" .. name .. ".vbus"
        if not file_given or exists(file) then command = command .. " " .. file end
    end
    local start = { caps = caps, log = { "io", "red" } }
    for key, value in pairs(io_options or {}) do start[key] = value end
    return vmm.loader:start(start, command)
end

-- Memory in at most four pieces: as much as possible in the first, what is left in the next. An error is that of the first
-- attempt, which was for all of it in one.
local function in_pieces(size, allocate)
    local step = math.max(128 << 20, (size // 64 + (2 << 20)) & ~((2 << 20) - 1))
    local pieces, first_error = {}, nil
    while size > 0 do
        local want, ok, cap = size, false, nil
        while want > 0 do
            ok, cap = pcall(allocate, want)
            if ok then break end
            first_error = first_error or cap
            want = (want - 1) // step * step
        end
        if not ok or #pieces == 4 then error(first_error, 0) end
        pieces[#pieces + 1] = cap
        size = size - want
    end
    return pieces
end

local MEM_MAX = 1 << 26 -- MiB: as far as a processor's addresses reach

-- The guest's RAM: a capability as it is, or so many MiB, in one piece if possible. The capabilities are ram, ram1, ...
local function guest_ram(options)
    local mem = options.mem or 16
    if type(mem) == "userdata" then return { mem } end
    if mem <= 0 or mem > MEM_MAX then
        fail(2, "start_vm: mem is a number of MiB from 1 to %d, or a memory capability; %d is none", MEM_MAX, mem)
    end
    local flags = L4.Mem_alloc_flags
    local kind = flags.Continuous | flags.Pinned | flags.Super_pages
    local ok, pieces = pcall(in_pieces, mem << 20, function(size)
        return L4.Env.user_factory:create(L4.Proto.Dataspace, size, kind, options.ram_align or options.mem_align or 21):m("rw")
    end)
    if not ok then fail(2, "start_vm: mem = %d: %s", mem, (tostring(pieces):gsub("^[^:]*:%d+: ", ""))) end
    return pieces
end

local function merge(caps, more, what)
    for name, cap in pairs(more or {}) do
        if caps[name] then fail(2, "start_vm: %s.%s: the name is taken", what, tostring(name)) end
        caps[name] = cap
    end
end

local function bits_set(mask)
    local count = 0
    while mask ~= 0 do
        mask = mask & (mask - 1)
        count = count + 1
    end
    return count
end

-- Each option is one argument, so that the guest's command line keeps its blanks.
local function arguments(options)
    local args = {}
    local function add(letter, value)
        if value and value ~= "" then args[#args + 1] = "-" .. letter .. value end
    end
    local trees = type(options.fdt) == "table" and options.fdt or { options.fdt }
    for _, tree in ipairs(trees) do add("d", tree) end -- the first is the base, the others go on top of it
    add("c", options.bootargs)
    add("r", options.rd)
    add("k", options.kernel)
    add("b", options.ram_base and ("0x%x"):format(options.ram_base))
    add("-cpus=", options.cpus and bits_set(options.cpus))
    for _, arg in ipairs(options.ext_args or {}) do args[#args + 1] = arg end
    return args
end

-- The console of the VM's monitor. mon = false: none; a capability: that one. Else a console "mon<id>" where the loader
-- makes consoles (log_fab is a cons); without such, mon = true or a name puts the monitor behind Ctrl-] on the VM's own.
-- A name stands for a monitor program in scripts for L4Re: here uvmm is its own.
local function add_monitor(options, caps, args, name)
    local mon = options.mon
    if mon == false then return end
    if type(mon) == "userdata" then
        caps.mon = mon
    elseif vmm.loader.log_fab then
        caps.mon = vmm.loader.log_fab:create(L4.Proto.Log, options.id and "mon" .. options.id or "mon-" .. name, "yellow")
    elseif mon then
        args[#args + 1] = "--monitor"
    end
end

-- A server's client is one VM: a second one behind the same gate would take the session, and the first take it back. So as
-- long as a VM runs, what it was given is its own. Weak: who remembers a channel keeps its server from seeing it unused.
local owners = setmetatable({}, { __mode = "k" })

local function owners_check(options)
    for _, key in ipairs { "ext_caps", "net_caps" } do
        for name, cap in pairs(options[key] or {}) do
            local owner = owners[cap]
            if owner and owner.task:state() == "running" then
                fail(2, "start_vm: %s.%s is in use by the VM %s; give each VM a channel of its own (--client of the server)", key,
                     name, owner.name)
            end
        end
    end
end

local function owners_set(options, name, task)
    for _, key in ipairs { "ext_caps", "net_caps" } do
        for _, cap in pairs(options[key] or {}) do owners[cap] = { name = name, task = task } end
    end
    return task
end

-- cpus is a mask of processors: the VM gets a vcpu for each bit, and runs on those of them that the machine has.
-- Starts a virtual machine; returns its task (:wait(), :exit_handler(fn), :kill()).
function vmm.start_vm(options)
    if type(options) ~= "table" then fail(1, "start_vm: a table of options is needed, not a %s", type(options)) end
    options = whole_numbers(options)
    check_options(options)
    owners_check(options)
    local name = options.name or "vm" .. (options.id or "")
    local args = arguments(options)
    local caps = {}
    for i, piece in ipairs(guest_ram(options)) do caps[i == 1 and "ram" or "ram" .. i - 1] = piece end
    caps.net = options.net
    if options.jdb then caps.jdb = L4.Env.jdb end
    add_monitor(options, caps, args, name)
    merge(caps, options.net_caps, "net_caps")
    merge(caps, options.ext_caps, "ext_caps")
    local start = { caps = caps, log = options.log or { name, "w" }, scheduler = options.scheduler }
    if not options.scheduler then vmm.set_sched(start, options.prio, options.cpus) end
    return owners_set(options, name, vmm.loader:startv(start, "rom/uvmm", table.unpack(args)))
end

return vmm
