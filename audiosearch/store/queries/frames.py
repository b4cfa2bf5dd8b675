"""The decoder's memory of windows, in and out: packed, or as float16 where it was stored so before.

The caller owns the transaction.
"""

# ruff: noqa: S608 - statements are put together from constants of this package, and ids
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from audiosearch._typing import Floats
from audiosearch.store.damaged import DamagedRow
from audiosearch.store.direct import fetch, in_list
from audiosearch.store.packed_frames import FrameBase, better_base
from audiosearch.store.queries._bulk import chunks

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

MAX_BASES = 64  # of a bundle; the last one serves all further windows


def insert_frames(session: Session, *batches: Mapping[int, Floats], bundle_id: int) -> None:
    """Store frames (T, D) by the ids of their windows, which are all of one bundle.

    Those of a batch have one base, and one that fits them.

    Raises:
        ValueError: a value is not finite, or beyond what `checked_frames` lets pass.
    """
    from sqlalchemy import insert  # noqa: PLC0415 - who only reads does without

    from audiosearch.store.schema import WindowFrames  # noqa: PLC0415

    rows: list[dict[str, object]] = []
    bases = _Bases(session, bundle_id=bundle_id)
    for frames in filter(None, batches):
        base_id, base = bases.that_fits(list(frames.values()))
        rows += [
            {
                "window_id": window_id,
                "n_frames": len(each),
                "frames": base.pack(each),
                "base_id": base_id,
            }
            for window_id, each in frames.items()
        ]
    if rows:
        session.connection().execute(insert(WindowFrames), rows)


def window_frames(session: Session, window_ids: Sequence[int], *, dim: int) -> list[Floats]:
    """The stored frames (T, D) of windows, in the order asked for.

    Raises:
        DamagedRow: a window has none, or what is stored are no frames.
    """
    stored: dict[int, StoredRow] = {}
    for some in chunks(window_ids):
        rows = fetch(
            session,
            "SELECT window_id, n_frames, frames, base_id FROM window_frames"
            f" WHERE window_id IN ({in_list(some)})",
        )
        stored |= {
            window_id: (n_frames, frames, base) for window_id, n_frames, frames, base in rows
        }
    missing = [each for each in window_ids if each not in stored]
    if missing:
        raise DamagedRow(f"window {missing[0]}, which has no frames")
    return unpacked(session, [stored[each] for each in window_ids], dim=dim)


StoredRow = tuple[int, bytes, int | None]  # number of frames, bytes, id of their base


def unpacked(session: Session, rows: Sequence[StoredRow], *, dim: int | None) -> list[Floats]:
    """The frames (T, D) of rows of the table; `dim` may be None where all of them are packed.

    Raises:
        DamagedRow: what is stored are no frames, or no base of theirs.
    """
    bases = frame_bases(session, {base_id for _, _, base_id in rows if isinstance(base_id, int)})
    found: list[Floats] = []
    for n_frames, blob, base_id in rows:
        try:
            if base_id is None:
                half = np.frombuffer(blob, "<f2").astype(np.float32)
                found.append(half.reshape(n_frames, -1) if dim is None else half.reshape(-1, dim))
            else:
                found.append(bases[base_id].unpack(blob, n_frames))
        except KeyError as error:
            raise DamagedRow(f"frames packed with base {base_id}, which is not there") from error
        except (TypeError, ValueError) as error:
            raise DamagedRow(f"frames that are none ({error})") from error
    return found


def frame_bases(session: Session, base_ids: set[int]) -> dict[int, FrameBase]:
    """Bases by id, those that are there and in order."""
    if not base_ids:
        return {}
    wanted = f"SELECT id, n_frames, frames FROM frame_base WHERE id IN ({in_list(base_ids)})"
    found = {}
    for base_id, n_frames, frames in fetch(session, wanted):
        if (
            isinstance(n_frames, int)
            and n_frames > 0
            and len(frames) % (4 * n_frames) == 0
            and frames
        ):
            values = np.frombuffer(frames, "<f4").reshape(n_frames, -1)
            found[base_id] = FrameBase(values.astype(np.float32))
    return found


class _Bases:
    """The bases of a bundle, in one writing transaction."""

    def __init__(self, session: Session, *, bundle_id: int) -> None:
        self._session = session
        self._bundle_id = bundle_id
        wanted = "SELECT id FROM frame_base WHERE bundle_id = :bundle ORDER BY id DESC"
        ids = [base_id for (base_id,) in fetch(session, wanted, bundle=bundle_id)]
        self._n_bases = len(ids)
        self._last_id = ids[0] if ids else 0
        self._last = frame_bases(session, set(ids[:1])).get(self._last_id)

    def that_fits(self, frames: Sequence[Floats]) -> tuple[int, FrameBase]:
        """The last one with its id, or one that fits these frames better and is stored now."""
        known = self._last
        if known is not None and known.rows.shape[1] != frames[0].shape[1]:
            known = None
        if known is not None and self._n_bases >= MAX_BASES:
            return self._last_id, known
        better = better_base(known, frames)
        if better is None and known is not None:
            return self._last_id, known
        base = better or FrameBase(np.zeros((1, frames[0].shape[1]), np.float32))
        self._last_id, self._last = self._added(base), base
        self._n_bases += 1
        return self._last_id, base

    def _added(self, base: FrameBase) -> int:
        from audiosearch.store.schema import FrameBaseRow  # noqa: PLC0415 - see `insert_frames`

        blob = base.rows.astype("<f4").tobytes()
        row = FrameBaseRow(bundle_id=self._bundle_id, n_frames=len(base.rows), frames=blob)
        self._session.add(row)
        self._session.flush()
        return row.id
