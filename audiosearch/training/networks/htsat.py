"""HTS-AT, the audio encoder of CLAP (Chen et al. 2022, https://arxiv.org/abs/2202.00874).

A Swin transformer over a log-mel spectrogram that is folded into a square picture. Sizes are fixed
by the configuration, so that windows, masks and biases are constants of an exported graph.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

_OTHER_REGION = -100.0  # added to the scores of places that a shifted window has brought together


@dataclass(frozen=True)
class HtsatConfig:
    """Sizes of the encoder, under the meaning that published configurations give them."""

    mels: int = 64
    spec_size: int = 256
    """Side of the square picture; `spec_size / mels` strips of the spectrogram make it up."""
    window: int = 8
    """Side of the windows inside which patches attend to each other."""
    patch: int = 4
    dim: int = 96
    """Numbers of a patch in the first stage; doubled from stage to stage."""
    depths: tuple[int, ...] = (2, 2, 6, 2)
    heads: tuple[int, ...] = (4, 8, 16, 32)
    mlp_ratio: float = 4.0
    norm_eps: float = 1e-5

    def __post_init__(self) -> None:
        if len(self.depths) != len(self.heads) or not self.depths:
            raise ValueError("each stage needs a depth and a number of heads")
        if self.spec_size % self.mels or self.spec_size % self.patch:
            raise ValueError(f"{self.mels} bands do not fold into a side of {self.spec_size}")
        if any(side % self.window for side in self.sides):
            raise ValueError(f"stages of {self.sides} patches do not part into {self.window}")

    @property
    def strips(self) -> int:
        """Pieces in time that the spectrogram is cut into, one above the other."""
        return self.spec_size // self.mels

    @property
    def frames(self) -> int:
        """Frames that the picture holds; fewer are stretched to as many."""
        return self.spec_size * self.strips

    @property
    def sides(self) -> tuple[int, ...]:
        """Patches along a side of the picture, in each stage."""
        grid = self.spec_size // self.patch
        return tuple(grid // 2**stage for stage in range(len(self.depths)))

    @property
    def features(self) -> int:
        """Numbers of a patch in the last stage."""
        return int(self.dim * 2 ** (len(self.depths) - 1))


class WindowAttention(nn.Module):
    """Attention among the patches of one window, with a learned bias by their distance."""

    places: Tensor

    def __init__(self, dim: int, heads: int, window: int) -> None:
        super().__init__()
        self.heads = heads
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * window - 1) ** 2, heads))
        self.query, self.key, self.value = (nn.Linear(dim, dim) for _ in range(3))
        self.out = nn.Linear(dim, dim)
        side = torch.arange(window)
        rows, columns = (each.flatten() for each in torch.meshgrid(side, side, indexing="ij"))
        down, right = rows[:, None] - rows, columns[:, None] - columns
        places = (down + window - 1) * (2 * window - 1) + right + window - 1
        self.register_buffer("places", places, persistent=False)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """`(B * windows, N, C)` to the same; `mask` `(windows, N, N)` is added to the scores."""
        count, dim = x.shape[1], x.shape[2]
        parted = (-1, count, self.heads, dim // self.heads)
        query, key, value = (
            layer(x).view(parted).transpose(1, 2) for layer in (self.query, self.key, self.value)
        )
        scores = query @ key.transpose(2, 3) / (dim // self.heads) ** 0.5
        scores = scores + self.relative_position_bias_table[self.places].permute(2, 0, 1)
        if mask is not None:
            grouped = scores.view(-1, mask.shape[0], self.heads, count, count)
            scores = (grouped + mask[:, None]).view(-1, self.heads, count, count)
        heard = (scores.softmax(dim=3) @ value).transpose(1, 2).reshape(-1, count, dim)
        result: Tensor = self.out(heard)
        return result


class SwinBlock(nn.Module):
    """Attention in windows, which every second block shifts by half; then a linear pair."""

    mask: Tensor | None

    def __init__(self, config: HtsatConfig, *, dim: int, heads: int, side: int, odd: bool) -> None:
        super().__init__()
        self.side, self.window = side, config.window
        # One window that holds all has nowhere to be shifted to.
        self.shift = config.window // 2 if odd and side > config.window else 0
        self.layernorm_before = nn.LayerNorm(dim, eps=config.norm_eps)
        self.attention = WindowAttention(dim, heads, config.window)
        self.layernorm_after = nn.LayerNorm(dim, eps=config.norm_eps)
        self.wide = nn.Linear(dim, int(config.mlp_ratio * dim))
        self.narrow = nn.Linear(int(config.mlp_ratio * dim), dim)
        self.register_buffer("mask", self._mask() if self.shift else None, persistent=False)

    def _mask(self) -> Tensor:
        """`(windows, N, N)` what keeps patches apart that only the shift made neighbours."""
        side = torch.arange(self.side)
        region = (side >= self.side - self.window).long() + (side >= self.side - self.shift).long()
        regions = self._windows((3 * region[:, None] + region)[None, :, :, None]).squeeze(2)
        return (regions[:, None] != regions[:, :, None]).float() * _OTHER_REGION

    def _windows(self, x: Tensor) -> Tensor:
        """`(B, side, side, C)` to `(B * windows, N, C)`."""
        parts, window, dim = self.side // self.window, self.window, x.shape[3]
        x = x.view(-1, parts, window, parts, window, dim).permute(0, 1, 3, 2, 4, 5)
        return x.reshape(-1, window * window, dim)

    def _joined(self, windows: Tensor) -> Tensor:
        """The inverse of `_windows`."""
        parts, window, dim = self.side // self.window, self.window, windows.shape[2]
        x = windows.view(-1, parts, parts, window, window, dim).permute(0, 1, 3, 2, 4, 5)
        return x.reshape(-1, self.side, self.side, dim)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, side, side, C)` to the same."""
        y: Tensor = self.layernorm_before(x)
        if self.shift:
            y = torch.roll(y, shifts=(-self.shift, -self.shift), dims=(1, 2))
        y = self._joined(self.attention(self._windows(y), self.mask))
        if self.shift:
            y = torch.roll(y, shifts=(self.shift, self.shift), dims=(1, 2))
        x = x + y
        wide = functional.gelu(self.wide(self.layernorm_after(x)))
        result: Tensor = x + self.narrow(wide)
        return result


