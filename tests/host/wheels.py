"""Small lawful wheels made in this process, the same bytes every time, and locks that name them."""

from __future__ import annotations

import base64
import hashlib
import io
import re
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_FIRST_ZIP_DATE = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Wheel:
    """One wheel, in memory."""

    name: str
    version: str
    filename: str
    content: bytes

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    def requirement(self, marker: str = "") -> str:
        """The wheel's line in a lock."""
        condition = f" ; {marker}" if marker else ""
        return f"{self.name}=={self.version}{condition} --hash=sha256:{self.sha256}"

    def save(self, directory: Path) -> Path:
        """Write the wheel below its own file name; the path."""
        path = directory / self.filename
        path.write_bytes(self.content)
        return path


def make_wheel(
    name: str,
    version: str = "1.0",
    files: Mapping[str, str | bytes] | None = None,
    *,
    tag: str = "py3-none-any",
    scripts: Mapping[str, str] | None = None,
    gui_scripts: Mapping[str, str] | None = None,
    data: Mapping[str, str | bytes] | None = None,
    requires: Sequence[str] = (),
    requires_python: str = "",
    executable: Iterable[str] = (),
    record: str | None = None,
    compression: int = zipfile.ZIP_DEFLATED,
) -> Wheel:
    """A wheel of ``files`` (path in site-packages → content).

    Without ``files`` it has one module of its name, with ``__version__`` and ``main()``, which
    prints both. ``scripts`` and ``gui_scripts`` are entry points (``{"app": "app:main"}``).
    ``data`` goes to ``NAME.data/``, so its paths begin with a scheme: ``scripts/x``,
    ``data/etc/x``, ``headers/x.h``, ``purelib/…``. Files in ``executable`` have mode 755.
    ``record`` replaces the true RECORD, for wheels that are to be refused.
    """
    distribution = re.sub(r"[-_.]+", "_", name)
    stem = f"{distribution}-{version.replace('-', '_')}"
    entries = dict(files if files is not None else _module(distribution, version))
    entries.update({f"{stem}.data/{path}": content for path, content in (data or {}).items()})
    entries[f"{stem}.dist-info/METADATA"] = _metadata(name, version, requires, requires_python)
    entries[f"{stem}.dist-info/WHEEL"] = _wheel_file(tag)
    if scripts or gui_scripts:
        entries[f"{stem}.dist-info/entry_points.txt"] = _entry_points(
            {"console_scripts": scripts or {}, "gui_scripts": gui_scripts or {}}
        )
    record_path = f"{stem}.dist-info/RECORD"
    entries[record_path] = _record(entries, record_path) if record is None else record
    return Wheel(name, version, f"{stem}-{tag}.whl", _zip(entries, set(executable), compression))


def make_lock(wheels: Iterable[Wheel]) -> str:
    """A ``requirements.txt`` that is exact: these wheels, by their hashes."""
    return "".join(f"{wheel.requirement()}\n" for wheel in wheels)


def _module(distribution: str, version: str) -> dict[str, str | bytes]:
    code = (
        f"__version__ = {version!r}\n\n\n"
        f"def main():\n    print({distribution!r}, __version__)\n\n\n"
        'if __name__ == "__main__":\n    main()\n'
    )
    return {f"{distribution}.py": code}


def _metadata(name: str, version: str, requires: Sequence[str], requires_python: str) -> str:
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    lines += [f"Requires-Dist: {requirement}" for requirement in requires]
    lines += [f"Requires-Python: {requires_python}"] if requires_python else []
    return "\n".join(lines) + "\n"


def _wheel_file(tag: str) -> str:
    python, abi, platform = tag.split("-")
    tags = [
        f"Tag: {p}-{a}-{f}"
        for p in python.split(".")
        for a in abi.split(".")
        for f in platform.split(".")
    ]
    pure = "true" if platform == "any" else "false"
    return "\n".join(
        ["Wheel-Version: 1.0", "Generator: tests", f"Root-Is-Purelib: {pure}", *tags, ""]
    )


def _entry_points(groups: Mapping[str, Mapping[str, str]]) -> str:
    return "".join(
        f"[{group}]\n" + "".join(f"{name} = {target}\n" for name, target in points.items()) + "\n"
        for group, points in groups.items()
        if points
    )


def _record(entries: Mapping[str, str | bytes], record_path: str) -> str:
    lines = []
    for path, content in entries.items():
        digest = hashlib.sha256(_bytes(content)).digest()
        encoded = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        lines.append(f"{path},sha256={encoded},{len(_bytes(content))}")
    return "\n".join([*lines, f"{record_path},,", ""])


def _zip(entries: Mapping[str, str | bytes], executable: set[str], compression: int) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for path, content in entries.items():
            info = zipfile.ZipInfo(path, _FIRST_ZIP_DATE)
            info.create_system = 3  # Unix: the mode below counts
            info.external_attr = (0o100755 if path in executable else 0o100644) << 16
            info.compress_type = compression
            archive.writestr(info, _bytes(content))
    return target.getvalue()


def _bytes(content: str | bytes) -> bytes:
    return content if isinstance(content, bytes) else content.encode()
