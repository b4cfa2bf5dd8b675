"""What the decoder hears in a training step: each caption beside the sound meant for it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from audiosearch.training.data import augment  # noqa: E402
from audiosearch.training.networks.decoder import DecoderConfig, DecoderNetwork  # noqa: E402
from audiosearch.training.recipes.decoder import (  # noqa: E402
    STARTER_DECODER,
    DecoderRecipe,
    mixed_logits,
)
from audiosearch.training.scenes.batches import Batch, CaptionedScenes, make_batch  # noqa: E402
from audiosearch.training.scenes.features import SceneFeatures  # noqa: E402
from audiosearch.training.text.captions import (  # noqa: E402
    CaptionPair,
    Relation,
    SceneDescription,
    every_phrase,
)
from audiosearch.training.text.vocabulary import collect_words, make_vocabulary  # noqa: E402

VOCABULARY = make_vocabulary(collect_words(every_phrase()))
RECIPE = replace(
    STARTER_DECODER,
    stripes=augment.Stripes(0, 1, 0, 1),
    silent_chance=0.0,
    ranking_weight=1.0,
    wording_weight=1.0,
)
TEXTS = (
    CaptionPair("a dog barks then a bell rings", "a bell rings while a dog barks"),
    CaptionPair("a dog barks", None),
    CaptionPair("a bell rings before a dog barks", "a dog barks before a bell rings"),
)


@pytest.fixture(scope="module")
def network() -> DecoderNetwork:
    torch.manual_seed(0)
    config = DecoderConfig(
        vocabulary=len(VOCABULARY),
        feature_dim=6,
        dim=16,
        heads=2,
        layers=2,
        feedforward=32,
        dropout=0.0,
        projection_dropout=0.0,
        max_positions=32,
        frame_positions=8,
    )
    return DecoderNetwork(config).eval()


@pytest.fixture(scope="module")
def batch() -> Batch:
    rng = np.random.default_rng(0)
    what = (
        SceneDescription(Relation.SEQUENCE, ("dog", "bell")),
        SceneDescription(Relation.SINGLE, ("dog",)),
        SceneDescription(Relation.SEQUENCE, ("bell", "dog")),
    )
    features = SceneFeatures(
        rng.normal(size=(3, 5, 6)).astype(np.float16), np.array([5, 3, 4], np.int64)
    )
    scenes = CaptionedScenes(features, what, (2, None, 0))
    return make_batch(scenes, np.arange(3), TEXTS, VOCABULARY, rng, unknown_chance=0.0)


def heard(network: DecoderNetwork, batch: Batch, ids: torch.Tensor, row: int) -> torch.Tensor:
    """Logits `(S, V)` of one caption for one sound, by themselves."""
    frames = network.project(batch.features[row : row + 1])
    return network(frames, batch.lengths[row : row + 1], ids[None])[0]


@torch.no_grad()
def test_captions_rivals_and_wrong_captions_meet_their_own_sounds(network, batch):
    said = mixed_logits(network, batch, RECIPE, torch.Generator().manual_seed(0))
    for row in range(3):
        ids = batch.inputs[row]
        torch.testing.assert_close(said.matched[row], heard(network, batch, ids, row))
        rival = int(batch.rivals[row])
        assert rival != row
        torch.testing.assert_close(said.rival[row], heard(network, batch, ids, rival))
    assert batch.wrong_rows.tolist() == [0, 2]
    for place, row in enumerate((0, 2)):
        alone = heard(network, batch, batch.wrong_inputs[place], row)
        torch.testing.assert_close(said.wrong[place], alone)
    assert not said.silent.any()


@pytest.mark.parametrize(
    ("recipe", "rival", "wrong"),
    [
        (replace(RECIPE, ranking_weight=0.0), False, True),
        (replace(RECIPE, wording_weight=0.0), True, False),
        (replace(RECIPE, ranking_weight=0.0, wording_weight=0.0), False, False),
    ],
)
@torch.no_grad()
def test_what_a_recipe_leaves_out_is_not_computed(
    network: DecoderNetwork, batch: Batch, recipe: DecoderRecipe, rival: bool, wrong: bool
):
    both = mixed_logits(network, batch, RECIPE, torch.Generator().manual_seed(0))
    said = mixed_logits(network, batch, recipe, torch.Generator().manual_seed(0))
    assert (said.rival is not None) is rival
    assert (said.wrong is not None) is wrong
    torch.testing.assert_close(said.matched, both.matched)
    if said.wrong is not None:
        torch.testing.assert_close(said.wrong, both.wrong)
