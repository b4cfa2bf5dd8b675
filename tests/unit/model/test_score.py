"""The calibration of scores."""

import math

import numpy as np
import pytest

from audiosearch.model.score import Score

SCORE = Score(lift=2.0, joint=5.0, bias=-3.0, min_score=0.5)


def test_it_is_the_sigmoid_of_the_weighted_sum() -> None:
    scores = SCORE(lift=np.float32([0.0, 1.0]), cosine=np.float32([0.0, 0.4]))
    assert scores[0] == pytest.approx(1 / (1 + math.exp(3.0)))
    assert scores[1] == pytest.approx(1 / (1 + math.exp(-1.0)))


def test_without_a_joint_space_the_lift_decides_alone() -> None:
    lifts = np.float32([-1.0, 0.0, 0.5, 3.0])
    scores = SCORE(lift=lifts, cosine=None)
    assert (np.diff(scores) > 0).all()
    assert scores[1] == pytest.approx(1 / (1 + math.exp(3.0)))


def test_extreme_values_stay_in_range() -> None:
    scores = SCORE(lift=np.float32([-1e30, 1e30, 1e5]), cosine=np.float32([-1, 1, 0]))
    assert scores.tolist() == [0.0, 1.0, 1.0]


def test_good_scores_keep_their_order() -> None:
    scores = SCORE(lift=np.float32([10.0, 10.1, 10.2]), cosine=np.ones(3, np.float32))
    assert (np.diff(scores) > 0).all()


def test_lifts_count_for_more_in_long_texts_and_for_nothing_in_unknown_words() -> None:
    plain = SCORE.trust(n_words=12, known=0.0)
    weighing = Score(lift=2.0, joint=5.0, bias=-3.0, min_score=0.5, words_power=2.0)
    assert plain == 1.0
    assert weighing.trust(n_words=6, known=1.0) == 1.0
    assert weighing.trust(n_words=12, known=0.5) == 2.0
    lifts, cosines = np.float32([1.0, 2.0]), np.float32([0.2, 0.2])
    [one, same] = weighing(lift=lifts, cosine=cosines, trust=0.0)
    assert one == same
    by_text = weighing(lift=lifts, cosine=cosines, trust=np.array([2.0, 1.0]))
    assert by_text[0] == pytest.approx(by_text[1])
