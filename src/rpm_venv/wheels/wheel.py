"""What a wheel may be: its file name, its claims about itself, and where its files may go. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice, product

from rpm_venv.confined import names, protocol
from rpm_venv.errors import Problem, WheelError
from rpm_venv.frozen import dataclass
from rpm_venv.locks.plain_version import PlainVersion, is_plain
from rpm_venv.wheels.objects import EntryPoint

TYPE_CHECKING = False
if TYPE_CHECKING:  # what parses names imports ten times what the rest of this needs
    from typing import Any

    from rpm_venv.locks.plain_version import AnyVersion

INSTALLER = b"rpm-venv\n"

# Patterns are compiled where they are needed first: most calls make no object.

#: A tag and a file name that are read without ``packaging``, as most are: it takes long to import.
_PLAIN_TAG = r"[a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*)*(?:-[a-z0-9_]+(?:\.[a-z0-9_]+)*){2}"
_PLAIN = (
    rf"(?P<name>[A-Za-z0-9]+(?:[._][A-Za-z0-9]+)*)-(?P<version>[^-]+)-(?P<tags>{_PLAIN_TAG})\.whl"
)
#: Letters that a field of RECORD may have without quotes; most paths have no others.
_UNQUOTED = r"[!#-+\--~]+"
_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_COMMAND = r"[A-Za-z0-9_][A-Za-z0-9_.+-]*"
_TARGET = r"(?P<module>[\w.]+)\s*:\s*(?P<attribute>[\w.]+)\s*(\[[^]]*\])?"
_MAX_COMMANDS = 2000
_MAX_NAME = 255  # bytes, on every Linux filesystem
_MAX_TAGS = 1000  # in one compressed set, and in all that a wheel claims
#: An environment's own: the interpreter under each of its names, and what switches it on. Other
#: names that begin so are free: argcomplete has python-argcomplete-check-easy-install-script.
_RESERVED_COMMAND = r"(python|pypy)[0-9.]*[dmt]*(w|-config)?|activate(_this|\..+)?|Activate\..+"
_RESERVED_DATA = (
    r"pyvenv\.cfg|lib64(/.*)?|lib/python[0-9.]+t?(/.*)?|include/site(/.*)?"
    r"|(bin|lib|include|etc|share)"
)


@dataclass(frozen=True)
class WheelName:
    """The parts of a wheel's file name; ``tags`` as ``py-abi-platform`` strings."""

    filename: str
    name: str
    version: AnyVersion
    build: tuple[int, str] | tuple[()]
    tags: frozenset[str]

    @classmethod
    def parse(cls, filename: str) -> WheelName:
        """The parts of ``filename``; ``WheelError`` where it is not a wheel's name."""
        plain = re.fullmatch(_PLAIN, filename)
        if plain and is_plain(plain["version"]) and not has_too_many_tags(filename[:-4]):
            version = PlainVersion(plain["version"])
            all_tags = frozenset(_plain_tags(plain["tags"]))
            return cls(filename, normalized(plain["name"]), version, (), all_tags)
        return cls._parsed(filename)

    @classmethod
    def _parsed(cls, filename: str) -> WheelName:
        from packaging.utils import InvalidWheelFilename, parse_wheel_filename
        from packaging.version import InvalidVersion

        try:
            if has_too_many_tags(filename.rpartition(".")[0]):
                raise InvalidWheelFilename(filename)
            name, version, build, tags = parse_wheel_filename(filename)
        except (InvalidWheelFilename, InvalidVersion) as error:
            raise WheelError("not the file name of a wheel", subject=filename) from error
        return cls(filename, name, version, build, frozenset(map(str, tags)))


