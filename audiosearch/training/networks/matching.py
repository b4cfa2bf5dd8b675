"""The bi-encoder of Sun et al. 2023: CNN14 and BERT, a matching head each, cosines.

Depth and size of the heads are not told there; they are two linear layers with a ReLU between, as
in LAION's CLAP. The temperature is learned, as its logarithm.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from audiosearch.training.networks.bert import Bert
from audiosearch.training.networks.clap import Projection
from audiosearch.training.networks.cnn14 import Cnn14, tag_scores

FIRST_TEMPERATURE = 0.07
LEAST_TEMPERATURE = 0.01


class HeardSound(NamedTuple):
    """What the sound side makes of a batch."""

    embedding: Tensor
    """`(B, E)` of unit length."""
    joint: Tensor
    """`(B, J)` of unit length."""
    tags: Tensor
    """`(B, C)` probabilities."""


class MatchingNetwork(nn.Module):
    """Both encoders with their heads, and a head for pictures where there are any."""

    def __init__(
        self, sound: Cnn14, text: Bert, *, joint_dim: int = 1024, image_dim: int = 0
    ) -> None:
        super().__init__()
        self.sound, self.text = sound, text
        self.joint_dim = joint_dim
        self.sound_head = Projection(sound.config.embedding, joint_dim)
        self.text_head = Projection(text.config.dim, joint_dim)
        self.image_head = Projection(image_dim, joint_dim) if image_dim else None
        self.log_temperature = nn.Parameter(torch.tensor(math.log(FIRST_TEMPERATURE)))

    @property
    def temperature(self) -> Tensor:
        """What cosines are divided by."""
        return self.log_temperature.exp().clamp(min=LEAST_TEMPERATURE)

    def hear(self, decibels: Tensor) -> HeardSound:
        """`(B, F, mels)` to what is heard."""
        heard = self.sound(decibels)
        embedding = functional.normalize(heard.embedding, dim=1)
        return HeardSound(embedding, self.sound_head(heard.embedding), tag_scores(heard))

    def read(self, tokens: Tensor) -> Tensor:
        """`(B, S)` to unit vectors `(B, J)`."""
        joint: Tensor = self.text_head(self.text(tokens))
        return joint

    def see(self, images: Tensor) -> Tensor:
        """`(B, V)` embeddings of pictures to unit vectors `(B, J)`."""
        assert self.image_head is not None
        joint: Tensor = self.image_head(images)
        return joint


class MatchingSound(nn.Module):
    """The sound side from samples on, as a bundle has it."""

    def __init__(self, network: MatchingNetwork, log_mel: nn.Module) -> None:
        super().__init__()
        self.network, self.log_mel = network, log_mel

    def forward(self, waveform: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """`(B, N)` to embedding `(B, E)`, joint `(B, J)` and tags `(B, C)`."""
        embedding, joint, tags = self.network.hear(self.log_mel(waveform))
        return embedding, joint, tags


class MatchingText(nn.Module):
    """The text side, as a bundle has it."""

    def __init__(self, network: MatchingNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, tokens: Tensor) -> Tensor:
        """`(B, S)` to unit vectors `(B, J)`."""
        return self.network.read(tokens)
