"""Learning rates over a run, and a front-end that is blind to how sounds are batched."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from audiosearch.training.encoder_recipe import (  # noqa: E402
    EncoderRecipe,
    encoder_learning_rate,
)
from audiosearch.training.frontend import STARTER_FRONTEND, LogMel  # noqa: E402

RECIPE = EncoderRecipe(steps=100, restarts=(40,), warm_up=10, learning_rate=1.0)


def test_the_rate_warms_up_falls_to_nothing_and_starts_anew():
    rates = [encoder_learning_rate(step, RECIPE) for step in range(RECIPE.steps)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9] == rates[10] == 1.0
    assert rates[25] == pytest.approx(0.5)
    assert rates[39] < 0.01
    assert rates[40] == pytest.approx(0.1)
    assert rates[50] == 1.0
    assert rates[75] == pytest.approx(0.5)
    assert rates[99] < 0.01


def test_without_restarts_or_with_one_after_the_end_there_is_one_fall():
    once = replace(RECIPE, restarts=())
    late = replace(RECIPE, restarts=(400,))
    rates = [encoder_learning_rate(step, once) for step in range(RECIPE.steps)]
    assert rates == [encoder_learning_rate(step, late) for step in range(RECIPE.steps)]
    assert all(before >= after for before, after in itertools.pairwise(rates[10:]))


def test_a_sound_has_the_same_decibels_alone_and_in_a_batch():
    waveforms = torch.randn(11, 8_000, generator=torch.Generator().manual_seed(5))
    log_mel = LogMel(STARTER_FRONTEND)
    together = log_mel(waveforms)
    alone = torch.cat([log_mel(one[None]) for one in waveforms])
    torch.testing.assert_close(together, alone)
