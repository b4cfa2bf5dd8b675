"""Copies of a take are told from other takes of the same thing."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import soxr
from scipy.signal import lfilter

from audiosearch.audio.takes import RATE, TakePrint
from audiosearch.library.duplicates import LEAST_LIKENESS


def take(kind: str, seed: int) -> np.ndarray:
    """Three seconds of a kind of sound, as `seed` has it happen."""
    random = np.random.default_rng(seed)
    time = np.arange(3 * RATE) / RATE
    if kind == "rain":
        return (0.2 * random.standard_normal(len(time))).astype(np.float32)
    if kind == "knocks":
        sound = np.zeros(len(time))
        for start in random.uniform(0, 2.5, 5):
            sound += np.where(time > start, np.exp(-(time - start) * 30), 0) * np.sin(2e3 * time)
        return (0.4 * sound).astype(np.float32)
    pitch = 200 * 2 ** np.cumsum(random.normal(0, 0.002, len(time)))
    return (0.3 * np.sin(2 * np.pi * np.cumsum(pitch) / RATE)).astype(np.float32)


def printed(samples: np.ndarray) -> TakePrint:
    def blocks() -> Iterator[np.ndarray]:
        yield from np.array_split(samples.astype(np.float32), 7)

    return TakePrint.of(blocks())


def softened(samples: np.ndarray) -> np.ndarray:
    """Without what is high, as of an encoder, and later."""
    return np.pad(lfilter([0.3, 0.4, 0.3], [1], samples), (700, 0))[: len(samples) + 400]


COPIES = {
    "louder": lambda x: 2.5 * x,
    "quiet, in 16 bits": lambda x: np.round(0.05 * x * 32768) / 32768,
    "resampled": lambda x: soxr.resample(soxr.resample(x, RATE, 11_025), 11_025, RATE),
    "later and softer": softened,
    "upside down": lambda x: -x,
    "with noise": lambda x: x + 0.002 * np.random.default_rng(9).standard_normal(len(x)),
}


@pytest.mark.parametrize("kind", ["rain", "knocks", "whistle"])
@pytest.mark.parametrize("copy", COPIES)
def test_copies_are_one_take(kind: str, copy: str) -> None:
    sound = take(kind, 1)
    assert printed(sound).likeness(printed(COPIES[copy](sound))) > LEAST_LIKENESS


@pytest.mark.parametrize("kind", ["rain", "knocks", "whistle"])
def test_other_takes_are_others(kind: str) -> None:
    first = printed(take(kind, 1))
    assert max(first.likeness(printed(take(kind, seed))) for seed in range(2, 8)) < LEAST_LIKENESS


def test_likeness_is_symmetrical_and_one_to_itself() -> None:
    one, other = printed(take("rain", 1)), printed(take("knocks", 2))
    assert one.likeness(one) == pytest.approx(1)
    assert one.likeness(other) == pytest.approx(other.likeness(one))
    assert one.likeness(printed(take("rain", 1)[: 2 * RATE])) == -1  # of another length


def test_silence_steady_sound_and_next_to_nothing() -> None:
    silence = printed(np.zeros(RATE))
    tone = printed(0.1 * np.sin(np.arange(RATE) * 0.3))
    assert silence.likeness(silence) == 1
    assert silence.likeness(tone) < LEAST_LIKENESS
    assert tone.likeness(printed(0.01 * np.sin(np.arange(RATE) * 0.3))) > 0.95
    assert tone.likeness(printed(0.1 * np.sin(np.arange(RATE) * 1.1))) < LEAST_LIKENESS
    assert printed(np.zeros(0)).steps.shape == (1, 24)
    assert printed(np.full(5, 0.1)).likeness(printed(np.full(5, 0.1))) == pytest.approx(1)
