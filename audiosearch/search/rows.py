"""What answers look like in JSON: the rows that commands print and that the server sends.

Names in JSON are a contract with users' scripts.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping, Sequence

from audiosearch._urls import is_url
from audiosearch.errors import path_fields
from audiosearch.search.results import Description, FindResult, Hit, LabelFit, Word

Row = dict[str, object]


def json_line(row: Mapping[str, object]) -> str:
    """A row as the commands print it, without the end of the line.

    What a terminal would obey is written as JSON's own escapes, which programs read as it was.
    """
    line = json.dumps(tidy_row(row), ensure_ascii=False, allow_nan=False)
    if line.isprintable():
        return line
    return "".join(each if each.isprintable() else json.dumps(each)[1:-1] for each in line)


def tidy_row(row: Mapping[str, object]) -> Row:
    """A row with its floats as they are printed: more than six digits would be noise."""
    return {key: _rounded(value) for key, value in row.items()}


def text_row(hit: Hit, *, with_clock: bool = False) -> Row:
    """A hit of a query by words, for JSON; of a moment with the time by the clock."""
    return {
        "rank": hit.rank,
        **path_fields(hit.path),
        "start_s": hit.start_s,
        "end_s": hit.end_s,
        "score": hit.score,
        "cross_entropy": hit.cross_entropy,
        "lift": hit.lift,
        "caption": hit.caption,
        "duration_s": hit.duration_s,
        "recording_id": hit.recording_id,
        "window_id": hit.window_id,
        "offline": is_offline(hit),
        **also_fields(hit.also),
        "matched": [{"field": match.field, "words": list(match.words)} for match in hit.matched],
        **({} if hit.words is None else {"words": word_rows(hit.words)}),
        **({"clock_start": hit.clock_start} if with_clock else {}),
        **({} if hit.similarity is None else {"similarity": hit.similarity}),
        **({"excluded": _excluded_rows(hit)} if hit.excluded else {}),
        **({"weak": True} if hit.weak else {}),
    }


def read_as_row(result: FindResult) -> Row:
    """What each row tells of a query that was read in another language than English."""
    if result.translated is None:
        return {}
    return {"language": result.language, "translated": result.translated}


def _excluded_rows(hit: Hit) -> list[dict[str, object]]:
    return [{"text": each.text, "score": round(each.score, 6)} for each in hit.excluded]


def similar_row(hit: Hit) -> Row:
    """A hit of a query by sound, for JSON."""
    return {
        "rank": hit.rank,
        **path_fields(hit.path),
        "start_s": hit.start_s,
        "end_s": hit.end_s,
        "similarity": hit.similarity,
        "caption": hit.caption,
        "duration_s": hit.duration_s,
        "recording_id": hit.recording_id,
        "window_id": hit.window_id,
        "offline": is_offline(hit),
        **also_fields(hit.also),
    }


def description_rows(path: bytes, description: Description) -> list[Row]:
    """What is heard in a window, a row for each caption."""
    return [
        {
            **path_fields(path),
            "start_s": description.start_s,
            "end_s": description.end_s,
            "rank": fit.rank,
            "caption": fit.text,
            "score": fit.score,
            "cross_entropy": fit.cross_entropy,
            "lift": fit.lift,
            "scaled": fit.scaled,
            "source": fit.source,
            **({} if fit.words is None else {"words": word_rows(fit.words)}),
        }
        for fit in description.captions
    ]


def label_rows(path: bytes, fits: Sequence[LabelFit]) -> list[Row]:
    """How well labels fit a sound, a row for each."""
    return [
        {
            **path_fields(path),
            "start_s": fit.start_s,
            "end_s": fit.end_s,
            "rank": fit.rank,
            "label": fit.label,
            "score": fit.score,
            "cross_entropy": fit.cross_entropy,
            "scaled": fit.scaled,
        }
        for fit in fits
    ]


def also_fields(paths: Sequence[bytes]) -> Row:
    """`also`, the paths as `path_fields` has them, and `also_b64` where one of them is no UTF-8."""
    rows = [path_fields(path) for path in paths]
    fields: dict[str, object] = {"also": [row["path"] for row in rows]}
    if any("path_b64" in row for row in rows):
        fields["also_b64"] = [base64.b64encode(path).decode("ascii") for path in paths]
    return fields


def is_offline(hit: Hit) -> bool:
    """Whether the file is not there now, as when its drive or folder is not connected.

    Of a file at a URL that is not asked: no answer waits for a network.
    """
    return not is_url(hit.path) and not os.path.lexists(hit.path)


def word_rows(words: Sequence[Word]) -> list[dict[str, object]]:
    """The words for JSON, each with its lift in nats, null for unknown words.

    A word that was read as another has that other word as `read_as`.
    """
    return [
        {
            "word": word.text,
            "lift": None if word.lift is None else round(word.lift, 4),
            **({} if word.read_as is None else {"read_as": word.read_as}),
        }
        for word in words
    ]


def _rounded(value: object) -> object:
    return round(value, 6) if isinstance(value, float) else value
