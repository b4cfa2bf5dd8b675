"""A file of PANNs' CNN14 (https://zenodo.org/records/3987831) to networks.

Weights do not tell what they were trained to hear; the matrix of mel filters beside them does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from audiosearch.errors import BundleError
from audiosearch.training.export.encoder_bundle import EncoderNetworks
from audiosearch.training.export.lean_log_mel import LeanLogMel
from audiosearch.training.networks.cnn14 import CNN14_FRONTEND, Cnn14, Cnn14Config, tag_scores
from audiosearch.training.networks.frontend import FrontendConfig, LogMel, mel_filterbank
from audiosearch.training.pairs.start import cnn14_of

# As published: Cnn14 for 32, 16 and 8 kHz.
FRONTENDS = (
    CNN14_FRONTEND,
    replace(CNN14_FRONTEND, sample_rate=16_000, n_fft=512, window=512, hop=160, high_hz=8_000.0),
    replace(CNN14_FRONTEND, sample_rate=8_000, n_fft=256, window=256, hop=80, high_hz=4_000.0),
)
_MEL = "logmel_extractor.melW"
_SLIGHT = 1e-6  # by which filters of one kind may differ


@dataclass(frozen=True)
class PublishedCnn14:
    """What a file holds, ready to be exported."""

    networks: EncoderNetworks
    frontend: FrontendConfig
    config: Cnn14Config

    @property
    def min_samples(self) -> int:
        """Of the shortest sound that leaves a row after the last pooling."""
        return self.config.stride * self.frontend.hop


class Cnn14Encoder(nn.Module):
    """Samples `(B, N)` to the embedding `(B, E)` of unit length and tags `(B, C)`."""

    def __init__(self, network: Cnn14, log_mel: nn.Module) -> None:
        super().__init__()
        self.log_mel = log_mel
        self.network = network

    def forward(self, waveform: Tensor) -> tuple[Tensor, Tensor]:
        """See the class."""
        heard = self.network(self.log_mel(waveform))
        return functional.normalize(heard.embedding, dim=1), tag_scores(heard)


def holds_cnn14(state: Mapping[str, Tensor]) -> bool:
    """Whether parameters have the names of a CNN14's."""
    return "conv_block1.conv1.weight" in state and "fc_audioset.weight" in state


def cnn14_in(state: Mapping[str, Tensor], *, path: Path) -> PublishedCnn14:
    """The network of the parameters in a file.

    Raises:
        BundleError: they do not fit.
    """
    network = cnn14_of(state, path=path).eval()
    frontend = _frontend(state, path)
    exported, trained = (
        Cnn14Encoder(network, log_mel) for log_mel in (LeanLogMel(frontend), LogMel(frontend))
    )
    return PublishedCnn14(EncoderNetworks(exported, trained, None), frontend, network.config)


def _frontend(state: Mapping[str, Tensor], path: Path) -> FrontendConfig:
    """The front-end whose filters stand in the file; that for 32 kHz where none do."""
    stored = state.get(_MEL)
    bands = len(state["bn0.weight"])
    if stored is None:
        return replace(CNN14_FRONTEND, mels=bands)
    for known in FRONTENDS:
        frontend = replace(known, mels=bands)
        if has_filters(stored, frontend):
            return frontend
    raise BundleError(
        "its mel filters are none of the published ones (for 32, 16 and 8 kHz)", path=path
    )


def has_filters(stored: Tensor, frontend: FrontendConfig) -> bool:
    """Whether mel filters `(bins, mels)` of a file are those of a front-end."""
    ours = mel_filterbank(frontend)
    return ours.shape == stored.shape and torch.allclose(ours, stored, atol=_SLIGHT, rtol=0.0)
