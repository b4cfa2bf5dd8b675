"""The layer of tags that may learn beside the joint space, and what holds it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from audiosearch.training.networks.convnext import ConvNext, starter_config
from audiosearch.training.networks.tags import read_tags
from audiosearch.training.scenes.features import SceneFeatures, scene_logits
from benchmarks.joint_recipe import moved, pooled, tag_layer, variants


def test_the_layer_begins_as_the_frozen_one_whatever_a_scene_lasts():
    torch.manual_seed(0)
    small = replace(starter_config(3), depths=(1, 1, 1, 1), dims=(4, 4, 4, 8), head_bias=0.0)
    encoder = ConvNext(small).eval()
    lengths = np.array([31, 4, 12])
    values = np.random.default_rng(2).standard_normal((3, 31, 8)).astype(np.float16)
    for row, length in zip(values, lengths, strict=True):
        row[length:] = 0
    features = SceneFeatures(values, lengths)
    sounds = pooled(features)
    with torch.no_grad():
        found = read_tags(tag_layer(encoder), sounds.whole, sounds.parts).numpy()
    np.testing.assert_allclose(found, scene_logits(encoder, features), atol=1e-5)


def test_regularisers_are_those_of_the_paper():
    learned, frozen = torch.tensor([[0.5, 0.0]]), torch.tensor([[0.25, 1.0]])
    assert float(moved("MAE", learned, frozen)) == pytest.approx((0.25 + 1.0) / 2)
    squares = (np.log(1.5) - np.log(1.25)) ** 2 + np.log(2.0) ** 2
    assert float(moved("MSLE", learned, frozen)) == pytest.approx(squares / 2)


def test_every_variant_has_its_own_name_and_change():
    found = variants()
    assert len({each.name for each in found}) == len(found)
    assert len({replace(each, name="") for each in found}) == len(found)
    assert all(each.layer_learns for each in found if each.regulariser is not None)
