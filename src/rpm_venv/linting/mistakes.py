"""The mistakes that spec files make with virtual environments: each with its reason and mend. Pure.

The one source of their wording: ``rpm-venv lint`` prints it, and rpmbuild does after %install.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator
from typing import Any

from rpm_venv.frozen import dataclass
from rpm_venv.linting import calls, environments
from rpm_venv.linting.environments import Filled, Installed, Removed, Uses
from rpm_venv.linting.flow import Test
from rpm_venv.linting.spec_file import SCRIPTLETS, Section, SpecFile, parse

_DECLARE = "%venv_install -r LOCK in %post, or %venv_declare -r LOCK in %install"


@dataclass(frozen=True)
class Finding:
    """A mistake: its word, its line, why it is one, what mends it.

    ``is_fatal``: it breaks what our own macros do in this spec file, so the build fails.
    """

    mistake: str
    line: int
    reason: str
    mend: str
    is_fatal: bool = False

    def to_json(self) -> dict[str, Any]:
        return {
            "line": self.line,
            "mistake": self.mistake,
            "reason": self.reason,
            "mend": self.mend,
        }

    def at(self, file: str) -> str:
        """The finding as editors understand it."""
        return f"{file}:{self.line}: {self.reason}; {self.mend}"


def find(text: str) -> list[Finding]:
    """Every mistake in the text of a spec file, by line."""
    spec = parse(text)
    uses = environments.read(spec)
    found = {
        *_removals(uses),
        *_first_install_only(uses),
        *_swallowed(uses),
        *_pip(spec, uses),
        *_missing_macros(spec, uses),
        *_paths(uses),
        *_documents(spec, uses),
        *_left_behind(uses),
    }
    return sorted(found, key=lambda one: (one.line, one.mistake, one.reason))


# ---- what happens when


def _removals(uses: Uses) -> Iterator[Finding]:
    managed, known = uses.managed, uses.paths
    for one in uses.removed:
        path = environments.holds(one.path, known)
        if one.section.name not in SCRIPTLETS or not path or not _on_upgrade(one):
            continue
        fatal = bool(environments.holds(one.path, managed)) and path in managed
        mend = (
            f"%venv_remove {path} in %postun does it on erase alone"
            if not fatal
            else "leave it to %venv_remove, or to the triggers where it is declared"
        )
        if one.section.name in ("preun", "postun") and one.command.values == {0, 1, 2}:
            reason = (
                f"{path} is removed without a look at $1: an upgrade runs %{one.section.name} of "
                "the old version after %post of the new one, and takes the new environment away"
            )
            yield Finding("removed-without-count", one.command.line, reason, mend, fatal)
        else:
            reason = (
                f"{path} is removed on an upgrade: services that run from it break, and there is "
                "nothing to go back to when what follows fails"
            )
            yield Finding("removed-on-upgrade", one.command.line, reason, mend, fatal)


def _on_upgrade(one: Removed) -> bool:
    """Whether an upgrade comes by here: $1 is then 1 in %preun and %postun, and 2 before."""
    late = one.section.name in ("preun", "postun", "preuntrans", "postuntrans")
    return (1 if late else 2) in one.command.values


def _first_install_only(uses: Uses) -> Iterator[Finding]:
    for one in (*uses.by_hand, *uses.installed):
        if one.section.name not in ("pre", "post", "pretrans", "posttrans"):
            continue
        reason, is_ours = "", isinstance(one, Installed)
        if one.command.values and 2 not in one.command.values:
            reason = "this runs on the first install alone: after an upgrade the environment is old"
        elif isinstance(one, Filled) and not _of_tools(one) and _where_missing(one.command.tests):
            reason = (
                "this runs only where the environment is not there yet: after an upgrade it is old"
            )
        if reason:
            mend = (
                "call it without a condition: it does nothing where nothing has changed"
                if is_ours
                else f"{_DECLARE}, brings it to what the lock says every time"
            )
            yield Finding("first-install-only", one.command.line, reason, mend, is_ours)


def _where_missing(tests: tuple[Test, ...]) -> bool:
    """Whether a command stands behind a test that something is not there."""
    for test in tests:
        words = [word for word in test.words if word not in ("[", "]", "[[", "]]", "test")]
        missing = test.succeeded == (words[:1] == ["!"])
        words = words[1:] if words[:1] == ["!"] else words
        asks = len(words) == 2 and words[0] in ("-d", "-e", "-f", "-x")
        if asks and missing and _ENVIRONMENT.search(words[1]):
            return True
    return False


_ENVIRONMENT = re.compile(r"(^|/)\.?(v|p|virtual|py)?env(/|$)|/bin/(python|activate|pip)")


def _swallowed(uses: Uses) -> Iterator[Finding]:
    for one in uses.by_hand:
        if one.section.name in SCRIPTLETS and one.command.excuse:
            yield _swallow(one.command.line, one.command.excuse)
    for call in uses.called:
        if call.section.name not in SCRIPTLETS:
            continue
        for place, word in enumerate(call.operands):
            following = " ".join(call.operands[place : place + 2])
            if word in ("||", "|") or re.match(r"(&|2)>>?/dev/null|2>&1", word):
                yield _swallow(call.line.number, following)
                break


def _swallow(line: int, excuse: str) -> Finding:
    hides = "/dev/null" in excuse
    reason = f"'{excuse}' hides {'why' if hides else 'that'} the environment could not be made"
    mend = "leave it out: rpm installs the package all the same, and says what is wrong with it"
    return Finding("errors-swallowed", line, reason, mend)


# ---- pip


def _pip(spec: SpecFile, uses: Uses) -> Iterator[Finding]:
    for one in uses.filled:
        in_scriptlet = one.section.name in SCRIPTLETS
        if in_scriptlet:
            reason = (
                f"pip runs in %{one.section.name} as root, with the code of what it installs, into "
                "files that rpm knows nothing of"
            )
            yield Finding("pip-in-scriptlet", one.command.line, reason, _DECLARE)
        if in_scriptlet or _into_package(one, uses):
            yield from _unpinned(one)
    yield from _pip_elsewhere(spec)


def _into_package(one: Filled, uses: Uses) -> bool:
    """Whether what pip installs in %build or %install goes into an environment of the package."""
    shipped = [made for made in uses.made if made.is_shipped]
    if not any(made.section.name in ("build", "install") for made in shipped):
        return False
    words = (one.python, *one.arguments)
    named = [made.path for made in shipped]
    return any(environments.is_below(word, named) for word in words) or "/" not in one.python


def _of_tools(one: Filled) -> bool:
    """Whether pip installs itself and its like alone."""
    operands = {word for word in one.arguments if not word.startswith("-")}
    return bool(operands) and operands <= {"pip", "setuptools", "wheel"}


def _unpinned(one: Filled) -> Iterator[Finding]:
    words, line = one.arguments, one.command.line
    upgrade = any(re.fullmatch(r"-[a-zA-Z]*U|--upgrade", word) for word in words)
    if upgrade and "pip" in words:
        reason = "pip is upgraded to whatever the index has that day: two builds, two results"
        mend = "name its version, or leave it out: an environment needs no pip of its own"
        yield Finding("pip-upgraded", line, reason, mend)
    compared = any(word.startswith(("--require-hashes", "--no-index")) for word in words)
    if not compared and not _of_tools(one):
        reason = "what pip installs is not compared with a sha256: an index decides what root runs"
        mend = "lock it: rpm-venv lock requirements.in requirements.txt"
        yield Finding("no-hashes", line, reason, mend)


_PIP_IN_TEXT = re.compile(
    r"\b(?:pip[\d.]*|easy_install)\s+install\b|[\"']pip[\d.]*[\"'],\s*[\"']install"
)


def _pip_elsewhere(spec: SpecFile) -> Iterator[Finding]:
    """pip called from a scriptlet in another language, by its text."""
    for section in spec.named(*SCRIPTLETS):
        if section.is_shell_scriptlet:
            continue
        for line in section.lines:
            if _PIP_IN_TEXT.search(line.text) and not line.text.lstrip().startswith(("#", "--")):
                reason = f"pip runs in %{section.name}, into files that rpm knows nothing of"
                yield Finding("pip-in-scriptlet", line.number, reason, _DECLARE)


# ---- the macros


def _missing_macros(spec: SpecFile, uses: Uses) -> Iterator[Finding]:
    required = any(map(_requires_macros, spec.named("", "package", "generate_buildrequires")))
    systems = [tag for tag in spec.tags("buildsystem") if tag.text == "venv"]
    first = [call.line.number for call in uses.called]
    first += _in_headers(spec) + [tag.number for tag in systems]
    if first and not required:
        reason = "the macros of venv-rpm-macros may not be there: rpm then ships them as plain text"
        yield Finding("macros-missing", min(first), reason, "add: BuildRequires: venv-rpm-macros")


def _requires_macros(section: Section) -> bool:
    """Also where a line is one of a condition, ``%{?el9:BuildRequires: …}``, or generated."""
    generated = section.name == "generate_buildrequires"
    return any(
        "venv-rpm-macros" in line.text
        and (generated or "buildrequires" in line.text.lower())
        and not line.text.lstrip().startswith(("#", "%dnl"))
        for line in section.lines
    )


def _in_headers(spec: SpecFile) -> list[int]:
    return [section.number for section in spec.sections if _files_list(spec, section)]


def _files_list(spec: SpecFile, section: Section) -> bool:
    return bool(calls.macros_in(section.header)) and not spec.macros.defines("venv_files")


_UNFIT = {  # the Filesystem Hierarchy Standard, and what image-based systems keep
    "/tmp": "it is gone after a boot, and everybody may write there",  # noqa: S108
    "/var/tmp": "it is gone after some time, and everybody may write there",  # noqa: S108
    "/run": "it is gone after a boot",
    "/dev": "it is gone after a boot",
    "/proc": "nothing can be made there",
    "/sys": "nothing can be made there",
    "/var": "that is for data: image-based systems do not bring it along, nor may it hold programs",
    "/home": "that is the users'; it may be another machine's, or not mounted",
    "/root": "that is the administrator's, and nobody else may read it",
    "/usr/local": "that is the administrator's, not a package's",
}
_LOST = tuple(directory for directory, reason in _UNFIT.items() if "gone" in reason)


def _paths(uses: Uses) -> Iterator[Finding]:
    places = [
        (call.path, call.line.number, True)
        for call in uses.called
        if call.path and call.macro in ("install", "declare")
    ]
    places += [
        (environments.without_buildroot(made.path), made.command.line, False)
        for made in uses.made
        if made.is_shipped
    ]
    for path, line, managed in places:
        directory = environments.is_below(path, tuple(_UNFIT))
        if directory:
            reason = f"{path} is below {directory}: {_UNFIT[directory]}"
            fatal = managed and directory in _LOST
            yield Finding(
                "unfit-path", line, reason, "put it below /opt/NAME or /usr/lib/NAME", fatal
            )
        if re.search(r"\s", path):
            yield _spaces(path, line)
    for call in uses.called:
        text = call.line.text
        if call.macro in ("install", "declare", "remove", "verify", "check") and re.search(
            r"[\"'][^\"']*\s[^\"']*[\"']|\\ ", text
        ):
            yield _spaces(text.strip(), call.line.number)


def _spaces(path: str, line: int) -> Finding:
    reason = f"there is a space in the path: {path}; neither rpm's macros nor #! lines take one"
    return Finding("space-in-path", line, reason, "name it without spaces")


def _left_behind(uses: Uses) -> Iterator[Finding]:
    declared = {call.path for call in uses.called if call.macro == "declare"}
    removed = {call.path for call in uses.called if call.macro == "remove"}
    for call in uses.called:
        if call.macro == "install" and call.path and call.path not in declared | removed:
            reason = f"nothing removes {call.path} when the package goes"
            mend = f"add to %postun: %venv_remove {call.path}"
            yield Finding("never-removed", call.line.number, reason, mend)


# ---- files


def _documents(spec: SpecFile, uses: Uses) -> Iterator[Finding]:
    locks = _locks(uses)
    for section in spec.named("files"):
        for line in section.lines:
            words = spec.macros.expand(line.text).split()
            if "%doc" not in words or words[0].startswith("#"):
                continue
            for word in words:
                for lock, managed in locks.items():
                    if word.startswith("/") and _covers(word, lock):
                        yield _document(lock, line.number, managed)
    for lock, managed in locks.items():
        if lock.startswith("/usr/share/doc/"):
            line_number = _line_of(uses, lock)
            yield _document(lock, line_number, managed)


def _locks(uses: Uses) -> dict[str, bool]:
    """The locks that scriptlets name, and whether our macro does."""
    locks = {}
    for one in uses.filled:
        words = one.arguments
        if one.section.name in SCRIPTLETS:
            for option, value in zip(words, words[1:]):
                if option in ("-r", "--requirement"):
                    locks[value] = False
    for call in uses.called:
        if call.macro == "install":
            locks.update({value: True for option, value in call.options if option == "r"})
    return locks


def _line_of(uses: Uses, lock: str) -> int:
    lines = [call.line.number for call in uses.called if ("r", lock) in call.options]
    lines += [one.command.line for one in uses.filled if lock in one.arguments]
    return min(lines)


def _covers(pattern: str, file: str) -> bool:
    directory = pattern.rstrip("/") + "/"
    return fnmatch.fnmatchcase(file, pattern) or file.startswith(directory)


def _document(lock: str, line: int, managed: bool) -> Finding:
    reason = f"the lock {lock} is documentation, which rpm leaves out where --nodocs is set"
    mend = "list it without %doc, below /usr/share/NAME"
    return Finding("lock-is-doc", line, reason, mend, managed)
