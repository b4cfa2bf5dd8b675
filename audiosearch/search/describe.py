"""Captions for a sound: the model's own sentence, then the stored captions that fit best.

In go encoded windows, out come captions with cross-entropy, lift and score. Of large sets of
captions only those near in the joint space are tried; `scaled`, the place of a cross-entropy
among the library's sounds, is left empty here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from sqlalchemy.orm import Session

from audiosearch.model.bundle import Bundle
from audiosearch.model.caption import Captioner
from audiosearch.model.decoder import Memory
from audiosearch.model.encoder import Encoded
from audiosearch.model.scoring import CaptionScorer
from audiosearch.model.text_tower import TextTower
from audiosearch.search.filters import Filters
from audiosearch.search.results import CaptionFit, Description, Heard
from audiosearch.search.view import Tables, View, open_view
from audiosearch.store.queries.search import (
    StoredText,
    caption_vectors,
    captions_of_windows,
    newest_captions,
    stored_texts,
)
from audiosearch.store.schema import CaptionSource
from audiosearch.store.vectors import VectorKind, top_positions, unit_rows

Floats = npt.NDArray[np.float32]

TRIED = 200  # captions that the decoder compares with one window
MODEL = "model"  # the source of the model's own sentence


class Describer:
    """Says what is heard in windows."""

    def __init__(
        self, *, scorer: CaptionScorer, captioner: Captioner, tower: TextTower | None
    ) -> None:
        self._scorer = scorer
        self._captioner = captioner
        self._tower = tower

    def describe(
        self,
        session: Session,
        windows: Sequence[Heard],
        *,
        limit: int,
        bundle: Bundle,
        tables: Tables,
    ) -> list[Description]:
        """Captions for each window, in order; silent ones have none."""
        view = open_view(session, Filters(), bundle=bundle, tables=tables)
        heard = [window.encoded for window in windows if window.encoded is not None]
        own = iter(self._captioner.captions([encoded.frames for encoded in heard]))
        return [
            Description(
                start_s=window.start_s,
                end_s=window.end_s,
                captions=()
                if window.encoded is None
                else self._captions(session, view, window.encoded, own=next(own).text, limit=limit),
            )
            for window in windows
        ]

    def _captions(
        self, session: Session, view: View | None, encoded: Encoded, *, own: str, limit: int
    ) -> tuple[CaptionFit, ...]:
        memory = self._scorer.decoder.memory([encoded.frames])
        mine = StoredText(caption_id=0, text=own, source=MODEL)
        first = self._fits([mine], memory, encoded.joint) if own else []
        if limit == 0:
            return tuple(first)
        # The same sentence, if the model said it before, would be no other answer.
        stored = [
            caption
            for caption in self._tried(session, view, encoded)
            if caption.text != own or caption.source != CaptionSource.AUTO
        ]
        fits = self._fits(stored, memory, encoded.joint)
        fits.sort(key=lambda fit: (-fit.score, fit.cross_entropy, fit.text))
        ranked = [replace(fit, rank=rank) for rank, fit in enumerate(fits[:limit], start=1)]
        return (*first, *ranked)

    def _tried(self, session: Session, view: View | None, encoded: Encoded) -> list[StoredText]:
        """The stored captions worth trying on a window: all if they are few."""
        few = newest_captions(session, limit=TRIED + 1)
        if len(few) <= TRIED or view is None:
            return few[:TRIED]
        if encoded.joint is not None:
            vectors = caption_vectors(session, bundle_id=view.bundle_id)
            if len(vectors.ids):
                cosines = unit_rows(vectors.matrix) @ unit_rows(encoded.joint[None])[0]
                nearest = vectors.ids[top_positions(cosines, TRIED)]
                return stored_texts(session, nearest.tolist())
        # Without a space shared with text: what is said of the windows that sound alike.
        table = view.vectors(VectorKind.EMBEDDING)
        alike, _ = table.top_k(encoded.embedding, 4 * TRIED)  # many may say the same
        return captions_of_windows(session, alike.tolist())[:TRIED]

    def _fits(
        self, captions: Sequence[StoredText], memory: Memory, joint: Floats | None
    ) -> list[CaptionFit]:
        """Captions, each with how well it fits the one sound of `memory`, in the order given."""
        if not captions:
            return []
        tokens = [self._scorer.encode(caption.text) for caption in captions]
        cross_entropies = self._scorer.cross_entropy(tokens, memory, sounds=[0] * len(tokens))
        lifts = self._scorer.without_sound(tokens) - cross_entropies
        cosines = None
        if self._tower is not None and joint is not None:
            texts = self._tower.embed([caption.text for caption in captions])
            cosines = unit_rows(texts) @ unit_rows(joint[None])[0]
        scores = self._scorer.decoder.bundle.score(lift=lifts, cosine=cosines)
        return [
            CaptionFit(
                rank=0,
                text=caption.text,
                score=float(scores[row]),
                cross_entropy=float(cross_entropies[row]),
                lift=float(lifts[row]),
                scaled=None,
                source=caption.source,
            )
            for row, caption in enumerate(captions)
        ]
