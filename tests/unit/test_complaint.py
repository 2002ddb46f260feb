"""pip's words, of several versions, made one line."""

from __future__ import annotations

import time

import pytest

from rpm_venv.fetching.complaint import diagnose, unasked

NOT_FOUND = "ERROR: No matching distribution found for alpha==1.0\n"
UNREACHED = (
    "2026-01-01T10:00:00,123 Could not fetch URL https://pypi.example/simple/alpha/: "
    "HTTPSConnectionPool(host='pypi.example', port=443): Max retries exceeded with url: "
    "/simple/alpha/ (Caused by {}) - skipping\n"
)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (
            UNREACHED.format(
                "NewConnectionError('<object at 0x7f>: Failed to establish a new connection: "
                "[Errno -3] Temporary failure in name resolution')"
            ),
            "the index at pypi.example cannot be reached: "
            "[Errno -3] Temporary failure in name resolution",
        ),
        (
            UNREACHED.format(
                "ConnectTimeoutError(<object at 0x7f>, 'Connection to pypi.example timed out. "
                "(connect timeout=10)')"
            ),
            "the index at pypi.example cannot be reached: timed out",
        ),
        (
            UNREACHED.format(
                "SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] "
                "certificate verify failed: unable to get local issuer certificate (_ssl.c:992)'))"
            ),
            "the connection to the index at pypi.example is not trusted: "
            "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: "
            "unable to get local issuer certificate",
        ),
        (
            UNREACHED.format("ProxyError('Cannot connect to proxy.', OSError('Tunnel: 407'))"),
            "the index at pypi.example cannot be reached: HTTPSConnectionPool(host='pypi.example', "
            "port=443): Max retries exceeded with url: /simple/alpha/ (Caused by ProxyError("
            "'Cannot connect to proxy.', OSError('Tunnel: 407')))",
        ),
        (
            "Could not fetch URL https://me:secret@pypi.example/simple/alpha/: 401 Client Error: "
            "Unauthorized for url - skipping\n",
            "the index at pypi.example wants other credentials (401)",
        ),
        (
            "Could not fetch URL https://pypi.example/simple/alpha/: 404 Client Error: Not Found "
            "for url: https://pypi.example/simple/alpha/ - skipping\n"
            "ERROR: Could not find a version that satisfies the requirement alpha==1.0 "
            "(from versions: none)\n",
            "alpha==1.0: the index has no wheel of it for this Python",
        ),
        (
            "ERROR: HTTP error 503 while getting https://files.example/alpha.whl (from x)\n",
            "the index at files.example answers 503",
        ),
    ],
)
def test_failures_of_the_index(said: str, message: str) -> None:
    found = diagnose(said + NOT_FOUND)
    assert found.message == message
    assert found.hint
    assert "secret" not in found.message


URL = "https://me:secret@pypi.example/simple/alpha/"
NOT_UVS = "cause: Because alpha was not found in the package registry and you require alpha"


@pytest.mark.parametrize(
    ("said", "message", "unreachable"),
    [
        (
            f"error: Request failed after 3 retries in 5.1s\n  cause: Failed to fetch: {URL}\n"
            f"  cause: error sending request for url ({URL})\n  cause: client error (Connect)\n"
            "  cause: tcp connect error\n  cause: Connection refused (os error 111)\n",
            "the index at pypi.example cannot be reached: Connection refused (os error 111)",
            True,
        ),
        (
            f"error: Failed to fetch: `{URL}`\n  Caused by: Could not connect, are you offline?\n"
            "  Caused by: failed to lookup address information: Name or service not known\n",
            "the index at pypi.example cannot be reached: "
            "failed to lookup address information: Name or service not known",
            True,
        ),
        (
            f"  \u00d7 Failed to download `alpha==1.0`\n  ├─▶ Failed to fetch: `{URL}`\n"
            "  ├─▶ client error (Connect)\n  ╰─▶ operation timed out\n",
            "the index at pypi.example cannot be reached: timed out",
            True,
        ),
        (
            f"error: Failed to fetch: `{URL}`\n  Caused by: client error (Connect)\n"
            "  Caused by: invalid peer certificate: UnknownIssuer\n",
            "the connection to the index at pypi.example is not trusted: "
            "invalid peer certificate: UnknownIssuer",
            False,
        ),
        (
            f"error: Failed to fetch: {URL}\n"
            f"  cause: HTTP status server error (503 Service Unavailable) for url ({URL})\n",
            "the index at pypi.example answers 503",
            False,
        ),
        (
            "  \u00d7 No solution found when resolving dependencies:\n\n      hint: An index URL "
            f"({URL}) could not be queried\n      due to a lack of valid authentication "
            "credentials (401 Unauthorized).\n",
            "the index at pypi.example wants other credentials (401)",
            False,
        ),
        (UNREACHED.format("x") + NOT_FOUND, "the index at pypi.example cannot be reached: ", True),
    ],
)
def test_an_index_that_has_not_answered_a_resolver(
    said: str, message: str, unreachable: bool
) -> None:
    found = unasked(said)
    assert found is not None
    assert found.message.startswith(message)
    assert "secret" not in found.message
    assert found.unreachable is unreachable


@pytest.mark.parametrize(
    "said",
    [
        NOT_FOUND,
        f"error: No solution found when resolving dependencies\n  {NOT_UVS}\n",
        f"error: Failed to fetch: `{URL}`\n"
        f"  Caused by: HTTP status client error (404 Not Found) for url ({URL})\n",
        f"Could not fetch URL {URL}: 404 Client Error: Not Found for url - skipping\n{NOT_FOUND}",
    ],
)
def test_an_index_that_has_nothing_has_answered(said: str) -> None:
    assert unasked(said) is None


def test_one_of_several_hashes_is_wrong() -> None:
    said = (
        "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.\n"
        f"    alpha==1.0 from https://files.example/alpha-1.0-py3-none-any.whl#sha256={'a' * 64}"
        " (from -r wheels.txt (line 1)):\n"
        f"        Expected sha256 {'b' * 64}\n"
        f"        Expected     or {'c' * 64}\n"
        f"             Got        {'a' * 64}\n"
    )
    message = diagnose(said).message
    assert message.startswith(
        "alpha==1.0: the index has alpha-1.0-py3-none-any.whl with the sha256"
    )
    assert "a" * 64 in message


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("ERROR: Could not install: No space left\nmore\n", "Could not install: No space left"),
        ("2026-01-01T10:00:00,123   ERROR: Two\n", "Two"),
        ("Traceback\nMemoryError\n", "MemoryError"),
        ("", "it says nothing"),
        ("ERROR: " + "x" * 1000, "x" * 300 + "…"),
    ],
)
def test_anything_else_is_said_in_pips_own_words_and_briefly(said: str, message: str) -> None:
    assert diagnose(said).message == f"pip failed: {message}"


def test_a_word_without_an_end_takes_time_in_proportion() -> None:
    """Of a pip that was taken over: where each letter were tried with each, a minute."""
    before = time.process_time()
    said = f"pip._internal.{'x' * 100_000}\n"
    assert diagnose(said).message.startswith("pip failed: pip._internal.xxx")
    assert time.process_time() - before < 5
