"""The score of a bundle fitted on sounds whose names tell what they are.

As the bundled model's is fitted (`training.calibrate`), with whatever the bundle says of them.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np

from audiosearch._typing import Floats
from audiosearch._wording import counted
from audiosearch.audio.sandbox.client import Worker
from audiosearch.audio.windows import windows
from audiosearch.errors import AudiosearchError, DecodeError
from audiosearch.indexing.walk import Problem, walk
from audiosearch.model.calibration import USUAL_WORDS, ScoreCalibration
from audiosearch.model.loaded import Model
from audiosearch.store.names import path_words
from audiosearch.store.queries.fulltext import STOP_WORDS
from audiosearch.store.queries.places import join
from audiosearch.training.calibrate import Calibration, Trials, calibrate
from audiosearch.training.scoring import PairScores, captioner_pairs
from audiosearch.training.synth.made_sounds import make_sound

LEAST_TEXTS = 8  # fewer say nothing of a threshold
MOST_SOUNDS = 400
SEEDS = 6  # generated sounds of each kind
_SAID_OF_MADE = {
    "beeping": "an electronic device beeps",
    "steady_tone": "a steady tone",
    "electric_hum": "an electric hum",
    "siren": "a siren wails",
    "static_noise": "static noise hisses",
    "rain": "rain falls",
    "wind": "wind blows",
    "sea_waves": "sea waves roll in",
    "clock_tick": "a clock ticks",
    "mouse_click": "a mouse clicks",
    "bell": "a bell rings",
    "door_wood_knock": "someone knocks on a door",
    "engine": "an engine runs",
    "chirping_birds": "birds chirp",
    "telephone": "a telephone rings",
    "heartbeat": "a heart beats",
}


@dataclass(frozen=True)
class TitledSound:
    """A window (n,) of sound, and what is heard in it."""

    text: str
    samples: Floats


def generated_sounds(rate: int, *, seconds: float) -> list[TitledSound]:
    """Made sounds of all kinds, with a sentence each."""
    return [
        TitledSound(text, make_sound(label=label, seed=seed, seconds=seconds, rate=rate))
        for label, text in _SAID_OF_MADE.items()
        for seed in range(SEEDS)
    ]


def named_sounds(folder: Path, *, rate: int, window_s: float) -> list[TitledSound]:
    """The first window of each file below `folder` whose name tells something, and its words.

    Raises:
        AudiosearchError: there are too few of them.
    """
    root = os.fsencode(folder.absolute())
    paths = sorted(join(root, each.path) for each in walk(root, on_problem=_left_out))
    paths = paths[:: max(1, len(paths) // MOST_SOUNDS)]
    found = []
    with Worker() as worker:  # the files may be anything
        for path in paths:
            words = _telling(os.path.splitext(os.path.basename(path))[0])  # noqa: PTH119, PTH122 - bytes
            if not words:
                continue
            with contextlib.suppress(DecodeError):
                worker.open(path, sample_rate=rate)
                cut = windows(worker.blocks(), sample_rate=rate, window_s=window_s, hop_s=window_s)
                found += [
                    TitledSound(words, each.samples) for each in islice(cut, 1) if not each.silent
                ]
    n_texts = len({each.text for each in found})
    if n_texts < LEAST_TEXTS:
        raise AudiosearchError(
            f"{counted(n_texts, 'sound')} with names of words: too few to calibrate with",
            path=folder,
            remedy=f"give a folder with at least {LEAST_TEXTS}, or leave out --sounds",
        )
    return found


def _telling(name: bytes) -> str:
    """The words of a file's name, without numbers and single letters."""
    words = path_words(name).split()
    told = [word for word in words if word.isalpha() and len(word) > 1]
    return " ".join(told) if any(word not in STOP_WORDS for word in told) else ""


def _left_out(problem: Problem) -> None:
    """A folder that cannot be read gives no sounds, which is no reason to stop."""


def calibrated(model: Model, sounds: Sequence[TitledSound]) -> Calibration:
    """The score fitted on sounds: for each text those of its own name are right.

    Wrong are those whose texts have no word in common with it.

    Raises:
        AudiosearchError: nothing can be told from them, since texts are too alike or the model is
            wrong as often as right.
        FeatureUnavailable: the bundle has neither captioner nor joint space.
    """
    texts = list(dict.fromkeys(each.text for each in sounds))
    scores = pair_scores(model, [each.samples for each in sounds], texts)
    right = np.array([[each.text == text for text in texts] for each in sounds])
    words = {text: set(text.split()) - STOP_WORDS for text in texts}
    wrong = np.array([[not (words[each.text] & words[text]) for text in texts] for each in sounds])
    if not wrong.any():
        raise AudiosearchError("all these sounds have words in common: none is wrong for a text")
    fitted = calibrate({"sounds": Trials(scores, right, wrong)})
    if fitted.score.lift <= 0.0:
        raise AudiosearchError(
            "what the model says of these sounds is no better than chance: nothing is changed",
            remedy="give --sounds a folder whose file names tell what is heard",
        )
    return replace(fitted, score=_for_parts(model, fitted.score))


def pair_scores(model: Model, sounds: Sequence[Floats], texts: Sequence[str]) -> PairScores:
    """What a model says of all texts and sounds.

    Without a captioner the likeness stands where the lift would, so that it alone is fitted.
    """
    heard = model.encoder.encode_many(sounds)
    shape = (len(sounds), len(texts))
    cosine = np.zeros(shape, np.float32)
    joints = [each.joint for each in heard if each.joint is not None]
    if model.tower is not None and joints:
        cosine = np.stack(joints) @ model.tower.embed(texts).T
    if model.bundle.decoder is None and model.tower is not None:
        usual = np.full(len(texts), USUAL_WORDS, np.float32)
        nothing = np.zeros(len(texts), np.float32)
        return PairScores(-cosine, nothing, np.zeros_like(cosine), usual, np.ones_like(usual))
    return captioner_pairs(model, heard, texts, cosine=cosine)


def _for_parts(model: Model, score: ScoreCalibration) -> ScoreCalibration:
    """The fitted weights where they belong: to the lift, to the likeness, or to both."""
    if model.tower is None:
        return replace(score, joint=0.0)
    if model.bundle.decoder is None:
        return replace(score, joint=score.lift, lift=0.0, words_power=None)
    return score
