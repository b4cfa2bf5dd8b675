"""The encoder's tags of a sound and its parts, and what they say in the space shared with text.

A head that also attended to frames fitted the training recordings better and found held-out ones
worse: the encoder knows the recordings it was trained on too well for a network to learn from them.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional

from audiosearch.training.networks.convnext import ConvNext

PART_FRAMES = 10  # of a third of a second each; parts overlap by half


def tag_evidence(encoder: ConvNext, frames: Tensor) -> Tensor:
    """Logits `(B, 2 C)` for the whole and for the likeliest part of frames `(B, T, dim)`."""
    layer = nn.Sequential(encoder.norm, encoder.head_audioset)
    return read_tags(layer, *pooled_frames(frames))


def read_tags(layer: nn.Module, whole: Tensor, parts: Tensor) -> Tensor:
    """Logits `(B, 2 C)` that a layer gives of what `pooled_frames` gives."""
    return torch.cat([layer(whole), layer(parts).amax(dim=1)], dim=1)


def pooled_frames(frames: Tensor) -> tuple[Tensor, Tensor]:
    """What the tags are read from, `(B, dim)` of the whole and `(B, P, dim)` of all parts."""
    over_time = frames.transpose(1, 2)
    size, step, edge = PART_FRAMES, PART_FRAMES // 2, PART_FRAMES // 2
    loudest = functional.max_pool1d(over_time, size, step, padding=edge)
    mean = functional.avg_pool1d(over_time, size, step, padding=edge, count_include_pad=False)
    return frames.amax(dim=1) + frames.mean(dim=1), (loudest + mean).transpose(1, 2)


def perturb_logits(rng: Generator, logits: Tensor, *, spread: float) -> Tensor:
    """Logits `(B, 2 C)` as of recordings that the encoder was not trained on.

    Of those that it was trained on it is far surer. Every tag is off by a random amount with this
    standard deviation, the same in the whole and in the part, as one that is misheard would be.
    """
    off = spread * torch.randn((len(logits), logits.shape[1] // 2), generator=rng)
    return logits + torch.cat([off, off], dim=1)


@dataclass(frozen=True)
class TagHeadConfig:
    """Everything that shapes the head."""

    tags: int
    joint_dim: int = 128
    first_power: float = 0.5


class TagHead(nn.Module):
    """The places of the tags, weighted by their probabilities."""

    def __init__(self, config: TagHeadConfig) -> None:
        super().__init__()
        self.config = config
        self.places = nn.Linear(config.tags, config.joint_dim)
        self.power = nn.Parameter(torch.tensor(config.first_power))
        """Probabilities to this power: below 1, what is heard faintly counts for more."""

    def forward(self, logits: Tensor) -> Tensor:
        """Unit vectors `(B, J)`."""
        # As softplus: exported, a log-sigmoid becomes the log of ONNX Runtime's sigmoid, which is
        # too coarse for the faintest tags.
        probable = torch.exp(-functional.softplus(-logits) * self.power)
        return functional.normalize(self.places(probable), dim=1)
