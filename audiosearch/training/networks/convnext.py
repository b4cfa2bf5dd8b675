"""ConvNeXt over log-mel spectrograms: the audio encoder (https://arxiv.org/abs/2306.00830).

One class for the published ConvNeXt-Tiny and for our smaller ones. The names of its parameters are
those of the published checkpoints, so these load by key.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

NORM_EPS = 1e-6
STEM_STRIDE = 4  # in time and frequency, of either kind of stem


@dataclass(frozen=True)
class ConvNextConfig:
    """Everything that shapes the network; a kernel or stride is (time, frequency)."""

    mels: int
    classes: int
    depths: tuple[int, int, int, int]
    dims: tuple[int, int, int, int]
    stem: Literal["patch", "overlap"] = "patch"
    stem_padding: tuple[int, int] = (4, 0)
    strides: tuple[tuple[int, int], ...] = ((2, 2), (2, 2), (2, 2))
    norm: Literal["layer", "batch"] = "layer"
    activation: Literal["gelu", "relu"] = "gelu"
    kernel: tuple[int, int] = (7, 7)
    layer_scale: float = 1e-6
    drop_path: float = 0.0
    head_bias: float = 0.0


TINY = ConvNextConfig(mels=224, classes=527, depths=(3, 3, 9, 3), dims=(96, 192, 384, 768))
"""The published ConvNeXt-Tiny: 28,222,767 trainable parameters."""


class EncoderOutput(NamedTuple):
    """What the encoder hears in a batch."""

    frames: Tensor
    """`(B, T, dims[3])`, mean over frequency of the last stage, not normalised."""
    embedding: Tensor
    """`(B, dims[3])`, the normalised sum of the frames' maximum and mean over time."""
    logits: Tensor
    """`(B, classes)`; a sigmoid gives tag probabilities."""


class ChannelNorm(nn.Module):
    """Layer norm over the channels of a `(B, C, H, W)` map."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise each position; the shape stays."""
        last = x.permute(0, 2, 3, 1)
        normed = functional.layer_norm(
            last, self.weight.shape, self.weight, self.bias, eps=NORM_EPS
        )
        return normed.permute(0, 3, 1, 2)


def _map_norm(config: ConvNextConfig, channels: int) -> nn.Module:
    return ChannelNorm(channels) if config.norm == "layer" else nn.BatchNorm2d(channels)


class Block(nn.Module):
    """Depthwise convolution, norm, widen, activate, narrow, scale, add to the input."""

    def __init__(self, config: ConvNextConfig, channels: int, drop_path: float) -> None:
        super().__init__()
        padding = (config.kernel[0] // 2, config.kernel[1] // 2)
        self.dwconv = nn.Conv2d(channels, channels, config.kernel, padding=padding, groups=channels)
        self.norm = _map_norm(config, channels)
        self.pwconv1 = nn.Linear(channels, 4 * channels)
        self.act = nn.GELU() if config.activation == "gelu" else nn.ReLU()
        self.pwconv2 = nn.Linear(4 * channels, channels)
        self.gamma = nn.Parameter(torch.full((channels,), config.layer_scale))
        self.drop_path = drop_path

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` to the same shape."""
        y = self.norm(self.dwconv(x)).permute(0, 2, 3, 1)
        y = self.pwconv2(self.act(self.pwconv1(y)))
        y = (self.gamma * y).permute(0, 3, 1, 2)
        if self.training and self.drop_path > 0:
            kept = torch.rand(x.shape[0], 1, 1, 1, device=x.device) >= self.drop_path
            y = y * (kept.to(y.dtype) / (1 - self.drop_path))
        result: Tensor = x + y
        return result


def _stem(config: ConvNextConfig) -> nn.Sequential:
    width = config.dims[0]
    if config.stem == "patch":
        convolution = nn.Conv2d(1, width, 4, stride=4, padding=config.stem_padding)
        return nn.Sequential(convolution, _map_norm(config, width))
    return nn.Sequential(
        nn.Conv2d(1, width // 2, 3, stride=2, padding=1),
        _map_norm(config, width // 2),
        nn.GELU() if config.activation == "gelu" else nn.ReLU(),
        nn.Conv2d(width // 2, width, 3, stride=2, padding=1),
        _map_norm(config, width),
    )


class ConvNext(nn.Module):
    """The encoder; its first batch norm puts the mel bands on a common scale."""

    def __init__(self, config: ConvNextConfig) -> None:
        super().__init__()
        self.config = config
        dims = config.dims
        self.bn0 = nn.BatchNorm2d(config.mels)
        self.downsample_layers = nn.ModuleList([_stem(config)])
        for before, after, stride in zip(dims, dims[1:], config.strides, strict=False):
            self.downsample_layers.append(
                nn.Sequential(
                    _map_norm(config, before), nn.Conv2d(before, after, stride, stride=stride)
                )
            )
        rates = torch.linspace(0, config.drop_path, sum(config.depths)).tolist()
        self.stages = nn.ModuleList()
        for depth, width in zip(config.depths, dims, strict=True):
            blocks = [Block(config, width, rates.pop(0)) for _ in range(depth)]
            self.stages.append(nn.Sequential(*blocks))
        self.norm = nn.LayerNorm(dims[-1], eps=NORM_EPS)
        self.head_audioset = nn.Linear(dims[-1], config.classes)
        self.apply(_initialise)
        nn.init.constant_(self.head_audioset.bias, config.head_bias)

    def forward(self, decibels: Tensor) -> EncoderOutput:
        """Encode `(B, F, mels)` decibels."""
        return self.read(self.frames(decibels))

    def frames(self, decibels: Tensor) -> Tensor:
        """Frames `(B, T, dims[3])` of `(B, F, mels)` decibels."""
        x = self.bn0(decibels.transpose(1, 2).unsqueeze(3))  # bands as channels (B, mels, F, 1)
        x = x.permute(0, 3, 2, 1)  # (B, 1, F, mels)
        for downsample, stage in zip(self.downsample_layers, self.stages, strict=True):
            x = stage(downsample(x))
        frames: Tensor = x.mean(dim=3).transpose(1, 2)
        return frames

    def read(self, frames: Tensor) -> EncoderOutput:
        """Embedding and tags of `(B, T, dims[3])` frames."""
        embedding = self.norm(frames.amax(dim=1) + frames.mean(dim=1))
        return EncoderOutput(
            frames=frames, embedding=embedding, logits=self.head_audioset(embedding)
        )


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def starter_config(classes: int) -> ConvNextConfig:
    """The small encoder of the bundled model: about 3.4 million parameters.

    On two cores, a depthwise kernel wider than three bands has a weight gradient some fifty times
    slower, hence 7 x 3; batch norm and ReLU fold away or cost nothing at inference. The last
    stride keeps a frame at a third of a second, so that the order of events stays readable.
    """
    return ConvNextConfig(
        mels=64,
        classes=classes,
        depths=(2, 2, 6, 2),
        dims=(40, 80, 160, 320),
        stem="overlap",
        strides=((2, 2), (2, 2), (1, 2)),
        norm="batch",
        activation="relu",
        kernel=(7, 3),
        layer_scale=0.1,
        drop_path=0.1,
        head_bias=-4.0,
    )
