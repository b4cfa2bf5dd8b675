"""What of the decoder's recipe holds in which epoch."""

from __future__ import annotations

from dataclasses import replace

import pytest

pytest.importorskip("torch")

from audiosearch.training.recipes.decoder import PAPER_CLOTHO, STARTER_DECODER


def test_mixing_ends_and_wrong_captions_begin():
    recipe = replace(
        STARTER_DECODER,
        epochs=6,
        mixup_alpha=0.4,
        mixup_epochs=3,
        wording_weight=0.3,
        wording_epochs=2,
    )
    assert [recipe.at(epoch).mixup_alpha for epoch in range(6)] == [0.4] * 3 + [0.0] * 3
    assert [recipe.at(epoch).wording_weight for epoch in range(6)] == [0.0] * 4 + [0.3] * 2


def test_published_recipes_are_the_same_in_all_epochs():
    assert {PAPER_CLOTHO.at(epoch) for epoch in range(PAPER_CLOTHO.epochs)} == {PAPER_CLOTHO}
