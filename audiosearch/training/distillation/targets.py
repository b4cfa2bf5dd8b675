"""Batches out of a pool: decibels changed as the encoder's recipe does, and what is to be learned.

What is changed here (level, colour, bandwidth, stripes) is what a teacher's answer should not hang
on; what may change the answer was done before the teacher heard it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Generator, Tensor

from audiosearch._typing import Floats, Ints
from audiosearch.training.data import augment
from audiosearch.training.data.dataset import ManifestClip
from audiosearch.training.distillation.pool import FLOOR_DB, Pool, to_decibels
from audiosearch.training.distillation.recipe import CLIPS, FEATURES, LABELS, LOSSES, PATCHES
from audiosearch.training.distillation.stretches import NOBODY
from audiosearch.training.networks.frontend import STARTER_FRONTEND, decibels
from audiosearch.training.text.labels import tags_of

_FEATURE_SAMPLE = 1000  # stretches that the spread of the teacher's features is measured on


@dataclass(frozen=True)
class TaughtBatch:
    """One step's data."""

    values: Tensor
    """`(B, F, mels)` decibels."""
    targets: dict[str, Tensor]
    """By loss: `(B, tags)`, `(B, P, C)`, `(B, C)` in 0..1 and `(B, P, D)` standardised."""


class TargetReader:
    """Reads rows of a pool with their targets.

    Args:
        pool: rendered stretches.
        rows: those to learn from.
        clips: all recordings, in the pool's order.
        tags: what our head is to name, in its order.
        share_power: see `DistillationRecipe`.
    """

    def __init__(
        self,
        pool: Pool,
        rows: Ints,
        clips: tuple[ManifestClip, ...],
        tags: tuple[str, ...],
        *,
        share_power: float,
    ) -> None:
        self.pool = pool
        self.rows = rows
        self._power = share_power
        self._tags = _tag_matrix(clips, tags)
        sample = pool.facts.feature_scale.real(pool.rows(FEATURES, rows[:_FEATURE_SAMPLE]))
        flat = sample.reshape(-1, sample.shape[-1])
        self._mean, self._spread = flat.mean(axis=0), flat.std(axis=0) + 0.05

    @property
    def n_samples(self) -> int:
        """Of a stretch, at the rate of the front end."""
        return int(self.pool.facts.recipe.seconds * STARTER_FRONTEND.sample_rate)

    def batch(self, size: int, *, seed: list[int]) -> TaughtBatch:
        """`size` rows drawn at random."""
        numbers = np.random.default_rng(seed)
        chosen = self.rows[numbers.integers(self.rows.size, size=size)]
        bands_seed = [int(numbers.integers(2**62))]
        return TaughtBatch(self.varied_bands(chosen, seed=bands_seed), self.targets(chosen))

    def varied_bands(self, chosen: Ints, *, seed: list[int]) -> Tensor:
        """`(B, F, mels)` decibels of these rows, changed at random."""
        rng = torch.Generator().manual_seed(int(np.random.default_rng(seed).integers(2**62)))
        return varied(rng, torch.from_numpy(to_decibels(self.pool.rows("bands", chosen))))

    def targets(self, chosen: Ints, *, of: Sequence[str] = LOSSES) -> dict[str, Tensor]:
        """What is to be learned of these rows, for the losses named."""
        makers = {
            LABELS: self._labels,
            PATCHES: self._scores,
            CLIPS: lambda rows: self._scores(rows).amax(dim=1),
            FEATURES: self._features,
        }
        return {name: makers[name](chosen) for name in of}

    def _scores(self, chosen: Ints) -> Tensor:
        logits = self.pool.facts.logit_scale.real(self.pool.rows("logits", chosen))
        return torch.from_numpy(logits).sigmoid()

    def _features(self, chosen: Ints) -> Tensor:
        features = self.pool.facts.feature_scale.real(self.pool.rows(FEATURES, chosen))
        return torch.from_numpy((features - self._mean) / self._spread)

    def _labels(self, chosen: Ints) -> Tensor:
        parts = self.pool.rows("parts", chosen)
        shares = self.pool.rows("shares", chosen) ** self._power
        own = self._tags[parts] * np.where(parts == NOBODY, 0, shares)[:, :, None]
        return torch.from_numpy(own.max(axis=1).astype(np.float32))


def _tag_matrix(clips: tuple[ManifestClip, ...], tags: tuple[str, ...]) -> Floats:
    """`(n_clips + 1, n_tags)` of 0 and 1; the last row stands for nobody."""
    column = {tag: place for place, tag in enumerate(tags)}
    matrix = np.zeros((len(clips) + 1, len(tags)), np.float32)
    for row, clip in enumerate(clips):
        for tag in tags_of(clip.label):
            if tag in column:
                matrix[row, column[tag]] = 1.0
    return matrix


def varied(rng: Generator, bands: Tensor) -> Tensor:
    """Decibels `(B, F, mels)` at another level, of another colour and bandwidth, with stripes."""
    silent = bands <= FLOOR_DB
    level = augment.uniform(rng, (bands.shape[0], 1, 1), -24.0, 6.0)
    power = torch.pow(10.0, (bands + level) / 10)
    power = augment.tilt(rng, power, limit_db=6.0)
    power = augment.band_limit(rng, power, chance=0.35)
    values = decibels(power).masked_fill(silent, FLOOR_DB)
    values = augment.resize_bands(rng, values, limit=0.12, parts=8)
    return augment.mask_stripes(
        rng,
        values,
        stripes=augment.STARTER_ENCODER_STRIPES,
        fill=values.mean(dim=(1, 2), keepdim=True),
    )
