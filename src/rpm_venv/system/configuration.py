"""The administrator's configuration, ``/etc/rpm-venv.conf``: lines of ``name = value``. An edge."""

from __future__ import annotations

from rpm_venv.errors import Problem, VenvError
from rpm_venv.frozen import dataclass, replace
from rpm_venv.paths import CONFIG, Layout
from rpm_venv.system import reading, trust

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

_MOST = 1 << 20  # bytes
_YES_AND_NO = {"yes": True, "true": True, "on": True, "no": False, "false": False, "off": False}
_MOST_DAYS = 36_500
_MOST_KEPT = 100


def _yes_or_no(value: str) -> bool | None:
    return _YES_AND_NO.get(value.lower())


def _days(value: str) -> int | None:
    return _number(value, _MOST_DAYS)


def _kept(value: str) -> int | None:
    return _number(value, _MOST_KEPT)


def _number(value: str, most: int) -> int | None:
    known = value.isascii() and value.isdigit() and len(value) <= len(str(most))
    return int(value) if known and int(value) <= most else None


#: Every setting: what its value may be, for people, and how it is read (None where it is not so).
SETTINGS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "require-sandbox": ("yes or no", _yes_or_no),
    "audit-max-age": ("a number of days", _days),
    "links": ("yes or no", _yes_or_no),
    "keep": (f"a number from 0 to {_MOST_KEPT}", _kept),
}


@dataclass(frozen=True)
class Configuration:
    """What the administrator decides for the whole system.

    ``require_sandbox``: rather no environment than one whose wheels were read by a child that
    lacks a layer of confinement (docs/security.md). ``audit_max_age``: how many days old the newest
    record of the database of ``audit`` may be; None for any. ``keep``: how many generations stay
    beside the live one, for a rollback. ``links``: whether directories of a generation that is made
    may be links into the store.
    """

    require_sandbox: bool = False
    audit_max_age: int | None = None
    keep: int = 1
    links: bool = True


def read(layout: Layout) -> Configuration:
    """The configuration of a system; the defaults where there is none.

    ``VenvError`` with every problem of the file: a misspelt safeguard must not be taken for none.
    """
    try:
        trust.refuse_outside(layout.config, layout.root)
        data = reading.content(layout.config, most=_MOST)
    except FileNotFoundError:
        return Configuration()
    except OSError as error:
        raise VenvError(f"cannot be read: {error.strerror}", subject=str(CONFIG)) from None
    return parse(data)


def parse(data: bytes) -> Configuration:
    """The configuration in the bytes of a file."""
    found = Configuration()
    problems = []
    seen: set[str] = set()
    for number, line in enumerate(data.decode("utf-8", "backslashreplace").splitlines(), 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        name, equals, value = (part.strip() for part in text.partition("="))
        where = f"line {number}"
        if name not in SETTINGS or not equals:
            known = ", ".join(f"{each} = {form}" for each, (form, _) in SETTINGS.items())
            hint = f"known is: {known}"
            problems.append(Problem(f"not a setting: {text[:80]!a}", where, hint))
            continue
        form, read_value = SETTINGS[name]
        meant = read_value(value)
        if name in seen:
            problems.append(Problem(f"{name} is set twice", where))
        elif meant is None:
            problems.append(Problem(f"{name} is {form}, not {value[:80]!a}", where))
        else:
            seen.add(name)
            found = replace(found, **{name.replace("-", "_"): meant})
    if problems:
        raise VenvError("the configuration is wrong", subject=str(CONFIG), problems=problems)
    return found
