"""A caption's own scale, live: its least and greatest cross-entropy over a changing library.

Kept with the loss of each window, and brought up to date when it is needed again: for those
windows only that are new in the sample.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from sqlalchemy.orm import Session

from audiosearch._failpoints import failpoint
from audiosearch._typing import Bools, Floats, Ids
from audiosearch.errors import StoreError
from audiosearch.model.scoring import CaptionScorer
from audiosearch.search.normalise import Scale, ScaleTable
from audiosearch.store.database import Database
from audiosearch.store.queries import state
from audiosearch.store.queries.captions import find_captions
from audiosearch.store.queries.scale import (
    Sample,
    StoredScale,
    outdated_captions,
    read_sample,
    read_scales,
    write_scales,
)
from audiosearch.store.queries.search import StoredText, window_frames, window_joints
from audiosearch.store.vectors import unit_rows

log = logging.getLogger(__name__)


BLOCK = 64  # windows whose keys and values are in memory together
KEPT = 4096  # windows; of larger samples only the statistics are kept, not each window's loss
_REMEMBERED = 20_000  # captions whose scales are in memory


class Listener(Protocol):
    """Gives cross-entropies of captions with stored windows."""

    @property
    def style(self) -> int:
        """A small number; listeners of one bundle that give other values have another one."""

    def losses(
        self, session: Session, texts: Sequence[str], window_ids: Ids, *, wanted: Bools
    ) -> Floats:
        """(n_texts, n_windows) nats a word where `wanted`, of that shape; anything elsewhere."""


class DecoderListener:
    """The decoder, listening to stored frames."""

    def __init__(self, scorer: CaptionScorer) -> None:
        self._scorer = scorer

    @property
    def style(self) -> int:
        """What stands before the first word: bundles may caption in several styles."""
        return self._scorer.decoder.bundle.start_token

    def losses(
        self, session: Session, texts: Sequence[str], window_ids: Ids, *, wanted: Bools
    ) -> Floats:
        """See `Listener`. Keys and values of a window are computed once for all captions."""
        tokens = [self._scorer.encode(text) for text in texts]
        found = np.zeros(wanted.shape, dtype=np.float32)
        needed = np.flatnonzero(wanted.any(axis=0))
        dim = self._scorer.decoder.bundle.frame_dim
        for start in range(0, len(needed), BLOCK):
            columns = needed[start : start + BLOCK]
            frames = window_frames(session, window_ids[columns].tolist(), dim=dim)
            memory = self._scorer.decoder.memory(frames)
            rows, places = np.nonzero(wanted[:, columns])
            found[rows, columns[places]] = self._scorer.cross_entropy(
                [tokens[row] for row in rows.tolist()], memory, sounds=places.tolist()
            )
            failpoint("scale.measure")
        return found


class CaptionStats:
    """The scales of captions for one bundle in one library.

    Args:
        database: the library.
        listener: what compares captions with windows.
        size: windows in the sample; None = all.
    """

    def __init__(self, *, database: Database, listener: Listener, size: int | None) -> None:
        self._database = database
        self._listener = listener
        self._size = size
        self._sample: tuple[tuple[int, int], Sample] | None = None
        self._joint: tuple[int, Floats] | None = None  # of the sample's windows
        self._memory: dict[tuple[int, str], StoredScale] = {}

    def of(
        self, session: Session, captions: Sequence[StoredText], *, bundle_id: int
    ) -> list[Scale | None]:
        """The scales of captions, up to date; None where there is no window to take one from."""
        sample = self._read_sample(session, bundle_id=bundle_id)
        if not len(sample):
            return [None] * len(captions)
        found = self._current(session, captions, sample, bundle_id=bundle_id)
        return [_scale(found[each.text]) for each in captions]

    def of_groups(
        self, session: Session, groups: Sequence[Sequence[StoredText]], *, bundle_id: int
    ) -> list[Scale | None]:
        """Scales of the mean loss of each group of captions, such as a label's sentences."""
        sample = self._read_sample(session, bundle_id=bundle_id)
        if not len(sample):
            return [None] * len(groups)
        flat = [caption for group in groups for caption in group]
        found = self._current(session, flat, sample, bundle_id=bundle_id)
        scales: list[Scale | None] = []
        for group in groups:
            losses = [found[each.text].losses for each in group]
            kept = [each for each in losses if each is not None]
            if len(kept) < len(group):  # a large sample, of which only the statistics are kept
                everything = np.ones((len(group), len(sample)), dtype=np.bool_)
                texts = [each.text for each in group]
                kept = list(
                    self._listener.losses(session, texts, sample.window_ids, wanted=everything)
                )
            scales.append(Scale.of(np.mean(kept, axis=0)))
        return scales

    def of_likeness(
        self, session: Session, vectors: Floats, *, bundle_id: int
    ) -> ScaleTable | None:
        """Scales of captions' likeness to the windows of the sample; None where there are none.

        They are computed anew each time, which takes no longer than looking them up would.

        Args:
            session: any session.
            vectors: (n_captions, J) of the captions in the joint space, of length 1.
            bundle_id: the bundle.
        """
        sample = self._read_sample(session, bundle_id=bundle_id)
        if self._joint is None or self._joint[0] != sample.signature:
            joint = unit_rows(window_joints(session, sample.window_ids.tolist()))
            self._joint = sample.signature, joint
        windows = self._joint[1]
        return ScaleTable.of(windows @ vectors.T) if len(windows) else None

    def refresh(self, *, bundle_id: int, limit: int = 50) -> int:
        """Bring up to date at most `limit` of the scales that are kept; returns how many it did.

        For a process with time to spare. It returns 0 once there is nothing left to do, and where
        nothing can be kept for now, since another process is writing.
        """
        with self._database.reading() as session:
            sample = self._read_sample(session, bundle_id=bundle_id)
            if not len(sample):
                return 0
            outdated = outdated_captions(
                session, bundle_id=bundle_id, sample=sample.signature, limit=limit
            )
            known = self._known(session, outdated, sample, bundle_id=bundle_id)
            stale = [each for each in outdated if known[each.text].sample != sample.signature]
            if stale:
                known |= self._measure(session, stale, known, sample)
        return self._keep(outdated, known, bundle_id=bundle_id) if outdated else 0

    def _read_sample(self, session: Session, *, bundle_id: int) -> Sample:
        now = bundle_id, state.read_generation(session, state.WINDOWS)
        if self._sample is None or self._sample[0] != now:
            self._sample = (
                now,
                read_sample(
                    session, bundle_id=bundle_id, size=self._size, style=self._listener.style
                ),
            )
        return self._sample[1]

    def _current(
        self, session: Session, captions: Sequence[StoredText], sample: Sample, *, bundle_id: int
    ) -> dict[str, StoredScale]:
        """By text, scales over this very sample: kept ones, or computed and kept now."""
        wanted = list({each.text: each for each in captions}.values())
        known = self._known(session, wanted, sample, bundle_id=bundle_id)
        stale = [
            each
            for each in wanted
            if each.text not in known or known[each.text].sample != sample.signature
        ]
        if stale:
            fresh = self._measure(session, stale, known, sample)
            self._keep(stale, fresh, bundle_id=bundle_id)
            known |= fresh
        return known

    def _known(
        self, session: Session, captions: Sequence[StoredText], sample: Sample, *, bundle_id: int
    ) -> dict[str, StoredScale]:
        """What is known of captions' scales, by text, out of date or not."""
        found = {
            each.text: self._memory[bundle_id, each.text]
            for each in captions
            if (bundle_id, each.text) in self._memory
        }
        unsure = [
            each
            for each in captions
            if each.text not in found or found[each.text].sample != sample.signature
        ]
        ids = find_captions(session, [each.text for each in unsure])
        stored = read_scales(session, list(ids.values()), bundle_id=bundle_id)
        return found | {text: stored[each] for text, each in ids.items() if each in stored}

    def _measure(
        self,
        session: Session,
        captions: Sequence[StoredText],
        known: Mapping[str, StoredScale],
        sample: Sample,
    ) -> dict[str, StoredScale]:
        """Scales over the sample; windows that an older scale counted are not heard again."""
        losses = np.full((len(captions), len(sample)), np.nan, dtype=np.float32)
        for row, caption in zip(losses, captions, strict=True):
            older = known.get(caption.text)
            if older is not None and older.draws is not None and older.losses is not None:
                _, now, then = np.intersect1d(
                    sample.draws, older.draws, assume_unique=True, return_indices=True
                )
                row[now] = older.losses[then]
        wanted = np.isnan(losses)
        heard = self._listener.losses(
            session, [each.text for each in captions], sample.window_ids, wanted=wanted
        )
        losses[wanted] = heard[wanted]
        return {
            caption.text: _stored(sample, row)
            for caption, row in zip(captions, losses, strict=True)
        }

    def _keep(
        self, captions: Sequence[StoredText], fresh: Mapping[str, StoredScale], *, bundle_id: int
    ) -> int:
        """Remember scales, and store them if nobody is writing now; returns how many it stored."""
        if len(self._memory) + len(captions) > _REMEMBERED:
            self._memory.clear()
        self._memory |= {(bundle_id, each.text): fresh[each.text] for each in captions}
        scales = [(each, fresh[each.text]) for each in captions]
        try:
            with self._database.spare() as session:
                if session is None:
                    return 0
                n_stored = write_scales(session, scales, bundle_id=bundle_id)
                failpoint("scale.commit")
            failpoint("scale.done")
        except StoreError as error:  # a full disk, say: an answer can do without
            log.info("scales of captions are not kept: %s", error)
            return 0
        return n_stored


def _stored(sample: Sample, losses: Floats) -> StoredScale:
    """The scale of losses (n,) over a sample."""
    scale = Scale.of(losses)
    kept = len(sample) <= KEPT
    return StoredScale(
        sample=sample.signature,
        n=scale.n,
        minimum=scale.minimum,
        maximum=scale.maximum,
        mean=scale.mean,
        deviation=scale.deviation,
        draws=sample.draws if kept else None,
        losses=losses if kept else None,
    )


def _scale(stored: StoredScale) -> Scale:
    return Scale(
        n=stored.n,
        minimum=stored.minimum,
        maximum=stored.maximum,
        mean=stored.mean,
        deviation=stored.deviation,
    )
