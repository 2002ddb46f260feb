"""The administrator's configuration, ``/etc/rpm-venv.conf``: lines of ``name = value``. An edge."""

from __future__ import annotations

from dataclasses import dataclass, replace

from rpm_venv.errors import Problem, VenvError
from rpm_venv.paths import CONFIG, Layout

_YES_AND_NO = {"yes": True, "true": True, "on": True, "no": False, "false": False, "off": False}


@dataclass(frozen=True)
class Configuration:
    """What the administrator decides for the whole system.

    ``require_sandbox``: rather no environment than one whose wheels were read by a child that
    lacks a layer of confinement (docs/security.md).
    """

    require_sandbox: bool = False


def read(layout: Layout) -> Configuration:
    """The configuration of a system; the defaults where there is none.

    ``VenvError`` with every problem of the file: a misspelt safeguard must not be taken for none.
    """
    try:
        data = layout.config.read_bytes()
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
        if name != "require-sandbox" or not equals:
            hint = "known is: require-sandbox = yes"
            problems.append(Problem(f"not a setting: {text[:80]!a}", where, hint))
        elif name in seen:
            problems.append(Problem(f"{name} is set twice", where))
        elif value.lower() not in _YES_AND_NO:
            problems.append(Problem(f"{name} is yes or no, not {value[:80]!a}", where))
        else:
            seen.add(name)
            found = replace(found, require_sandbox=_YES_AND_NO[value.lower()])
    if problems:
        raise VenvError("the configuration is wrong", subject=str(CONFIG), problems=problems)
    return found
