-- What the macros of macros.venv expand to. Runs while rpm parses a spec file, on rpm 4.14 to 6:
-- nothing here may use the tables `opt` and `arg` (4.17) or `macros` (4.17).
--
-- A macro prints text that rpm expands once more, so that %{error:...} fails the parse and %global
-- survives the macro; a definition made by Lua itself would be gone when the macro returns.

local spec_file = dofile(rpm.expand("%{__venv_lua}/venv_spec_file.lua"))
local passes = dofile(rpm.expand("%{__venv_lua}/venv_passes.lua"))

local LOCK_END = "VENV_LOCK"
local MAX_PATH = 100 -- as in rpm_venv/paths.py

local function fail(text)
    error({mistake = text}, 0)
end

local function option(letter)
    local value = rpm.expand("%{-" .. letter .. "*}")
    return value ~= "" and value or nil
end

local function flag(letter)
    return rpm.expand("%{-" .. letter .. ":1}") == "1"
end

local function arguments()
    local found = {}
    for number = 1, tonumber(rpm.expand("%{#}")) do
        found[number] = rpm.expand("%{" .. number .. "}")
    end
    return found
end

-- rpm keeps the last value of an option that is given twice, and says nothing.
local function refuse_repeated_options()
    local text = " " .. rpm.expand("%{**}")
    for letter in ("rwpxgnabc"):gmatch(".") do
        local _, count = text:gsub("%s%-%a*" .. letter, "")
        if count > 1 then
            local mend = ("xgca"):find(letter, 1, true) and "; separate names with commas" or ""
            fail("-" .. letter .. " is given twice" .. mend)
        end
    end
end

