"""Scaling captions by their own statistics: the paper's Table 3, and what must always hold."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from audiosearch.evaluation.normalise import Normalisation, normalised, scale_of
from audiosearch.evaluation.ranking import figures, rank_order

# Rows are sounds A1-A3, columns captions C1-C3 (Labbé et al. 2023, Table 3).
TABLE_3 = np.array([[1.7, 8.4, 8.1], [2.1, 7.6, 8.5], [2.0, 8.3, 6.5]])
OWN = np.eye(3, dtype=bool)
WITHOUT = np.array([2.0, 8.0, 8.0])


def costs(how: Normalisation, values: np.ndarray = TABLE_3) -> np.ndarray:
    without = np.zeros(values.shape[1]) + 2.0
    return normalised(values, how=how, scale=scale_of(values), without_sound=without)


def test_table_3_min_max_makes_audio_to_text_right():
    scaled = costs(Normalisation.MINMAX)
    assert figures(TABLE_3, OWN).recall_1 == pytest.approx(1 / 3)
    assert figures(scaled, OWN, ties=TABLE_3).recall_1 == 1.0
    assert scaled[:, 0] == pytest.approx([0, 1, 0.75])
    assert scaled[:, 1] == pytest.approx([1, 0, 0.875])
    assert scaled[:, 2] == pytest.approx([0.8, 1, 0])


def test_z_score_and_lift_by_hand():
    z = costs(Normalisation.ZSCORE)
    assert z.mean(axis=0) == pytest.approx(0, abs=1e-12)
    assert z.std(axis=0) == pytest.approx(1)
    lift = normalised(
        TABLE_3, how=Normalisation.LIFT, scale=scale_of(TABLE_3), without_sound=WITHOUT
    )
    assert lift[0] == pytest.approx([-0.3, 0.4, 0.1])


def test_one_sound_gives_zeros_and_the_raw_loss_decides():
    scaled = costs(Normalisation.MINMAX, TABLE_3[:1])
    assert scaled.tolist() == [[0, 0, 0]]
    assert costs(Normalisation.ZSCORE, TABLE_3[:1]).tolist() == [[0, 0, 0]]
    assert rank_order(scaled, ties=TABLE_3[:1]).tolist() == [[0, 2, 1]]


def test_a_scale_from_a_sample_does_not_clamp():
    scale = scale_of(TABLE_3[:2])
    scaled = normalised(TABLE_3, how=Normalisation.MINMAX, scale=scale, without_sound=np.zeros(3))
    assert scaled[2, 2] == pytest.approx((6.5 - 8.1) / 0.4)
    assert scale.n == 2


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_is_refused(bad: float):
    with pytest.raises(ValueError, match="not finite"):
        scale_of(np.array([[1.0, bad]]))


def test_no_sound_is_refused():
    with pytest.raises(ValueError, match="no sound"):
        scale_of(np.zeros((0, 3)))


@given(
    arrays.arrays(
        np.float64, st.tuples(st.integers(1, 6), st.integers(1, 6)), elements=st.floats(0, 50)
    ),
    st.sampled_from(list(Normalisation)),
)
def test_never_changes_the_order_within_a_caption(values: np.ndarray, how: Normalisation):
    scaled = costs(how, values)
    for caption in range(values.shape[1]):
        for a in range(len(values)):
            for b in range(len(values)):
                if values[a, caption] <= values[b, caption]:
                    assert scaled[a, caption] <= scaled[b, caption]
    if how is Normalisation.MINMAX:
        assert scaled.min() >= 0
        assert scaled.max() <= 1