class PatchMerging(nn.Module):
    """Four neighbours to one patch of twice as many numbers."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.reduction = nn.Linear(4 * dim, 2 * dim, bias=False)
        self.norm = nn.LayerNorm(4 * dim)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, side, side, C)` to `(B, side / 2, side / 2, 2 C)`."""
        parts = [x[:, row::2, column::2] for column in range(2) for row in range(2)]
        merged: Tensor = self.reduction(self.norm(torch.cat(parts, dim=3)))
        return merged


class SwinStage(nn.Module):
    """Some blocks, and the merging after all but the last stage."""

    def __init__(self, config: HtsatConfig, stage: int) -> None:
        super().__init__()
        dim = int(config.dim * 2**stage)
        self.blocks = nn.Sequential(
            *(
                SwinBlock(
                    config,
                    dim=dim,
                    heads=config.heads[stage],
                    side=config.sides[stage],
                    odd=bool(place % 2),
                )
                for place in range(config.depths[stage])
            )
        )
        last = stage == len(config.depths) - 1
        self.downsample: nn.Module = nn.Identity() if last else PatchMerging(dim)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, side, side, C)` to that of the next stage."""
        result: Tensor = self.downsample(self.blocks(x))
        return result


class PatchEmbedding(nn.Module):
    """A picture to patches."""

    def __init__(self, config: HtsatConfig) -> None:
        super().__init__()
        self.proj = nn.Conv2d(1, config.dim, kernel_size=config.patch, stride=config.patch)
        self.norm = nn.LayerNorm(config.dim)

    def forward(self, picture: Tensor) -> Tensor:
        """`(B, 1, size, size)` to `(B, side, side, C)`."""
        patches: Tensor = self.norm(self.proj(picture).permute(0, 2, 3, 1))
        return patches


class Htsat(nn.Module):
    """Decibels of a spectrogram to one vector, the mean over the patches of the last stage."""

    def __init__(self, config: HtsatConfig) -> None:
        super().__init__()
        self.config = config
        self.batch_norm = nn.BatchNorm2d(config.mels)
        self.patch_embed = PatchEmbedding(config)
        self.layers = nn.Sequential(*(SwinStage(config, n) for n in range(len(config.depths))))
        self.norm = nn.LayerNorm(config.features)

    def forward(self, decibels: Tensor) -> Tensor:
        """`(B, F, mels)`, F at most `config.frames`, to `(B, features)`."""
        x = self.batch_norm(decibels.transpose(1, 2).unsqueeze(3)).squeeze(3).transpose(1, 2)
        picture = self._folded(stretched(x, frames=self.config.frames))
        patches = self.norm(self.layers(self.patch_embed(picture)))
        pooled: Tensor = patches.flatten(1, 2).mean(dim=1)
        return pooled

    def _folded(self, x: Tensor) -> Tensor:
        """`(B, frames, mels)` to `(B, 1, size, size)`: strips of time, bands downwards in each."""
        config = self.config
        strips = x.reshape(-1, config.strips, config.frames // config.strips, config.mels)
        return strips.transpose(2, 3).reshape(-1, 1, config.spec_size, config.spec_size)


def stretched(x: Tensor, *, frames: int) -> Tensor:
    """`(B, F, mels)` made `frames` long by bicubic interpolation, ends kept.

    By one product with a matrix, since runtimes differ in how they interpolate.
    """
    count = int(x.shape[1])
    if count == frames:
        return x
    if count > frames:
        raise ValueError(f"{count} frames do not fit into a picture of {frames}")
    unit = torch.eye(count)[None, None]
    matrix = functional.interpolate(unit, (frames, count), mode="bicubic", align_corners=True)[0, 0]
    return matrix @ x
