"""A model by itself: what must be true of sound and words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import audiosearch
from tests.sounds import write_audio


@pytest.fixture(scope="module")
def model() -> audiosearch.SoundModel:
    return audiosearch.load_model("starter", device="cpu")


def test_order_counts(model: audiosearch.SoundModel, examples: Path):
    knocks_then_bell = model.encode(examples / "sounds" / "scene-1.wav")
    bell_then_knocks = model.encode(examples / "sounds" / "scene-2.wav")
    questions = ["someone knocks on a door before a bell rings"]
    right, wrong = (
        model.cross_entropy(questions, each) for each in (knocks_then_bell, bell_then_knocks)
    )
    assert right < wrong
    assert right < model.cross_entropy(questions, None)


def test_samples_are_heard_as_their_file(model: audiosearch.SoundModel, examples: Path):
    clip = examples / "sounds" / "bell.wav"
    with audiosearch.open(examples / "library") as library:
        samples, _ = library.read(clip, sample_rate=model.sample_rate)
    of_samples, of_file = model.encode_samples(samples), model.encode(clip)
    np.testing.assert_array_equal(of_samples.frames, of_file.frames)
    assert of_file.tags is not None
    assert of_file.tags.shape == (len(model.tags),)


def test_windows_of_a_long_clip(model: audiosearch.SoundModel, examples: Path):
    windows = model.encode_windows(examples / "sounds" / "scene-4.flac", end_s=8, hop_s=4)
    assert [(each.start_s, each.end_s) for each in windows] == [(0, 8)]
    windows = model.encode_windows(examples / "sounds" / "scene-4.flac", hop_s=10)
    assert [each.start_s for each in windows] == [0, 0.4]


def test_silence(model: audiosearch.SoundModel, tmp_path: Path):
    file = write_audio(tmp_path / "nothing.wav", np.zeros(16000))
    assert [each.encoded for each in model.encode_windows(file)] == [None]
    with pytest.raises(audiosearch.QueryError, match="silence"):
        model.encode(file)


def test_no_texts_give_no_rows(model: audiosearch.SoundModel):
    assert model.embed_text([]).shape == (0, model.joint_dim)
    assert model.cross_entropy([], None).shape == (0,)
    assert not model.embed_text(["", "..."]).any()


def test_a_model_without_a_joint_space_says_so(plain_bundle: Path):
    plain = audiosearch.load_model(plain_bundle)
    assert plain.joint_dim == 0
    with pytest.raises(audiosearch.FeatureUnavailable):
        plain.embed_text(["a dog"])


def test_models_that_are_not_there(tmp_path: Path):
    with pytest.raises(audiosearch.BundleError):
        audiosearch.load_model("no-such-model")
    with pytest.raises(audiosearch.BundleError):
        audiosearch.load_model(tmp_path)
    with pytest.raises(audiosearch.FeatureUnavailable):
        audiosearch.load_model("starter", task="poetry")
