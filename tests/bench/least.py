"""The least that makes trees of wheels with byte code: what an install cannot do without.

    python -IS tests/bench/least.py INTO WHEEL…

As many processes as there are cores take one wheel after the other, the largest first: they unzip,
hash and write its files, compile its sources, and hash and write the byte code. What was hashed is
written down, and all is brought to the disk by one syncfs(2). Wheels are believed, as their names
are; nothing is confined, no RECORD is compared, and there is neither a store nor an environment.
"""

from __future__ import annotations

import ctypes
import gc
import hashlib
import importlib.util
import json
import marshal
import os
import sys
import warnings
import zipfile
from collections.abc import Iterator, Sequence

_HEADER = importlib.util.MAGIC_NUMBER + (3).to_bytes(4, "little") + bytes(8)  # PEP 552


def main(words: Sequence[str]) -> None:
    """Make the trees of the wheels below a directory that is there."""
    into, wheels = words[0], sorted(words[1:], key=os.path.getsize, reverse=True)
    queue, filling = os.pipe()
    os.write(filling, b"".join(number.to_bytes(2, "big") for number in range(len(wheels))))
    os.close(filling)
    gc.disable()
    processes = [_start(queue, wheels, into) for _ in os.sched_getaffinity(0)]
    statuses = [os.waitpid(process, 0)[1] for process in processes]
    if any(statuses):
        sys.exit("one of the processes failed")
    place = os.open(into, os.O_RDONLY)
    if ctypes.CDLL(None).syncfs(place) != 0:
        sys.exit("syncfs failed")


def _start(queue: int, wheels: Sequence[str], into: str) -> int:
    process = os.fork()
    if process == 0:
        try:
            _work(queue, wheels, into)
            os._exit(0)
        finally:
            os._exit(1)
    return process


def _work(queue: int, wheels: Sequence[str], into: str) -> None:
    warnings.simplefilter("ignore")
    made = []
    while number := os.read(queue, 2):
        wheel = wheels[int.from_bytes(number, "big")]
        tree = f"{into}/{os.path.basename(wheel)}"
        for path, data in _files(wheel):
            _write(f"{tree}/{path}", data)
            made.append((path, len(data), hashlib.sha256(data).hexdigest()))
    _write(f"{into}/manifest-{os.getpid()}", json.dumps(made).encode())


def _files(wheel: str) -> Iterator[tuple[str, bytes]]:
    """The files of a wheel, and the byte code of those that can be compiled."""
    tag = sys.implementation.cache_tag
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.infolist():
            path = member.filename
            if member.is_dir():
                continue
            data = archive.read(member)
            yield path, data
            if path.endswith(".py"):
                try:
                    code = compile(data, f"/opt/app/{path}", "exec", dont_inherit=True)
                except (SyntaxError, ValueError):
                    continue
                directory, name = os.path.split(path)
                byte_code = os.path.join(directory, "__pycache__", f"{name[:-3]}.{tag}.pyc")
                yield byte_code, _HEADER + marshal.dumps(code)


def _write(path: str, data: bytes) -> None:
    new = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    try:
        descriptor = os.open(path, new, 0o644)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        descriptor = os.open(path, new, 0o644)
    os.write(descriptor, data)
    os.close(descriptor)


if __name__ == "__main__":
    main(sys.argv[1:])
