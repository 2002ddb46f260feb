"""What a confined child may say to root, and how much: frames over a pipe. Pure; both sides' own.

A frame is its kind, the length of its payload, and the payload:

- ``META``, first: a JSON object of the wheel's own claims about itself;
- ``PARTS``: one byte, in how many parts the byte code is made, by as many children (``PART``);
- ``FILE``: one file, its header and the first bytes; ``MORE``: the bytes after those;
- ``BEARS``: a JSON list, the directories that a link can stand for (``reach``);
- ``PROBLEM``: a JSON pair, what is wrong and where; the wheel is refused;
- ``END``, last: nothing was left out. A stream without it is a child that died.
"""

import struct

META, PARTS, FILE, MORE, BEARS, PROBLEM, END = b"M", b"N", b"F", b"D", b"B", b"P", b"E"

FRAME = struct.Struct("<cI")
#: scheme, flags, size of the whole file, length of the name, length of the expected digest.
HEADER = struct.Struct("<BBQHB")
EXECUTABLE, BYTE_CODE = 1, 2

#: What a child is to do: its number, and how many there are. The first one, 0, says everything but
#: the byte code of the others, and is told how many there may be; the others say only theirs.
PART = struct.Struct("<BB")
#: A child's wait status.
STATUS = struct.Struct("<i")
ALONE = (0, 1)
#: Bytes of sources that are worth a child of their own: half a second to a second of compiling.
PART_BYTES = 8 << 20

#: Where files go: purelib and platlib are one place in a virtual environment.
SCHEMES = ("site", "data", "headers", "scripts")
SITE = 0

#: RECORD's algorithms that are good enough, by the length of their digests.
DIGESTS = {32: "sha256", 48: "sha384", 64: "sha512"}

MAX_PAYLOAD = 1 << 20
CHUNK = 1 << 18

# The limits of one wheel. The largest wheels on PyPI (CUDA libraries) stay below a third of them.
MAX_WHEEL = 4 << 30
MAX_UNPACKED = 16 << 30
MAX_FILE = 8 << 30
MAX_FILES = 60_000
MAX_RATIO = 200  # unpacked to packed, above the first MAX_FREE bytes; deflate itself can do 1032
MAX_FREE = 256 << 20
MAX_DOCUMENT = 32 << 20  # RECORD; the other parts of dist-info that are read are smaller
MAX_PROBLEMS = 50
MAX_SOURCE = 6 << 20  # a larger source gets no byte code; the largest known has 5,998,830 bytes
CPU_SECONDS = 600  # per child
PROGRAM_MEMORY = 1 << 30  # of pip, whose index may send it a page without an end
