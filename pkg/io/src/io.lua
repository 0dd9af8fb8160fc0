-- SPDX-License-Identifier: MIT
-- The vbus language. A configuration file describes virtual buses as trees:
--
--   Io.add_vbusses {
--     nvme = Io.Vi.System_bus(function ()
--       Property.num_msis = 2
--       PCI0 = Io.Vi.PCI_bus(function ()
--         pci_hd = wrap(Io.system_bus():match("PCI/storage"))
--       end)
--     end)
--   }
--
-- A constructor's function runs with an environment of its own: what it assigns becomes a child of the bus. A constructor
-- takes a table of children, too. Nothing happens to devices before add_vbusses.
-- Argument: the functions of config.c.
local C = ...
local Io = { Vi = {} }
local Device, List, Wrapped, Bus = {}, {}, {}, {} -- metatables

local function fail(text, ...)
    local level = 2
    while true do
        local info = debug.getinfo(level, "S")
        if not info or (info.what ~= "C" and info.source ~= "=Io") then break end
        level = level + 1
    end
    error(text:format(...), level)
end

local function keys_of(t)
    local keys = {}
    for k in pairs(t) do keys[#keys + 1] = k end
    table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
    return keys
end

local function is(v, kind) return getmetatable(v) == kind end

-- A table that names what it lacks.
local function strict(t, what, remedy)
    return setmetatable(t, { __index = function(_, key)
        fail("%s has no '%s' (%s)", what, tostring(key), remedy or "it has: " .. table.concat(keys_of(t), ", "))
    end })
end

-- Lists of devices. Several lists may meet in one wrap: each keeps its pattern for messages.
Device.__name, List.__name, Wrapped.__name, Bus.__name = "device", "list of devices", "wrapped devices", "bus"

-- The hardware ------------------------------------------------------------------------------------------------------
local Hardware = {}
Hardware.__index = function(_, key)
    return Hardware[key] or fail("Io.system_bus() has no '%s' (it has: match)", tostring(key))
end

-- match("PCI/storage", "PCI/VEN_1b36&DEV_0010", ...): the devices that any of the patterns matches
function Hardware:match(...)
    if not is(self, Hardware) then fail("match is called with a colon: Io.system_bus():match(\"PCI/storage\")") end
    local list, found, patterns = {}, {}, { ... }
    if #patterns == 0 then fail("match() without a pattern; \"PCI/storage\" is one") end
    for i, pattern in ipairs(patterns) do
        if type(pattern) ~= "string" then fail("match: pattern %d is a %s, not a string", i, type(pattern)) end
        local indices, reason = C.match(pattern)
        if not indices then fail("match: %s", reason) end
        for _, index in ipairs(indices) do
            if not found[index] then
                found[index] = true
                list[#list + 1] = setmetatable({ index = index }, Device)
            end
        end
    end
    list.patterns = table.concat(patterns, "\", \"")
    return setmetatable(list, List)
end

local system_bus = setmetatable({}, Hardware)
function Io.system_bus() return system_bus end

-- wrap(list or device, ...): what goes onto a bus
local function wrap(...)
    local wrapped = { devices = {}, empty = {} }
    local n = select("#", ...)
    if n == 0 then fail("wrap() without devices; wrap(Io.system_bus():match(\"PCI/storage\")) is an example") end
    for i = 1, n do
        local v = select(i, ...)
        if is(v, Device) then
            table.insert(wrapped.devices, v)
        elseif is(v, List) then
            table.move(v, 1, #v, #wrapped.devices + 1, wrapped.devices)
            if #v == 0 then table.insert(wrapped.empty, v.patterns) end
        else
            fail("wrap: argument %d is a %s; it takes what Io.system_bus():match(...) returns", i, type(v))
        end
    end
    return setmetatable(wrapped, Wrapped)
end

-- Buses ---------------------------------------------------------------------------------------------------------------
local bus_properties = {
    System_bus = { num_msis = function(v)
        if math.type(v) ~= "integer" or v < 0 or v > 1024 then
            fail("Property.num_msis must be a number from 0 to 1024, not %s", tostring(v))
        end
    end },
    PCI_bus = {},
}

local function set_property(bus, key, value)
    local known = bus_properties[bus.kind]
    if not known[key] then
        local names = table.concat(keys_of(known), ", ")
        fail("unknown property '%s' of %s (%s)", tostring(key), bus.kind,
             names == "" and "it has none; num_msis belongs to System_bus" or "known: " .. names)
    end
    known[key](value)
    bus.properties[key] = value
end

local function set_properties(bus, t)
    if type(t) ~= "table" then fail("Property is a table of properties, not a %s", type(t)) end
    for _, key in ipairs(keys_of(t)) do set_property(bus, key, t[key]) end
end

local function add_child(bus, name, value)
    if name == "Property" then return set_properties(bus, value) end
    if is(value, List) or is(value, Device) then value = wrap(value) end
    if is(value, Bus) then
        if bus.kind == value.kind or value.kind == "System_bus" then
            fail("a %s cannot be inside a %s", value.kind, bus.kind)
        end
    elseif not is(value, Wrapped) then
        fail("%s: '%s' is a %s; it must be wrap(...) or Io.Vi.PCI_bus(...)", bus.kind, tostring(name), type(value))
    end
    for _, child in ipairs(bus.children) do
        if child.name == name then fail("%s: '%s' is defined twice", bus.kind, tostring(name)) end
    end
    table.insert(bus.children, { name = tostring(name), value = value })
end

-- Runs f with an environment in which assignments make children and everything else is as outside.
local function run_in(bus, f)
    local env = setmetatable({}, {
        __index = function(_, key)
            if key == "Property" then
                return setmetatable({}, { __newindex = function(_, k, v) set_property(bus, k, v) end,
                                          __index = function(_, k) return bus.properties[k] end })
            end
            for _, child in ipairs(bus.children) do
                if child.name == key then return child.value end
            end
            return _G[key]
        end,
        __newindex = function(_, key, value) add_child(bus, key, value) end,
    })
    for i = 1, 255 do
        local name = debug.getupvalue(f, i)
        if name == "_ENV" then debug.upvaluejoin(f, i, function() return env end, 1) end
        if not name then break end
    end
    f()
end

local function constructor(kind)
    Io.Vi[kind] = function(contents)
        local bus = setmetatable({ kind = kind, children = {}, properties = {} }, Bus)
        if type(contents) == "function" then
            run_in(bus, contents)
        elseif type(contents) == "table" and getmetatable(contents) == nil then
            for _, key in ipairs(keys_of(contents)) do
                if bus_properties[kind][key] then
                    set_property(bus, key, contents[key])
                else
                    add_child(bus, key, contents[key])
                end
            end
        else
            fail("Io.Vi.%s takes a function or a table, not a %s", kind, type(contents))
        end
        return bus
    end
end
constructor("System_bus")
constructor("PCI_bus")

-- Definition -----------------------------------------------------------------------------------------------------------
local function add_devices(bus_name, bus)
    for _, child in ipairs(bus.children) do
        local v = child.value
        if is(v, Bus) then
            add_devices(bus_name, v)
        else
            for _, patterns in ipairs(v.empty) do
                C.warn(("vbus '%s': \"%s\" (%s) matches no device; there are: %s"):format(
                    bus_name, patterns, child.name, C.devices()))
            end
            for i, device in ipairs(v.devices) do
                local name = i == 1 and child.name or ("%s[%d]"):format(child.name, i - 1)
                local done, reason = C.add_device(bus_name, device.index, name)
                if not done then fail("%s", reason) end
            end
        end
    end
end

function Io.add_vbus(name, bus)
    if type(name) ~= "string" then fail("add_vbusses: a vbus needs a name: { nvme = Io.Vi.System_bus(...) }") end
    if not is(bus, Bus) or bus.kind ~= "System_bus" then
        fail("add_vbusses: '%s' must be an Io.Vi.System_bus(...), not a %s", name,
             is(bus, Bus) and bus.kind or type(bus))
    end
    local done, reason = C.add(name, bus.properties.num_msis or 0)
    if not done then fail("%s", reason) end
    add_devices(name, bus)
end

function Io.add_vbusses(busses)
    if type(busses) ~= "table" or getmetatable(busses) ~= nil then
        fail("add_vbusses takes a table of buses, { nvme = Io.Vi.System_bus(...) }, not a %s", type(busses))
    end
    for _, name in ipairs(keys_of(busses)) do Io.add_vbus(name, busses[name]) end
end

strict(Io.Vi, "Io.Vi")
Io.Hw = strict({}, "Io.Hw", "hardware descriptions are not supported: PCI devices are found by themselves")
Io.Res = strict({}, "Io.Res", "resource descriptions are not supported: PCI devices have their own")
_G.Io = strict(Io, "Io")
_G.wrap = wrap
