"""A stage that was interrupted ends with the weights of one that was not."""

from __future__ import annotations

import signal
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from audiosearch.errors import AudiosearchError  # noqa: E402
from audiosearch.model.wordpiece import SPECIAL_PIECES, Pieces  # noqa: E402
from audiosearch.training.checkpoints import load_state, save_state  # noqa: E402
from audiosearch.training.data.dataset import Split  # noqa: E402
from audiosearch.training.networks.convnext import starter_config  # noqa: E402
from audiosearch.training.networks.decoder import DecoderConfig  # noqa: E402
from audiosearch.training.networks.meaning import SentenceConfig, SentenceTower  # noqa: E402
from audiosearch.training.recipes.decoder import STARTER_DECODER, DecoderTrainer  # noqa: E402
from audiosearch.training.recipes.encoder import EncoderRecipe, EncoderTrainer  # noqa: E402
from audiosearch.training.recipes.joint import (  # noqa: E402
    JointRecipe,
    JointTrainer,
    TaggedScenes,
    load_joint,
)
from audiosearch.training.recipes.sentences import DistilRecipe, SentenceTrainer  # noqa: E402
from audiosearch.training.scenes.batches import CaptionedScenes  # noqa: E402
from audiosearch.training.scenes.clip_pool import gather_clips  # noqa: E402
from audiosearch.training.scenes.features import SceneFeatures  # noqa: E402
from audiosearch.training.scenes.planner import Planner  # noqa: E402
from audiosearch.training.text.captions import every_phrase  # noqa: E402
from audiosearch.training.text.sentence_model import SentenceEmbedder  # noqa: E402
from audiosearch.training.text.vocabulary import collect_words, make_vocabulary  # noqa: E402
from audiosearch.training.trainer import TrainingStopped  # noqa: E402


class Died(Exception):
    pass


def _quiet(progress):
    del progress


def _stop_by_signal():
    signal.raise_signal(signal.SIGTERM)


def _die():
    raise Died


STOPS = pytest.mark.parametrize(
    ("stop", "error"), [(_stop_by_signal, TrainingStopped), (_die, Died)]
)
"""A stop that saves where it is, and an end that leaves the last epoch's checkpoint."""


def _break_off(trainer, *, steps, stop, error):
    """Let a training end after some steps."""
    real, done = trainer.after_step, []

    def after_step(step):
        real(step)
        done.append(step)
        if len(done) == steps:
            stop()

    trainer.after_step = after_step
    with pytest.raises(error):
        trainer.run(report=_quiet)
    assert len(done) == steps


def _same(one, other):
    assert one.keys() == other.keys()
    for name in one:
        assert torch.equal(one[name], other[name]), name


def _tiny(classes):
    return replace(starter_config(classes), depths=(1, 1, 1, 1), dims=(4, 4, 4, 8))


@STOPS
def test_the_encoder_resumes_to_the_same_weights(made_sounds, tmp_path, stop, error):
    recipe = EncoderRecipe(
        steps=5, batch=4, crop_s=1.0, warm_up=2, save_every=2, evaluate_every=100
    )

    def trainer(name):
        return EncoderTrainer(
            made_sounds, recipe=recipe, seed=1, folder=tmp_path / name, size=_tiny
        )

    whole = load_state(trainer("whole").run(report=_quiet))
    _break_off(trainer("broken"), steps=3, stop=stop, error=error)  # in the middle of an epoch
    resumed = load_state(trainer("broken").run(report=_quiet))
    _same(whole["network"], resumed["network"])
    assert whole["tags"] == resumed["tags"]


@pytest.fixture(scope="module")
def captioned(made_sounds):
    """Forty planned scenes with made-up frames, and their twins."""
    scenes = Planner(gather_clips(made_sounds, split=Split.TRAIN), seed=1).plan(40)
    rng = np.random.default_rng(0)
    values = rng.standard_normal((len(scenes), 9, 8)).astype(np.float16)
    lengths = rng.integers(3, 10, len(scenes))
    features = SceneFeatures(values=values, lengths=lengths.astype(np.int64))
    twins = tuple(scene.twin for scene in scenes)
    return CaptionedScenes(features, tuple(scene.description for scene in scenes), twins), twins


@pytest.fixture(scope="module")
def vocabulary():
    return make_vocabulary(collect_words(every_phrase()))


@STOPS
def test_the_decoder_resumes_to_the_same_weights(captioned, vocabulary, tmp_path, stop, error):
    scenes, _ = captioned
    config = DecoderConfig(
        vocabulary=len(vocabulary),
        feature_dim=8,
        dim=8,
        heads=2,
        layers=2,
        feedforward=8,
        frame_positions=10,
    )

    def trainer(name):
        return DecoderTrainer(
            scenes,
            scenes,
            vocabulary,
            config=config,
            recipe=replace(
                STARTER_DECODER, epochs=3, mixup_alpha=0.4, mixup_epochs=1, batch=16, warm_up=2
            ),
            seed=2,
            folder=tmp_path / name,
        )

    whole = load_state(trainer("whole").run(report=_quiet))
    _break_off(trainer("broken"), steps=4, stop=stop, error=error)
    resumed = load_state(trainer("broken").run(report=_quiet))
    _same(whole["network"], resumed["network"])


