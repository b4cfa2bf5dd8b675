"""What searching reads of windows and captions: places, frames, vectors, texts.

The caller owns the transaction. Everything here only reads; ids go in and out in bulk. Which
windows may answer is in `scope.py`; ranking is the business of `audiosearch.search`.
"""

# ruff: noqa: S608 - statements are put together from constants of this package, and ids
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from audiosearch._typing import Floats
from audiosearch.store.dialects import vector_blobs, vector_column
from audiosearch.store.direct import fetch, fetch_value, in_list
from audiosearch.store.queries._bulk import chunks
from audiosearch.store.vectors import stack_blobs

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

_SPANS: Final = (
    "SELECT w.id, w.recording_id, w.start_s, w.end_s, r.duration_s"
    ' FROM "window" AS w JOIN recording AS r ON r.id = w.recording_id'
)

# Stretches that people gave captions to, with the windows that they meet.
_MEETING: Final = (
    ' FROM caption_target AS t JOIN "window" AS w ON w.recording_id = t.recording_id'
    " AND w.bundle_id + 0 = :bundle AND w.silent = 0"
    " AND w.start_s < t.end_s AND w.end_s > t.start_s"
)


@dataclass(frozen=True)
class WindowSpan:
    """Where in which recording a window is."""

    window_id: int
    recording_id: int
    start_s: float
    end_s: float
    duration_s: float  # of the recording


@dataclass(frozen=True)
class StoredText:
    """A caption and who wrote it."""

    caption_id: int
    text: str
    source: str


@dataclass(frozen=True)
class WindowCount:
    """How many windows there are, and the greatest id among them; 0 for none."""

    n: int
    last_id: int


def count_windows(
    session: Session, *, bundle_id: int, known: WindowCount | None = None
) -> WindowCount:
    """How many windows a bundle has encoded here, silent ones included.

    Args:
        session: any session.
        bundle_id: the bundle.
        known: of an earlier state since which none was removed; only new ones are counted then.
    """
    known = known or WindowCount(0, 0)
    wanted = 'SELECT count(*), max(id) FROM "window" WHERE bundle_id = :bundle AND id > :after'
    [(n, last_id)] = fetch(session, wanted, bundle=bundle_id, after=known.last_id)
    return WindowCount(known.n + n, max(known.last_id, last_id or 0))


def count_heard(session: Session, *, bundle_id: int, up_to: int) -> int:
    """How many windows of a bundle are not silent, counted no further than `up_to`."""
    heard = 'SELECT id FROM "window" WHERE bundle_id = :bundle AND silent = 0 LIMIT :most'
    wanted = f"SELECT count(*) FROM ({heard}) AS heard"
    return int(fetch_value(session, wanted, bundle=bundle_id, most=up_to))


def window_places(session: Session, window_ids: Sequence[int]) -> dict[int, WindowSpan]:
    """Where windows are, by id."""
    found: dict[int, WindowSpan] = {}
    for some in chunks(window_ids):
        rows = fetch(session, f"{_SPANS} WHERE w.id IN ({in_list(some)})")
        found |= {row[0]: WindowSpan(*row) for row in rows}
    return found


def window_recordings(session: Session, window_ids: Sequence[int]) -> set[int]:
    """The recordings of windows."""
    found: set[int] = set()
    for some in chunks(window_ids):
        wanted = f'SELECT DISTINCT recording_id FROM "window" WHERE id IN ({in_list(some)})'
        found.update(recording_id for (recording_id,) in fetch(session, wanted))
    return found


def recording_windows(
    session: Session, recording_ids: Sequence[int], *, bundle_id: int
) -> list[WindowSpan]:
    """The windows of recordings that a bundle has heard and that are not silent, in order."""
    found: list[WindowSpan] = []
    for some in chunks(recording_ids):
        rows = fetch(
            session,
            f"{_SPANS} WHERE w.recording_id IN ({in_list(some)})"
            " AND w.bundle_id + 0 = :bundle AND w.silent = 0 ORDER BY w.recording_id, w.position",
            bundle=bundle_id,
        )
        found += [WindowSpan(*row) for row in rows]
    return found


def window_embeddings(session: Session, window_ids: Sequence[int]) -> Floats:
    """Embeddings (n, E) of windows, in the order asked for."""
    blobs = _vectors(session, window_ids, column="embedding")
    return stack_blobs([blob for blob in blobs if blob is not None])


def window_joints(session: Session, window_ids: Sequence[int]) -> Floats:
    """Vectors (n, J) of windows in the joint space, in the order asked for; (0, 0) without one."""
    blobs = _vectors(session, window_ids, column="joint")
    return stack_blobs([blob for blob in blobs if blob is not None])


def _vectors(session: Session, window_ids: Sequence[int], *, column: str) -> list[bytes | None]:
    """Vectors of windows as blobs, in the order asked for."""
    blobs: dict[int, bytes | None] = {}
    read = vector_column(session, column)
    for some in chunks(window_ids):
        rows = fetch(session, f'SELECT id, {read} FROM "window" WHERE id IN ({in_list(some)})')
        stored = vector_blobs(session, [vector for _, vector in rows])
        blobs |= zip((window_id for window_id, _ in rows), stored, strict=True)
    return [blobs[each] for each in window_ids]


