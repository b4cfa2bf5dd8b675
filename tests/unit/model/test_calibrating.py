"""Scores fitted on sounds with names, by what a bundle says of them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from audiosearch.convert.calibrating import (
    TitledSound,
    calibrated,
    generated_sounds,
    like_bounds,
    likeness_spread,
    named_sounds,
    pair_scores,
)
from audiosearch.errors import AudiosearchError, FeatureUnavailable
from audiosearch.model.calibration import ScoreCalibration
from audiosearch.model.loaded import Model
from audiosearch.model.runtime.session import RuntimeOptions
from tests.sounds import tone, write_audio
from tests.toy_bundles import JOINT, PLAIN, TOY

WORDS = ("dog", "bird", "rain", "bell", "engine", "wind", "door", "car", "man", "woman")


class Planted:
    """A model that hears the word of a sound, whose samples are its number, now and then wrongly.

    Of `ears` a captioner has the lift, a joint space the likeness.
    """

    def __init__(self, *, captioner: bool, joint: bool, sign: float = 1.0) -> None:
        rng = np.random.default_rng(0)
        fit = sign * np.eye(len(WORDS)) + rng.normal(0, 0.15, (len(WORDS), len(WORDS)))
        self.fit = fit.astype(np.float32)
        score = ScoreCalibration(
            lift=1.0, joint=1.0, bias=0.0, min_score=0.5, like=0.33, weakly_like=0.11
        )
        self.bundle = SimpleNamespace(decoder=captioner or None, score=score, joint_dim=joint)
        self.encoder = SimpleNamespace(encode_many=self.hear)
        self.tower = SimpleNamespace(embed=lambda texts: np.eye(len(texts), dtype=np.float32))
        self.tower = self.tower if joint else None
        self.decoder = SimpleNamespace(memory=np.concatenate)
        self.scorer = SimpleNamespace(
            encode=lambda text: (WORDS.index(text),),
            cross_entropies=lambda _, memory: 3.0 - memory.T,
            without_sound=lambda tokens: np.full(len(tokens), 3.0, np.float32),
            known=lambda _: 1.0,
        )

    def hear(self, sounds):
        rows = [self.fit[int(sound[0])] for sound in sounds]
        return [SimpleNamespace(joint=row, frames=row[None]) for row in rows]


SOUNDS = [TitledSound(word, np.array([n], np.float32)) for n, word in enumerate(WORDS)]


@pytest.mark.parametrize(
    ("captioner", "joint"), [(True, True), (True, False), (False, True)], ids=str
)
def test_what_counts_is_what_the_bundle_has(captioner, joint):
    fitted = calibrated(Planted(captioner=captioner, joint=joint), SOUNDS)
    score = fitted.score
    assert (score.lift > 0) == captioner
    assert (score.joint > 0) or not joint or captioner
    assert joint or score.joint == 0
    assert fitted.present_refused < 0.2
    assert fitted.absent_answered < 0.2
    right = score(lift=np.array([captioner], float), cosine=np.array([joint], float))
    wrong = score(lift=np.zeros(1), cosine=np.zeros(1))
    assert right[0] > score.min_score > wrong[0]
    # No sound has the name of another: nothing is told of likeness, which stays as it was.
    assert (score.like, score.weakly_like) == (0.33, 0.11)


def test_a_model_that_is_wrong_keeps_its_score():
    with pytest.raises(AudiosearchError, match="no better than chance"):
        calibrated(Planted(captioner=True, joint=True, sign=-1.0), SOUNDS)


def test_sounds_of_one_word_tell_nothing():
    alike = [TitledSound(f"{each.text} noise", each.samples) for each in SOUNDS]
    planted = Planted(captioner=False, joint=True)
    with pytest.raises(AudiosearchError, match="words in common"):
        calibrated(planted, alike)


@pytest.mark.parametrize("path", [JOINT, PLAIN, TOY])
def test_pair_scores_are_what_the_parts_say(path):
    model = Model.open(path, options=RuntimeOptions(device="cpu"))
    sounds = [each.samples for each in generated_sounds(model.bundle.sample_rate, seconds=1)[:3]]
    heard = model.encoder.encode_many(sounds)
    scores = pair_scores(model, heard, ["a dog barks", "rain"])
    if path == JOINT:
        cosine = np.stack([each.joint for each in heard]) @ model.tower.embed(["rain"])[0]
        np.testing.assert_allclose(scores.lift[:, 1], cosine, atol=1e-6)
        assert not scores.cosine.any()
        return
    tokens = [model.scorer.encode("rain")]
    memory = model.decoder.memory([each.frames for each in heard])
    lift = model.scorer.without_sound(tokens)[0] - model.scorer.cross_entropies(tokens, memory)[0]
    np.testing.assert_allclose(scores.lift[:, 1], lift, atol=1e-5)
    assert scores.cosine.any() == (path == TOY)


class Mixing:
    """A model that hears which words are in a sound, each of which is one of its samples.

    It hears another word a little in all sounds, so that none are at right angles.
    """

    def __init__(self, *, joint: bool, blur: float = 0.5) -> None:
        self.bundle = SimpleNamespace(joint_dim=len(WORDS) if joint else 0, path=Path("mixing"))
        self.encoder = SimpleNamespace(encode_many=self.hear)
        self.blur, self.joint = blur, joint
        self.tower = SimpleNamespace(embed=lambda texts: self.units(np.eye(len(texts))))
        self.n_heard = 0

    def units(self, rows):
        rows = np.asarray(rows, np.float32) + self.blur * np.asarray(rows).mean(1, keepdims=True)
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)

    def hear(self, sounds):
        self.n_heard += len(sounds)
        vectors = self.units(np.stack(sounds))
        return [
            SimpleNamespace(joint=each if self.joint else None, embedding=each) for each in vectors
        ]


def of_word(place: int, *, loud: float = 1.0) -> TitledSound:
    return TitledSound(WORDS[place], loud * np.eye(len(WORDS), dtype=np.float32)[place])


@pytest.mark.parametrize("joint", [True, False])
def test_what_is_alike_is_fitted_on_mixtures(joint):
    """Each is mixed with another, as loud as it whatever their levels were."""
    model = Mixing(joint=joint)
    sounds = [of_word(place, loud=loud) for place in range(10) for loud in (1.0, 0.1, 3.0)]
    bounds = like_bounds(model, sounds, model.hear([each.samples for each in sounds]))
    assert model.n_heard == 60
    clean, mixture = model.units([np.eye(10)[0], (np.eye(10)[0] + np.eye(10)[1])])
    other = model.units([np.eye(10)[2]])[0]
    like, weakly = bounds
    assert float(other @ mixture) < like < float(clean @ mixture)
    assert weakly == pytest.approx(float(other @ mixture), abs=6e-4)


def test_the_weaker_bound_is_never_above_the_other():
    deaf = Mixing(joint=True)
    rng = np.random.default_rng(0)
    deaf.hear = lambda sounds: [
        SimpleNamespace(joint=each, embedding=each)
        for each in deaf.units(rng.random((len(sounds), 10)))
    ]
    deaf.encoder = SimpleNamespace(encode_many=deaf.hear)
    sounds = [of_word(place) for place in range(10) for _ in range(3)]
    like, weakly = like_bounds(deaf, sounds, deaf.hear([each.samples for each in sounds]))
    assert 0.0 <= weakly <= like <= 1.0


def test_as_many_are_missed_as_are_taken():
    """A model that hears noise beside the word."""
    model = Mixing(joint=True)
    rng = np.random.default_rng(3)
    model.hear = lambda sounds: [
        SimpleNamespace(joint=each, embedding=each)
        for each in model.units(
            np.stack(sounds) / np.max(sounds) + 0.3 * rng.standard_normal((len(sounds), 10))
        )
    ]
    model.encoder = SimpleNamespace(encode_many=model.hear)
    sounds = [of_word(place) for place in range(10) for _ in range(6)]
    clean = model.hear([each.samples for each in sounds])
    like, weakly = like_bounds(model, sounds, clean)
    words = np.array([int(each.samples.argmax()) for each in sounds])
    pairs = [(i, j) for i in range(60) for j in range(60) if words[i] != words[j]]
    mixed = [sounds[i].samples + sounds[j].samples for i, j in pairs]
    joint = np.stack([each.joint for each in model.hear(mixed)])
    cosines = joint @ np.stack([each.joint for each in clean]).T
    held = np.array([words == words[i] for i, _ in pairs])
    neither = np.array([(words != words[i]) & (words != words[j]) for i, j in pairs])
    missed, taken = (cosines[held] < like).mean(), (cosines[neither] >= like).mean()
    assert 0.05 < missed < 0.4
    assert missed == pytest.approx(taken, abs=0.06)
    assert (cosines[neither] >= weakly).mean() == pytest.approx(0.5, abs=0.06)


def test_few_sounds_of_one_name_tell_nothing_of_likeness():
    model = Mixing(joint=True)
    sounds = [*(of_word(place) for place in range(10)), *(of_word(0) for _ in range(8))]
    assert like_bounds(model, sounds, model.hear([each.samples for each in sounds])) is None
    related = [of_word(0) for _ in range(30)]  # nothing else to mix them with
    assert like_bounds(model, related, model.hear([each.samples for each in related])) is None


def test_spreads_are_those_of_all_cosines():
    model = Mixing(joint=True, blur=2.0)
    sounds = [of_word(place) for place in range(10) for _ in range(2)]
    cosines = np.repeat(model.units(np.eye(10)), 2, axis=0) @ model.units(np.eye(10)).T
    assert likeness_spread(model, sounds) == pytest.approx(cosines.std(), rel=1e-5)
    with pytest.raises(AudiosearchError, match="equally like"):
        likeness_spread(Mixing(joint=True, blur=1e9), sounds)
    model.tower = None
    with pytest.raises(FeatureUnavailable, match="no space shared"):
        likeness_spread(model, sounds)


def test_names_of_files_tell_what_is_heard(tmp_path):
    names = [*(f"{word}_{n:02d}.wav" for n, word in enumerate(WORDS)), "0001.wav", "the_a.wav"]
    for name in names:
        write_audio(tmp_path / name, tone(440.0, seconds=1.0), rate=16_000)
    (tmp_path / "notes.txt").write_text("rain")
    found = named_sounds(tmp_path, rate=16_000, window_s=10.0)
    assert sorted(each.text for each in found) == sorted(WORDS)
    for name in names[:4]:
        (tmp_path / name).unlink()
    with pytest.raises(AudiosearchError, match="have 6 different names of words"):
        named_sounds(tmp_path, rate=16_000, window_s=10.0)
