"""Scores fitted on sounds with names, by what a bundle says of them."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from audiosearch.convert.calibrating import (
    TitledSound,
    calibrated,
    generated_sounds,
    named_sounds,
    pair_scores,
)
from audiosearch.errors import AudiosearchError
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
        self.bundle = SimpleNamespace(decoder=captioner or None)
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
    scores = pair_scores(model, sounds, ["a dog barks", "rain"])
    heard = model.encoder.encode_many(sounds)
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


def test_names_of_files_tell_what_is_heard(tmp_path):
    names = [*(f"{word}_{n:02d}.wav" for n, word in enumerate(WORDS)), "0001.wav", "the_a.wav"]
    for name in names:
        write_audio(tmp_path / name, tone(440.0, seconds=1.0), rate=16_000)
    (tmp_path / "notes.txt").write_text("rain")
    found = named_sounds(tmp_path, rate=16_000, window_s=10.0)
    assert sorted(each.text for each in found) == sorted(WORDS)
    for name in names[:4]:
        (tmp_path / name).unlink()
    with pytest.raises(AudiosearchError, match="6 sounds with names of words"):
        named_sounds(tmp_path, rate=16_000, window_s=10.0)
