"""How well texts fit sounds, whatever found it out: what a score is calibrated from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from audiosearch._typing import Floats
from audiosearch.model.calibration import USUAL_WORDS
from audiosearch.model.encoder import Encoded
from audiosearch.model.loaded import Model

BLOCK = 16  # sounds that the decoder hears together


@dataclass(frozen=True)
class PairScores:
    """All scenes against all texts."""

    cross_entropy: Floats
    """`(n_scenes, n_texts)` nats a word, lower is better."""
    silent: Floats
    """`(n_texts,)` cross-entropy without any sound."""
    cosine: Floats
    """`(n_scenes, n_texts)`."""
    words: Floats
    """`(n_texts,)` words of each text, its end among them."""
    known: Floats
    """`(n_texts,)` share of its content words that the decoder knows."""

    @property
    def lift(self) -> Floats:
        """`(n_scenes, n_texts)`: what the sound adds, in nats a word."""
        return np.asarray(self.silent[None, :] - self.cross_entropy, dtype=np.float32)

    def trusted_lift(self, words_power: float) -> Floats:
        """`(n_scenes, n_texts)`: the lift as it counts in the score (`model.calibration`)."""
        trust = self.known * (self.words / USUAL_WORDS) ** words_power
        return np.asarray(self.lift * trust, dtype=np.float32)


def captioner_pairs(
    model: Model, heard: Sequence[Encoded], texts: Sequence[str], *, cosine: Floats
) -> PairScores:
    """What the captioner of a bundle says of all sounds and texts, beside a likeness.

    Args:
        model: with a captioner.
        heard: the sounds.
        texts: as they are typed; each wording is scored once.
        cosine: `(n_sounds, n_texts)`.
    """
    scorer = model.scorer
    tokens = [scorer.encode(text) for text in texts]
    distinct = sorted(set(tokens), key=lambda ids: (len(ids), ids))
    place = {ids: row for row, ids in enumerate(distinct)}
    blocks = [heard[start : start + BLOCK] for start in range(0, len(heard), BLOCK)]
    losses = [
        scorer.cross_entropies(distinct, model.decoder.memory([each.frames for each in block])).T
        for block in blocks
    ]
    return PairScores(
        cross_entropy=np.concatenate(losses)[:, [place[ids] for ids in tokens]],
        silent=scorer.without_sound(tokens),
        cosine=cosine,
        words=np.array([len(ids) + 1 for ids in tokens], np.float32),
        known=np.array([scorer.known(ids) for ids in tokens], np.float32),
    )
