-- What venv_macros.lua has to know of the spec file being parsed, which rpm's macros do not tell: the
-- scriptlet a line is in, and whether %files lists a path as %ghost. Both are answered from the
-- spec file's text, and with nil where that does not decide it.

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

-- What a scriptlet's first line says: "%post", "%post SUBPACKAGE", "%post -n NAME -p PROGRAM".
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

-- The spec file's lines; nil where they cannot be known. rpm 4.14 does not tell the file's name.
local function spec_lines()
    local name = rpm.expand("%{?__file_name}")
    local file = io.open(name ~= "" and name or rpm.expand("%{_specdir}/%{name}.spec"))
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
        if line:match("^%s*%%if") then
            depth = depth + 1
        elseif line:match("^%s*%%el[si]") and header and depth <= header_depth then
            header = nil
        elseif line:match("^%s*%%endif") then
            depth = depth - 1
            if depth < header_depth then
                header = nil
            end
        elseif section(line) then
            header, header_depth = line, depth
        end
    end
    return header
end

-- The number of the line being parsed. Before rpm 4.16 that is the one line which calls the macro with
-- this argument; 0 where there are several, as with conditionals.
local function line_number(lines, macro, argument)
    local told = tonumber(rpm.expand("%{?__file_lineno}"))
    if told then
        return math.min(told, #lines)
    end
    local found, path = nil, " " .. argument .. " "
    for number, line in ipairs(lines) do
        local call = line:match("^%s*%%(venv_" .. macro .. "%s.*)")
        if call and (rpm.expand(call) .. " "):find(path, 1, true) then
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

-- Whether a %files section lists PATH as %ghost; nil where other files than this one may do so.
local function has_ghost(path)
    local here, elsewhere = false, false
    for _, line in ipairs(spec_lines() or {}) do
        if line:find("%ghost", 1, true) then
            for word in rpm.expand(line):gmatch("%S+") do
                if word == path then
                    return true
                end
            end
        end
        here = here or line:match("^%s*%%files")
        elsewhere = elsewhere or line:match("^%s*%%files.*%s%-f") or line:match("^%s*%%include")
    end
    if here and not elsewhere then
        return false
    end
    return nil
end

return {
    -- The scriptlet that the call of %venv_MACRO with this argument stands in: its package, program.
    scriptlet = scriptlet,
    has_ghost = has_ghost,
}
