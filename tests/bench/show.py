"""What was measured, as lines, as a table of a document, and as a plot. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html import escape

from tests.bench.goals import Measured, Verdict, median

WORKS = (
    *("cold", "packaged: store", "second", "one changed", "nothing to do", "verify", "remove"),
    *("remove, the last", "from an index", "fetched alone"),
)
_COLOURS = {"ours": "#2a6f97", "uv with byte code": "#de7f2f", "uv": "#f2c14e",
            "pip 26": "#8f8f8f", "pip 23": "#bdbdbd", "hashing": "#6a994e",
            "rm -rf": "#6a994e", "compile() alone": "#6a994e", "the least": "#a7c957",
            "ours, unconfined": "#89c2d9"}  # fmt: skip
_ROW, _LABEL, _WIDTH, _GAP = 16, 150, 460, 10
BEGIN, END = "<!-- measured: make bench writes this -->", "<!-- measured: end -->"


def lines(name: str, measured: Measured, goals: Sequence[Verdict]) -> list[str]:
    """A report for a terminal."""
    said = [f"{name}"]
    for work in WORKS:
        for (its, who), costs in measured.items():
            if its == work:
                cpu = sorted(cost.cpu for cost in costs)[len(costs) // 2]
                peak = max(cost.peak for cost in costs)
                said.append(
                    f"  {work:<16} {who:<18} {median(costs):8.3f} s {cpu:8.3f} s CPU {peak:6.0f} MB"
                )
    for goal in goals:
        word = "met" if goal.met else "MISSED"
        also = "" if goal.cpu is None else f" (of CPU: {goal.cpu:.3f})"
        said.append(f"  {goal.goal:<36} {goal.found:8.3f}{also}  at most {goal.most:g}: {word}")
    return said


def table(sets: Mapping[str, Measured], goals: Mapping[str, Sequence[Verdict]]) -> str:
    """The tables of a document: seconds by work and contender, and the goals."""
    names = [f"{name} ({_rounds(each)})" for name, each in sets.items()]
    rows = [f"| seconds | {' | '.join(names)} |", f"|---|{'---|' * len(names)}"]
    for work in WORKS:
        whos = dict.fromkeys(who for each in sets.values() for its, who in each if its == work)
        for who in whos:
            cells = [_seconds(each.get((work, who))) for each in sets.values()]
            rows.append(f"| {work}: {who} | {' | '.join(cells)} |")
    rows += ["", f"| goal | at most | {' | '.join(names)} |", f"|---|---|{'---|' * len(names)}"]
    known = {goal.goal: goal.most for each in goals.values() for goal in each}
    for words, most in known.items():
        cells = []
        for each in goals.values():
            goal = next((goal for goal in each if goal.goal == words), None)
            mark = "" if goal is None or goal.met else " (missed)"
            cells.append("" if goal is None else f"{goal.found:.3g}{mark}")
        rows.append(f"| {words} | {most:g} | {' | '.join(cells)} |")
    return "\n".join(rows)


def _rounds(measured: Measured) -> str:
    runs = max(map(len, measured.values()), default=0)
    return f"{runs} round{'' if runs == 1 else 's'}"


def _seconds(costs: Sequence[object] | None) -> str:
    return f"{median(costs):.2f}" if costs else ""  # type: ignore[arg-type]


def with_table(document: str, text: str) -> str:
    """A document with these tables in the place of those it has."""
    pattern = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)
    if not pattern.search(document):
        raise ValueError("the document has no place for tables")
    return pattern.sub(lambda _: f"{BEGIN}\n{text}\n{END}", document)


def plot(sets: Mapping[str, Measured]) -> str:
    """Bars by set and work, each work in its own scale, as SVG."""
    body: list[str] = []
    y = _GAP
    for name, measured in sets.items():
        y += _ROW
        body.append(_text(4, y, name, "bold"))
        for work in WORKS:
            bars = [(who, median(costs)) for (its, who), costs in measured.items() if its == work]
            longest = max((seconds for _, seconds in bars), default=0)
            if not longest:
                continue
            y += _ROW + 4
            body.append(_text(12, y, work, "normal"))
            for who, seconds in bars:
                y += _ROW
                body.append(_text(24, y, who, "normal"))
                length = max(1, round(_WIDTH * seconds / longest))
                body.append(
                    f'<rect x="{_LABEL}" y="{y - 11}" width="{length}" height="12" '
                    f'fill="{_COLOURS.get(who, "#999999")}"/>'
                )
                body.append(_text(_LABEL + length + 4, y, f"{seconds:.2f} s", "normal"))
        y += _GAP
    width = _LABEL + _WIDTH + 70
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{y + _GAP}" '
            f'viewBox="0 0 {width} {y + _GAP}" font-family="sans-serif" font-size="12">',
            '<rect width="100%" height="100%" fill="#ffffff"/>',
            *body,
            "</svg>\n",
        ]
    )


def _text(x: int, y: int, text: str, weight: str) -> str:
    return f'<text x="{x}" y="{y}" font-weight="{weight}">{escape(text)}</text>'
