"""Which captioners the training command knows, with their sizes and recipes.

The GRU's is that of Sun et al. 2023, section 3.3; ours in it are the sound taken away and the words
made unknown at times, without which cross-entropy without sound would mean nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path

from audiosearch.errors import AudiosearchError
from audiosearch.training.data.augment import Stripes
from audiosearch.training.export.restored import decoder_of_bundle, read_words
from audiosearch.training.networks.decoder import CaptionerNetwork, DecoderConfig
from audiosearch.training.networks.gru import GruConfig
from audiosearch.training.recipes.decoder import (
    STARTER_DECODER,
    TUNED_DECODER,
    DecoderRecipe,
    starter_decoder_config,
    take_over,
)


class CaptionerKind(StrEnum):
    """What `--captioner` takes."""

    CNEXT_TRANS = "cnext-trans"
    GRU = "gru"


GRU_PRETRAIN = DecoderRecipe(
    epochs=10,
    batch=32,
    learning_rate=5e-4,
    weight_decay=0.0,
    label_smoothing=0.0,
    clip_norm=1.0,
    mixup_alpha=0.0,
    stripes=Stripes(time_count=0, time_limit=1, feature_count=0, feature_limit=1),
    silent_chance=STARTER_DECODER.silent_chance,
    unknown_chance=STARTER_DECODER.unknown_chance,
    rate_by_epoch=False,
    warm_up_epochs=1.0,
)
GRU_FINE_TUNE = replace(GRU_PRETRAIN, epochs=15)
"""From a captioner that was trained before."""

_FIRST = {CaptionerKind.CNEXT_TRANS: STARTER_DECODER, CaptionerKind.GRU: GRU_PRETRAIN}
_LATER = {CaptionerKind.CNEXT_TRANS: TUNED_DECODER, CaptionerKind.GRU: GRU_FINE_TUNE}


def captioner_recipe(kind: CaptionerKind, *, later: bool) -> DecoderRecipe:
    """How a captioner is trained: first, or `later`, from one that was trained before."""
    return (_LATER if later else _FIRST)[kind]


def captioner_config(kind: CaptionerKind, *, vocabulary: int, feature_dim: int) -> DecoderConfig:
    """The sizes of a captioner on features of the bundled model's encoder."""
    if kind is CaptionerKind.CNEXT_TRANS:
        return starter_decoder_config(vocabulary=vocabulary, feature_dim=feature_dim)
    return GruConfig(
        vocabulary=vocabulary,
        feature_dim=feature_dim,
        dim=256,
        heads=4,
        feedforward=1024,
        dropout=0.1,
        projection_dropout=0.2,
    )


def learn_on_from(bundle: Path, network: CaptionerNetwork, words: Sequence[str]) -> None:
    """Give a captioner the weights of a bundle's; words that are new stay as they are.

    Raises:
        AudiosearchError: the bundle holds no captioner, or one of another kind or size.
    """
    known = decoder_of_bundle(bundle)
    try:
        take_over(network, words, known, read_words(bundle))
    except (RuntimeError, KeyError) as error:
        raise AudiosearchError(
            "holds a captioner of another kind or size, which is no start for this one",
            path=bundle,
            remedy="give --captioner as it was trained with, or leave --start out",
        ) from error
