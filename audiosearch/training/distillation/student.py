"""The encoder with the heads that it is taught through: our tags and what the teacher hears.

The encoder's own head gives tags and, after them, the teacher's classes, so that both are there
when it is exported; the heads over patches are for training alone.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from audiosearch.training.distillation.yamnet import HOP_SAMPLES, PATCH_SAMPLES
from audiosearch.training.networks.convnext import ConvNext, ConvNextConfig


class Student(nn.Module):
    """An encoder whose head has `n_tags` tags and then the teacher's classes."""

    def __init__(
        self, config: ConvNextConfig, *, n_tags: int, n_classes: int, n_features: int
    ) -> None:
        super().__init__()
        if config.classes != n_tags + n_classes:
            raise ValueError(f"{config.classes} outputs for {n_tags} tags, {n_classes} classes")
        self.n_tags = n_tags
        self.encoder = ConvNext(config)
        self.encoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        width = config.dims[-1]
        self.patch_norm = nn.LayerNorm(width)
        self.patch_classes = nn.Linear(width, n_classes)
        self.patch_features = nn.Linear(width, n_features)
        nn.init.constant_(self.patch_classes.bias, config.head_bias)

    def patches(self, frames: Tensor, pooling: Tensor) -> tuple[Tensor, Tensor]:
        """Logits `(B, P, C)` and features `(B, P, D)` of frames `(B, T, width)`.

        Args:
            frames: of the encoder.
            pooling: `(P, T)` from `patch_pooling`.
        """
        pooled = self.patch_norm(pooling @ frames)
        return self.patch_classes(pooled), self.patch_features(pooled)


def patch_pooling(n_patches: int, n_frames: int, *, n_samples: int) -> Tensor:
    """`(P, T)`: the mean over the frames that each patch of the teacher covers.

    Frames share a sound of `n_samples` evenly; one at the edge of a patch counts by as much of it
    as lies within.
    """
    edges = torch.arange(n_frames + 1, dtype=torch.float64) * (n_samples / n_frames)
    first = torch.arange(n_patches, dtype=torch.float64).unsqueeze(1) * HOP_SAMPLES
    overlap = torch.minimum(edges[1:], first + PATCH_SAMPLES) - torch.maximum(edges[:-1], first)
    weights = overlap.clamp(min=0)
    return (weights / weights.sum(dim=1, keepdim=True)).float()
