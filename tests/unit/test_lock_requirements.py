"""Locks in the strict requirements.txt grammar: what is one, and what is said where it is none."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable

import pytest

from rpm_venv.errors import LockError
from rpm_venv.locks import lock, requirements
from rpm_venv.locks.lock import Lock

A, B, C = "a" * 64, "b" * 64, "c" * 64
MARKERS = {
    "implementation_name": "cpython",
    "implementation_version": "3.11.2",
    "os_name": "posix",
    "platform_machine": "x86_64",
    "platform_python_implementation": "CPython",
    "platform_release": "6.1",
    "platform_system": "Linux",
    "platform_version": "#1 SMP",
    "python_full_version": "3.11.2",
    "python_version": "3.11",
    "sys_platform": "linux",
}


def parsed(text: str, filename: str = "requirements.txt") -> Lock:
    return lock.parse(text.encode(), filename)


def problems(text: str | bytes, filename: str = "requirements.txt") -> list[str]:
    data = text if isinstance(text, bytes) else text.encode()
    with pytest.raises(LockError) as caught:
        lock.parse(data, filename)
    return [str(problem) for problem in caught.value.problems]


def shown(entries: Lock) -> list[str]:
    return requirements.condense(entries.entries).splitlines()


GOOD = {
    "one line": (f"six==1.17.0 --hash=sha256:{A}", [f"six==1.17.0 --hash=sha256:{A}"]),
    "several hashes, sorted": (
        f"six==1 --hash=sha256:{B} --hash=sha256:{A}",
        [f"six==1 --hash=sha256:{A} --hash=sha256:{B}"],
    ),
    "a hash twice, in capitals": (
        f"six==1 --hash=sha256:{A} --hash=sha256:{A.upper()}",
        [f"six==1 --hash=sha256:{A}"],
    ),
    "continuation lines": (
        f"six==1 \\\n    --hash=sha256:{A} \\\n\t--hash=sha256:{B}\n",
        [f"six==1 --hash=sha256:{A} --hash=sha256:{B}"],
    ),
    "a comment after the line, as pip-compile writes": (
        f"six==1 \\\n    --hash=sha256:{A}\n    # via -r requirements.in\n    # via pandas>=2",
        [f"six==1 --hash=sha256:{A}"],
    ),
    "a comment in the line": (f"six==1 --hash=sha256:{A}  # via x", [f"six==1 --hash=sha256:{A}"]),
    "a comment after a backslash, as old pip-compile wrote": (
        f"six==1 \\\n    --hash=sha256:{A} \\\n    # via x\nidna==3 --hash=sha256:{B}",
        [f"idna==3 --hash=sha256:{B}", f"six==1 --hash=sha256:{A}"],
    ),
    "a backslash at the end of the file": (
        f"six==1 --hash=sha256:{A} \\",
        [f"six==1 --hash=sha256:{A}"],
    ),
    "blank lines and ends of lines of other systems": (
        f"\r\n\r\nsix==1 \\\r\n --hash=sha256:{A}\r\n\r\n",
        [f"six==1 --hash=sha256:{A}"],
    ),
    "a byte order mark": (f"\ufeffsix==1 --hash=sha256:{A}", [f"six==1 --hash=sha256:{A}"]),
    "letters beyond ASCII in comments": (
        f"# für Jürgen\nsix==1 --hash=sha256:{A}",
        [f"six==1 --hash=sha256:{A}"],
    ),
    "a name that is not normalized": (
        f"Zope.Interface_X==1 --hash=sha256:{A}",
        [f"zope-interface-x==1 --hash=sha256:{A}"],
    ),
    "an extra, which an exact lock has resolved already": (
        f"requests[socks, security] == 2.32 --hash=sha256:{A}",
        [f"requests==2.32 --hash=sha256:{A}"],
    ),
    "every kind of version": (
        f"a==1!2.0rc1.post2.dev3+local.4 --hash=sha256:{A}",
        [f"a==1!2.0rc1.post2.dev3+local.4 --hash=sha256:{A}"],
    ),
    "a marker": (
        f"tomli==2 ; python_version < '3.11' --hash=sha256:{A}",
        [f'tomli==2 ; python_version < "3.11" --hash=sha256:{A}'],
    ),
    "a marker without spaces": (
        f"tomli==2;python_version<'3.11' --hash=sha256:{A}",
        [f'tomli==2 ; python_version < "3.11" --hash=sha256:{A}'],
    ),
    "versions by marker": (
        f"a==1 ; python_version < '3.11' --hash=sha256:{A}\n"
        f"a==2 ; python_version >= '3.11' --hash=sha256:{B}",
        [
            f'a==1 ; python_version < "3.11" --hash=sha256:{A}',
            f'a==2 ; python_version >= "3.11" --hash=sha256:{B}',
        ],
    ),
}


@pytest.mark.parametrize("text, expected", GOOD.values(), ids=GOOD)
def test_an_exact_lock_is_read(text: str, expected: list[str]) -> None:
    assert shown(parsed(text)) == expected


def test_entries_know_their_line() -> None:
    found = parsed(f"# first\nsix==1 \\\n --hash=sha256:{A}\n\nidna==3 --hash=sha256:{B}\n")
    assert [(entry.name, entry.where) for entry in found.entries] == [
        ("six", "line 2"),
        ("idna", "line 5"),
    ]


ZEROS = "0" * 40
HASHED = f" --hash=sha256:{A}"
BAD = {
    "no hash": ("six==1", ["line 1: 'six==1' has no --hash=sha256:…"]),
    "no version": ("six" + HASHED, ["line 1: 'six' is a distribution without a version"]),
    "neither": (
        "six",
        [
            "line 1: 'six' is a distribution without a version",
            "line 1: 'six' has no --hash=sha256:…",
        ],
    ),
    "a range": ("six>=1" + HASHED, ["line 1: 'six>=1' is a range, not one exact version"]),
    "a range beside an exact version": (
        "six==1,<2" + HASHED,
        ["line 1: 'six==1,<2' is a range, not one exact version"],
    ),
    "compatible": ("six~=1.1" + HASHED, ["line 1: 'six~=1.1' is a range, not one exact version"]),
    "excluding": ("six!=1" + HASHED, ["line 1: 'six!=1' is a range, not one exact version"]),
    "a wildcard": (
        "six==1.*" + HASHED,
        ["line 1: 'six==1.*' is a wildcard, not one exact version"],
    ),
    "arbitrary equality": (
        "six===1" + HASHED,
        ["line 1: 'six===1' is arbitrary equality (===)"],
    ),
    "not a version": ("six==one" + HASHED, ["line 1: 'one' is not a version (PEP 440)"]),
    "an option": (
        f"--index-url https://example.org/simple\nsix==1{HASHED}",
        ["line 1: '--index-url https://example.org/simple' is an option of pip"],
    ),
    "an option without its value": ("--pre", ["line 1: '--pre' is an option of pip"]),
    "find-links": ("-f wheels", ["line 1: '-f wheels' is an option of pip"]),
    "an option of one line": (
        f"six==1{HASHED} --config-settings=a=b",
        ["line 1: --config-settings is an option of pip"],
    ),
    "an include": ("-r other.txt", ["line 1: '-r other.txt' is another file"]),
    "constraints": (
        "--constraint=other.txt",
        ["line 1: '--constraint=other.txt' is another file"],
    ),
    "editable": ("-e .", ["line 1: '-e .' is an editable directory"]),
    "a URL": (
        f"six @ https://example.org/six-1-py3-none-any.whl{HASHED}",
        ["line 1: 'six @ https://example.org/six-1-py3-none-any.whl' is a URL"],
    ),
    "a bare URL": (
        "git+https://example.org/six",
        [
            "line 1: 'git+https://example.org/six' is a URL",
            "line 1: 'git+https://example.org/six' has no --hash=sha256:…",
        ],
    ),
    "a file": (
        f"./six-1-py3-none-any.whl{HASHED}",
        ["line 1: './six-1-py3-none-any.whl' is a file or directory"],
    ),
    "a variable": (
        "six==${VERSION}" + HASHED,
        ["line 1: 'six==${VERSION}' is an environment variable"],
    ),
    "another algorithm": (
        "six==1 --hash=md5:abc",
        ["line 1: the hash 'md5:abc' is 'md5', and only sha256 is taken"],
    ),
    "a short hash": (
        "six==1 --hash=sha256:abc",
        ["line 1: 'sha256:abc' is not sha256: and 64 hexadecimal digits"],
    ),
    "a hash alone": (
        f"--hash=sha256:{A}",
        [f"line 1: '--hash=sha256:{A[:43]}...' is a hash without a distribution"],
    ),
    "a line that a comment cut in two": (
        f"six==1 \\\n # via x\n --hash=sha256:{A}",
        [
            "line 1: 'six==1' has no --hash=sha256:…",
            f"line 3: '--hash=sha256:{A[:43]}...' is a hash without a distribution",
        ],
    ),
    "two distributions in a line": (
        f"six==1{HASHED} \\\nidna==3{HASHED}",
        [
            "line 1: 'idna==3' is in the line of another distribution",
        ],
    ),
    "a name cut in two": (
        f"six==1.\\\n17{HASHED}",
        ["line 1: 'six==1. 17' is not name==version"],
    ),
    "no marker": (
        f"six==1 ; nonsense{HASHED}",
        ["line 1: the marker 'nonsense' is not one: "],
    ),
    "a marker of pylock.toml": (
        f"six==1 ; 'x' in extras{HASHED}",
        ["line 1: the marker ''x' in extras' asks for what only a pylock.toml has"],
    ),
    "letters beyond ASCII": (
        f"s\u0456x==1{HASHED}",  # a Cyrillic i
        ["line 1: 's\\u0456x==1' is not name==version"],
    ),
    "a space of another kind": (
        f"six==1\u00a0{HASHED}",
        ["line 1: 'six==1\\xa0' is not name==version"],
    ),
    "two versions": (
        f"six==1{HASHED}\nSix==2{HASHED}",
        ["line 2: six 2 conflicts with six 1 in line 1"],
    ),
    "one version, two sets of hashes": (
        f"six==1 --hash=sha256:{A}\nsix==1 --hash=sha256:{B}",
        ["line 2: six 1 conflicts with six 1 in line 1"],
    ),
    "two versions, one of them whatever the marker": (
        f"six==1{HASHED}\nsix==2 ; python_version < '3'{HASHED}",
        ["line 2: six 2 conflicts with six 1 in line 1"],
    ),
    "two versions under one marker": (
        f"six==1 ; os_name=='nt'{HASHED}\nsix==2 ; os_name == \"nt\"{HASHED}",
        ["line 2: six 2 conflicts with six 1 in line 1"],
    ),
    "nothing": ("# nothing\n\n", ["it names nothing"]),
    "everything at once": (
        f"six>=1\n\n-r x\nidna==3 --hash=sha1:{ZEROS}\nok==1{HASHED}\n",
        [
            "line 1: 'six>=1' is a range, not one exact version",
            "line 1: 'six>=1' has no --hash=sha256:…",
            "line 3: '-r x' is another file",
            f"line 4: the hash 'sha1:{ZEROS}' is 'sha1', and only sha256 is taken",
        ],
    ),
}


@pytest.mark.parametrize("text, expected", BAD.values(), ids=BAD)
def test_what_is_not_exact_is_refused_with_every_reason(text: str, expected: list[str]) -> None:
    found = problems(text)
    assert len(found) == len(expected)
    for said, start in zip(found, expected):
        assert said.startswith(start) if start.endswith(": ") else said == start or start in said


UNREADABLE = {
    "NUL": (b"six==1\n\x00", "line 2: a control character ('\\x00')"),
    "an escape for the terminal": (b"# \x1b[2J", "line 1: a control character ('\\x1b')"),
    "an end of line that only some see": (
        "six==1\u2028-r x".encode(),
        "line 1: a control character ('\\u2028')",
    ),
    "a lone carriage return": (b"# x\r-r y\n", "line 1: a control character ('\\r')"),
    "Latin-1": (b"six==1\n\n# f\xfcr", "line 3: not UTF-8"),
    "UTF-16": ("six==1".encode("utf-16"), "line 1: not UTF-8"),
    "too large": (b"\n" * (lock.MAX_SIZE + 1), "larger than 8 MiB"),
}


@pytest.mark.parametrize("data, expected", UNREADABLE.values(), ids=UNREADABLE)
def test_what_is_no_text_is_refused(data: bytes, expected: str) -> None:
    assert problems(data) == [expected]


COMMANDS = {
    "requirements.in": "rpm-venv lock requirements.in requirements.txt",
    "requirements.txt": "rpm-venv lock requirements.txt requirements-exact.txt",
    "/usr/share/app1/requirements.txt": "rpm-venv lock /usr/share/app1/requirements.txt "
    "/usr/share/app1/requirements-exact.txt",
    "my locks/app.txt": "rpm-venv lock 'my locks/app.txt' 'my locks/app-exact.txt'",
    "lock": "rpm-venv lock lock lock-exact",
    "pylock.toml": "rpm-venv lock pylock.toml pylock.exact.toml",
    "a/pylock.app.toml": "rpm-venv lock a/pylock.app.toml a/pylock.app-exact.toml",
    "-": "rpm-venv lock IN OUT",
}


@pytest.mark.parametrize("filename, command", COMMANDS.items(), ids=COMMANDS)
def test_a_refusal_names_the_command_that_makes_a_lock_of_the_file(
    filename: str, command: str
) -> None:
    with pytest.raises(LockError) as caught:
        lock.parse(b"six>=1", filename)
    assert caught.value.hint == f"make one with: {command}"
    assert caught.value.line().startswith(f"{filename}: not an exact lock; make one with: ")
    words = shlex.split(command)
    assert words[:2] == ["rpm-venv", "lock"]
    assert filename == "-" or words[2] == filename != words[3]


def test_a_good_copy_of_a_pylock_is_one_by_its_name() -> None:
    for name in ("pylock.toml", "pylock.app.toml"):
        assert lock.is_pylock(lock.command(name).split()[-1])


def test_the_digest_is_the_files() -> None:
    text = f"six==1 --hash=sha256:{A}"
    assert parsed(text).digest != parsed(text + "\n").digest
    assert len(parsed(text).digest) == 64


def test_what_holds_is_selected_by_name() -> None:
    found = parsed(
        f"zope==1 --hash=sha256:{A}\n"
        f"tomli==2 ; python_version < '3.11' --hash=sha256:{A}\n"
        f"six==1 ; python_version < '3.11' --hash=sha256:{A}\n"
        f"six==2 ; python_version >= '3.11' --hash=sha256:{B}\n"
    )
    assert [str(entry) for entry in lock.select(found, MARKERS)] == ["six 2", "zope 1"]


def test_an_extra_of_a_requirement_never_holds_as_in_pip() -> None:
    found = parsed(f"a==1 --hash=sha256:{A}\nb==1 ; extra == 'x' --hash=sha256:{A}\n")
    assert [entry.name for entry in lock.select(found, MARKERS)] == ["a"]


def test_one_entry_under_two_markers_that_hold_is_one() -> None:
    found = parsed(
        f"six==1 ; os_name == 'posix' --hash=sha256:{A}\n"
        f"six==1 ; sys_platform == 'linux' --hash=sha256:{A}\n"
    )
    assert [str(entry) for entry in lock.select(found, MARKERS)] == ["six 1"]


def selection_problems(text: str) -> list[str]:
    with pytest.raises(LockError) as caught:
        lock.select(parsed(text), MARKERS)
    assert "rpm-venv lock -p python3.11 requirements.txt" in caught.value.hint
    return [str(problem) for problem in caught.value.problems]


def test_two_versions_that_both_hold_are_refused() -> None:
    assert selection_problems(
        f"six==1 ; os_name == 'posix' --hash=sha256:{A}\n"
        f"six==2 ; sys_platform == 'linux' --hash=sha256:{B}\n"
    ) == ["line 2: six 2 and six 1 in line 1 both hold here"]


def test_extras_and_groups_are_refused_where_there_are_none() -> None:
    with pytest.raises(LockError) as caught:
        lock.select(parsed(HASHED.join(("six==1", ""))), MARKERS, ("x",), ("dev",))
    found = list(map(str, caught.value.problems))
    assert found == ["it has no extra 'x' (it has none)", "it has no group 'dev' (it has none)"]
    # Another lock for this Python would lack them as well.
    assert (caught.value.message, caught.value.hint) == (
        "the lock has not all that is asked for", "",
    )  # fmt: skip


def test_a_condensed_lock_is_the_same_lock() -> None:
    found = parsed(GOOD["versions by marker"][0])
    again = lock.parse(lock.condense(found).encode(), "-")
    assert again.entries == found.entries
    assert "#" not in lock.condense(found)


def test_a_rendered_lock_is_sorted_and_has_its_header() -> None:
    found = parsed(f"b==1 --hash=sha256:{A}\na==1 --hash=sha256:{B} --hash=sha256:{A}\n")
    assert requirements.render(found.entries, ["Made by me"]) == (
        "# Made by me\n"
        f"a==1 \\\n    --hash=sha256:{A} \\\n    --hash=sha256:{B}\n"
        f"b==1 \\\n    --hash=sha256:{A}\n"
    )


def test_time_grows_with_size_and_no_faster() -> None:
    def seconds(text: str) -> float:
        data = text.encode()
        start = time.process_time()
        lock.read(data, "requirements.txt")
        return time.process_time() - start

    hostile: tuple[Callable[[int], str], ...] = (
        lambda n: "six==1" + " " * n,
        lambda n: "six==1 ; " + "(" * n,
        lambda n: "a" * n + "!",
        lambda n: "six==" + "9" * n + HASHED,
        lambda n: "six==1" + " --hash=sha256:x" * (n // 16),
        lambda n: "six==1 \\\n" * (n // 9),
        lambda n: "[" * n,
        lambda n: "a[" + "b," * (n // 2),
    )
    for make in hostile:
        assert seconds(make(200_000)) < 2
