-- How a spec file's environments stay out of what the distribution does to every buildroot: strip,
-- debuginfo, rpath and shebang passes, byte-compilation, ELF and script dependencies.
--
-- rpm runs %__spec_install_post at the end of %install. It gets two lines around what it is: what is
-- ours goes out of the buildroot before, and comes back after, as it was. So the passes themselves
-- and the rest of the package stay as the distribution and the author have them.

-- What rpm's platforms and every distribution we know have there.
local STANDARD = "%{?__debug_package:%{__debug_install_post}}\n"
    .. "%{__arch_install_post}\n%{__os_install_post}\n"

-- No dependency generator but ours looks at environments and objects.
local OURS = "^/usr/lib/rpm-venv/"

-- The text that defines a macro for the rest of the build, with this body and not what it expands to.
local function define_literally(name, body)
    local text = body:gsub("\\", "\\\\"):gsub("%%", "%%%%"):gsub("\n", "\\\n")
    return "%{expand:%global " .. name .. " " .. text .. "}"
end

local function without_space(text)
    return (text:gsub("%s+", ""))
end

-- The body of %__spec_install_post. Before rpm 4.16 no macro tells a body: then what is not the
-- standard one is taken as it expands now.
local function install_post()
    local body = rpm.expand("%{macrobody:__spec_install_post}")
    if not body:match("^%%{macrobody:") then
        return body
    end
    local expanded = rpm.expand("%{?__spec_install_post}")
    if without_space(expanded) == without_space(rpm.expand(STANDARD)) then
        return STANDARD
    end
    return (expanded:gsub("%%", "%%%%"))
end

-- An author's own pattern may come after the first environment of the spec file, so this is done
-- twice: when that is declared, and when %install ends.
local function exclude()
    local text = ""
    for _, kind in ipairs({"requires", "provides"}) do
        local name = "__" .. kind .. "_exclude_from"
        local known = rpm.expand("%{?" .. name .. "}")
        if not ("|" .. known .. "|"):find("|" .. OURS .. "|", 1, true) then
            text = text .. define_literally(name, known == "" and OURS or known .. "|" .. OURS)
        end
    end
    return text
end

-- Set where the first environment is declared, not in the macro file: files that rpm reads later (its
-- platform's, the distribution's) define %__spec_install_post anew.
local function hook()
    if rpm.expand("%{?__venv_hooked}") ~= "" then
        return ""
    end
    return define_literally("__venv_hooked", "1") .. exclude()
        .. define_literally("__spec_install_post",
            "%{__venv_set_aside}\n" .. install_post() .. "\n%{__venv_put_back}\n")
end

return {exclude = exclude, hook = hook}
