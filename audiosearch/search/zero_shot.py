"""Labels for a sound, without training: each label is put into sentences, and the decoder listens.

A label's cross-entropy is the mean over its sentences; its scale is that of the mean, so that
labels of common words do not always win.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy.orm import Session

from audiosearch.errors import QueryError
from audiosearch.model.scoring import CaptionScorer
from audiosearch.model.text_encoder import TextTower
from audiosearch.model.tokenizer import normalise
from audiosearch.search.audio_to_text import CaptionScores, likeness_of, score_captions, table_of
from audiosearch.search.caption_stats import CaptionStats
from audiosearch.search.normalise import Normalise, Scale, costs
from audiosearch.search.results import EncodedWindow, LabelFit
from audiosearch.store.queries.search import StoredText
from audiosearch.store.schema import CaptionSource

TEMPLATES = ("{}", "the sound of {}", "{} is heard")


@dataclass(frozen=True)
class Label:
    """A label as the user wrote it, and the sentences that stand for it."""

    name: str
    sentences: tuple[str, ...]


def parse_labels(names: Sequence[str]) -> list[Label]:
    """Labels with their sentences; underscores part words, each label once, empty ones left out.

    Raises:
        QueryError: no label is left.
    """
    kept = {name.strip(): normalise(name.replace("_", " ")) for name in names}
    labels = [
        Label(name, tuple(template.format(words) for template in TEMPLATES))
        for name, words in kept.items()
        if words
    ]
    if not labels:
        raise QueryError("there is no label", remedy="--labels dog,rain,speech")
    return labels


class Labeller:
    """Ranks labels for sounds."""

    def __init__(
        self, *, scorer: CaptionScorer, tower: TextTower | None, caption_stats: CaptionStats
    ) -> None:
        self._scorer = scorer
        self._tower = tower
        self._caption_stats = caption_stats

    def label(
        self,
        session: Session,
        windows: Sequence[EncodedWindow],
        labels: Sequence[Label],
        *,
        how: Normalise,
        bundle_id: int | None,
    ) -> list[LabelFit]:
        """The labels for a sound, best first, each at its best window; none for silence."""
        audible = [window for window in windows if window.encoded is not None]
        if not audible:
            return []
        scales = self._scales_of(session, labels, bundle_id=bundle_id)
        scores = [self._score(window, labels) for window in audible]
        likeness = [
            likeness_of(
                session,
                each,
                range(len(labels)),
                caption_stats=self._caption_stats,
                bundle_id=bundle_id,
            )
            if how is Normalise.MEAN and bundle_id is not None
            else None
            for each in scores
        ]
        cost = np.stack(
            [
                costs(
                    how,
                    cross_entropies=each.cross_entropies,
                    lifts=each.lifts,
                    scales=table_of(scales),
                    likeness=near,
                )
                for each, near in zip(scores, likeness, strict=True)
            ]
        )
        best = cost.argmin(axis=0)  # the window where each label fits best
        own = np.arange(len(labels))
        raw = np.stack([each.cross_entropies for each in scores])[best, own]
        order = np.lexsort((own, raw, cost[best, own]))
        fits = []
        for rank, place in enumerate(order.tolist(), start=1):
            window, values = audible[best[place]], scores[best[place]]
            scale = scales[place]
            loss = float(values.cross_entropies[place])
            fits.append(
                LabelFit(
                    rank=rank,
                    label=labels[place].name,
                    start_s=window.start_s,
                    end_s=window.end_s,
                    score=float(values.scores[place]),
                    cross_entropy=loss,
                    scaled=None if scale is None else scale.scaled(loss),
                )
            )
        return fits

    def _scales_of(
        self, session: Session, labels: Sequence[Label], *, bundle_id: int | None
    ) -> list[Scale | None]:
        if bundle_id is None:
            return [None] * len(labels)
        groups = [
            [StoredText(0, text, CaptionSource.LABEL) for text in label.sentences]
            for label in labels
        ]
        return self._caption_stats.of_groups(session, groups, bundle_id=bundle_id)

    def _score(self, window: EncodedWindow, labels: Sequence[Label]) -> CaptionScores:
        """What the decoder says of labels (n,) and a window: means over their sentences."""
        assert window.encoded is not None
        texts = [text for label in labels for text in label.sentences]
        tokens = [self._scorer.encode(text) for text in texts]
        memory = self._scorer.listen([window.encoded.frames])
        whole = score_captions(
            texts, tokens, memory, window.encoded.joint, scorer=self._scorer, tower=self._tower
        )
        shape = (len(labels), -1)
        return CaptionScores(
            whole.cross_entropies.reshape(shape).mean(axis=1),
            whole.lifts.reshape(shape).mean(axis=1),
            whole.scores.reshape(shape).mean(axis=1),
            whole.known.reshape(shape).mean(axis=1),
            None if whole.cosines is None else whole.cosines.reshape(shape).mean(axis=1),
            # The mean of cosines is the cosine's product with the mean vector.
            None
            if whole.vectors is None
            else whole.vectors.reshape(*shape, whole.vectors.shape[1]).mean(axis=1),
        )
