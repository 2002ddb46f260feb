"""The activate scripts: one each for the shells that the standard ``venv`` serves. Pure.

They name the generation, as every script of an environment does: a shell that was activated through
PATH keeps the generation it had. The standard library's own templates change with its releases, and
a generation may not. Variables are called as there, so that environments can follow one another.
"""

from __future__ import annotations

from collections.abc import Mapping

_POSIX = """\
# Source this from a POSIX shell, bash, ksh or zsh:  . {generation}/bin/activate

deactivate () {{
    if [ -n "${{_OLD_VIRTUAL_PATH:-}}" ]; then
        PATH=$_OLD_VIRTUAL_PATH
        export PATH
        unset _OLD_VIRTUAL_PATH
    fi
    if [ -n "${{_OLD_VIRTUAL_PYTHONHOME:-}}" ]; then
        PYTHONHOME=$_OLD_VIRTUAL_PYTHONHOME
        export PYTHONHOME
        unset _OLD_VIRTUAL_PYTHONHOME
    fi
    if [ -n "${{_OLD_VIRTUAL_PS1:-}}" ]; then
        PS1=$_OLD_VIRTUAL_PS1
        export PS1
        unset _OLD_VIRTUAL_PS1
    fi
    hash -r 2>/dev/null || :
    unset VIRTUAL_ENV VIRTUAL_ENV_PROMPT
    if [ "${{1:-}}" != nondestructive ]; then
        unset -f deactivate
    fi
}}

deactivate nondestructive

VIRTUAL_ENV='{generation}'
VIRTUAL_ENV_PROMPT='{prompt}'
export VIRTUAL_ENV VIRTUAL_ENV_PROMPT

_OLD_VIRTUAL_PATH=$PATH
PATH="$VIRTUAL_ENV/bin:$PATH"
export PATH

if [ -n "${{PYTHONHOME:-}}" ]; then
    _OLD_VIRTUAL_PYTHONHOME=$PYTHONHOME
    unset PYTHONHOME
fi

if [ -z "${{VIRTUAL_ENV_DISABLE_PROMPT:-}}" ]; then
    _OLD_VIRTUAL_PS1=${{PS1:-}}
    PS1="({prompt}) ${{PS1:-}}"
    export PS1
fi

hash -r 2>/dev/null || :
"""

_CSH = """\
# Source this from csh or tcsh:  source {generation}/bin/activate.csh

# With && and not with if: csh looks up the variables of a line before it runs any of it.
alias deactivate 'test $?_OLD_VIRTUAL_PATH != 0 && setenv PATH "$_OLD_VIRTUAL_PATH" && \
unset _OLD_VIRTUAL_PATH; \
test $?_OLD_VIRTUAL_PROMPT != 0 && set prompt = "$_OLD_VIRTUAL_PROMPT:q" && \
unset _OLD_VIRTUAL_PROMPT; \
rehash; unsetenv VIRTUAL_ENV; unsetenv VIRTUAL_ENV_PROMPT; \
test "\\!:*" != nondestructive && unalias deactivate'

deactivate nondestructive

setenv VIRTUAL_ENV '{generation}'
setenv VIRTUAL_ENV_PROMPT '{prompt}'

set _OLD_VIRTUAL_PATH = "$PATH"
setenv PATH "$VIRTUAL_ENV/bin:$PATH"

if (! $?VIRTUAL_ENV_DISABLE_PROMPT) then
    if ($?prompt) then
        set _OLD_VIRTUAL_PROMPT = "$prompt:q"
        set prompt = "({prompt}) $prompt:q"
    endif
endif

rehash
"""

