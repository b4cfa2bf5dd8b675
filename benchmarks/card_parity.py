"""How far two ways to run a bundle are from each other: on a card and on the CPU, say.

In: a bundle and options for each way. Out: differences of frames, embeddings, cross-entropies and
sentences over sounds that are made up, tones and noises from hardly anything to full scale.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from audiosearch._typing import Floats
from audiosearch.model.bundle import Bundle
from audiosearch.model.captioner import Captioner
from audiosearch.model.decoder import Decoder
from audiosearch.model.encoder import Encoder
from audiosearch.model.runtime.session import RuntimeOptions
from audiosearch.model.scoring import CaptionScorer


@dataclass(frozen=True)
class Way:
    """A bundle and what it runs on."""

    bundle: Bundle
    options: RuntimeOptions


@dataclass(frozen=True)
class Tolerance:
    """Most that two ways may differ by; see `Difference`."""

    frames: float
    cosine: float
    cross_entropy: float
    sentences: float


FLOAT32 = Tolerance(frames=1e-3, cosine=1 - 1e-5, cross_entropy=1e-3, sentences=1.0)
# A word may be exchanged for one of nearly the same probability, so no sentence is asked for.
HALF = Tolerance(frames=float("inf"), cosine=0.999, cross_entropy=0.02, sentences=0.0)


@dataclass(frozen=True)
class Difference:
    """How far the second way is from the first.

    Attributes:
        providers: what encoder and decoder of the second really ran on.
        frames: greatest absolute difference, in parts of the greatest value (of at least 1).
        cosine: of a frame with the same frame, the worst; frames near zero count as alike.
        embedding_cosine: of the sounds' embeddings, the worst.
        cross_entropy: greatest difference for the first way's sentences, nats a word.
        sentences: share of sounds for which both write the same words.
    """

    providers: tuple[str, str]
    frames: float
    cosine: float
    embedding_cosine: float
    cross_entropy: float
    sentences: float

    def within(self, tolerance: Tolerance) -> bool:
        """Whether nothing differs by more than `tolerance`."""
        return (
            self.frames <= tolerance.frames
            and min(self.cosine, self.embedding_cosine) >= tolerance.cosine
            and self.cross_entropy <= tolerance.cross_entropy
            and self.sentences >= tolerance.sentences
        )


def made_up_sounds(bundle: Bundle, *, count: int = 16) -> Floats:
    """Sounds (count, N) of a whole window each: a tone in noise, quiet to loud."""
    rng = np.random.default_rng(0)
    times = np.arange(int(bundle.window_s * bundle.sample_rate)) / bundle.sample_rate
    sounds = np.empty((count, len(times)), np.float32)
    for row, level in zip(sounds, np.logspace(-4, -0.3, count), strict=True):
        tone = np.sin(2 * np.pi * rng.uniform(80, 6000) * times) * (np.sin(3 * times) > 0)
        row[:] = level * (tone + rng.uniform(0.05, 1) * rng.standard_normal(len(times)))
    return np.clip(sounds, -1, 1)


def compare(one: Way, other: Way, *, sounds: Floats) -> Difference:
    """How far `other` is from `one` on `sounds` (B, N).

    Each encodes by itself; the second scores and describes by its own frames too.
    """
    encoders = [Encoder(way.bundle, options=way.options) for way in (one, other)]
    decoders = [Decoder(way.bundle, options=way.options) for way in (one, other)]
    heard = [encoder.encode(sounds) for encoder in encoders]
    frames = [np.stack([each.frames for each in some]) for some in heard]
    embeddings = [np.stack([each.embedding for each in some]) for some in heard]
    sentences = [
        Captioner(decoder).captions(list(some))
        for decoder, some in zip(decoders, frames, strict=True)
    ]
    ids = [caption.ids for caption in sentences[0]]
    losses = [
        CaptionScorer(decoder).cross_entropy(ids, decoder.memory(list(some)))
        for decoder, some in zip(decoders, frames, strict=True)
    ]
    scale = max(1.0, float(np.abs(frames[0]).max()))
    same = [a.ids == b.ids for a, b in zip(*sentences, strict=True)]
    return Difference(
        providers=(encoders[1].device.provider, decoders[1].device.provider),
        frames=float(np.abs(frames[0] - frames[1]).max()) / scale,
        cosine=_worst_cosine(frames),
        embedding_cosine=_worst_cosine(embeddings),
        cross_entropy=float(np.abs(losses[0] - losses[1]).max()),
        sentences=float(np.mean(same)),
    )


def _worst_cosine(pair: Sequence[Floats]) -> float:
    one, other = (values.reshape(-1, values.shape[-1]).astype(np.float64) for values in pair)
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    cosines = ((one * other).sum(axis=1) + 1e-6) / (lengths + 1e-6)
    return float(cosines.min())
