-- What venv_macros.lua has to know of the spec file being parsed, which rpm's macros do not tell: the
-- scriptlet a line is in, a subpackage's own version, and whether %files lists a path as %ghost. It
-- is answered from the spec file's text, and with nil where that does not decide it.

-- The sections of a spec file that end a scriptlet, and those that are one.
local SCRIPTLETS = {
    pre = true, post = true, preun = true, postun = true, pretrans = true, posttrans = true,
    preuntrans = true, postuntrans = true, verifyscript = true,
}
local SECTIONS = {
    package = true, description = true, prep = true, generate_buildrequires = true, conf = true,
    build = true, install = true, check = true, clean = true, files = true, changelog = true,
    sepolicy = true, sourcelist = true, patchlist = true,
}

local function section(line)
    local word = line:match("^%s*%%(%l[%l_]*)%f[%s\0]") or line:match("^%s*%%(%l[%l_]*)$")
    if word and (SCRIPTLETS[word] or SECTIONS[word] or word:match("trigger")) then
        return word
    end
end

-- By how much a line changes the depth of conditions.
local function nesting(line)
    return line:match("^%s*%%if") and 1 or line:match("^%s*%%endif") and -1 or 0
end

-- What a section's first line says: "%post", "%post SUBPACKAGE", "%post -n NAME -p PROGRAM".
local function read_header(line)
    local words, index = {}, 2
    local header = {package = rpm.expand("%{name}"), program = "/bin/sh"}
    for word in rpm.expand(line):gmatch("%S+") do
        words[#words + 1] = word
    end
    while words[index] do
        local word = words[index]
        if word == "-n" then
            index = index + 1
            header.package = words[index]
        elseif word == "-p" then
            index = index + 1
            header.program = words[index]
        elseif word:sub(1, 1) ~= "-" then
            header.package = header.package .. "-" .. word
        end
        index = index + 1
    end
    return header
end

-- The spec file's name; rpm 4.14 does not tell it.
local function spec_name()
    local name = rpm.expand("%{?__file_name}")
    return name ~= "" and name or rpm.expand("%{_specdir}/%{name}.spec")
end

-- The same for a line of a build script; nil where that would have to quote it. What BuildSystem
-- makes is parsed from a temporary file.
local function plain_name()
    local name = spec_name():gsub("^.*/rpm%-tmp%.%w+$", rpm.expand("%{_specdir}/%{name}.spec"))
    return name:match("^/[%w._+@~^:=,/ -]+$")
end

-- The spec file's lines; nil where they cannot be known.
local function spec_lines()
    local file = io.open(spec_name())
    if not file then
        return nil
    end
    local lines = {}
    for line in file:lines() do
        lines[#lines + 1] = line
    end
    file:close()
    return lines
end

-- The section that a line of the spec file is in; nil where conditionals leave several candidates.
local function header_above(lines, number)
    local header, header_depth, depth = nil, 0, 0
    for index = 1, number - 1 do
        local line = lines[index]
        depth = depth + nesting(line)
        local leaves = depth < header_depth
            or line:match("^%s*%%el[si]") and depth <= header_depth
        if header and leaves then
            header = nil
        elseif section(line) then
            header, header_depth = line, depth
        end
    end
    return header
end

-- Whether a line calls %venv_MACRO with this argument.
local function calls(line, macro, argument)
    local call = line:match("^%s*%%(venv_" .. macro .. "%s.*)")
    return call and (rpm.expand(call) .. " "):find(" " .. argument .. " ", 1, true)
end

-- The number of the line being parsed. Before rpm 4.16 that is the one line which calls the macro with
-- this argument; 0 where there are several, as with conditionals.
local function line_number(lines, macro, argument)
    local told = tonumber(rpm.expand("%{?__file_lineno}"))
    if told then
        return math.min(told, #lines)
    end
    local found = nil
    for number, line in ipairs(lines) do
        if calls(line, macro, argument) then
            found = found and 0 or number
        end
    end
    return found or 0
end

-- The scriptlet being parsed (read_header); nil where it cannot be known.
local function scriptlet(macro, argument)
    local lines = spec_lines() or {}
    local header = header_above(lines, line_number(lines, macro, argument))
    return header and SCRIPTLETS[section(header)] and read_header(header)
end

-- The kind of scriptlet that calls %venv_MACRO with this argument ("post"); nil where that is not
-- one, or cannot be known.
local function scriptlet_of(macro, argument)
    local lines, found = spec_lines() or {}, nil
    for number, line in ipairs(lines) do
        if calls(line, macro, argument) then
            local header = header_above(lines, number)
            local name = header and section(header)
            if not SCRIPTLETS[name or ""] or found and found ~= name then
                return nil
            end
            found = name
        end
    end
    return found
end

-- Whether a line of %files lists PATH as %ghost, in quotes or with a slash at its end as well.
local function lists(line, path)
    if not line:find("%ghost", 1, true) or line:match("^%s*#") or line:match("^%s*%%dnl") then
        return false
    end
    for word in rpm.expand(line):gmatch("%S+") do
        if word:gsub('"', ""):gsub("/+", "/"):gsub("/$", "") == path then
            return true
        end
    end
    return false
end

-- Whether a %files section lists PATH as %ghost; nil where a condition decides that, or where other
-- files than this one may do so.
local function has_ghost(path)
    local inside, here, unsure, depth = false, false, false, 0
    for _, line in ipairs(spec_lines() or {}) do
        depth = depth + nesting(line)
        local name = section(line)
        if name then
            inside = name == "files"
            here = here or inside
        end
        unsure = unsure or line:match("^%s*%%include") or inside and name and line:match("%s%-f")
        if inside and lists(line, path) then
            if depth == 0 then
                return true
            end
            unsure = true
        end
    end
    if here and not unsure then
        return false
    end
    return nil
end

local TAGS = {epoch = true, version = true, release = true, buildarch = true}

-- The TAGS of every package of the spec file, by its name: their text; false where a condition
-- decides it, or where there are several.
local function preambles()
    local main, depth = {}, 0
    local found, current = {[rpm.expand("%{name}")] = main}, main
    for _, line in ipairs(spec_lines() or {}) do
        depth = depth + nesting(line)
        local name = section(line)
        if name then
            current = name == "package" and {} or nil
            if current then
                found[read_header(line).package] = current
            end
        end
        local tag, text = line:match("^%s*(%a+)%s*:%s*(.-)%s*$")
        tag = tag and tag:lower()
        if current and TAGS[tag] then
            current[tag] = depth == 0 and current[tag] == nil and text
        end
    end
    return found, main
end

-- Whether a subpackage has this tag.
local function is_overwritten(tag, found, main)
    for _, package in pairs(found) do
        if package ~= main and package[tag] ~= nil then
            return true
        end
    end
    return false
end

-- The epoch (may be ""), version, release and architecture of a package. rpm's macros have what was
-- said last, so where a subpackage has a version of its own they are no other package's any more.
local function tags(name)
    local macros = {
        epoch = rpm.expand("%{?epoch}"), version = rpm.expand("%{version}"),
        release = rpm.expand("%{release}"), arch = rpm.expand("%{_target_cpu}"),
    }
    local found, main = preambles()
    local own = found[name]
    if not own then
        return macros
    end
    if own ~= main and own.buildarch then
        macros.arch = rpm.expand(own.buildarch)
    end
    for _, tag in ipairs({"epoch", "version", "release"}) do
        local text = own[tag]
        if text == nil then -- inherited, or said nowhere
            text = main[tag] or main[tag] == nil and ""
        end
        if text and is_overwritten(tag, found, main) then
            macros[tag] = rpm.expand(text)
        end
    end
    return macros
end

return {
    name = plain_name,
    -- The scriptlet that the call of %venv_MACRO with this argument stands in: its package, program.
    scriptlet = scriptlet,
    scriptlet_of = scriptlet_of,
    tags = tags,
    has_ghost = has_ghost,
}
