"""Captions made comparable: the example of the paper, constant captions, ties."""

from __future__ import annotations

import numpy as np
import pytest

from audiosearch.search.normalise import Normalise, Scale, costs, ranked

# Labbé et al. 2023, table 3: rows are sounds, columns their captions.
LOSSES = np.array([[1.7, 8.4, 8.1], [2.1, 7.6, 8.5], [2.0, 8.3, 6.5]], dtype=np.float32)
NOTHING = np.zeros(3, dtype=np.float32)


def first(how: Normalise, sound: int, losses: np.ndarray = LOSSES) -> int:
    scales = [Scale.of(column) for column in losses.T]
    row = losses[sound]
    cost = costs(
        how,
        cross_entropies=row,
        lifts=NOTHING,
        scores=np.zeros(3),
        scales=scales,
    )
    return ranked(cost, cross_entropies=row, ids=np.arange(3))[0]


def test_the_papers_example() -> None:
    assert [first(Normalise.NONE, sound) for sound in range(3)] == [0, 0, 0]
    assert [first(Normalise.MINMAX, sound) for sound in range(3)] == [0, 1, 2]


def test_of_one_sound_the_cross_entropy_decides() -> None:
    assert first(Normalise.MINMAX, 0, LOSSES[:1]) == 0
    assert Scale.of(LOSSES[0, :1]).scaled(5.0) == 0.0


def test_values_outside_the_scale_are_not_clamped() -> None:
    scale = Scale.of(np.array([1.0, 3.0], np.float32))
    assert (scale.scaled(0.0), scale.scaled(4.0)) == (-0.5, 1.5)


def test_equal_captions_are_ordered_by_id() -> None:
    same = np.zeros(3)
    assert ranked(same, cross_entropies=NOTHING, ids=np.array([3, 1, 2])) == [1, 2, 0]


@pytest.mark.parametrize("values", [[], [1.0, float("nan")], [float("inf")]])
def test_a_scale_needs_finite_losses(values: list[float]) -> None:
    with pytest.raises(ValueError):
        Scale.of(np.array(values, dtype=np.float32))
