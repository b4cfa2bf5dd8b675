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
from audiosearch.training.export.published_graph import LeanLogMel
from audiosearch.training.networks.cnn14 import CNN14_FRONTEND, Cnn14, Cnn14Config, tag_scores
from audiosearch.training.networks.frontend import FrontendConfig, LogMel, mel_filterbank
from audiosearch.training.pairs.start import cnn14_of, read_cnn14_state

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


def is_cnn14(path: Path) -> bool:
    """Whether a path is a file of weights of a CNN14.

    Raises:
        BundleError: it is a file that cannot be read safely.
    """
    return path.is_file() and _has_its_names(read_cnn14_state(path))


def read_cnn14(path: Path) -> PublishedCnn14:
    """The network in a file: bare state or under "model".

    Raises:
        BundleError: the file cannot be read safely, or its parameters do not fit.
    """
    state = read_cnn14_state(path)
    network = cnn14_of(state, path=path).eval()
    frontend = _frontend(state, path)
    exported, trained = (
        Cnn14Encoder(network, log_mel) for log_mel in (LeanLogMel(frontend), LogMel(frontend))
    )
    return PublishedCnn14(EncoderNetworks(exported, trained, None), frontend, network.config)


def _has_its_names(state: Mapping[str, Tensor]) -> bool:
    return "conv_block1.conv1.weight" in state and "fc_audioset.weight" in state


def _frontend(state: Mapping[str, Tensor], path: Path) -> FrontendConfig:
    """The front-end whose filters stand in the file; that for 32 kHz where none do."""
    stored = state.get(_MEL)
    bands = len(state["bn0.weight"])
    if stored is None:
        return replace(CNN14_FRONTEND, mels=bands)
    for known in FRONTENDS:
        frontend = replace(known, mels=bands)
        ours = mel_filterbank(frontend)
        if ours.shape == stored.shape and torch.allclose(ours, stored, atol=_SLIGHT, rtol=0.0):
            return frontend
    raise BundleError(
        "its mel filters are none of the published ones (for 32, 16 and 8 kHz)", path=path
    )