def normalized(name: str) -> str:
    """A distribution's name as the index compares names (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _plain_tags(text: str) -> Iterator[str]:
    """Each of the tags that a compressed set means, where they are plain."""
    return map("-".join, product(*(part.split(".") for part in text.split("-"))))


def _tags(text: str) -> Iterable[str]:
    """As ``_plain_tags``, of any text; ``ValueError`` where it is no tag."""
    if re.fullmatch(_PLAIN_TAG, text):
        return _plain_tags(text)
    from packaging.tags import parse_tag

    return map(str, parse_tag(text))


def has_too_many_tags(text: str) -> bool:
    """Whether a file name without its suffix, or a tag, stands for more tags than anybody means.

    Every combination of its parts is one: some hundred letters are enough to fill memory.
    """
    return len(text) > _MAX_NAME or number_of_tags(text) > _MAX_TAGS


def number_of_tags(text: str) -> int:
    """How many tags a file name without its suffix, or a tag, stands for."""
    tags = 1
    for part in text.rsplit("-", 3)[-3:]:
        tags *= part.count(".") + 1
    return tags


def rank(name: WheelName, tags: Sequence[str]) -> int | None:
    """The position of the wheel's best tag in ``tags``, best first; ``None`` if it has none."""
    return best(name, positions(tags))


def positions(tags: Sequence[str]) -> Mapping[str, int]:
    """The first position of each tag: made once, where ``best`` is asked of many wheels."""
    return {tag: place for place, tag in reversed([*enumerate(tags)])}


def best(name: WheelName, known: Mapping[str, int]) -> int | None:
    """``rank`` by ``positions``."""
    return min((known[tag] for tag in name.tags if tag in known), default=None)


@dataclass(frozen=True)
class Claims:
    """What a wheel says about itself, once it has been compared with its file name."""

    dist_info: str
    name: str
    version: str
    entry_points: tuple[EntryPoint, ...]


def check_claims(name: WheelName, meta: Mapping[str, Any]) -> tuple[Claims, tuple[Problem, ...]]:
    """The claims in a confined child's words, and everything that is wrong with them.

    ``ValueError`` or ``KeyError`` where they are not even of the agreed types.
    """
    dist_info, version = _text(meta["dist_info"]), _text(meta["version"])
    problems = [*_name_problems(name, dist_info, _text(meta["name"]), version)]
    wheel_version = _text(meta["wheel_version"])
    if not re.fullmatch(r"1\.[0-9]{1,3}", wheel_version):
        problems.append(
            Problem(f"Wheel-Version {wheel_version[:20]!a}: only 1.x is known", "WHEEL")
        )
    tags = _tag_problems(name, [_text(tag) for tag in meta["tags"]])
    problems += islice(tags, protocol.MAX_PROBLEMS)
    points, wrong = _commands(meta["commands"])
    problems += wrong
    del problems[protocol.MAX_PROBLEMS :]
    return Claims(dist_info, name.name, str(name.version), points), tuple(problems)


def _text(value: object) -> str:
    if not isinstance(value, str) or len(value) > 1000:
        raise ValueError("not a short text")
    return value


def _name_problems(wheel: WheelName, dist_info: str, name: str, version: str) -> Iterable[Problem]:
    if normalized(name) != wheel.name:
        yield Problem(f"Name {name!a} is not the file name's", "METADATA")
    if not _same_version(version, wheel.version):
        yield Problem(f"Version {version!a} is not the file name's", "METADATA")
    stem, dot, suffix = dist_info.rpartition(".")
    directory_name, dash, directory_version = stem.rpartition("-")
    if (
        names.problem(dist_info)
        or not dash
        or "/" in dist_info
        or f"{dot}{suffix}" != ".dist-info"
        or normalized(directory_name) != wheel.name
        or not _same_version(directory_version, wheel.version)
    ):
        yield Problem("the dist-info directory is not named after the wheel", ascii(dist_info))


def _same_version(text: str, version: AnyVersion) -> bool:
    if text == str(version):
        return True
    from packaging.version import InvalidVersion, Version

    try:
        # In directory names a dash may have become an underscore: 1.0-1 is 1.0_1 there.
        return Version(text.replace("_", "-")) == version
    except InvalidVersion:
        return False


