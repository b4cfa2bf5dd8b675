"""The ranking term: who is held against whom, and what it asks for."""

from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from audiosearch.training.scenes.ranking import (  # noqa: E402
    choose_rivals,
    contradicts,
    log_likelihood,
    ranking_loss,
    wording_loss,
)
from audiosearch.training.text.captions import Relation, SceneDescription  # noqa: E402

DOG_BELL = SceneDescription(Relation.SEQUENCE, ("dog", "bell"))
BELL_DOG = SceneDescription(Relation.SEQUENCE, ("bell", "dog"))
DOG = SceneDescription(Relation.SINGLE, ("dog",))
BOTH = SceneDescription(Relation.TOGETHER, ("dog", "bell"))


@pytest.mark.parametrize(
    ("caption", "other", "wrong"),
    [
        (DOG_BELL, BELL_DOG, True),
        (DOG_BELL, BOTH, True),
        (DOG_BELL, DOG_BELL, False),
        (DOG, DOG_BELL, False),  # a dog is heard there as well
        (DOG_BELL, DOG, True),
        (DOG_BELL, SceneDescription(Relation.SEQUENCE, ("dog", "cat", "bell")), False),
        (DOG_BELL, SceneDescription(Relation.SEQUENCE, ("bell", "cat", "dog")), True),
        (BOTH, DOG_BELL, False),
        (BOTH, SceneDescription(Relation.TOGETHER, ("bell", "dog")), False),
        (SceneDescription(Relation.SINGLE, ("dog",), background="rain"), DOG, True),
        (DOG, SceneDescription(Relation.SINGLE, ("bell",), background="dog"), False),
    ],
)
def test_a_caption_is_wrong_of_what_lacks_or_turns_round_its_sounds(caption, other, wrong):
    assert contradicts(caption, other) is wrong


@pytest.mark.parametrize(
    ("caption", "other", "wrong"),
    [
        (BOTH, DOG_BELL, True),
        (BOTH, BELL_DOG, True),
        (BOTH, BOTH, False),
        (BOTH, SceneDescription(Relation.SEQUENCE, ("dog", "bell", "cat")), True),
        (SceneDescription(Relation.SINGLE, ("dog",), background="bell"), DOG_BELL, True),
        (SceneDescription(Relation.SINGLE, ("dog",), background="bell"), BOTH, False),
        # The rain lasts under both of its events, the dog among them.
        (
            SceneDescription(Relation.TOGETHER, ("dog", "rain")),
            SceneDescription(Relation.SEQUENCE, ("dog", "bell"), background="rain"),
            False,
        ),
    ],
)
def test_words_for_at_once_are_wrong_of_one_after_the_other(caption, other, wrong):
    assert contradicts(caption, other, at_once=True) is wrong


def test_a_rival_is_another_row_and_often_the_twin():
    rows = np.array([4, 7, 5, 9])
    twins = (None,) * 4 + (5, 4) + (None,) * 4
    rng = np.random.default_rng(0)
    drawn = np.array([choose_rivals(rng, rows, (DOG,) * 10, twins) for _ in range(300)])
    assert (drawn != np.arange(4)).all()
    assert 0.6 < (drawn[:, 0] == 2).mean() < 0.9  # row 4's twin stands third
    assert set(drawn[:, 1]) == {0, 2, 3}


def test_a_twin_outside_the_batch_is_no_rival():
    rng = np.random.default_rng(0)
    rivals = choose_rivals(rng, np.array([0, 2]), (DOG_BELL, BELL_DOG, DOG), (1, 0, None))
    assert rivals.tolist() == [1, 0]


def test_a_rival_often_shares_a_sound_and_lacks_another():
    cat = SceneDescription(Relation.SINGLE, ("cat",))
    scenes = (DOG_BELL, SceneDescription(Relation.SEQUENCE, ("dog", "cat")), *([cat] * 18))
    rng = np.random.default_rng(0)
    drawn = [choose_rivals(rng, np.arange(20), scenes, (None,) * 20) for _ in range(300)]
    share = np.mean([rivals[0] == 1 for rivals in drawn])
    assert 0.4 < share < 0.7  # one in nineteen would be chance


def test_the_loss_is_the_log_of_the_posterior_chance():
    own, rival = torch.tensor([0.0, 2.0, 5.0]), torch.tensor([0.0, 1.0, 9.0])
    told = torch.tensor([True, True, False])
    expected = (math.log(2) + math.log(1 + math.exp(-1))) / 2
    assert float(ranking_loss(own, rival, told)) == pytest.approx(expected, abs=1e-6)
    assert float(ranking_loss(own, rival, torch.zeros(3, dtype=torch.bool))) == 0.0


def test_log_likelihood_counts_only_words():
    log_p = torch.zeros(1, 3, 4).log_softmax(dim=2)
    targets = torch.tensor([[2, 3, 0]])
    assert float(log_likelihood(log_p, targets, ignored=0)) == pytest.approx(2 * math.log(1 / 4))


def test_a_wrong_caption_is_compared_by_the_word():
    """Two words of one nat each against four of one: neither is likelier; the sound counts."""
    own = torch.full((3, 4, 5), -1.0)
    wrong = torch.full((3, 4, 5), -1.0)
    wrong[1] = -2.0
    targets = torch.tensor([[1, 2, 0, 0]] * 3)
    wrong_targets = torch.tensor([[1, 2, 3, 4]] * 3)
    for heard, chance in (
        ([True, False, False], 0.5),
        ([False, True, False], 1 / (1 + math.exp(-2))),
    ):
        loss = wording_loss(own, targets, wrong, wrong_targets, torch.tensor(heard), ignored=0)
        assert float(loss) == pytest.approx(-math.log(chance), abs=1e-6)
