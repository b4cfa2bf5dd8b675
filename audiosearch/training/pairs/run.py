"""From what is given to a network, and from a trained network to a bundle."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from audiosearch._resources import PACKAGE
from audiosearch.errors import AudiosearchError
from audiosearch.model.calibration import ScoreCalibration
from audiosearch.model.wordpiece import Pieces
from audiosearch.training.checkpoints import load_state
from audiosearch.training.export.encoder_bundle import (
    EncoderFacts,
    EncoderNetworks,
    export_encoder,
)
from audiosearch.training.export.lean_log_mel import LeanLogMel
from audiosearch.training.networks.bert import Bert, BertConfig
from audiosearch.training.networks.cnn14 import CNN14_FRONTEND, Cnn14, Cnn14Config
from audiosearch.training.networks.frontend import LogMel
from audiosearch.training.networks.matching import MatchingNetwork, MatchingSound, MatchingText
from audiosearch.training.pairs.start import fresh_cnn14, read_bert, read_cnn14_file, small_bert

_TAGS = PACKAGE / "convert" / "audioset_tags.txt"
_WINDOW_S = 10.0


@dataclass(frozen=True)
class TrainingStart:
    """What a run begins with."""

    encoder: Path | None
    """A file of CNN14; None: one that has learned nothing."""
    text: Path | None
    """A folder of BERT; None: a small one that has learned nothing."""
    run: Path | None
    """The folder of an earlier run, which counts for more than both."""


def first_network(
    start: TrainingStart, captions: Sequence[str], *, joint_dim: int, image_dim: int, seed: int
) -> tuple[MatchingNetwork, Pieces]:
    """The network that a run begins with, and what its text side reads.

    Raises:
        AudiosearchError: what it should begin with cannot be read, or is of another kind.
    """
    if start.run is not None:
        return _of_run(start.run, joint_dim=joint_dim, image_dim=image_dim)
    sound = fresh_cnn14(527, seed=seed) if start.encoder is None else read_cnn14_file(start.encoder)
    torch.manual_seed(seed)
    text, pieces = small_bert(captions) if start.text is None else read_bert(start.text)
    network = MatchingNetwork(sound, text, joint_dim=joint_dim, image_dim=image_dim)
    return network, pieces


def _of_run(folder: Path, *, joint_dim: int, image_dim: int) -> tuple[MatchingNetwork, Pieces]:
    """What an earlier run has trained; the head for pictures begins anew where it had none."""
    path = folder / "pairs.pt"
    stored = load_state(path)
    try:
        pieces = Pieces(tuple(stored["pieces"]))
        sizes = dict(stored["sound"])
        network = MatchingNetwork(
            Cnn14(Cnn14Config(dims=tuple(sizes.pop("dims")), **sizes)),
            Bert(BertConfig(**stored["text"])),
            joint_dim=int(stored["joint_dim"]),
            image_dim=image_dim,
        )
        state = network.state_dict()
        kept = {
            name: value
            for name, value in stored["network"].items()
            if not name.startswith("image_head.")
            or (name in state and state[name].shape == value.shape)
        }
        missing = [
            name
            for name in network.load_state_dict(kept, strict=False).missing_keys
            if not name.startswith("image_head.")
        ]
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise AudiosearchError(f"is no run of this kind: {error}", path=path) from error
    if missing or network.joint_dim != joint_dim:
        raise AudiosearchError("was trained with another size of the joint space", path=path)
    return network, pieces


def export_run(network: MatchingNetwork, pieces: Pieces, *, name: str, path: Path) -> Path:
    """Write a trained network as a bundle without a captioner.

    Raises:
        AudiosearchError: ONNX Runtime does not give torch's numbers; nothing is written.
    """
    network.eval()
    tags = tuple(_TAGS.read_text(encoding="utf-8").splitlines())
    config = network.sound.config
    named = len(tags) == config.classes
    exported, trained = (
        MatchingSound(network, log_mel)
        for log_mel in (LeanLogMel(CNN14_FRONTEND), LogMel(CNN14_FRONTEND))
    )
    networks = EncoderNetworks(
        exported if named else _WithoutTags(exported),
        trained if named else _WithoutTags(trained),
        MatchingText(network),
    )
    facts = EncoderFacts(
        name=name,
        version="1",
        licence="yours; that of the weights it began with may hold too",
        description="A joint space of your own training, no captioner.",
        sample_rate=CNN14_FRONTEND.sample_rate,
        window_s=_WINDOW_S,
        min_samples=config.stride * CNN14_FRONTEND.hop,
        max_samples=None,
        embedding_dim=config.embedding,
        joint_dim=network.joint_dim,
        tags=tags if named else (),
        # One half where a pair is as likely as any other of a hundred, by the temperature.
        score=ScoreCalibration(
            lift=0.0,
            joint=1.0 / float(network.temperature.detach()),
            bias=-math.log(100.0),
            min_score=0.0,
            text_match=0.85,
        ),
        reader=pieces,
    )
    return export_encoder(networks, facts, path=path)


class _WithoutTags(nn.Module):
    def __init__(self, sound: nn.Module) -> None:
        super().__init__()
        self.sound = sound

    def forward(self, waveform: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        embedding, joint, _ = self.sound(waveform)
        return embedding, joint