def _tag_problems(wheel: WheelName, claimed: Sequence[str]) -> Iterable[Problem]:
    tags: set[str] = set()
    read = 0
    for text in dict.fromkeys(claimed):
        try:
            if text.count("-") != 2 or has_too_many_tags(text):
                raise ValueError(text)
            for tag in _tags(text):
                read += 1
                tags.add(tag.rpartition("-")[0])
        except ValueError:
            yield Problem(f"{text[:100]!a} is not a tag", "WHEEL")
        if read > _MAX_TAGS:
            yield Problem(f"it has more than {_MAX_TAGS} tags", "WHEEL")
            return
    # Not the platform: who audits a wheel for manylinux and renames it may leave this as it was.
    if not tags & {tag.rpartition("-")[0] for tag in wheel.tags}:
        yield Problem("its tags are not the file name's", "WHEEL")


def _commands(commands: Iterable[Any]) -> tuple[tuple[EntryPoint, ...], list[Problem]]:
    points: dict[str, EntryPoint] = {}
    problems: list[Problem] = []
    for number, command in enumerate(commands):
        if len(problems) == protocol.MAX_PROBLEMS:
            break
        kind, name, value = map(_text, command)
        target = re.fullmatch(_TARGET, value)
        reason = ""
        if kind not in ("console", "gui"):
            raise ValueError("a command of no known kind")
        if number >= _MAX_COMMANDS:
            reason = f"more than {_MAX_COMMANDS} commands"
        elif command_problem(name):
            reason = command_problem(name)
        elif name in points:
            reason = "the command is declared twice"
        elif not target or not all(map(_is_dotted_name, target.group("module", "attribute"))):
            reason = f"{value!a} is not module:attribute"
        else:
            points[name] = EntryPoint(kind, name, target["module"], target["attribute"])
        if reason:
            problems.append(Problem(reason, f"entry_points.txt: {name!a}"))
    return tuple(points.values()), problems


def _is_dotted_name(text: str) -> bool:
    return all(part.isidentifier() for part in text.split("."))


def is_reserved_command(name: str) -> bool:
    """Whether a command is the environment's own, which no wheel may have."""
    return re.fullmatch(_RESERVED_COMMAND, name, re.I) is not None


def command_problem(name: str) -> str:
    """Why a file of this name may not be in an environment's ``bin``, or the empty string."""
    if len(name) > 200 or not re.fullmatch(_COMMAND, name):
        return "not a name for a command: letters, digits and . _ + - only"
    if is_reserved_command(name):
        return "the name belongs to the environment itself"
    return ""


def is_dist_info(name: str) -> bool:
    """Whether a directory of this name in site-packages would be taken for a distribution's."""
    return name.lower().endswith(".dist-info")


def destination_problem(scheme: str, path: str) -> str:
    """Why a file may not go to ``path`` of an install scheme, or the empty string.

    Checked by root for every name it writes, whatever a confined child made of it before.
    """
    reason = names.problem(path)
    if reason:
        return reason
    if scheme == "scripts":
        return command_problem(path) if "/" not in path else "a script in a directory"
    if scheme == "data":
        if re.fullmatch(_RESERVED_DATA, path, re.I):
            return "the path belongs to the environment itself"
        if path.lower().startswith("bin/"):
            return destination_problem("scripts", path[len("bin/") :])
    return ""


def record(rows: Iterable[tuple[str, str, int]], own: str) -> bytes:
    """The bytes of a RECORD that is called ``own``: path, sha256 (hex) and size of every file."""
    import binascii  # these, and the pattern, only where an object is made
    import csv
    import io

    is_unquoted = re.compile(_UNQUOTED).fullmatch
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for path, sha256, size in sorted(rows):
        encoded = binascii.b2a_base64(bytes.fromhex(sha256)).translate(_URL_SAFE, b"=\n").decode()
        if is_unquoted(path):
            text.write(f"{path},sha256={encoded},{size}\n")
        else:
            writer.writerow((path, f"sha256={encoded}", size))
    writer.writerow((own, "", ""))
    return text.getvalue().encode()
