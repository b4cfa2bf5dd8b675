"""How much words in names count is fitted so that names help and seldom mislead."""

import numpy as np
import pytest

from audiosearch.training.text_weight import TextWeightTrial, fit_text_weight


def trial(right_scores, wrong_scores) -> TextWeightTrial:
    """One text for each right sound; all other sounds are wrong for it."""
    n = len(right_scores)
    right = np.eye(n, dtype=bool)
    scores = np.full((n, n), wrong_scores, dtype=np.float64)
    np.fill_diagonal(scores, right_scores)
    return TextWeightTrial(scores, right, ~right)


def test_a_misnamed_sound_seldom_comes_before_a_right_one() -> None:
    fitted = fit_text_weight([trial([0.95, 0.96, 0.97], 0.0)], min_score=0.5)
    assert fitted.text_match == pytest.approx(0.95)
    at = {one.weight: one for one in fitted.curve}
    assert at[0.95].misnamed_first == 0.0
    assert at[0.96].misnamed_first == pytest.approx(1 / 3)
    assert at[0.99].misnamed_first == 1.0


def test_texts_whose_right_sound_is_no_good_match_do_not_count() -> None:
    fitted = fit_text_weight([trial([0.3, 0.9], 0.0)], min_score=0.5)
    assert fitted.text_match == pytest.approx(0.9)


def test_it_is_never_below_the_least_score() -> None:
    assert fit_text_weight([trial([0.72, 0.73], 0.7)], min_score=0.705).text_match == 0.71


def test_names_put_right_sounds_first() -> None:
    curve = fit_text_weight([trial([0.5, 0.5], 0.6)], min_score=0.4).curve
    assert [one.named_first for one in curve if one.weight in (0.1, 0.3)] == [0.0, 1.0]
