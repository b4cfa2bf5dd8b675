"""Variants of the decoder's training, and the table of their figures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")

from audiosearch.training.recipes.decoder import starter_decoder_config
from audiosearch.training.scenes.batches import CaptionedScenes
from audiosearch.training.scenes.features import SceneFeatures
from audiosearch.training.text.captions import Relation, SceneDescription
from benchmarks.ablations import Figures, first_part, measure, table, variants


def test_every_variant_takes_as_many_steps_and_changes_something():
    found = variants(starter_decoder_config(vocabulary=50, feature_dim=8), epochs=5)
    assert {each.recipe.epochs / each.part for each in found.values()} == {5.0}
    assert len({(each.recipe, each.config, each.part) for each in found.values()}) == len(found)
    recipe = found["recipe"]
    unranked = found["without the ranking term"]
    assert replace(unranked.recipe, ranking_weight=recipe.recipe.ranking_weight) == recipe.recipe
    assert found["with the paper's augmentations"].recipe.mixup_alpha > 0
    assert found["without frame positions"].config.frame_positions == 0


def test_a_part_of_the_scenes_forgets_twins_that_are_cut_off():
    descriptions = tuple(SceneDescription(Relation.SEQUENCE, ("dog", "cat")) for _ in range(6))
    features = SceneFeatures(np.zeros((6, 2, 3), np.float16), np.full(6, 2))
    whole = CaptionedScenes(features, descriptions, (1, 0, 3, 2, None, None))
    half = first_part(whole, 2)
    assert len(half.descriptions) == 3
    assert half.features.values.shape == (3, 2, 3)
    assert half.twins == (1, 0, None)
    assert first_part(whole, 1).twins == whole.twins


def test_figures_and_their_table():
    loss = np.array([[1.0, 3.0], [2.0, 2.0]], np.float32)
    found = measure(-loss, loss, np.array([1, 0]), held_out=1.5)
    assert found == Figures(
        recall_1=1.0,
        recall_10=1.0,
        order=1.0,
        captions_raw=0.5,  # the second scene ties
        captions_scaled=1.0,
        held_out=1.5,
    )
    lines = table({"recipe": found, "joint space alone": replace(found, held_out=None)})
    assert lines.splitlines()[2] == "| recipe | 1.500 | 1.000 | 1.000 | 1.000 | 0.500 | 1.000 |"
    assert lines.splitlines()[3].startswith("| joint space alone |  | 1.000")
