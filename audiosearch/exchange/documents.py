"""The formats that are texts: which there are, and what an answer becomes in each of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from audiosearch.errors import QueryError
from audiosearch.exchange.annotations import audacity_labels, opensoundscape_table, raven_table
from audiosearch.exchange.aoef import annotation_set, now
from audiosearch.exchange.names import recording_names
from audiosearch.exchange.stretches import LabelledStretch, by_recording
from audiosearch.exchange.tables import csv_table, json_lines
from audiosearch.exchange.timelines import (
    FRAME_RATES,
    FrameRate,
    edit_list,
    playlist,
    reaper_regions,
)

# What is written for each recording, and how its name ends.
OF_EACH = {"audacity": ".txt", "raven": ".Table.1.selections.txt", "reaper": ".csv"}
# What needs to know more of a recording than the rows tell.
NEED_FACTS = frozenset(("raven", "aoef", "edl", "opensoundscape"))
CSV_LAYOUTS = ("audiosearch", "opensoundscape")


@dataclass(frozen=True, kw_only=True)
class DocumentOptions:
    """What some of the formats may be told.

    Attributes:
        rate: of an EDL's timecode.
        markers: of REAPER's list, the starts alone.
        layout: of a CSV: all that rows tell, or opensoundscape's annotations.
        title: of an EDL or an annotation set.
        created: when an annotation set was made.
    """

    rate: FrameRate = FRAME_RATES["25"]
    markers: bool = False
    layout: str = "audiosearch"
    title: str = "audiosearch"
    created: datetime = field(default_factory=now)


def document(kind: str, stretches: Sequence[LabelledStretch], options: DocumentOptions) -> str:
    """All of an answer as one text.

    Raises:
        QueryError: the format cannot hold it.
    """
    if kind in ("audacity", "reaper"):
        recordings = by_recording(stretches)
        if len(recordings) > 1:
            raise QueryError(
                f"stretches of {len(recordings)} recordings, and this format is of one",
                remedy="give --to FOLDER: a file for each recording",
            )
        stretches = [each for some in recordings.values() for each in some]
    writer = _WRITERS.get(kind)
    if writer is None:
        raise QueryError(f"there is no format {kind!r}", remedy=", ".join(_WRITERS))
    return writer(stretches, options)


def _csv(stretches: Sequence[LabelledStretch], options: DocumentOptions) -> str:
    if options.layout == "opensoundscape":
        return opensoundscape_table(stretches)
    return csv_table([each.row for each in stretches])


_WRITERS: Mapping[str, Callable[[Sequence[LabelledStretch], DocumentOptions], str]] = {
    "m3u8": lambda stretches, _: playlist(stretches),
    "audacity": lambda stretches, _: audacity_labels(stretches),
    "raven": lambda stretches, _: raven_table(stretches),
    "reaper": lambda stretches, options: reaper_regions(stretches, markers=options.markers),
    "edl": lambda some, options: edit_list(some, rate=options.rate, title=options.title),
    "aoef": lambda some, options: annotation_set(some, name=options.title, created=options.created),
    "csv": _csv,
    "jsonl": lambda stretches, _: json_lines([each.row for each in stretches]),
}


def documents(
    kind: str, stretches: Sequence[LabelledStretch], options: DocumentOptions
) -> dict[str, str]:
    """A text for each recording, by a file's name."""
    recordings = by_recording(stretches)
    names = recording_names(recordings, OF_EACH[kind])
    return {names[path]: document(kind, some, options) for path, some in recordings.items()}