-- rpm ends a macro's arguments with its line, and takes what follows for text of the scriptlet.
local function refuse_continued_line()
    local found = arguments()
    if found[#found] == "\\" then
        fail("its arguments stand on one line, which no backslash continues")
    end
end

local function check_file(letter, path)
    if path:sub(1, 1) ~= "/" then
        fail("-" .. letter .. " takes the absolute path that the installed system has, not " .. path)
    end
    if not path:match("^[%w._+@~^:=,/-]+$") then
        fail("-" .. letter .. " has a character that no scriptlet should see: " .. path)
    end
    return path
end

local function check_path(path)
    local normal = path:gsub("/+", "/"):gsub("/$", "")
    local parts = "/" .. normal .. "/"
    if path:sub(1, 1) ~= "/" then
        fail("the PATH of an environment is absolute, not " .. path)
    elseif not normal:match("^[%w._+@/-]+$") or not normal:match("^/[^/]+/.") then
        fail("the PATH of an environment is two directories deep or more, in letters, digits and "
            .. ". _ + @ -, not " .. path)
    elseif parts:find("/../", 1, true) or parts:find("/./", 1, true) then
        fail("the PATH of an environment has no '.' or '..' in it: " .. path)
    elseif #normal > MAX_PATH then
        fail("the PATH of an environment has at most " .. MAX_PATH .. " characters: " .. path)
    end
    return normal
end

local function one_path()
    local found = arguments()
    if #found == 0 then
        fail("PATH is missing; it is the last word of the line")
    elseif #found > 1 then
        fail("one PATH, not " .. #found .. ": " .. table.concat(found, " ")
            .. " (the macro takes its whole line)")
    end
    return check_path(found[1])
end

local function check_name(letter, name)
    if not name:match("^[%w_][%w._+-]*$") then
        fail("-" .. letter .. " takes a name, not " .. name)
    end
    return name
end

-- The name of the package: what -n says or the spec's own; it must be the scriptlet's.
local function package_name(macro)
    local name = option("n") and check_name("n", option("n")) or rpm.expand("%{name}")
    local here = spec_file.scriptlet(macro, arguments()[1])
    if here and here.package ~= name then
        fail("this scriptlet is of the package " .. here.package .. ", not of " .. name
            .. "; say -n " .. here.package)
    end
    return name
end

local function nevra(name)
    local tags = spec_file.tags(name)
    local epoch = tags.epoch ~= "" and tags.epoch .. ":" or ""
    return name .. "-" .. epoch .. tags.version .. "-" .. tags.release .. "." .. tags.arch
end

local function names(letter)
    local words = {}
    for name in (option(letter) or ""):gmatch("[^,]+") do
        words[#words + 1] = "-" .. letter .. " " .. check_name(letter, name)
    end
    return words
end

-- The options of every declaration that say what it is made for, as the command takes them.
local function interpreter_options()
    local words = {}
    if option("p") then
        local python = option("p")
        words[#words + 1] = "-p "
            .. (python:find("/", 1, true) and check_file("p", python) or check_name("p", python))
    end
    for _, letter in ipairs({"s", "o"}) do
        if flag(letter) then
            words[#words + 1] = "-" .. letter
        end
    end
    for _, letter in ipairs({"x", "g"}) do
        for _, word in ipairs(names(letter)) do
            words[#words + 1] = word
        end
    end
    return words
end

-- The options that %venv_install and %venv_check share, but for the lock.
local function environment_options()
    local words = interpreter_options()
    if option("w") then
        table.insert(words, 1, "-w " .. check_file("w", option("w")))
    end
    return words
end

local function need_lock()
    return option("r") or fail("-r LOCK is missing")
end

-- One line of a scriptlet. When it fails, the lines after it run and the scriptlet fails at its end.
local function command(words, redirection)
    local here = spec_file.scriptlet(words[1]:match("%l+"), arguments()[1])
    if here and not here.program:match("sh$") then
        fail("this scriptlet is for " .. here.program .. ", and the macro is a line of sh")
    end
    return rpm.expand("%{__rpm_venv} ") .. table.concat(words, " ") .. (redirection or "")
        .. " || trap 'exit 1' 0"
end

local function define_global(name, body)
    return "%{expand:%global " .. name .. " " .. body .. "}"
end

local function escape_for_regex(path)
    return (path:gsub("[.+^]", "[%0]"))
end

local function append(macro, word, separator)
    local known = rpm.expand("%{?" .. macro .. "}")
    if (separator .. known .. separator):find(separator .. word .. separator, 1, true) then
        return "" -- a spec is parsed more than once
    end
    return define_global(macro, known == "" and word or known .. separator .. word)
end

-- The hooks into rpmbuild (venv_passes.lua), and the spec file whose mistakes are said with them.
local function hook()
    local file = spec_file.name()
    return (file and append("__venv_spec_file", "--spec-file '" .. file .. "'", " ") or "")
        .. passes.hook()
end

-- A placeholder that nothing lists is no "unpackaged file": PATH need not be known to rpm.
local function tolerate_unlisted(path)
    local text = append("__venv_unlisted", '-e "   ' .. path .. '"', " ")
    if rpm.expand("%{?__venv_tolerant}") ~= "" or rpm.expand("%{?__check_files}") == "" then
        return text
    end
    return text .. define_global("__venv_tolerant", "1")
        .. define_global("__check_files",
            "/bin/sh -c '%{__check_files} | grep -vxF %%{__venv_unlisted}'")
end

-- A %ghost must exist in the buildroot, and what exists there must be packaged: a placeholder is
-- made for a PATH that is listed as %ghost, and where that cannot be known.
local function place(path)
    local ghost = spec_file.has_ghost(path)
    if ghost == false then
        return ""
    end
    return append("__venv_placeholders", "--placeholder " .. path, " ")
        .. (ghost and "" or tolerate_unlisted(path))
end

-- What the generator (fileattrs/venv.attr) and the check after %install work from.
local function declare(name, lock, words, path)
    local declaration = "-d '-n " .. name .. " -r " .. lock .. " "
        .. table.concat(words, " ") .. (#words > 0 and " " or "") .. path .. "'"
    return append("__venv_declarations", declaration, " ")
        .. append("__venv_locks", escape_for_regex(lock), "|")
        .. place(path)
        .. hook()
end

local expansions = {}

-- Whether %venv_declare in %install, which must stand above, declares this path.
local function is_declared(path)
    return (" " .. rpm.expand("%{?__venv_declared}") .. " "):find(" " .. path .. " ", 1, true)
end

function expansions.install()
    local path, words, name = one_path(), environment_options(), package_name("install")
    if not option("r") and #words == 0 and is_declared(path) then
        return command({"install --package", nevra(name), path})
    end
    local lock = check_file("r", option("r") or fail("-r LOCK is missing; with all other options it "
        .. "may be left out where a %venv_declare above is for this PATH"))
    local text = declare(name, lock, words, path)
    table.insert(words, 1, "install -r " .. lock)
    words[#words + 1] = "--package " .. nevra(name) .. " " .. path
    return text .. command(words)
end

function expansions.remove()
    local path = one_path()
    return command({"remove --package", nevra(package_name("remove")), '--count "$1"', path})
end

function expansions.verify()
    return command({"verify --stderr", one_path()})
end

-- The lock without comments, as text for a here-document; only an exact lock has one.
local function read_lock(path)
    local file = io.open(path)
    if not file then
        fail("cannot read " .. path .. "; -r takes a source of the package, such as %{SOURCE1}")
    end
    file:close()
    local text = rpm.expand("%(%{__rpm_venv} lock '" .. path .. "' -)")
    if text == "" or ("\n" .. text .. "\n"):find("\n" .. LOCK_END .. "\n", 1, true) then
        fail(path .. " is no exact lock; the reasons are above")
    end
    return text
end

function expansions.check()
    local path, lock = one_path(), need_lock()
    if lock:sub(1, 1) ~= "/" then
        fail("-r takes a source of the package, such as %{SOURCE1}, not " .. lock)
    end
    lock = check_file("r", lock)
    local words, text = environment_options(), read_lock(lock)
    table.insert(words, 1, "check -r -")
    local scriptlet = spec_file.scriptlet_of("install", path)
    if scriptlet then -- in %posttrans, files of the old version are gone
        words[#words + 1] = "--scriptlet " .. scriptlet
    end
    words[#words + 1] = "--package " .. nevra(package_name("check")) .. " " .. path
    -- A pylock.toml may have percent signs, in URLs; rpm expands this text once more.
    return command(words, " <<'" .. LOCK_END .. "'") .. "\n" .. text:gsub("%%", "%%%%") .. "\n"
        .. LOCK_END
end

-- A file or directory of the build, in a line of a build script: it may be relative there.
local function check_build_file(letter, path)
    if not path:match("^[%w._+@~^:=,/-]+$") then
        fail("-" .. letter .. " has a character that no build script should see: " .. path)
    end
    return "-" .. letter .. " " .. path
end

-- The application's own wheels: those that -a names, or what the build leaves where wheels go.
local function own_wheels()
    local words = {}
    if not option("a") then
        local fedoras = rpm.expand("%{?_pyproject_wheeldir}")
        if fedoras ~= "" then
            words[1] = "--built " .. fedoras
        end
        words[#words + 1] = "--built " .. rpm.expand("%{__venv_wheeldir}")
    elseif option("a") ~= "none" then
        for word in option("a"):gmatch("[^,]+") do
            words[#words + 1] = check_build_file("a", word)
        end
    end
    return words
end

function expansions.declare()
    local path = one_path()
    local here = spec_file.scriptlet("declare", arguments()[1])
    if here then
        fail("stands in %install, not in a scriptlet: the runtime's file triggers do the work")
    end
    local words = {"declare", check_build_file("r", need_lock())}
    if option("w") then
        words[#words + 1] = check_build_file("w", option("w"))
    end
    if option("b") then
        words[#words + 1] = "-b " .. check_name("b", option("b"))
    end
    for _, word in ipairs(own_wheels()) do
        words[#words + 1] = word
    end
    for _, word in ipairs(names("c")) do
        words[#words + 1] = word
    end
    for _, word in ipairs(interpreter_options()) do
        words[#words + 1] = word
    end
    local name = package_name("declare")
    words[#words + 1] = "--package " .. nevra(name) .. rpm.expand(" --bindir %{_bindir} --files ")
        .. rpm.expand("%{venv_files -n " .. name .. "}") .. " " .. path
    return append("__venv_declared", path, " ") .. hook()
        .. rpm.expand("%{__rpm_venv} --root %{buildroot} ") .. table.concat(words, " ")
end

function expansions.wheel()
    local found = arguments()
    if #found > 1 then
        fail("takes one SOURCE, not " .. #found .. " words")
    end
    local words = {rpm.expand("%{__rpm_venv} wheel --wheeldir %{__venv_wheeldir}")}
    for _, word in ipairs(interpreter_options()) do
        words[#words + 1] = word
    end
    words[#words + 1] = found[1] -- a line of a build script: its shell quotes
    return table.concat(words, " ")
end

function expansions.requires()
    if #arguments() > 0 then
        fail("takes no arguments")
    end
    local lines = {}
    for _, scriptlet in ipairs({"pre", "post", "preun", "postun"}) do
        lines[#lines + 1] = rpm.expand(
            "Requires(" .. scriptlet .. "): rpm-venv >= %{__rpm_venv_version}")
    end
    return table.concat(lines, "\n")
end

function expansions.lock()
    local found = arguments()
    if #found ~= 2 then
        fail("takes IN and OUT, not " .. #found .. " words")
    end
    return rpm.expand("%{__rpm_venv} lock %{**}") -- a line of a build script: its shell quotes
end

local function as_error(name, text)
    -- In rpm's macro language, per cent signs start a macro, backslashes escape, braces must pair.
    text = text:gsub("%%", "%%%%"):gsub("[\\\n]", "?")
    if not ("{" .. text .. "}"):match("^%b{}$") then
        text = text:gsub("[{}]", "?")
    end
    return "%{error:%%venv_" .. name .. ": " .. text .. "}"
end

return {
    -- Print the expansion of %venv_NAME for the arguments that rpm holds at this moment.
    expand = function(name)
        local good, result = pcall(function()
            refuse_continued_line()
            if name ~= "lock" then
                refuse_repeated_options()
            end
            return expansions[name]()
        end)
        if not good and type(result) ~= "table" then
            error(result, 0)
        end
        print(good and result or as_error(name, result.mistake))
    end,
}
