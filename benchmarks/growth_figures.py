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
PROCESSOR = "processor_ms"

Figures = dict[str, dict[str, float]]  # of one size: by what is measured, and by measure
Kept = dict[str, dict[int, Figures]]  # by what grows, "windows" or "hours", and by size, ascending


@dataclass(frozen=True)
class Growing:
    """One thing that is measured.

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

    @property
    def drawn(self) -> str:
        """The measure that the chart and the factors have: of times that of the processor."""
        return PROCESSOR if PROCESSOR in self.measures else self.measures[0]


TIMES = ("p50_ms", "p95_ms", PROCESSOR)
QUESTIONS = (
    Growing(
        "candidates",
        "candidates of a question",
        "candidates",
        TIMES,
        "the processor: files and windows that have a common word are ranked one by one; then"
        " memory: all coarse vectors are read, 136 bytes a window",
    ),
    Growing(
        "rerank",
        "rerank of 200 candidates",
        "rerank",
        TIMES,
        "nothing: 200 windows through the decoder, of however many",
    ),
    Growing(
        "question",
        "whole question",
        "whole question",
        TIMES,
        "at first the rerank, which costs what it costs; from about a million on the candidates",
    ),
    Growing(
        "similar",
        "`similar`, a sound of 3 windows",
        "similar",
        TIMES,
        "memory: all coarse embeddings are read, 328 bytes a window",
    ),
    Growing("daemon", "the daemon, asked", "", TIMES[:2], "as the whole question"),
    Growing("daemon, first", "its first question", "", TIMES[:1], "as a cold `find`"),
    Growing(
        "cold",
        "cold `find`",
        "cold find",
        TIMES,
        "at first the start; then what is looked at of the whole library once: which recordings"
        " have no file any more, how many windows there are, the ids of vectors",
    ),
)
ROOM = (
    Growing("database", "database, MB", "database", ("mb",), "the disk: 2.4 KB a window"),
    Growing("vectors", "files of vectors, MB", "vectors", ("mb",), "the disk: 2.3 KB a window"),
    Growing(
        "cold",
        "peak memory of a cold `find`, MB",
        "cold find, peak",
        ("memory_mb",),
        "memory, which the system can take back: pages of the files of vectors that were read",
    ),
    Growing(
        "daemon",
        "memory that the daemon holds, MB",
        "daemon",
        ("memory_mb",),
        "memory of its own, without such pages",
    ),
)
HEARING = (
    Growing("index", "`index`, processor time, s", "processor", ("processor_s",), "cores"),
    Growing("index", "`index`, by the clock, s", "by the clock", ("wall_s",), "cores"),
)
HEARING_ROOM = (
    Growing(
        "main, peak",
        "peak memory, main process, MB",
        "main, peak",
        ("mb",),
        "nothing: a batch and a queue, however long the sound",
    ),
    Growing(
        "decoding, peak",
        "peak memory, decoding process, MB",
        "decoding, peak",
        ("mb",),
        "nothing: loudness is counted as it comes",
    ),
    Growing("database", "database, MB", "database", ("mb",), "the disk: 1.6 MB an hour"),
    Growing("sound", "the recording itself (FLAC), MB", "the recording", ("mb",), "the disk"),
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
    return _number(large[growing.drawn] / small[growing.drawn])


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
        return [(size, amount(figures, size, each.name, each.drawn)) for size in at]

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
        _panel(
            "A question: time",
            windows,
            "ms of processor time (median)",
            "windows",
            WINDOWS,
            QUESTIONS,
        ),
        _panel("A library: memory and disk", windows, "MB", "windows", WINDOWS, ROOM),
        _panel("Indexing one recording: time", hours, "s", "hours", HOURS, HEARING),
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
