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
from audiosearch.errors import AudiosearchError, DecodeError, FeatureUnavailable
from audiosearch.indexing.walk import Problem, walk
from audiosearch.model.calibration import USUAL_WORDS, ScoreCalibration
from audiosearch.model.encoder import Encoded
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
LEAST_MIXTURES = 20  # fewer say nothing of what is alike
MIXED_RMS = 0.05  # of each sound of a mixture
LEAST_SPREAD = 1e-5  # of cosines that tell anything from anything
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
            f"its sounds have {counted(n_texts, 'different name')} of words: too few",
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
    heard = model.encoder.encode_many([each.samples for each in sounds])
    scores = pair_scores(model, heard, texts)
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
    score = _for_parts(model, fitted.score)
    like, weakly_like = like_bounds(model, sounds, heard) or (
        model.bundle.score.like,
        model.bundle.score.weakly_like,
    )
    return replace(fitted, score=replace(score, like=like, weakly_like=weakly_like))


def like_bounds(
    model: Model, sounds: Sequence[TitledSound], heard: Sequence[Encoded]
) -> tuple[float, float] | None:
    """From which cosines on a sound counts as like, and as weakly like, one that is given.

    Each sound is mixed with one of another name, as loud. At the first, as many mixtures are missed
    that hold another sound of a given one's name as are taken that hold none; half of the latter
    reach the second.

    Args:
        model: what hears the mixtures.
        sounds: with names, which several of them share.
        heard: what the model says of each.

    Returns:
        None where too few sounds have the name of another.
    """
    words = [set(each.text.split()) - STOP_WORDS for each in sounds]
    related = np.array([[not one.isdisjoint(other) for other in words] for one in words])
    same = np.array([[one.text == other.text for other in sounds] for one in sounds])
    np.fill_diagonal(same, val=False)
    rng = np.random.default_rng(0)
    chosen: list[tuple[int, int]] = []  # places of a sound and of what it is mixed with
    for place in np.flatnonzero(same.any(axis=1)).tolist():
        others = np.flatnonzero(~related[place])
        if len(others):
            chosen.append((place, int(rng.choice(others))))
    if len(chosen) < LEAST_MIXTURES:
        return None
    mixtures = model.encoder.encode_many(
        [_mixed(sounds[one].samples, sounds[other].samples) for one, other in chosen]
    )
    cosines = _vectors(model, mixtures) @ _vectors(model, heard).T
    held_in, behind = (list(each) for each in zip(*chosen, strict=True))
    held = cosines[same[held_in]]
    not_held = cosines[~(related[held_in] | related[behind])]
    if not len(not_held):
        return None
    steps = np.linspace(0.0, 1.0, 1001)
    missed = np.searchsorted(np.sort(held), steps) / len(held)
    taken = 1.0 - np.searchsorted(np.sort(not_held), steps) / len(not_held)
    like = round(float(steps[np.maximum(missed, taken).argmin()]), 3)
    return like, round(min(like, max(0.0, float(np.median(not_held)))), 3)


def likeness_spread(model: Model, sounds: Sequence[TitledSound]) -> float:
    """The standard deviation of all cosines of sounds and their texts, by which z-scores divide.

    Raises:
        AudiosearchError: all are the same, or nearly.
        FeatureUnavailable: the bundle has no joint space.
    """
    tower = model.tower
    if tower is None:
        raise FeatureUnavailable(
            "there is no space shared by text and sound", path=model.bundle.path
        )
    heard = model.encoder.encode_many([each.samples for each in sounds])
    texts = list(dict.fromkeys(each.text for each in sounds))
    spread = float((_vectors(model, heard) @ tower.embed(texts).T).std())
    if not spread > LEAST_SPREAD:
        raise AudiosearchError(
            "to it all sounds and texts are equally like, so that no z-score can be told",
            path=model.bundle.path,
            remedy="leave out --z-scored, or this bundle",
        )
    return spread


def _mixed(one: Floats, other: Floats) -> Floats:
    """Two sounds at once, as loud as each other."""
    whole = np.zeros(max(len(one), len(other)), np.float32)
    for samples in (one, other):
        rms = float(np.sqrt(np.mean(samples.astype(np.float64) ** 2)))
        whole[: len(samples)] += samples * np.float32(MIXED_RMS / max(rms, 1e-9))
    return whole


def _vectors(model: Model, heard: Sequence[Encoded]) -> Floats:
    """Those (n, D) that sounds are compared by: of the joint space where there is one."""
    joint = [each.joint for each in heard if each.joint is not None]
    return np.stack(joint if model.bundle.joint_dim else [each.embedding for each in heard])


def pair_scores(model: Model, heard: Sequence[Encoded], texts: Sequence[str]) -> PairScores:
    """What a model says of all texts and of the sounds that it has heard.

    Without a captioner the likeness stands where the lift would, so that it alone is fitted.
    """
    shape = (len(heard), len(texts))
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
