"""Labels for the programs in which people annotate: Audacity, Raven, and opensoundscape's table.

Their readers are strict where their pages are not: decimal points always, no empty label and none
that pandas takes for nothing, ends after starts, frequencies for all labels or for none.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from audiosearch.errors import QueryError, display_path
from audiosearch.exchange.stretches import LabelledStretch, by_recording, one_line
from audiosearch.exchange.tables import csv_line

RAVEN_COLUMNS = (
    *("Selection", "View", "Channel", "Begin Time (s)", "End Time (s)"),
    *("Low Freq (Hz)", "High Freq (Hz)", "Annotation", "Score"),
    *("Begin File", "Begin Path", "File Offset (s)"),
)
OPENSOUNDSCAPE_COLUMNS = (
    *("audio_file", "start_time", "end_time", "low_f", "high_f", "annotation", "score"),
)
_ANY_NYQUIST_HZ = 24_000.0  # where nothing tells the rate
# What pandas reads as nothing at all, however meant (Namibia's NA).
_NOTHING = frozenset(
    (
        *("#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN"),
        *("<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null", "none"),
    )
)


def seconds(value: float) -> str:
    """Seconds to the microsecond, with a point."""
    return f"{value:.6f}"


def span(stretch: LabelledStretch) -> tuple[str, str]:
    """Start and end as they are written: the end is after the start there too."""
    start, end = seconds(stretch.start_s), seconds(stretch.end_s)
    return (start, end) if end != start else (start, seconds(float(start) + 1e-6))


def label_text(text: str) -> str:
    """A label that readers take for itself: on one line, and nothing that stands for nothing."""
    text = one_line(text) or "sound"
    if text.startswith('"'):  # would open a quotation that goes on over the next lines
        text = "'" + text[1:].replace('"', "'")
    return f"({text})" if text in _NOTHING else text


def audacity_labels(stretches: Sequence[LabelledStretch]) -> str:
    """A label track of one recording, with frequencies if all of its labels have them."""
    boxed = all(each.is_boxed for each in stretches)
    lines = []
    for each in stretches:
        start, end = span(each)
        lines.append(f"{start}\t{end}\t{label_text(each.label)}\n")
        if boxed:
            lines.append(f"\\\t{each.low_hz:.6f}\t{each.high_hz:.6f}\n")
    return "".join(lines)


def raven_table(stretches: Sequence[LabelledStretch]) -> str:
    """A selection table of one recording, or of several in a row.

    Raven shows several files as one long sound: times run on from file to file, `Begin File` and
    `File Offset (s)` tell where each selection lies.

    Raises:
        QueryError: there are several recordings, and nothing tells how long one of them is.
    """
    rows: list[tuple[str, ...]] = []
    before_s = 0.0  # of the recordings that come first
    recordings = by_recording(stretches)
    for number, (path, some) in enumerate(recordings.items(), start=1):
        for each in some:
            start, end = span(each)
            shown = one_line(display_path(path))
            rows.append(
                (
                    *(str(len(rows) + 1), "Spectrogram 1", "1"),
                    *(_later(start, before_s), _later(end, before_s)),
                    *_box(each),
                    label_text(each.label),
                    "" if each.score is None else f"{each.score:.6f}",
                    *(one_line(each.name), shown, start),
                )
            )
        if number < len(recordings):
            before_s += _length(some[0])
    lines = [RAVEN_COLUMNS, *rows]
    return "".join("\t".join(line) + "\n" for line in lines)


def _later(time: str, before_s: float) -> str:
    return time if not before_s else seconds(float(time) + before_s)


def _length(stretch: LabelledStretch) -> float:
    if stretch.facts.duration_s is None:
        raise QueryError(
            "nothing tells how long this recording is, so that the next can begin behind it",
            path=stretch.path,
            remedy="give --to FOLDER: a table for each recording",
        )
    return stretch.facts.duration_s


def _box(stretch: LabelledStretch) -> tuple[str, str]:
    """Where in the spectrum, or all of it."""
    if stretch.is_boxed:
        return f"{stretch.low_hz:.1f}", f"{stretch.high_hz:.1f}"
    rate = stretch.facts.sample_rate
    return "0.0", f"{_ANY_NYQUIST_HZ if rate is None else rate / 2:.1f}"


def opensoundscape_table(stretches: Iterable[LabelledStretch]) -> str:
    """The one table for all recordings that opensoundscape's `from_csv` reads."""
    lines = [csv_line(OPENSOUNDSCAPE_COLUMNS)]
    for each in stretches:
        score = "" if each.score is None else f"{each.score:.6f}"
        path = one_line(display_path(each.path))
        lines.append(csv_line((path, *span(each), *_box(each), label_text(each.label), score)))
    return "".join(lines)
