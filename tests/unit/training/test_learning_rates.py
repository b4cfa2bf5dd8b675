"""Learning rates over a run, and a front-end that is blind to how sounds are batched."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from audiosearch.training.networks.frontend import STARTER_FRONTEND, LogMel  # noqa: E402
from audiosearch.training.recipes.decoder import (  # noqa: E402
    PAPER_CLOTHO,
    STARTER_DECODER,
    decoder_learning_rate,
)
from audiosearch.training.recipes.encoder import (  # noqa: E402
    EncoderRecipe,
    encoder_learning_rate,
)

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


def test_the_decoders_second_cycle_is_as_its_first():
    recipe = replace(STARTER_DECODER, epochs=6, restarts=(3,), warm_up=4)
    rates = [decoder_learning_rate(step, recipe, steps_per_epoch=20) for step in range(120)]
    assert rates[:60] == rates[60:]
    once = replace(recipe, epochs=3)
    assert rates[:60] == [decoder_learning_rate(i, once, steps_per_epoch=20) for i in range(60)]


def test_the_published_decoder_changes_its_rate_between_epochs_only():
    rates = [decoder_learning_rate(i, PAPER_CLOTHO, steps_per_epoch=5) for i in range(5 * 400)]
    by_epoch = [set(rates[at : at + 5]) for at in range(0, len(rates), 5)]
    assert all(len(one) == 1 for one in by_epoch)
    assert len(set(rates)) == 400
    assert rates[0] == PAPER_CLOTHO.learning_rate


def test_a_sound_has_the_same_decibels_alone_and_in_a_batch():
    waveforms = torch.randn(11, 8_000, generator=torch.Generator().manual_seed(5))
    log_mel = LogMel(STARTER_FRONTEND)
    together = log_mel(waveforms)
    alone = torch.cat([log_mel(one[None]) for one in waveforms])
    torch.testing.assert_close(together, alone)
