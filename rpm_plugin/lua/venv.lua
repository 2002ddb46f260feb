-- The Lua face of rpm-venv, for scriptlets in Lua (%post -p <lua>) and for macros that are:
--
--     local venv = require "venv"
--     venv.install{path = "/opt/app1/penv", lock = "/usr/share/app1/requirements.txt",
--                  wheels = "/usr/share/app1/wheels", offline = true,
--                  package = "app1-1.0-1.noarch"}
--
-- Each function is one call of the command and raises an error where that fails. One source for
-- rpm 4.14 to 6: rpm.spawn is there from 4.20 and rpm.execute from 4.16. Before there are posix.fork,
-- posix.exec and a posix.wait that does not tell how the child ended (luaext/lposix.c), so there it
-- is Lua's own os.execute, which alone does tell, by way of a shell. What that shell reads is the
-- names of variables; the arguments are their values, which no shell parses again.

local function command()
    local named = rpm.expand("%{?__rpm_venv}") -- as in macros.venv; no macro of it on most targets
    return named ~= "" and named or "/usr/bin/rpm-venv"
end

local function execute_by_shell(argv)
    local words = {"exec"}
    for number, word in ipairs(argv) do
        posix.setenv("RPM_VENV_" .. number, word)
        words[#words + 1] = '"$RPM_VENV_' .. number .. '"'
    end
    local result = os.execute(table.concat(words, " "))
    for number in ipairs(argv) do
        posix.unsetenv("RPM_VENV_" .. number)
    end
    return result
end

-- On failure the versions of rpm return nil, false or a number that is not 0; on success 0 or true.
local function execute(argv)
    local result
    if rpm.spawn then
        result = rpm.spawn(argv)
    elseif rpm.execute then
        result = rpm.execute(table.unpack(argv))
    else
        result = execute_by_shell(argv)
    end
    return result == 0 or result == true
end

local function list(value)
    return type(value) == "table" and value or {value}
end

-- The options of a call: their names in Lua, the command's letters, and what they take.
local OPTIONS = {
    {"lock", "-r", "value"},
    {"wheels", "-w", "list"},
    {"python", "-p", "value"},
    {"site", "-s", "flag"},
    {"offline", "-o", "flag"},
    {"extras", "-x", "list"},
    {"groups", "-g", "list"},
    {"package", "--package", "value"},
    {"count", "--count", "value"},
    {"user", "-u", "value"},
}
-- What a scriptlet always wants: silence on success, and what rpm -V shows without -v.
local ALWAYS = {run = "-q", verify = "--stderr"}
local ACCEPTS = {
    install = {
        lock = true, wheels = true, python = true, site = true, offline = true, extras = true,
        groups = true, package = true,
    },
    remove = {package = true, count = true},
    verify = {},
    run = {user = true, command = true},
}

local function refuse(verb, text)
    error("venv." .. verb .. ": " .. text, 0)
end

local function add_option(argv, option, value)
    local _, letter, kind = table.unpack(option)
    if kind == "flag" then
        argv[#argv + 1] = value and letter or nil
        return
    end
    for _, word in ipairs(kind == "list" and list(value) or {value}) do
        argv[#argv + 1] = letter
        argv[#argv + 1] = tostring(word)
    end
end

local function check_keys(verb, call)
    for key in pairs(call) do
        if key ~= "path" and not ACCEPTS[verb][key] then
            refuse(verb, "there is no argument " .. tostring(key))
        end
    end
    if type(call.path) ~= "string" then
        refuse(verb, "path is missing")
    elseif verb == "install" and type(call.lock) ~= "string" then
        refuse(verb, "lock is missing")
    elseif verb == "remove" and call.count ~= nil and type(call.package) ~= "string" then
        refuse(verb, "package is missing: count is about that")
    elseif verb == "run" and type(call.user) ~= "string" then
        refuse(verb, "user is missing")
    elseif verb == "run" and #list(call.command or {}) == 0 then
        refuse(verb, "command is missing")
    end
end

local function run(verb, call)
    if type(call) ~= "table" then
        refuse(verb, "takes a table, as in venv." .. verb .. "{path = ...}")
    end
    check_keys(verb, call)
    local argv = {command(), verb}
    argv[#argv + 1] = ALWAYS[verb]
    for _, option in ipairs(OPTIONS) do
        if call[option[1]] ~= nil then
            add_option(argv, option, call[option[1]])
        end
    end
    argv[#argv + 1] = call.path
    for _, word in ipairs(list(call.command or {})) do
        argv[#argv + 1] = tostring(word)
    end
    if not execute(argv) then
        refuse(verb, call.path .. ": failed; rpm-venv " .. verb .. " has said why")
    end
end

return {
    -- Make path the environment that lock describes.
    install = function(call) run("install", call) end,
    -- Remove the environment at path, for package; count is the scriptlet's argument, arg[2].
    remove = function(call) run("remove", call) end,
    -- Compare the environment at path with its manifest.
    verify = function(call) run("verify", call) end,
    -- Run a command of the environment at path as a user: command is a list, its arguments too.
    run = function(call) run("run", call) end,
}
