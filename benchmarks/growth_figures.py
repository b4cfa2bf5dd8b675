"""What `benchmarks.growth` measured, kept beside it; its tables and its chart in docs/."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.log_chart import Curve, Panel, chart
from benchmarks.made_pages import MadePart

KEPT = Path(__file__).with_name("growth.json")
PART = MadePart("measurements.md", "growth.py")
CHART = PART.path.with_name("growth.svg")
WINDOWS = (10_000, 100_000, 1_000_000, 10_000_000)
HOURS = (1, 10, 100)

Figures = dict[str, dict[str, float]]  # of one size: by what is measured, and by measure
Kept = dict[str, dict[int, Figures]]  # by what grows, "windows" or "hours", and by size, ascending


@dataclass(frozen=True)
class Growing:
    """One thing that is measured: the first of its measures is drawn.

    Attributes:
        name: of its figures.
        what: its row of the table.
        short: its line of the chart; none where it is "".
        measures: of what its cells have, in their order.
        ends: what it runs into.
    """

    name: str
    what: str
    short: str
    measures: tuple[str, ...]
    ends: str


TIMES = ("p50_ms", "p95_ms", "processor_ms")
QUESTIONS = (
    Growing(
        "candidates",
        "candidates of a question",
        "candidates",
        TIMES,
        "memory bandwidth: all coarse joint vectors are read, 136 bytes a window; with the words of"
        " a question that stand in a share of all files, their rows",
    ),
    Growing(
        "rerank",
        "rerank of 200 candidates",
        "rerank",
        TIMES,
        "a cost of its own: 200 windows through the decoder, however many there are",
    ),
    Growing("question", "whole question", "whole question", TIMES, "first the rerank, then"),
    Growing(
        "similar",
        "`similar`, a sound of 3 windows",
        "similar",
        TIMES,
        "memory bandwidth: all coarse embeddings, 328 bytes a window",
    ),
    Growing("daemon", "the daemon, asked", "", TIMES[:2], "as a whole question"),
    Growing("daemon, first", "its first question", "", TIMES[:1], "the disk"),
    Growing("cold", "cold `find`", "cold find", TIMES, "the start, then the disk"),
)
ROOM = (
    Growing("database", "database", "database", ("mb",), "disk"),
    Growing("vectors", "files of vectors", "vectors", ("mb",), "disk"),
    Growing("cold", "peak memory of a cold `find`", "cold find, peak", ("memory_mb",), "memory"),
    Growing("daemon", "memory that the daemon holds", "daemon", ("memory_mb",), "memory"),
)
HEARING = (
    Growing("index", "`index`, processor time, s", "processor", ("processor_s",), "cores"),
    Growing("index", "`index`, by the clock, s", "by the clock", ("wall_s",), "cores"),
)
HEARING_ROOM = (
    Growing("main, peak", "peak memory, main process", "main, peak", ("mb",), "memory"),
    Growing("decoding, peak", "peak memory, decoding process", "decoding, peak", ("mb",), "memory"),
    Growing("database", "database", "database", ("mb",), "disk"),
    Growing("sound", "the recording itself (FLAC)", "the recording", ("mb",), "disk"),
)


def read_figures() -> Kept:
    """All that was measured."""
    kept = json.loads(KEPT.read_text("utf-8")) if KEPT.exists() else {}
    return {
        kind: {int(size): kept[kind][size] for size in sorted(kept.get(kind, {}), key=int)}
        for kind in ("windows", "hours")
    }


def keep_figures(kind: str, size: int, figures: Figures) -> None:
    """Keep what was measured at one size, in place of an earlier measurement."""
    kept = read_figures()
    kept[kind][size] = {
        name: {measure: float(f"{value:.4g}") for measure, value in measures.items()}
        for name, measures in figures.items()
    }
    kept[kind] = dict(sorted(kept[kind].items()))
    KEPT.write_text(json.dumps(kept, indent=1) + "\n", "utf-8")


def amount(figures: Mapping[int, Figures], size: int, name: str, measure: str) -> float:
    """What was measured at a size; beyond all that was, what a straight line gives.

    Raises:
        KeyError: it was not measured there, and is not to be reckoned.
    """
    if size in figures:
        return figures[size][name][measure]
    if len(figures) < 2 or size < max(figures):
        raise KeyError(size)
    small, large = sorted(figures)[-2:]
    low, high = (figures[each][name][measure] for each in (small, large))
    return high + max(0.0, high - low) / (large - small) * (size - large)  # chance alone falls


def _cell(figures: Mapping[int, Figures], size: int, growing: Growing) -> str:
    try:
        found = [amount(figures, size, growing.name, each) for each in growing.measures]
    except KeyError:
        return ""
    if size not in figures:
        return f"*{_number(found[0])}*"
    cell = ", ".join(_number(each) for each in found[:2])
    return f"{cell} ({_number(found[2])})" if len(found) > 2 else cell


def _factor(figures: Mapping[int, Figures], growing: Growing) -> str:
    """By how much it grows from the second largest to the largest size that were measured."""
    if len(figures) < 2:
        return ""
    small, large = (figures[each][growing.name] for each in sorted(figures)[-2:])
    measure = growing.measures[-1] if len(growing.measures) > 2 else growing.measures[0]
    return _number(large[measure] / small[measure])


def table(kind: str, sizes: Sequence[int], rows: Sequence[Growing]) -> str:
    """The table of one kind of growth, as Markdown."""
    figures = read_figures()[kind]
    sizes = sorted({*sizes, *figures})
    head = " | ".join(f"{size:,} {kind if size > 1 else kind[:-1]}" for size in sizes)
    lines = [f"| | {head} | last grows by | runs into |", "|---|" + "---|" * (len(sizes) + 2)]
    lines += [
        f"| {each.what} | {' | '.join(_cell(figures, size, each) for size in sizes)}"
        f" | {_factor(figures, each)} | {each.ends} |"
        for each in rows
    ]
    return "\n".join(lines)


def _number(value: float) -> str:
    if value >= 100:
        return f"{float(f'{value:.3g}'):,.0f}"
    return f"{float(f'{value:.2g}'):g}"


def _panel(
    title: str, across: str, up: str, kind: str, sizes: Sequence[int], rows: Sequence[Growing]
) -> Panel:
    figures = read_figures()[kind]
    beyond = [size for size in sizes if len(figures) > 1 and size > max(figures)]

    def points(each: Growing, at: Iterable[int]) -> list[tuple[float, float]]:
        return [(size, amount(figures, size, each.name, each.measures[0])) for size in at]

    curves = [
        Curve(each.short, points(each, figures), points(each, beyond))
        for each in rows
        if each.short and figures
    ]
    return Panel(title, across, up, curves)


def drawn() -> str:
    """The chart, as SVG."""
    windows, hours = "windows in the library", "hours of one recording"
    panels = [
        _panel("A question", windows, "ms (p50)", "windows", WINDOWS, QUESTIONS),
        _panel("Memory and disk", windows, "MB", "windows", WINDOWS, ROOM),
        _panel("index, one recording", hours, "s", "hours", HOURS, HEARING),
        _panel("Its memory and disk", hours, "MB", "hours", HOURS, HEARING_ROOM),
    ]
    return chart(
        [panel for panel in panels if panel.curves],
        title="How time and memory grow with the library, and with the length of a recording",
    )


def made() -> str:
    """What stands in the page: the tables, with the chart between them."""
    return "\n\n".join(
        [
            f"![How it grows; the tables have the figures]({CHART.name})",
            table("windows", WINDOWS, (*QUESTIONS, *ROOM)),
            table("hours", HOURS, (*HEARING, *HEARING_ROOM)),
        ]
    )


def write_all() -> str:
    """Write the tables into the page and the chart beside it; returns the tables."""
    CHART.write_text(drawn(), "utf-8")
    PART.write(made())
    return made()
