"""CLAP of LAION (Wu et al. 2023, https://arxiv.org/abs/2211.06687): sound and text in one space.

HTS-AT hears exact windows, RoBERTa reads; a projection each, and cosines.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from audiosearch.training.networks.htsat import Htsat, HtsatConfig
from audiosearch.training.networks.roberta import Roberta, RobertaConfig


class Projection(nn.Module):
    """Two linear layers into the joint space."""

    def __init__(self, features: int, joint_dim: int) -> None:
        super().__init__()
        self.linear1 = nn.Linear(features, joint_dim)
        self.linear2 = nn.Linear(joint_dim, joint_dim)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, features)` to unit vectors `(B, J)`."""
        return functional.normalize(self.linear2(functional.relu(self.linear1(x))), dim=1)


class ExactWindow(nn.Module):
    """Sounds of any length as windows of just so many samples.

    A shorter one is repeated: as often as it fits in whole, and zeros follow; or, if it `fills` the
    window, to its end. Of a longer one the beginning is taken.
    """

    def __init__(self, samples: int, *, fills: bool = False) -> None:
        super().__init__()
        self.samples, self.fills = samples, fills

    def forward(self, waveform: Tensor) -> Tensor:
        """`(B, N)` to `(B, samples)`."""
        # A tensor while it is traced, so that an exported graph asks for the length each time, and
        # counts the places rather than storing them.
        count = torch.as_tensor(waveform.shape[1])
        places = torch.arange(0 * count + self.samples)  # type: ignore[call-overload]
        if self.fills:
            return waveform[:, places % count]
        heard = (self.samples // count).clamp(min=1) * count
        return torch.where(places < heard, waveform[:, places % count], 0.0)


class ClapAudio(nn.Module):
    """Samples to the embedding, which is what HTS-AT pools, and to the joint space."""

    def __init__(
        self, config: HtsatConfig, *, joint_dim: int, samples: int, log_mel: nn.Module
    ) -> None:
        super().__init__()
        self.window = ExactWindow(samples)
        self.log_mel = log_mel
        self.encoder = Htsat(config)
        self.projection = Projection(config.features, joint_dim)

    def forward(self, waveform: Tensor) -> tuple[Tensor, Tensor]:
        """`(B, N)` to unit vectors `(B, E)` and `(B, J)`."""
        pooled = self.encoder(self.log_mel(self.window(waveform)))
        return functional.normalize(pooled, dim=1), self.projection(pooled)


class ClapText(nn.Module):
    """Tokens to the joint space."""

    def __init__(self, config: RobertaConfig, *, joint_dim: int) -> None:
        super().__init__()
        self.encoder = Roberta(config)
        self.projection = Projection(config.dim, joint_dim)

    def forward(self, tokens: Tensor) -> Tensor:
        """`(B, S)` to unit vectors `(B, J)`."""
        joint: Tensor = self.projection(self.encoder(tokens))
        return joint
