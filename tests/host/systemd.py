"""The part of systemd that packages with units see, and a systemctl that looks and writes down.

Debian's systemd comes without rpm's macros. These do what those of Fedora and EL do, by the same
names: scriptlets call systemd's helper, which marks units, and a trigger restarts them at the end
of the transaction. Its priority is that of systemd's own, and so is its place there.
"""

from __future__ import annotations

from pathlib import Path

from tests.host.host import Host

SAID = "/var/lib/throwaway/systemctl.log"
#: Not in /usr/bin, where this machine may have its own.
SYSTEMCTL = "/usr/lib/systemd/systemctl"
HELPER = "/usr/lib/systemd/systemd-update-helper"

_MACROS = f"""\
%_unitdir /usr/lib/systemd/system
%systemd_requires Requires: systemd
%systemd_post() [ $1 -ne 1 ] || {HELPER} install-system-units %{{*}} || :
%systemd_preun() [ $1 -ne 0 ] || {HELPER} remove-system-units %{{*}} || :
%systemd_postun_with_restart() [ $1 -lt 1 ] || {HELPER} mark-restart-system-units %{{*}} || :
"""

_HELPER = f"""\
#!/bin/sh
verb=$1
shift
case $verb in
install-system-units) {SYSTEMCTL} --no-reload preset "$@" ;;
remove-system-units) {SYSTEMCTL} --no-reload disable --now "$@" ;;
mark-restart-system-units) {SYSTEMCTL} set-property "$@" Markers=+needs-restart ;;
system-reload-restart) {SYSTEMCTL} daemon-reload && {SYSTEMCTL} reload-or-restart --marked ;;
esac
"""

_SYSTEMCTL = f"""\
#!/bin/sh
echo "$* | $(readlink @PATH@) | $(@PATH@/bin/@SAYS@ 2>&1)" >> {SAID}
"""

_SPEC = f"""\
Name:           systemd
Version:        252
Release:        1
Summary:        Stub of systemd
License:        MIT
BuildArch:      noarch
%description
%{{summary}}.
%install
install -D -m 0755 %{{_sourcedir}}/helper %{{buildroot}}{HELPER}
install -D -m 0755 %{{_sourcedir}}/systemctl %{{buildroot}}{SYSTEMCTL}
mkdir -p %{{buildroot}}/usr/lib/systemd/system
%transfiletriggerin -P 900900 -- /usr/lib/systemd/system
{HELPER} system-reload-restart
%files
{HELPER}
{SYSTEMCTL}
%dir /usr/lib/systemd/system
"""


def install_macros(builder: Host) -> None:
    """Give a host that builds the macros of systemd-rpm-macros."""
    configuration = builder.tools.configdir or "/usr/lib/rpm"
    builder.write(f"{configuration}/macros.d/macros.systemd", _MACROS)


def build(builder: Host, path: str, says: str) -> Path:
    """The package: its systemctl writes down each call with what is live at that moment.

    That is where the link at ``path`` leads to, and what the command ``says`` of it prints.
    """
    systemctl = _SYSTEMCTL.replace("@PATH@", path).replace("@SAYS@", says)
    (package,) = builder.build(_SPEC, {"helper": _HELPER, "systemctl": systemctl})
    return package


def calls(host: Host) -> list[list[str]]:
    """The calls since the last look: words, what the environment's link leads to, what it says."""
    if not host.exists(SAID):
        return []
    said = [line.split(" | ") for line in host.read(SAID).splitlines()]
    host.path(SAID).unlink()
    return said
