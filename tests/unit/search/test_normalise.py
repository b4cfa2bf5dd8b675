"""Captions made comparable: the paper's Table 3, constant captions, ties, and what always holds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from audiosearch.evaluation.ranking import figures, rank_order
from audiosearch.search.normalise import Normalise, Scale, ScaleTable, costs, places, ranked

# Labbé et al. 2023, table 3: rows are sounds A1-A3, columns captions C1-C3.
TABLE_3 = np.array([[1.7, 8.4, 8.1], [2.1, 7.6, 8.5], [2.0, 8.3, 6.5]])
OWN = np.eye(3, dtype=bool)


def cost_of(
    how: Normalise,
    values: np.ndarray = TABLE_3,
    *,
    scales: ScaleTable | None = None,
    alone: np.ndarray | float = 0.0,
    scores: np.ndarray | float = 0.0,
) -> np.ndarray:
    return costs(
        how,
        cross_entropies=values,
        lifts=np.broadcast_to(alone - values, values.shape),
        scores=np.broadcast_to(scores, values.shape),
        scales=ScaleTable.of(values) if scales is None else scales,
    )


def test_table_3_min_max_makes_audio_to_text_right():
    scaled = cost_of(Normalise.MINMAX)
    assert figures(TABLE_3, OWN).recall_1 == pytest.approx(1 / 3)
    assert figures(scaled, OWN, ties=TABLE_3).recall_1 == 1.0
    assert scaled[:, 0] == pytest.approx([0, 1, 0.75])
    assert scaled[:, 1] == pytest.approx([1, 0, 0.875])
    assert scaled[:, 2] == pytest.approx([0.8, 1, 0])


def test_one_sound_at_a_time_is_as_all_at_once():
    for how in Normalise:
        whole = cost_of(how, alone=7.0, scores=TABLE_3[::-1])
        for row in range(3):
            alone = costs(
                how,
                cross_entropies=TABLE_3[row],
                lifts=7.0 - TABLE_3[row],
                scores=TABLE_3[::-1][row],
                scales=ScaleTable.stack([Scale.of(column) for column in TABLE_3.T]),
            )
            assert alone == pytest.approx(whole[row])


def test_z_score_and_lift_by_hand():
    z = cost_of(Normalise.ZSCORE)
    assert z.mean(axis=0) == pytest.approx(0, abs=1e-12)
    assert z.std(axis=0) == pytest.approx(1)
    lift = cost_of(Normalise.LIFT, alone=np.array([2.0, 8.0, 8.0]))
    assert lift[0] == pytest.approx([-0.3, 0.4, 0.1])


def test_the_mean_of_places_by_hand():
    scores = np.array([[0.9, 0.2, 0.5]] * 3)
    found = cost_of(Normalise.MEAN, scores=scores)
    # Places by min-max: 0, 2, 1 of the first sound's captions; 1, 0, 2 of the second's, where the
    # cross-entropy parts the two that are at their greatest; 1, 2, 0 of the third's. By score:
    # 0, 2, 1 for each.
    assert found.tolist() == [[0, 4, 2], [1, 2, 3], [1, 4, 1]]
    order = ranked(found[2], cross_entropies=TABLE_3[2], ids=np.arange(3))
    assert order == [0, 2, 1]  # a tie, parted by the cross-entropy


def test_without_scales_the_lift_takes_their_place():
    for how in (Normalise.MINMAX, Normalise.ZSCORE):
        cost = costs(
            how,
            cross_entropies=TABLE_3,
            lifts=5.0 - TABLE_3,
            scores=np.zeros((3, 3)),
            scales=None,
        )
        assert cost == pytest.approx(TABLE_3 - 5.0)
    cost = costs(
        Normalise.MEAN,
        cross_entropies=TABLE_3[0],
        lifts=np.array([0.0, 2.0, 1.0]),
        scores=np.array([0.1, 0.2, 0.3]),
        scales=None,
    )
    assert cost.tolist() == [4, 1, 1]


def test_places_are_parted_by_ties():
    found = places(np.array([[1.0, 1.0, 0.0]]), ties=np.array([[2.0, 1.0, 9.0]]))
    assert found.tolist() == [[2, 1, 0]]


@pytest.mark.parametrize("how", [Normalise.MINMAX, Normalise.ZSCORE])
def test_of_one_sound_the_cross_entropy_decides(how: Normalise):
    scaled = cost_of(how, TABLE_3[:1])
    assert scaled.tolist() == [[0, 0, 0]]
    assert rank_order(scaled, ties=TABLE_3[:1]).tolist() == [[0, 2, 1]]
    assert Scale.of(TABLE_3[0, :1]).scaled(5.0) == 0.0


def test_values_outside_the_scale_are_not_clamped():
    scale = Scale.of(np.array([1.0, 3.0], np.float32))
    assert (scale.scaled(0.0), scale.scaled(4.0)) == (-0.5, 1.5)
    table = ScaleTable.of(TABLE_3[:2])
    assert table.scaled(TABLE_3)[2, 2] == pytest.approx((6.5 - 8.1) / 0.4)
    assert table[2].n == 2


def test_equal_captions_are_ordered_by_id():
    same = np.zeros(3)
    assert ranked(same, cross_entropies=np.zeros(3), ids=np.array([3, 1, 2])) == [1, 2, 0]


@pytest.mark.parametrize("values", [[], [1.0, float("nan")], [float("inf")]])
def test_a_scale_needs_finite_losses(values: list[float]):
    with pytest.raises(ValueError, match="finite"):
        Scale.of(np.array(values, dtype=np.float32))


@given(
    arrays.arrays(
        np.float64, st.tuples(st.integers(1, 6), st.integers(1, 6)), elements=st.floats(0, 50)
    ),
    st.sampled_from([each for each in Normalise if each is not Normalise.MEAN]),
)
def test_never_changes_the_order_within_a_caption(values: np.ndarray, how: Normalise):
    scaled = cost_of(how, values)
    for caption in range(values.shape[1]):
        for a in range(len(values)):
            for b in range(len(values)):
                if values[a, caption] <= values[b, caption]:
                    assert scaled[a, caption] <= scaled[b, caption]
    if how is Normalise.MINMAX:
        assert scaled.min() >= 0
        assert scaled.max() <= 1
