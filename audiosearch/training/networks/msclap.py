"""CLAP of Microsoft (Elizalde et al. 2023, https://arxiv.org/abs/2309.05767), no captioner.

HTS-AT hears windows of seven seconds at 44.1 kHz through mel filters that its authors' code makes
for 32 kHz; GPT-2 reads; a projection each, and cosines.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from audiosearch.training.networks.clap import ExactWindow
from audiosearch.training.networks.cnn14 import CNN14_FRONTEND
from audiosearch.training.networks.gpt2 import Gpt2, Gpt2Config
from audiosearch.training.networks.htsat import Htsat, HtsatConfig

MSCLAP_RATE = 44_100
MSCLAP_SAMPLES = 7 * MSCLAP_RATE
# Settings of the authors for 44.1 kHz and up to 8 kHz never reach their HTS-AT, which has its own.
MSCLAP_FRONTEND = CNN14_FRONTEND


class ResidualProjection(nn.Module):
    """Into the joint space: a linear layer, another on top of it, and the norm of their sum."""

    def __init__(self, features: int, joint_dim: int) -> None:
        super().__init__()
        self.linear1 = nn.Linear(features, joint_dim, bias=False)
        self.linear2 = nn.Linear(joint_dim, joint_dim, bias=False)
        self.layer_norm = nn.LayerNorm(joint_dim)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, features)` to unit vectors `(B, J)`."""
        first = self.linear1(x)
        joint = self.layer_norm(first + self.linear2(functional.gelu(first)))
        return functional.normalize(joint, dim=1)


class MsclapAudio(nn.Module):
    """Samples to the embedding, which is what HTS-AT pools, and to the joint space."""

    def __init__(self, config: HtsatConfig, *, joint_dim: int, log_mel: nn.Module) -> None:
        super().__init__()
        self.window = ExactWindow(MSCLAP_SAMPLES, fills=True)
        self.log_mel = log_mel
        self.encoder = Htsat(config)
        self.projection = ResidualProjection(config.features, joint_dim)

    def forward(self, waveform: Tensor) -> tuple[Tensor, Tensor]:
        """`(B, N)` to unit vectors `(B, E)` and `(B, J)`."""
        pooled = self.encoder(self.log_mel(self.window(waveform)))
        return functional.normalize(pooled, dim=1), self.projection(pooled)


class MsclapText(nn.Module):
    """Tokens to the joint space."""

    def __init__(self, config: Gpt2Config, *, joint_dim: int) -> None:
        super().__init__()
        self.encoder = Gpt2(config)
        self.projection = ResidualProjection(config.dim, joint_dim)

    def forward(self, tokens: Tensor) -> Tensor:
        """`(B, S)` to unit vectors `(B, J)`."""
        joint: Tensor = self.projection(self.encoder(tokens))
        return joint
