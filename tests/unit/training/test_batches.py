"""Batches of captioned scenes: complete, of like length, twins together, no unknown targets."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from audiosearch.model.tokenizer import EOS, PAD, UNK  # noqa: E402
from audiosearch.training.scenes.batches import (  # noqa: E402
    CaptionedScenes,
    epoch_batches,
    make_batch,
    shuffled_rows,
)
from audiosearch.training.scenes.features import SceneFeatures  # noqa: E402
from audiosearch.training.text.captions import CaptionPair, Relation, SceneDescription, every_phrase  # noqa: E402
from audiosearch.training.text.vocabulary import collect_words, make_vocabulary  # noqa: E402

TWINS = tuple(i ^ 1 if i < 40 else None for i in range(100))


def test_every_row_comes_once_and_twins_stay_together():
    rng = np.random.default_rng(0)
    words = np.where(np.arange(100) < 40, 12, 3)
    groups = shuffled_rows(rng, words, TWINS, batch=10, pool=4)
    assert sorted(np.concatenate(groups)) == list(range(100))
    assert max(len(group) for group in groups) <= 10
    assert all(TWINS[row] in group for group in groups for row in group if row < 40)
    mixed = sum(len(set(words[group])) > 1 for group in groups)
    assert mixed <= 3  # one border of lengths a pool


def test_the_order_changes_with_the_generator_only():
    words = np.arange(100) % 7
    one, same, other = (
        np.concatenate(shuffled_rows(np.random.default_rng(s), words, TWINS, batch=8, pool=2))
        for s in (1, 1, 2)
    )
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


@pytest.fixture(scope="module")
def scenes():
    names = ("dog", "bell")
    what = [
        SceneDescription(Relation.SEQUENCE, names),
        SceneDescription(Relation.SEQUENCE, names[::-1]),
    ]
    values = np.ones((8, 5, 3), np.float16)
    lengths = np.array([5, 5, 4, 4, 3, 3, 2, 2], np.int64)
    return CaptionedScenes(
        SceneFeatures(values, lengths), tuple(what * 4), (1, 0, 3, 2, 5, 4, 7, 6)
    )


@pytest.fixture(scope="module")
def vocabulary():
    return make_vocabulary(collect_words(every_phrase()))


def test_unknown_is_heard_but_never_said(scenes, vocabulary):
    rng = np.random.default_rng(0)
    rows = np.arange(8)
    texts = [CaptionPair("a dog barks then a zzz rings", None)] * 8
    batch = make_batch(scenes, rows, texts, vocabulary, rng, unknown_chance=0.9)
    assert (batch.inputs == UNK).sum() > 10
    assert (batch.targets != UNK).all()
    barks = vocabulary.encode("barks")[0]
    assert (batch.targets[:, 2] == barks).all()
    assert (batch.targets[:, 5] == PAD).all()  # a word outside the vocabulary counts nothing
    assert batch.contradicts.any()


def test_wrong_captions_stand_beside_those_that_have_one(scenes, vocabulary):
    rng = np.random.default_rng(0)
    texts = [
        CaptionPair("a dog barks then a bell rings", "a bell rings then a dog barks"),
        CaptionPair("a dog barks", None),
        CaptionPair("a bell rings", "a bell rings while a dog is barking"),
    ]
    batch = make_batch(scenes, np.array([0, 2, 4]), texts, vocabulary, rng, unknown_chance=0.0)
    assert batch.wrong_rows.tolist() == [0, 2]
    wrong = ("a bell rings then a dog barks", "a bell rings while a dog is barking")
    for text, targets in zip(wrong, batch.wrong_targets, strict=True):
        ids = [*vocabulary.encode(text), EOS]
        assert targets.tolist() == ids + [PAD] * (len(targets) - len(ids))
    assert batch.inputs.shape[0] == 3
    assert batch.wrong_inputs.shape[1] == batch.inputs.shape[1]


def test_an_epoch_holds_every_scene(scenes, vocabulary):
    rng = np.random.default_rng(0)
    batches = list(epoch_batches(scenes, vocabulary, rng, batch=4, pool=1, unknown_chance=0.0))
    assert sorted(int(n) for batch in batches for n in batch.lengths) == [2, 2, 3, 3, 4, 4, 5, 5]
    for batch in batches:
        assert batch.features.shape[1] == batch.lengths.max()
        assert batch.inputs.shape == batch.targets.shape
