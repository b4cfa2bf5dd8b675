"""What the encoder's tags say of a sound, as one vector of the space that text and sound share.

In: tag logits `(B, C)` of the frozen encoder, for wholes and parts alike. Out: unit vectors
`(B, J)`. Each tag has a place in the space, and a sound lies between those of its tags. A head that
also attended to frames fitted the recordings of training better and found held-out ones worse: the
encoder knows the recordings it was trained on too well for another network to learn from its frames
what is worth hearing.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional


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