_FISH = """\
# Source this from fish:  source {generation}/bin/activate.fish

function deactivate -d "Leave the virtual environment"
    if set -q _OLD_VIRTUAL_PATH
        set -gx PATH $_OLD_VIRTUAL_PATH
        set -e _OLD_VIRTUAL_PATH
    end
    if set -q _OLD_VIRTUAL_PYTHONHOME
        set -gx PYTHONHOME $_OLD_VIRTUAL_PYTHONHOME
        set -e _OLD_VIRTUAL_PYTHONHOME
    end
    if functions -q _old_fish_prompt
        functions -e fish_prompt
        functions -c _old_fish_prompt fish_prompt
        functions -e _old_fish_prompt _rpm_venv_status
    end
    set -e VIRTUAL_ENV
    set -e VIRTUAL_ENV_PROMPT
    if test "$argv[1]" != nondestructive
        functions -e deactivate
    end
end

deactivate nondestructive

set -gx VIRTUAL_ENV '{generation}'
set -gx VIRTUAL_ENV_PROMPT '{prompt}'

set -gx _OLD_VIRTUAL_PATH $PATH
set -gx PATH "$VIRTUAL_ENV/bin" $PATH

if set -q PYTHONHOME
    set -gx _OLD_VIRTUAL_PYTHONHOME $PYTHONHOME
    set -e PYTHONHOME
end

if test -z "$VIRTUAL_ENV_DISABLE_PROMPT"; and functions -q fish_prompt
    functions -c fish_prompt _old_fish_prompt
    function _rpm_venv_status
        return $argv[1]
    end
    function fish_prompt
        set -l before $status
        printf '(%s) ' '{prompt}'
        _rpm_venv_status $before
        _old_fish_prompt
    end
end
"""

_POWERSHELL = """\
# Dot-source this from PowerShell:  . {generation}/bin/Activate.ps1

function global:deactivate([switch] $NonDestructive) {{
    if (Test-Path -Path Variable:_OLD_VIRTUAL_PATH) {{
        $env:PATH = $global:_OLD_VIRTUAL_PATH
        Remove-Variable -Name _OLD_VIRTUAL_PATH -Scope Global
    }}
    if (Test-Path -Path Variable:_OLD_VIRTUAL_PYTHONHOME) {{
        $env:PYTHONHOME = $global:_OLD_VIRTUAL_PYTHONHOME
        Remove-Variable -Name _OLD_VIRTUAL_PYTHONHOME -Scope Global
    }}
    if (Test-Path -Path Function:_OLD_VIRTUAL_PROMPT) {{
        Copy-Item -Path Function:_OLD_VIRTUAL_PROMPT -Destination Function:prompt
        Remove-Item -Path Function:_OLD_VIRTUAL_PROMPT
    }}
    Remove-Item -Path Env:VIRTUAL_ENV, Env:VIRTUAL_ENV_PROMPT -ErrorAction SilentlyContinue
    if (-not $NonDestructive) {{
        Remove-Item -Path Function:deactivate
    }}
}}

deactivate -NonDestructive

$env:VIRTUAL_ENV = '{generation}'
$env:VIRTUAL_ENV_PROMPT = '{prompt}'

$global:_OLD_VIRTUAL_PATH = $env:PATH
$env:PATH = "$env:VIRTUAL_ENV/bin$([System.IO.Path]::PathSeparator)$env:PATH"

if (Test-Path -Path Env:PYTHONHOME) {{
    $global:_OLD_VIRTUAL_PYTHONHOME = $env:PYTHONHOME
    Remove-Item -Path Env:PYTHONHOME
}}

if (-not $env:VIRTUAL_ENV_DISABLE_PROMPT) {{
    function global:_OLD_VIRTUAL_PROMPT {{ "" }}
    Copy-Item -Path Function:prompt -Destination Function:_OLD_VIRTUAL_PROMPT
    function global:prompt {{
        Write-Host -NoNewline -ForegroundColor Green "($env:VIRTUAL_ENV_PROMPT) "
        _OLD_VIRTUAL_PROMPT
    }}
}}
"""

_TEMPLATES = {
    "activate": _POSIX,
    "activate.csh": _CSH,
    "activate.fish": _FISH,
    "Activate.ps1": _POWERSHELL,
}

#: File names below bin/.
NAMES = frozenset(_TEMPLATES)


def scripts(generation: str, prompt: str) -> Mapping[str, bytes]:
    """The activate scripts by file name, for a generation given by its target path.

    Both values come from an environment's path, whose characters no shell takes for anything else.
    """
    return {
        name: template.format(generation=generation, prompt=prompt).encode()
        for name, template in _TEMPLATES.items()
    }
