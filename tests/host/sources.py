"""Source trees and sdists whose build backend is in them: pip builds them with nothing else."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

#: A build backend (PEP 517) that writes one module, and the time that files have in the wheel.
_BACKEND = """\
import base64, hashlib, os, time, zipfile
NAME, VERSION, REQUIRES = {name!r}, {version!r}, {requires!r}

def build_wheel(directory, settings=None, metadata=None):
    stem = f"{{NAME}}-{{VERSION}}"
    date = time.gmtime(int(os.environ.get("SOURCE_DATE_EPOCH", time.time())))[:6]
    info = ["Metadata-Version: 2.1", f"Name: {{NAME}}", f"Version: {{VERSION}}"]
    info += [f"Requires-Dist: {{line}}" for line in REQUIRES]
    files = {{
        f"{{NAME}}.py": f"__version__ = {{VERSION!r}}\\ndef main():\\n"
        f"    print({{NAME!r}}, __version__)\\n",
        f"{{stem}}.dist-info/METADATA": "\\n".join(info) + "\\n",
        f"{{stem}}.dist-info/WHEEL": "Wheel-Version: 1.0\\nGenerator: tests\\n"
        "Root-Is-Purelib: true\\nTag: py3-none-any\\n",
        f"{{stem}}.dist-info/entry_points.txt": f"[console_scripts]\\n{{NAME}} = {{NAME}}:main\\n",
    }}
    record = f"{{stem}}.dist-info/RECORD"
    digests = {{p: hashlib.sha256(t.encode()).digest() for p, t in files.items()}}
    encoded = {{p: base64.urlsafe_b64encode(d).decode().rstrip("=") for p, d in digests.items()}}
    lines = [f"{{path}},sha256={{encoded[path]}},{{len(files[path])}}" for path in files]
    files[record] = "\\n".join([*lines, f"{{record}},,", ""])
    with zipfile.ZipFile(os.path.join(directory, f"{{stem}}-py3-none-any.whl"), "w") as wheel:
        for path, text in files.items():
            wheel.writestr(zipfile.ZipInfo(path, date), text)
    return f"{{stem}}-py3-none-any.whl"
"""
_PROJECT = """\
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "{name}"
version = "{version}"
"""


@dataclass(frozen=True)
class Sdist:
    """One source distribution, in memory."""

    name: str
    version: str
    filename: str
    content: bytes

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    def save(self, directory: Path) -> Path:
        path = directory / self.filename
        path.write_bytes(self.content)
        return path


def source_files(name: str, version: str = "1.0", requires: Sequence[str] = ()) -> dict[str, str]:
    """The files of a source tree."""
    backend = _BACKEND.format(name=name, version=version, requires=list(requires))
    return {
        "pyproject.toml": _PROJECT.format(name=name, version=version),
        "backend.py": backend,
        "PKG-INFO": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
    }


def make_source(place: Path, name: str, version: str = "1.0", requires: Sequence[str] = ()) -> Path:
    """A source tree at ``place``."""
    place.mkdir(parents=True, exist_ok=True)
    for path, text in source_files(name, version, requires).items():
        (place / path).write_text(text)
    return place


def make_sdist(name: str, version: str = "1.0", files: dict[str, str] | None = None) -> Sdist:
    """An sdist, the same bytes every time."""
    target = io.BytesIO()
    stem = f"{name}-{version}"
    with (
        gzip.GzipFile(fileobj=target, mode="wb", mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w") as archive,
    ):
        for path, text in (files or source_files(name, version)).items():
            info = tarfile.TarInfo(f"{stem}/{path}")
            info.size = len(text.encode())
            archive.addfile(info, io.BytesIO(text.encode()))
    return Sdist(name, version, f"{stem}.tar.gz", target.getvalue())
