"""CNN14 of PANNs (Kong et al. 2020, https://arxiv.org/abs/1912.10211), named as in its files.

The audio encoder of Sun et al. 2023: 64 mel bands, six blocks of convolutions, an embedding of 2048
numbers and 527 tags.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from audiosearch.training.networks.frontend import FrontendConfig

CNN14_FRONTEND = FrontendConfig(
    sample_rate=32_000, n_fft=1024, window=1024, hop=320, mels=64, low_hz=50.0, high_hz=14_000.0
)


@dataclass(frozen=True)
class Cnn14Config:
    """Sizes of the encoder."""

    mels: int = 64
    classes: int = 527
    dims: tuple[int, ...] = (64, 128, 256, 512, 1024, 2048)
    embedding: int = 2048
    dropout: float = 0.2
    last_dropout: float = 0.5

    @property
    def stride(self) -> int:
        """Frames of the spectrogram that one of the last block stands for."""
        return int(2 ** (len(self.dims) - 1))


class Cnn14Output(NamedTuple):
    """What the network makes of a sound."""

    frames: Tensor
    """`(B, T, C)`: the last block, its mean over frequency."""
    embedding: Tensor
    """`(B, E)`."""
    logits: Tensor
    """`(B, classes)`; their sigmoid is the tags."""


class ConvBlock(nn.Module):
    """Two convolutions with batch norms, then the mean of neighbours."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, kernel_size=3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(after, after, kernel_size=3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(after)
        self.bn2 = nn.BatchNorm2d(after)

    def forward(self, x: Tensor, pool: int) -> Tensor:
        """`(B, before, F, mels)` to `(B, after, F / pool, mels / pool)`."""
        x = functional.relu(self.bn1(self.conv1(x)))
        x = functional.relu(self.bn2(self.conv2(x)))
        return functional.avg_pool2d(x, pool) if pool > 1 else x


class Cnn14(nn.Module):
    """Decibels of a spectrogram to frames, an embedding and logits of tags."""

    def __init__(self, config: Cnn14Config = Cnn14Config()) -> None:
        super().__init__()
        self.config = config
        self.bn0 = nn.BatchNorm2d(config.mels)
        before = 1
        for number, after in enumerate(config.dims, start=1):
            self.add_module(f"conv_block{number}", ConvBlock(before, after))
            before = after
        self.fc1 = nn.Linear(before, config.embedding)
        self.fc_audioset = nn.Linear(config.embedding, config.classes)
        self._start()

    def _start(self) -> None:
        """Weights as the authors start them: Xavier's, biases zero."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, decibels: Tensor) -> Cnn14Output:
        """`(B, F, mels)` decibels, F at least `config.stride`."""
        x = self.bn0(decibels.transpose(1, 2).unsqueeze(3)).transpose(1, 3)  # (B, 1, F, mels)
        last = len(self.config.dims)
        for number in range(1, last + 1):
            x = self.get_submodule(f"conv_block{number}")(x, 2 if number < last else 1)
            x = functional.dropout(x, self.config.dropout, training=self.training)
        frames = x.mean(dim=3).transpose(1, 2)
        pooled = frames.amax(dim=1) + frames.mean(dim=1)
        pooled = functional.dropout(pooled, self.config.last_dropout, training=self.training)
        embedding = functional.relu(self.fc1(pooled))
        dropped = functional.dropout(embedding, self.config.last_dropout, training=self.training)
        return Cnn14Output(frames, embedding, self.fc_audioset(dropped))


def tag_scores(output: Cnn14Output) -> Tensor:
    """Probabilities `(B, classes)` of the tags."""
    return torch.sigmoid(output.logits)
