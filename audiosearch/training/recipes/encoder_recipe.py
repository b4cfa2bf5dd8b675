"""How the encoder is trained: sizes of the run, the published ones, optimiser and learning rate.

In: nothing, or a network and a step. Out: recipes, an optimiser, a rate. It trains nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from audiosearch.training.networks.convnext import ConvNext
from audiosearch.training.recipes.schedules import cycle_of


@dataclass(frozen=True)
class EncoderRecipe:
    """How the encoder is trained."""

    steps: int = 14_000
    restarts: tuple[int, ...] = (2500, 7000)
    """Steps at which the learning rate starts anew (https://arxiv.org/abs/1608.03983)."""
    batch: int = 64
    crop_s: float = 5.0
    learning_rate: float = 2e-3
    warm_up: int = 200
    weight_decay: float = 0.05
    average: float = 0.998
    mix_chance: float = 0.6
    synthetic_share: float = 0.08
    """The share of a batch that is drawn from made sounds."""
    evaluate_every: int = 500
    save_every: int = 250


STARTER_ENCODER = EncoderRecipe()

PAPER_ENCODER = EncoderRecipe(
    steps=75_000,
    restarts=(),
    batch=32,
    crop_s=10.0,
    learning_rate=1e-3,
    weight_decay=0.0,
    mix_chance=1.0,
)
"""The published schedule; its class-balanced AudioSet sampler and one-cycle rate are not here."""


def encoder_learning_rate(step: int, recipe: EncoderRecipe) -> float:
    """Linear warm-up, then half a cosine down to nothing; the same from each restart on."""
    first, end = cycle_of(step, recipe.restarts, recipe.steps)
    since, length = step - first, end - first
    if since < recipe.warm_up:
        return recipe.learning_rate * (since + 1) / recipe.warm_up
    done = (since - recipe.warm_up) / max(1, length - recipe.warm_up)
    return recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * done))


def encoder_optimiser(network: ConvNext, recipe: EncoderRecipe) -> torch.optim.AdamW:
    """AdamW; decay on matrices only."""
    decayed = [p for p in network.parameters() if p.ndim >= 2]
    plain = [p for p in network.parameters() if p.ndim < 2]
    return torch.optim.AdamW(
        [
            {"params": decayed, "weight_decay": recipe.weight_decay},
            {"params": plain, "weight_decay": 0.0},
        ],
        lr=recipe.learning_rate,
    )
