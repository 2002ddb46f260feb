"""An environment's path: which are taken, how they become one file name and back."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpm_venv.errors import UsageError
from rpm_venv.paths import Layout, environment_path, escape, unescape

COMPONENT = st.text("abcXYZ019._+@-", min_size=1, max_size=12).filter(
    lambda s: s not in (".", "..")
)


@pytest.mark.parametrize(
    ("given_path", "normal"),
    [
        ("/opt/app1/penv", "/opt/app1/penv"),
        ("/opt/app1/penv/", "/opt/app1/penv"),
        ("/opt//app1///penv", "/opt/app1/penv"),
        ("/srv/x@1/my-env_2.0+b", "/srv/x@1/my-env_2.0+b"),
    ],
)
def test_a_path_has_one_normal_form(given_path: str, normal: str) -> None:
    assert environment_path(given_path) == normal


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("", "absolute"),
        ("opt/app/penv", "absolute"),
        ("/opt", "two directories"),
        ("/", "two directories"),
        ("/opt/../etc/x", "'.' or '..'"),
        ("/opt/./x", "'.' or '..'"),
        ("/opt/a b", "letters"),
        ("/opt/a\nb", "letters"),
        ("/opt/$(id)/x", "letters"),
        ("/opt/%{name}/x", "letters"),
        ("/opt/é/x", "letters"),
        ("/opt/" + "a" * 96, "at most 100"),
        ("/opt/" + "@" * 90, "escaped, has at most 200"),
    ],
)
def test_a_path_that_cannot_be_is_refused_with_the_reason(bad: str, reason: str) -> None:
    with pytest.raises(UsageError) as caught:
        environment_path(bad)
    assert reason in caught.value.message
    assert "/opt/app1/penv" in caught.value.hint


@given(st.lists(COMPONENT, min_size=2, max_size=5))
def test_escaping_is_reversible_and_one_file_name(parts: list[str]) -> None:
    path = "/" + "/".join(parts)
    assert unescape(escape(path)) == path
    assert "/" not in escape(path)


@given(st.lists(COMPONENT, min_size=2, max_size=4), st.lists(COMPONENT, min_size=2, max_size=4))
def test_two_paths_never_share_a_name(one: list[str], other: list[str]) -> None:
    assert (escape("/" + "/".join(one)) == escape("/" + "/".join(other))) == (one == other)


def test_the_root_reaches_every_path() -> None:
    layout = Layout(Path("/somewhere"))
    assert layout.real("/opt/app1/penv") == Path("/somewhere/opt/app1/penv")
    assert layout.target(layout.real("/opt/app1/penv")) == "/opt/app1/penv"
    for place in (layout.store, layout.envs, layout.state, layout.staging, layout.config):
        assert place.is_relative_to("/somewhere")
    assert layout.generation_target("/opt/my-app/penv", "0" * 20) == (
        "/usr/lib/rpm-venv/envs/opt-my_2dapp-penv/" + "0" * 20
    )
