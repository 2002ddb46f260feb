"""What pip or uv complains of, in one line and with a way out. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import urlsplit

_NOT_FETCHED = re.compile(r"Could not fetch URL (\S+): (.*?)(?: - skipping)?$", re.M)
#: The last of pip's retries, which it tells of where it keeps quiet about what it could not fetch.
_BROKEN = re.compile(r"Retrying \(Retry\(total=0\b.*? after connection broken by (.*)': /")
_WRONG_HASH = re.compile(
    r"^ *([^\s=]+==[^\s=]\S*) from (\S+).*\n *Expected sha256 .*(?:\n *(?:Expected )? *or .*)*"
    r"\n *Got +([0-9a-f]{64})",
    re.M,
)
_NO_MATCH = re.compile(r"No matching distribution found for ([^\s(]+)")
_ERROR = re.compile(r"^(?:\S+ )? *ERROR: (.+)$", re.M)
#: The last line of a traceback: what pip says of what it did not expect.
_RAISED = re.compile(r"^ *pip\._\w+\.(?:\w+\.)*(\w+: .+)$", re.M)
_CREDENTIALS = re.compile(r"(?<=//)[^/\s]*@")  # a password may have an @ itself
_REASON = re.compile(
    r"\[Errno -?\d+\] [^'\"()]*|\[SSL: \w+\] [^'\"()]*|too many \d+ error responses|timed out"
)
#: What uv could not fetch, and the causes below it, in the form of any of its versions.
_UV_NOT_FETCHED = re.compile(
    r"Failed to fetch: `?([^\s`]+)`?((?:\n *(?:cause:|Caused by:|[├╰]─▶) .*)*)"
)
_UV_STATUS = re.compile(r"HTTP status \w+ error \((\d{3})")
_UV_DENIED = re.compile(
    r"An index URL \(([^\s)]+)\) could not be queried due to a lack of valid authentication "
    r"credentials \((\d{3})"
)
_MAX = 300

SHIP_WHEELS = "check the index in /etc/pip.conf, or put the wheels into the package (-w DIR -o)"


class Complaint(NamedTuple):
    """An error's message and its hint; and whether it is about an index that does not answer."""

    message: str
    hint: str = ""
    unreachable: bool = False


def diagnose(said: str) -> Complaint:
    """The reason why ``pip download`` failed, out of its log and what it wrote to stderr."""
    said = _plain(said)
    return _unusable(said) or _wrong_hash(said) or _unmatched(said) or _otherwise(said)


def of_index(said: str) -> Complaint | None:
    """What kept pip from asking the index, or None: that it does not have a wheel is an answer."""
    said = _plain(said)
    found = _unusable(said)
    return found if found or _NO_MATCH.search(said) else _otherwise(said)


def unasked(said: str) -> Complaint | None:
    """What kept a resolver from asking an index: pip, its log and what it wrote to stderr, or uv.

    None where all have answered, whatever they have. The hint is one of the target's, not of an
    author's.
    """
    said = _plain(said)
    return (
        _unfetched(said)
        or _uv_unfetched(said)
        or (None if _NO_MATCH.search(said) else _broken(said))
    )


def _plain(said: str) -> str:
    return _CREDENTIALS.sub("", re.sub(r"^\d{4}-\d\d-\d\dT[\d:,]+ ?", "", said, flags=re.M))


def _unusable(said: str) -> Complaint | None:
    if "No module named pip" in said:
        return Complaint(
            "there is no pip to ask the index with",
            "install it: dnf install python3-pip; or put the wheels into the package (-w DIR -o)",
        )
    return _unfetched(said) or _unanswered(said) or _broken(said)


def _wrong_hash(said: str) -> Complaint | None:
    found = _WRONG_HASH.search(said)
    if found is None:
        return None
    name, url, digest = found.groups()
    filename = urlsplit(url).path.rpartition("/")[2]
    message = f"{name}: the index has {filename} with the sha256 {digest}, not the lock's"
    return Complaint(message, "find out which is right before you change the lock")


def _unfetched(said: str) -> Complaint | None:
    """A page of the index that could not be read; that it does not exist is no such failure."""
    for url, reason in _NOT_FETCHED.findall(said):
        code = re.match(r"(\d{3}) (?:Client|Server) Error", reason)
        if code and code[1] in ("404", "410"):
            continue
        if code:
            return _refused(url, code[1])
        return _unreached(url, reason)
    return None


def _broken(said: str) -> Complaint | None:
    found = _BROKEN.search(said)
    if found is None:
        return None
    return Complaint(
        f"the index cannot be reached: {_why(found[1])}", SHIP_WHEELS, unreachable=True
    )


def _uv_unfetched(said: str) -> Complaint | None:
    for url, causes in _UV_NOT_FETCHED.findall(said):
        code = _UV_STATUS.search(causes)
        if code is None:
            why = re.split("(?:cause:|Caused by:|─▶) ", causes)[-1]
            return _unreached(url, why)
        if code[1] not in ("404", "410"):
            return _refused(url, code[1])
    denied = _UV_DENIED.search(" ".join(said.split()))  # its lines are as long as the terminal's
    return _refused(*denied.groups()) if denied else None


def _unreached(url: str, reason: str) -> Complaint:
    if "SSL" in reason or "certificate" in reason.lower():
        message = f"the connection to the index at {_host(url)} is not trusted: {_why(reason)}"
        return Complaint(message, "name its certificate authority with cert= in /etc/pip.conf")
    message = f"the index at {_host(url)} cannot be reached: {_why(reason)}"
    return Complaint(message, SHIP_WHEELS, unreachable=True)


def _unanswered(said: str) -> Complaint | None:
    found = re.search(r"HTTP error (\d{3}) while getting (\S+)", said)
    return _refused(found[2], found[1]) if found else None


def _refused(url: str, code: str) -> Complaint:
    if code == "401":
        message = f"the index at {_host(url)} wants other credentials (401)"
        return Complaint(message, "put them into index-url in /etc/pip.conf")
    return Complaint(f"the index at {_host(url)} answers {code}", SHIP_WHEELS)


def _unmatched(said: str) -> Complaint | None:
    found = _NO_MATCH.search(said)
    if found is None:
        return None
    versions = re.search(re.escape(found[1]) + r" \(from versions: ([^)]*)\)", said)
    known = versions[1] if versions and versions[1] != "none" else ""
    others = f"; it has wheels of {_short(known)}" if known else ""
    return Complaint(
        f"{found[1]}: the index has no wheel of it for this Python{others}", SHIP_WHEELS
    )


def _otherwise(said: str) -> Complaint:
    lines = [line for line in said.splitlines() if line.strip()]
    errors = [error for error in _ERROR.findall(said) if error != "Exception:"]
    errors = errors or _RAISED.findall(said)[-1:] or lines[-1:]
    return Complaint(f"pip failed: {_short(errors[0].strip() if errors else 'it says nothing')}")


def _host(url: str) -> str:
    parts = urlsplit(url)
    return parts.netloc or parts.path


def _why(reason: str) -> str:
    """The end of a chain of exceptions, which is where its reason is."""
    found = _REASON.findall(reason)
    return _short((found[-1] if found else reason).strip())


def _short(text: str) -> str:
    return text if len(text) <= _MAX else f"{text[:_MAX]}…"
