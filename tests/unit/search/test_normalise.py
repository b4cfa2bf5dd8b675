"""Captions made comparable: the paper's Table 3, constant captions, ties, and what always holds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from audiosearch.config import NORMALISE_CHOICES, SearchConfig
from audiosearch.evaluation.ranking import figures, rank_order
from audiosearch.search.normalise import Likeness, Normalise, Scale, ScaleTable, costs, ranked

# Labbé et al. 2023, table 3: rows are sounds A1-A3, columns captions C1-C3.
TABLE_3 = np.array([[1.7, 8.4, 8.1], [2.1, 7.6, 8.5], [2.0, 8.3, 6.5]])
OWN = np.eye(3, dtype=bool)


def cost_of(
    how: Normalise, values: np.ndarray = TABLE_3, *, alone: np.ndarray | float = 0.0
) -> np.ndarray:
    return costs(
        how,
        cross_entropies=values,
        lifts=np.broadcast_to(alone - values, values.shape),
        scales=ScaleTable.of(values),
        likeness=None,
    )


def test_settings_name_every_way_and_the_default_first():
    assert set(NORMALISE_CHOICES) == set(Normalise)
    assert NORMALISE_CHOICES[0] == SearchConfig().normalise


def test_table_3_min_max_makes_audio_to_text_right():
    scaled = cost_of(Normalise.MINMAX)
    assert figures(TABLE_3, OWN).recall_1 == pytest.approx(1 / 3)
    assert figures(scaled, OWN, ties=TABLE_3).recall_1 == 1.0
    assert scaled[:, 0] == pytest.approx([0, 1, 0.75])
    assert scaled[:, 1] == pytest.approx([1, 0, 0.875])
    assert scaled[:, 2] == pytest.approx([0.8, 1, 0])


COSINES = np.array([[0.5, 0.1, 0.2], [0.4, 0.3, 0.0], [0.3, 0.0, 0.1]])
KNOWN = np.ones(3)
SHARES = np.array([1.0, 0.5, 0.0])


@pytest.mark.parametrize("how", list(Normalise))
def test_one_sound_at_a_time_is_as_all_at_once(how: Normalise):
    scales, near = ScaleTable.of(TABLE_3), ScaleTable.of(COSINES)
    whole, *rows = (
        costs(
            how,
            cross_entropies=losses,
            lifts=7.0 - losses,
            scales=scales,
            likeness=Likeness(cosines=cosines, scales=near, known=SHARES),
        )
        for losses, cosines in [(TABLE_3, COSINES), *zip(TABLE_3, COSINES, strict=True)]
    )
    assert np.stack(rows) == pytest.approx(whole)
    assert ScaleTable.stack([Scale.of(column) for column in TABLE_3.T]).scaled(
        TABLE_3
    ) == pytest.approx(scales.scaled(TABLE_3))


def test_z_score_and_lift_by_hand():
    z = cost_of(Normalise.ZSCORE)
    assert z.mean(axis=0) == pytest.approx(0, abs=1e-12)
    assert z.std(axis=0) == pytest.approx(1)
    lift = cost_of(Normalise.LIFT, alone=np.array([2.0, 8.0, 8.0]))
    assert lift[0] == pytest.approx([-0.3, 0.4, 0.1])


def test_the_mean_by_hand():
    found = costs(
        Normalise.MEAN,
        cross_entropies=TABLE_3,
        lifts=-TABLE_3,
        scales=ScaleTable.of(TABLE_3),
        likeness=Likeness(cosines=COSINES, scales=ScaleTable.of(COSINES), known=KNOWN),
    )
    # The first caption and the first sound: 1.7 among 1.7, 2.1, 2.0 and 0.5 among 0.5, 0.4, 0.3.
    loss = 0.0 + 0.1 * (1.7 - 1.9333333) / np.std([1.7, 2.1, 2.0])
    near = 1.0 + 0.1 * (0.5 - 0.4) / np.std([0.5, 0.4, 0.3])
    assert found[0, 0] == pytest.approx((loss - near) / 2)
    assert cost_of(Normalise.MEAN)[0, 0] == pytest.approx(loss)  # no joint space


def test_a_caption_that_is_near_every_sound_is_not_favoured():
    # Both fit the sound as well as any other by the decoder; one is near everything.
    cosines = np.array([[0.9, 0.4], [0.9, 0.1], [0.9, 0.1]])
    found = costs(
        Normalise.MEAN,
        cross_entropies=np.full((3, 2), 2.0),
        lifts=np.zeros((3, 2)),
        scales=ScaleTable.of(np.full((3, 2), 2.0)),
        likeness=Likeness(cosines=cosines, scales=ScaleTable.of(cosines), known=KNOWN[:2]),
    )
    assert found[0, 1] < found[0, 0] == 0


def test_where_the_decoder_knows_no_word_the_likeness_stands_in_for_it():
    def found(known, losses):
        return costs(
            Normalise.MEAN,
            cross_entropies=losses,
            lifts=np.zeros_like(losses),
            scales=ScaleTable.of(TABLE_3),
            likeness=Likeness(
                cosines=COSINES, scales=ScaleTable.of(COSINES), known=np.array(known)
            ),
        )

    of_unknown = found([0.0, 1.0, 1.0], TABLE_3)
    assert of_unknown[:, 1:] == pytest.approx(found([1.0, 1.0, 1.0], TABLE_3)[:, 1:])
    # The first sound is the likest to the first caption, by 1.22 deviations: 1.7 is as far below
    # 1.93 as that, in deviations of 0.17, but for a little.
    guessed = TABLE_3.copy()
    near = COSINES[:, 0]
    losses = TABLE_3[:, 0]
    guessed[:, 0] = losses.mean() - losses.std() * (near - near.mean()) / near.std()
    assert of_unknown == pytest.approx(found([1.0, 1.0, 1.0], guessed))
    assert found([0.0, 1.0, 1.0], TABLE_3 + np.array([[5.0, 0.0, 0.0]])) == pytest.approx(
        of_unknown
    )
    half = found([0.5, 1.0, 1.0], TABLE_3)
    assert half == pytest.approx((of_unknown + found([1.0, 1.0, 1.0], TABLE_3)) / 2)


@pytest.mark.parametrize("how", [Normalise.MINMAX, Normalise.ZSCORE, Normalise.MEAN])
def test_without_scales_the_lift_takes_their_place(how: Normalise):
    cost = costs(
        how,
        cross_entropies=TABLE_3,
        lifts=5.0 - TABLE_3,
        scales=None,
        likeness=Likeness(cosines=COSINES, scales=None, known=KNOWN),
    )
    assert cost == pytest.approx(TABLE_3 - 5.0)


@pytest.mark.parametrize("how", [Normalise.MINMAX, Normalise.ZSCORE, Normalise.MEAN])
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
    st.sampled_from(list(Normalise)),
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
