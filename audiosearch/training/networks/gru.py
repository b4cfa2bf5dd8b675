"""The captioner of Sun et al. 2023, section 2.2 (eqs 5 and 6): a GRU on frozen features, a decoder.

Its report gives no sizes. What the GRU gives is as wide as the decoder, half for each direction, so
nothing lies between the two; its frames are the features as they are.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from audiosearch.training.networks.decoder import (
    CaptionDecoder,
    CaptionerNetwork,
    DecoderConfig,
    DecoderMemory,
    DecoderNetwork,
)


@dataclass(frozen=True)
class GruConfig(DecoderConfig):
    """Everything that shapes the captioner; `frame_positions` has no meaning here."""

    layers: int = 2
    """Of the decoder."""
    gru_layers: int = 3
    """Each in both directions, `dim / 2` numbers wide in each."""


class GruCaptioner(CaptionerNetwork):
    """Three layers of GRU in both directions, then the decoder, which attends to what they give."""

    config: GruConfig

    def __init__(self, config: GruConfig) -> None:
        super().__init__()
        if config.dim % 2 or config.frame_positions:
            raise ValueError("a GRU has an even width and no frame positions")
        self.config = config
        self.dropout = nn.Dropout(config.projection_dropout)
        self.gru = nn.GRU(
            config.feature_dim,
            config.dim // 2,
            num_layers=config.gru_layers,
            batch_first=True,
            bidirectional=True,
            dropout=config.dropout if config.gru_layers > 1 else 0.0,
        )
        self.decoder = CaptionDecoder(config)

    @property
    def frame_dim(self) -> int:
        """Numbers in a frame: those of a feature."""
        return self.config.feature_dim

    def project(self, features: Tensor) -> Tensor:
        """The features themselves, so captioners on one encoder keep the same frames."""
        return features

    def hear(self, frames: Tensor, lengths: Tensor) -> Tensor:
        """What the GRU makes of frames `(B, T, feature_dim)`: `(B, T, D)`, zeros where padded.

        The backward direction begins at the last frame that counts, so padding is never heard.
        """
        packed = pack_padded_sequence(
            self.dropout(frames), lengths.cpu(), batch_first=True, enforce_sorted=False
        )
        heard, _ = self.gru(packed)
        padded: Tensor
        padded, _ = pad_packed_sequence(heard, batch_first=True, total_length=frames.shape[1])
        return padded

    def memory(self, frames: Tensor, lengths: Tensor) -> DecoderMemory:
        """See `CaptionerNetwork`."""
        return self.decoder.memory(self.hear(frames, lengths), lengths)


def captioner_for(config: DecoderConfig) -> CaptionerNetwork:
    """A captioner of these sizes that has learned nothing, from torch's current random state."""
    return GruCaptioner(config) if isinstance(config, GruConfig) else DecoderNetwork(config)


def config_text(config: DecoderConfig) -> str:
    """The sizes of a captioner, as checkpoints hold them."""
    return json.dumps(asdict(config))


def read_captioner(config: str, weights: dict[str, torch.Tensor]) -> CaptionerNetwork:
    """A captioner of a checkpoint, in evaluation mode.

    Args:
        config: from `config_text`.
        weights: its parameters.
    """
    sizes = json.loads(config)
    kind = GruConfig if "gru_layers" in sizes else DecoderConfig
    network = captioner_for(kind(**sizes))
    network.load_state_dict(weights)
    return network.eval()
