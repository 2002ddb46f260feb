"""The sha256 of what is held in memory: of a little of it without OpenSSL.

To load libcrypto takes 5 ms, a tenth of a call with nothing to do, and most calls hash some
kilobytes. Python has a sha256 of its own. Where a distribution builds Python without it, or has it
refuse in FIPS mode, OpenSSL's is what there is; the standard library's ``random`` does the same for
sha512. Both are SHA-256; Python's own is no validated module. What is hashed while it is read,
wheels and the files of objects, is left to ``hashlib``, which is seven times as fast.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hashlib import _Hash as Hash
    from typing import Callable

#: Bytes from which on OpenSSL is loaded for it.
_MUCH = 64 << 10
_MODULE = "_sha2" if sys.version_info >= (3, 12) else "_sha256"


def sha256(data: bytes | bytearray) -> Hash:
    """As ``hashlib.sha256``, of all the data at once."""
    if len(data) < _MUCH and "hashlib" not in sys.modules:
        try:
            return _own()(data)
        except (ImportError, ValueError):  # patches for FIPS mode refuse by either
            pass
    import hashlib

    return hashlib.sha256(data)


def _own() -> Callable[[bytes | bytearray], Hash]:
    """Python's own; ``ImportError`` where it has none."""
    made: Callable[[bytes | bytearray], Hash] = __import__(_MODULE).sha256
    return made
