"""The calibration of scores."""

import math

import numpy as np
import pytest

from audiosearch.model.calibration import ScoreCalibration

SCORE = ScoreCalibration(lift=2.0, joint=5.0, bias=-3.0, min_score=0.5)


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
    plain = SCORE.lift_weight(n_words=12, known=0.0)
    weighing = ScoreCalibration(lift=2.0, joint=5.0, bias=-3.0, min_score=0.5, words_power=2.0)
    assert plain == 1.0
    assert weighing.lift_weight(n_words=6, known=1.0) == 1.0
    assert weighing.lift_weight(n_words=12, known=0.5) == 2.0
    lifts, cosines = np.float32([1.0, 2.0]), np.float32([0.2, 0.2])
    [one, same] = weighing(lift=lifts, cosine=cosines, lift_weight=0.0)
    assert one == same
    by_text = weighing(lift=lifts, cosine=cosines, lift_weight=np.array([2.0, 1.0]))
    assert by_text[0] == pytest.approx(by_text[1])


TEXTS = ScoreCalibration(lift=1.0, joint=0.0, bias=0.0, min_score=0.7, text_match=0.8)
KNOWN, BOTH = np.array([True]), np.array([True, False])


def with_texts(scores, matched, is_known) -> list[float]:
    found = TEXTS.with_texts(np.array(scores), matched=np.array(matched), is_known=is_known)
    return found.tolist()


def test_texts_that_nobody_asked_about_change_nothing() -> None:
    assert with_texts([0.2, 0.9], [[False], [False]], KNOWN) == pytest.approx([0.2, 0.9])


def test_a_name_with_all_words_is_shown_and_gains_but_is_no_perfect_sound() -> None:
    misnamed, named, unnamed = with_texts([0.0, 0.95, 0.95], [[True], [True], [False]], KNOWN)
    assert misnamed == pytest.approx(TEXTS.text_match)
    assert misnamed > TEXTS.min_score
    assert misnamed < unnamed < named < 1


def test_some_of_the_words_count_little() -> None:
    one, both = with_texts([0.0, 0.0], [[True, False], [True, True]], np.array([True, True]))
    assert one == pytest.approx(0.8 / 4)
    assert both == pytest.approx(0.8)


def test_words_that_the_model_does_not_know_are_found_in_texts_alone() -> None:
    found = with_texts([0.9, 0.9], [[True, True], [True, False]], np.array([False, False]))
    assert found == pytest.approx([0.8, 0.4])


@pytest.mark.parametrize("heard", [0.7, 0.8, 0.95])
def test_beside_known_words_an_unknown_one_puts_a_good_match_first(heard: float) -> None:
    matched = [[False, True], [False, False], [False, True]]
    with_word, perfect, noise = with_texts([heard, 1.0, 0.05], matched, BOTH)
    assert with_word >= perfect - 1e-9
    assert perfect > TEXTS.min_score  # the others are shown as well
    assert noise < TEXTS.min_score  # the word alone is half of what was asked for


def test_an_unknown_word_that_stands_nowhere_is_passed_over() -> None:
    assert with_texts([0.4, 0.9], [[False, False]] * 2, BOTH) == pytest.approx([0.4, 0.9])


def test_no_words_and_no_sounds() -> None:
    assert with_texts([0.4], np.zeros((1, 0), bool), np.zeros(0, bool)) == [0.0]
    assert with_texts([], np.zeros((0, 1), bool), KNOWN) == []
