"""How the decoder is trained: sizes of the run, the published ones, optimiser and learning rate.

In: nothing, or a network and a step. Out: recipes, an optimiser, a rate. It trains nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch

from audiosearch.training.data import augment
from audiosearch.training.networks.decoder import DecoderConfig, DecoderNetwork
from audiosearch.training.recipes.schedules import cycle_of


@dataclass(frozen=True)
class DecoderRecipe:
    """How the decoder is trained."""

    epochs: int
    batch: int
    learning_rate: float
    weight_decay: float
    label_smoothing: float
    clip_norm: float
    mixup_alpha: float = 0.4
    mixup_epochs: int | None = None
    """After how many epochs mixing ends, so that the last ones see clean sentences; None: never."""
    stripes: augment.Stripes = augment.PAPER_DECODER_STRIPES
    ranking_weight: float = 0.0
    """How much the ranking term counts beside cross-entropy; 0 as published: not at all."""
    wording_weight: float = 0.0
    """How much it counts that the right order is likelier than a wrong one; 0 as published."""
    wording_epochs: int = 0
    """In how many of the last epochs it does: before sentences are known it only hinders them."""
    pool: int = 1
    """How many batches are sorted by length together, so that little of a batch is padding."""
    silent_chance: float = 0.0
    """How often the sound is replaced by the one zero frame that stands for none."""
    unknown_chance: float = 0.0
    """How often a content word is replaced by UNK."""
    fused: bool = False
    """Whether the optimiser uses its fused kernels: faster, the same up to rounding."""
    rate_by_epoch: bool = True
    """Whether the learning rate changes between epochs only, as published."""
    restarts: tuple[int, ...] = ()
    """Epochs at which the learning rate starts anew (https://arxiv.org/abs/1608.03983)."""
    warm_up: int = 0
    half_precision: bool = False

    def at(self, epoch: int) -> DecoderRecipe:
        """The recipe without what has ended, or has not begun, in this epoch (from 0)."""
        mixing = self.mixup_epochs is None or epoch < self.mixup_epochs
        wording = epoch >= self.epochs - self.wording_epochs
        return replace(
            self,
            mixup_alpha=self.mixup_alpha if mixing else 0.0,
            wording_weight=self.wording_weight if wording else 0.0,
        )


PAPER_CLOTHO = DecoderRecipe(
    epochs=400,
    batch=512,
    learning_rate=5e-4,
    weight_decay=2.0,
    label_smoothing=0.2,
    clip_norm=1.0,
)
PAPER_AUDIOCAPS = DecoderRecipe(
    epochs=100,
    batch=512,
    learning_rate=5e-4,
    weight_decay=2.0,
    label_smoothing=0.1,
    clip_norm=10.0,
)
STARTER_DECODER = DecoderRecipe(
    epochs=30,
    batch=64,
    learning_rate=1e-3,
    weight_decay=0.05,
    label_smoothing=0.05,
    clip_norm=1.0,
    mixup_alpha=0.0,
    stripes=augment.STARTER_DECODER_STRIPES,
    ranking_weight=1.0,
    wording_weight=0.3,
    wording_epochs=20,
    pool=16,
    silent_chance=0.1,
    unknown_chance=0.02,
    fused=True,
    rate_by_epoch=False,
    restarts=(15,),
    warm_up=200,
    half_precision=True,
)


def starter_decoder_config(*, vocabulary: int, feature_dim: int) -> DecoderConfig:
    """The bundled model's decoder: the paper's, with fewer layers and frame positions."""
    return DecoderConfig(
        vocabulary=vocabulary,
        feature_dim=feature_dim,
        dim=256,
        heads=4,
        layers=4,
        feedforward=768,
        dropout=0.0,
        projection_dropout=0.2,
        max_positions=64,
        frame_positions=64,
    )


def decoder_optimiser(network: DecoderNetwork, recipe: DecoderRecipe) -> torch.optim.AdamW:
    """AdamW; decay on matrices only (embeddings and attention included), as published."""
    named = list(network.named_parameters())
    decayed = [p for name, p in named if p.ndim >= 2 and not name.endswith("bias")]
    plain = [p for name, p in named if p.ndim < 2 or name.endswith("bias")]
    return torch.optim.AdamW(
        [
            {"params": decayed, "weight_decay": recipe.weight_decay},
            {"params": plain, "weight_decay": 0.0},
        ],
        lr=recipe.learning_rate,
        betas=(0.9, 0.999),
        eps=1e-8,
        fused=recipe.fused,
    )


def decoder_learning_rate(step: int, recipe: DecoderRecipe, *, steps_per_epoch: int) -> float:
    """Half a cosine over all epochs, stepwise or smooth, after a linear warm-up.

    The same from each restart on.
    """
    first, end = cycle_of(step / steps_per_epoch, recipe.restarts, recipe.epochs)
    since = step - first * steps_per_epoch
    epoch = since // steps_per_epoch if recipe.rate_by_epoch else since / steps_per_epoch
    rate = recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * epoch / (end - first)))
    return rate * min(1.0, (since + 1) / recipe.warm_up) if recipe.warm_up else rate