@STOPS
def test_the_joint_space_resumes_to_the_same_weights(captioned, vocabulary, tmp_path, stop, error):
    scenes, _ = captioned
    logits = np.random.default_rng(1).standard_normal((len(scenes.descriptions), 6))
    tagged = TaggedScenes(scenes.descriptions, logits.astype(np.float32))
    pieces = Pieces(SPECIAL_PIECES + vocabulary.words[4:])
    torch.manual_seed(0)
    tower = SentenceTower(SentenceConfig(pieces=len(pieces), sentence_dim=12, dim=8, hidden=8))

    def trainer(name):
        return JointTrainer(
            tagged,
            tagged,
            SentenceEmbedder(pieces, tower),
            recipe=JointRecipe(epochs=3, batch=16, warm_up=2),
            seed=3,
            folder=tmp_path / name,
        )

    whole = load_state(trainer("whole").run(report=_quiet))
    _break_off(trainer("broken"), steps=4, stop=stop, error=error)
    resumed = load_state(trainer("broken").run(report=_quiet))
    _same(whole["network"], resumed["network"])
    joint = load_joint(tmp_path / "whole" / "joint.pt")
    vectors = joint.embed_texts(["a dog barks", "rain"])
    assert vectors.shape == (2, 128)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)


@STOPS
def test_the_sentence_model_resumes_to_the_same_weights(tmp_path, stop, error):
    words = ("dog", "canine", "car", "rain", "bell")
    texts = [*words, *(f"{one} {other}" for one in words for other in words)]
    vectors = np.random.default_rng(0).standard_normal((len(texts), 12)).astype(np.float32)

    def trainer(name):
        return SentenceTrainer(
            texts,
            vectors / np.linalg.norm(vectors, axis=1, keepdims=True),
            Pieces(SPECIAL_PIECES + words),
            recipe=DistilRecipe(epochs=3, batch=8, dim=6, held_out=0.1),
            seed=4,
            folder=tmp_path / name,
        )

    whole = load_state(trainer("whole").run(report=_quiet))
    _break_off(trainer("broken"), steps=6, stop=stop, error=error)
    resumed = load_state(trainer("broken").run(report=_quiet))
    _same(whole["network"], resumed["network"])


def test_a_stop_tells_how_far_it_came_and_a_step_that_was_done_is_not_done_again(
    made_sounds, tmp_path
):
    recipe = EncoderRecipe(steps=5, batch=2, crop_s=0.5, warm_up=2, save_every=4)
    trainer = EncoderTrainer(made_sounds, recipe=recipe, seed=1, folder=tmp_path, size=_tiny)
    before = signal.getsignal(signal.SIGTERM)
    _break_off(trainer, steps=3, stop=_stop_by_signal, error=TrainingStopped)
    assert signal.getsignal(signal.SIGTERM) is before
    assert not (tmp_path / "encoder.pt").exists()

    again = EncoderTrainer(made_sounds, recipe=recipe, seed=1, folder=tmp_path, size=_tiny)
    steps, reports = [], []
    again.after_step = steps.append
    again.run(report=reports.append)
    assert steps == [3, 4]
    assert [(each.step, each.total) for each in reports] == [(4, 5), (5, 5), (5, 5)]
    assert "held-out" in reports[1].text  # and not before: it is asked every 500 steps


def test_a_checkpoint_of_an_older_version_is_refused(made_sounds, tmp_path):
    save_state({"network": {}, "optimiser": {}, "step": 2}, tmp_path / "encoder.partial.pt")
    trainer = EncoderTrainer(
        made_sounds, recipe=EncoderRecipe(steps=5), seed=1, folder=tmp_path, size=_tiny
    )
    with pytest.raises(AudiosearchError, match="older version"):
        trainer.run(report=_quiet)


def test_a_checkpoint_holds_nothing_that_runs(tmp_path):
    torch.save({"danger": Died()}, tmp_path / "bad.pt")
    with pytest.raises(AudiosearchError, match="not a checkpoint of tensors"):
        load_state(tmp_path / "bad.pt")
    with pytest.raises(AudiosearchError, match="no such checkpoint"):
        load_state(tmp_path / "none.pt")
    save_state({"x": torch.ones(2)}, tmp_path / "good.pt")
    assert torch.equal(load_state(tmp_path / "good.pt")["x"], torch.ones(2))
    assert [file.name for file in tmp_path.iterdir() if "partial" in file.name] == []
