"""What a bundle is made of: networks and facts, before anything is written."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import torch
from torch import nn

from audiosearch.model.beam import BeamOptions
from audiosearch.model.calibration import ScoreCalibration
from audiosearch.model.tokenizer import Splitting
from audiosearch.model.wordpiece import Pieces
from audiosearch.training.networks.convnext import ConvNext
from audiosearch.training.networks.decoder import CaptionerNetwork
from audiosearch.training.networks.frontend import FrontendConfig
from audiosearch.training.networks.meaning import MeaningTower
from audiosearch.training.networks.tags import TagHead


@dataclass(frozen=True)
class BundleNetworks:
    """Everything that was trained."""

    frontend: FrontendConfig
    encoder: ConvNext
    decoder: CaptionerNetwork
    head: TagHead | None
    tower: MeaningTower | None

    def rounded(self) -> BundleNetworks:
        """A copy as it is shipped, in evaluation mode.

        Every matrix is rounded to float16 values, the vectors of pieces to 8 bits.
        """
        twin = copy.deepcopy(self)
        for network in (twin.encoder, twin.decoder, twin.head, twin.tower):
            if network is not None:
                round_to_half(network)
                network.eval()
        if twin.tower is not None:
            twin.tower.sentence.embedding.quantise()
        return twin


@dataclass(frozen=True)
class BundleFacts:
    """What `bundle.json` says beside the sizes."""

    name: str
    version: str
    licence: str
    description: str
    words: tuple[str, ...]
    """The vocabulary, special tokens first."""
    tags: tuple[str, ...]
    """Names of the encoder's tags; none where they are not known."""
    score: ScoreCalibration
    window_s: float = 10.0
    min_samples: int = 5120
    halo: int | None = None
    """Frames around a stretch of sound that is encoded as one; None: windows are encoded alone."""
    beam: BeamOptions = field(default_factory=BeamOptions)
    repeatable: frozenset[int] | None = None
    """Words that a caption may hold twice; those of the stop list where None."""
    splitting: Splitting = Splitting.SPACES
    pieces: Pieces | None = None
    """What the text tower reads; the words of the vocabulary where None."""
    bridges: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Words outside the vocabulary, and the word of it that is read in their place."""
    tasks: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    default_task: str | None = None
    exact: bool = False
    """Keep the weights as they are, in place of rounding them to float16."""


def round_to_half(network: nn.Module) -> None:
    """Round every matrix of a network to float16 values, in place (they stay float32)."""
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim >= 2:
                parameter.copy_(parameter.half().float())
