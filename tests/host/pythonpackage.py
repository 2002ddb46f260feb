"""Another Python as the system's: an RPM ``python3`` with a real interpreter in it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from tests.host.host import Host

#: Of the standard library, what no environment needs, and is most of it.
_LEFT_OUT = (
    *("test", "idlelib", "tkinter", "turtledemo", "ensurepip", "lib2to3", "pydoc_data"),
    *("site-packages", "dist-packages", "__pycache__", "config-*", "_test*", "*.a"),
)
_ASK = """\
import json, os, sys, sysconfig
name = sysconfig.get_config_var("INSTSONAME") or ""
library = os.path.join(sysconfig.get_config_var("LIBDIR"), name)
print(json.dumps({
    "version": sys.version.split()[0],
    "program": os.path.realpath(sys.executable),
    "standard": sysconfig.get_path("stdlib"),
    "library": library if ".so" in library and os.path.exists(library) else "",
}))
"""


def build(builder: Host, python: Path) -> Path:
    """The RPM that makes ``python`` the system's: /usr/bin/python3, and where that looks for it.

    A CPython finds its standard library from where its program is.
    """
    asked = subprocess.run([python, "-c", _ASK], check=True, capture_output=True, text=True)
    about = json.loads(asked.stdout)
    minor = ".".join(about["version"].split(".")[:2])
    exclude = " ".join(f"--exclude='{name}'" for name in _LEFT_OUT)
    archive = subprocess.run(
        f"tar -C {about['standard']} {exclude} -chf - .",
        shell=True,
        check=True,
        capture_output=True,
    ).stdout
    sources: dict[str, str | bytes | Path] = {
        "standard.tar": archive,
        "program": Path(about["program"]),
    }
    library = Path(about["library"]) if about["library"] else None
    with_library = ""
    if library:  # found there by everybody, whatever path is in the program
        sources["library"] = library
        place = f"%{{buildroot}}/usr/lib/{library.name}"
        with_library = f"install -m 0755 %{{_sourcedir}}/library {place}"
    spec = f"""\
Name: python3
Version: {about["version"]}
Release: 1
Summary: Another Python
License: Python-2.0
AutoReqProv: no
Provides: python(abi) = {minor}
Provides: python{minor} = %{{version}}
Provides: python3-libs = %{{version}}
%global debug_package %{{nil}}
%global __os_install_post %{{nil}}
%description
%{{summary}}.
%install
mkdir -p %{{buildroot}}/usr/bin %{{buildroot}}/usr/lib/python{minor}
tar -C %{{buildroot}}/usr/lib/python{minor} -xf %{{_sourcedir}}/standard.tar
install -m 0755 %{{_sourcedir}}/program %{{buildroot}}/usr/bin/python{minor}
ln -s python{minor} %{{buildroot}}/usr/bin/python3
{with_library}
%files
/usr/bin/*
/usr/lib/*
"""
    (package,) = builder.build(spec, sources)
    return package