def window_captions(session: Session, window_ids: Sequence[int]) -> dict[int, str]:
    """What is said of windows, by id; the model's own sentence where there are several."""
    found: dict[int, str] = {}
    for some in chunks(window_ids):
        rows = fetch(
            session,
            "SELECT said.window_id, c.text FROM window_caption AS said"
            " JOIN caption AS c ON c.id = said.caption_id"
            f" WHERE said.window_id IN ({in_list(some)})"
            " ORDER BY CASE WHEN c.source = 'auto' THEN 0 ELSE 1 END,"
            " said.cross_entropy NULLS LAST, c.id",
        )
        for window_id, text in rows:
            found.setdefault(window_id, text)
    return found


def windows_said(
    session: Session, caption_ids: Sequence[int], *, bundle_id: int
) -> dict[int, list[int]]:
    """By caption id, the windows of a bundle that it is said of, ascending."""
    found: dict[int, list[int]] = {}
    for some in chunks(caption_ids):
        rows = fetch(
            session,
            "SELECT said.caption_id, said.window_id FROM window_caption AS said"
            # Those that are not silent have a row there, too, a fiftieth as wide.
            " JOIN window_draw AS heard ON heard.window_id = said.window_id"
            f" WHERE said.caption_id IN ({in_list(some)})"
            # Without "+ 0" the index on bundles is taken first, and all windows are walked.
            " AND heard.bundle_id + 0 = :bundle ORDER BY said.window_id",
            bundle=bundle_id,
        )
        for caption_id, window_id in rows:
            found.setdefault(caption_id, []).append(window_id)
        for caption_id, window_id in windows_given(session, some, bundle_id=bundle_id):
            found.setdefault(caption_id, []).append(window_id)
    return {each: sorted(set(window_ids)) for each, window_ids in found.items()}


def windows_given(
    session: Session, caption_ids: Sequence[int], *, bundle_id: int
) -> list[tuple[int, int]]:
    """(caption, window) where a person gave the caption to a stretch that the window overlaps."""
    found: list[tuple[int, int]] = []
    for some in chunks(caption_ids):
        rows = fetch(
            session,
            f"SELECT t.caption_id, w.id{_MEETING} WHERE t.caption_id IN ({in_list(some)})"
            " ORDER BY t.caption_id, w.id",
            bundle=bundle_id,
        )
        found += [(caption_id, window_id) for caption_id, window_id in rows]
    return found


@dataclass(frozen=True)
class GivenSpan:
    """A stretch of a recording that a person gave a caption to."""

    recording_id: int
    start_s: float
    end_s: float
    duration_s: float  # of the recording


def given_spans(
    session: Session, caption_ids: Sequence[int], *, bundle_id: int
) -> list[tuple[GivenSpan, int]]:
    """Stretches that people gave captions to, each with the windows it meets, most in common first.

    Windows are those of the bundle that are not silent.
    """
    found: list[tuple[GivenSpan, int, float]] = []
    for some in chunks(caption_ids):
        rows = fetch(
            session,
            "SELECT t.recording_id, t.start_s, t.end_s, r.duration_s, w.id, w.start_s, w.end_s"
            f"{_MEETING} JOIN recording AS r ON r.id = t.recording_id"
            f" WHERE t.caption_id IN ({in_list(some)})",
            bundle=bundle_id,
        )
        for recording_id, start_s, end_s, duration_s, window_id, from_s, to_s in rows:
            span = GivenSpan(recording_id, start_s, end_s, duration_s)
            found.append((span, window_id, min(end_s, to_s) - max(start_s, from_s)))
    found.sort(key=lambda each: (each[0].recording_id, each[0].start_s, -each[2], each[1]))
    return [(span, window_id) for span, window_id, _ in found]


def newest_captions(session: Session, *, limit: int) -> list[StoredText]:
    """Captions, those of people before the model's own, the newest first; no labels."""
    rows = fetch(
        session,
        "SELECT id, text, source FROM caption WHERE source <> 'label'"
        " ORDER BY CASE WHEN source = 'auto' THEN 1 ELSE 0 END, id DESC LIMIT :most",
        most=limit,
    )
    return [StoredText(*row) for row in rows]


def stored_texts(session: Session, caption_ids: Sequence[int]) -> list[StoredText]:
    """Captions by id, in the order asked for."""
    found: dict[int, StoredText] = {}
    for some in chunks(caption_ids):
        rows = fetch(session, f"SELECT id, text, source FROM caption WHERE id IN ({in_list(some)})")
        found |= {row[0]: StoredText(*row) for row in rows}
    return [found[each] for each in caption_ids if each in found]


def captions_of_windows(session: Session, window_ids: Sequence[int]) -> list[StoredText]:
    """The captions said of windows, each once, in the order of the windows."""
    said: dict[int, list[int]] = {}
    for some in chunks(window_ids):
        rows = fetch(
            session,
            "SELECT window_id, caption_id FROM window_caption"
            f" WHERE window_id IN ({in_list(some)}) ORDER BY caption_id",
        )
        for window_id, caption_id in rows:
            said.setdefault(window_id, []).append(caption_id)
    ordered = dict.fromkeys(each for window in window_ids for each in said.get(window, ()))
    return stored_texts(session, list(ordered))
