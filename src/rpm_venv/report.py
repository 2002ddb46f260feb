"""The report: what a verb did or found. Text and JSON are two views of the same values. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from rpm_venv.errors import VenvError
from rpm_venv.frozen import dataclass, field, replace
from rpm_venv.paths import Layout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Union

    from rpm_venv.system.sandbox import Zygote

    #: What there is to tell of progress: a text, or what gives it whenever somebody looks.
    Told = Union[str, Callable[[], str]]

DONE = 0
FAILED = 1
USAGE = 2
FOUND = 3


@dataclass(frozen=True)
class Report:
    """What a verb did or found.

    ``text`` are the lines for stdout (data), ``talk`` those for stderr, ``data`` what ``--json``
    prints instead of ``text``. ``exit_code`` is DONE, FAILED, USAGE or FOUND.
    """

    data: Mapping[str, Any] = field(default_factory=dict)
    text: tuple[str, ...] = ()
    talk: tuple[str, ...] = ()
    exit_code: int = DONE


def on_one_line(text: str) -> str:
    """A text as a terminal and a log may see it: what is not printable is written as escapes.

    Names of files, versions and an index's words come from strangers, who may put control sequences
    into them, line ends, or letters that change the direction of those around them.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _silence(_: Told) -> None:
    """Progress that nobody watches."""


@dataclass(frozen=True)
class Context:
    """What every verb gets from the command line: the layout, where wheels may be, who listens.

    ``tidies`` is whether a step that frees objects looks at once which of them others refer to. A
    call about many environments looks once, at its end. ``unfetched`` is what the index could not
    give in this call, by what it was asked for, and under None that it could not be asked: what is
    known of it is not waited for once more. ``children`` is what makes the confined children that
    read wheels, where it was started before it was known which.
    """

    layout: Layout = field(default_factory=lambda: Layout(Path("/")))
    progress: Callable[[Told], None] = _silence
    tidies: bool = True
    unfetched: dict[object, VenvError] = field(default_factory=dict, compare=False)
    children: Zygote | None = field(default=None, compare=False)

    def each(self, doing: str, items: Sequence[str]) -> Iterator[tuple[Context, str]]:
        """Each of these, with a context whose progress says which of how many it is."""
        for number, item in enumerate(items, 1):
            which = f" ({number} of {len(items)})" if len(items) > 1 else ""
            yield self._within(f"{doing} {item}{which}"), item

    def _within(self, where: str) -> Context:
        self.progress(where)

        def progress(told: Told) -> None:
            if isinstance(told, str):
                self.progress(f"{where}: {told}")
            else:
                self.progress(lambda: f"{where}: {told()}")

        return replace(self, progress=progress)
