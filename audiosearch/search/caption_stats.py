"""A caption's own scale: statistics of its cross-entropy over a sample of a changing library.

The sample is uniform and the same for the same windows, whatever their order of arrival
(`audiosearch.store.sampling`). Only reads: what is new is handed out by `take_pending`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from sqlalchemy.orm import Session

from audiosearch._failpoints import failpoint
from audiosearch._typing import Bools, Floats, Ids
from audiosearch.model.scoring import CaptionScorer
from audiosearch.search.normalise import Scale, ScaleTable
from audiosearch.store.queries import generations
from audiosearch.store.queries.caption_stats import (
    Sample,
    StoredScale,
    outdated_captions,
    read_sample,
    read_scales,
)
from audiosearch.store.queries.captions import find_captions
from audiosearch.store.queries.frames import window_frames
from audiosearch.store.queries.search import StoredText, window_joints
from audiosearch.store.vectors import unit_rows

BLOCK = 64  # windows whose keys and values are in memory together
KEPT = 4096  # windows; of larger samples only the statistics are kept, not each window's loss
_REMEMBERED = 20_000  # captions whose scales are in memory


NewScale = tuple[StoredText, StoredScale]


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
            memory = self._scorer.listen(frames)
            rows, places = np.nonzero(wanted[:, columns])
            found[rows, columns[places]] = self._scorer.cross_entropy(
                [tokens[row] for row in rows.tolist()], memory, sounds=places.tolist()
            )
            failpoint("scale.measure")
        return found


class CaptionStats:
    """The scales of captions in one library.

    A scale is computed when a caption first needs one, with the loss of each window, and brought
    up to date when it is needed again, for those windows only that are new in the sample. Nothing
    has to be done when windows come, go or change. It lives as long as this object; where it is
    also kept in the library (`take_pending`), later processes build on it.

    Args:
        listener: what compares captions with windows.
        size: windows in the sample; None = all.
    """

    def __init__(self, *, listener: Listener, size: int | None) -> None:
        self._listener = listener
        self._size = size
        self._sample: tuple[tuple[int, int], Sample] | None = None
        self._joint: tuple[int, Floats] | None = None  # of the sample's windows
        self._memory: dict[tuple[int, str], StoredScale] = {}  # by bundle and text
        self._pending: dict[int, dict[str, NewScale]] = {}  # by bundle and text

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

    def refresh(self, session: Session, *, bundle_id: int, limit: int) -> None:
        """Bring up to date at most `limit` of the scales that the library keeps."""
        sample = self._read_sample(session, bundle_id=bundle_id)
        if not len(sample):
            return
        outdated = outdated_captions(
            session, bundle_id=bundle_id, sample=sample.signature, limit=limit
        )
        current = self._current(session, outdated, sample, bundle_id=bundle_id)
        # Also those that were known here already, and only could not be kept before.
        self._remember(outdated, current, bundle_id=bundle_id)

    def take_pending(self) -> dict[int, list[NewScale]]:
        """By bundle, the scales computed since the last call, for whoever may keep them."""
        pending, self._pending = self._pending, {}
        return {bundle_id: list(scales.values()) for bundle_id, scales in pending.items()}

    def _read_sample(self, session: Session, *, bundle_id: int) -> Sample:
        now = bundle_id, generations.read_generation(session, generations.WINDOWS)
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
        """By text, scales over this very sample: known ones, or computed now."""
        wanted = list({each.text: each for each in captions}.values())
        known = self._known(session, wanted, sample, bundle_id=bundle_id)
        stale = [
            each
            for each in wanted
            if each.text not in known or known[each.text].sample != sample.signature
        ]
        if stale:
            fresh = self._measure(session, stale, known, sample)
            self._remember(stale, fresh, bundle_id=bundle_id)
            known |= fresh
        return known

    def _known(
        self, session: Session, captions: Sequence[StoredText], sample: Sample, *, bundle_id: int
    ) -> dict[str, StoredScale]:
        """What is known of captions' scales, by text, out of date or not.

        Of a scale that is out of date in memory the library's is asked for too, and taken: another
        process may have brought it up to date meanwhile, and its losses spare this one the work.
        Captions are looked up by their words, never by the id that the caller has: an id is given
        again after its caption was removed, and a scale must not pass to the heir.
        """
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

    def _remember(
        self, captions: Sequence[StoredText], scales: Mapping[str, StoredScale], *, bundle_id: int
    ) -> None:
        if len(self._memory) + len(captions) > _REMEMBERED:
            self._memory.clear()
            self._pending.clear()
        self._memory |= {(bundle_id, each.text): scales[each.text] for each in captions}
        pending = self._pending.setdefault(bundle_id, {})
        pending |= {each.text: (each, scales[each.text]) for each in captions}


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
