"""A tiny bundle with random weights and the real form, made in about a second for tests.

In: a folder and a seed. Out: a bundle that loads, encodes, captions and ranks, all of it without
sense. The same seed gives the same numbers.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from audiosearch.model.byte_pairs import LETTERS, SPACE, BytePairs
from audiosearch.model.calibration import ScoreCalibration
from audiosearch.model.tokenizer import SPECIAL_TOKENS
from audiosearch.model.wordpiece import SPECIAL_PIECES, Pieces
from audiosearch.training.export.bundle import export_bundle
from audiosearch.training.export.encoder_bundle import (
    EncoderFacts,
    EncoderNetworks,
    export_encoder,
)
from audiosearch.training.export.lean_log_mel import LeanLogMel
from audiosearch.training.export.spec import BundleFacts, BundleNetworks
from audiosearch.training.networks.clap import ClapText, ExactWindow, Projection
from audiosearch.training.networks.convnext import ConvNext, ConvNextConfig
from audiosearch.training.networks.decoder import DecoderConfig
from audiosearch.training.networks.frontend import FrontendConfig, LogMel
from audiosearch.training.networks.gru import GruConfig, captioner_for
from audiosearch.training.networks.meaning import (
    ConceptConfig,
    ConceptLayer,
    MeaningTower,
    SentenceConfig,
    SentenceTower,
)
from audiosearch.training.networks.roberta import RobertaConfig
from audiosearch.training.networks.tags import TagHead, TagHeadConfig

TOY_WORDS = (
    *("a", "the", "is", "and", "then", "while", "as", "in", "of", "followed", "by", "before"),
    *("after", "loud", "soft", "dog", "barks", "barking", "bird", "birds", "sings", "chirping"),
    *("rain", "falls", "falling", "man", "woman", "speaks", "speaking", "bell", "rings"),
    *("ringing", "car", "engine", "passes", "wind", "blows", "door", "knocks", "beep"),
)
TOY_PIECES = (
    *(word for word in TOY_WORDS if len(word) > 1),
    *("canine", "purple"),
    *("abcdefghijklmnopqrstuvwxyz"),
    *(f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"),
)
TOY_BRIDGES = {"canine": "dog", "automobile": "car"}
TOY_JOINT = 6  # numbers in the space of the toy without a captioner
TOY_TAGS = ("dog", "bird", "rain", "speech", "bell", "engine", "wind", "knock")
TOY_FRONTEND = FrontendConfig(
    sample_rate=16_000,
    n_fft=64,
    window=64,
    hop=64,
    mels=32,
    low_hz=50.0,
    high_hz=8_000.0,
    average=5,
)


def write_toy_bundle(
    path: Path, *, seed: int = 0, joint: bool = True, meaning: bool = False, gru: bool = False
) -> Path:
    """Write a toy bundle to `path` and return it.

    Args:
        path: The folder.
        seed: Of its weights.
        joint: False leaves out the joint space.
        gru: Whether its captioner is that with a GRU.
        meaning: Whether its text tower reads pieces of words, and bridges lead to known words.
    """
    words = SPECIAL_TOKENS + TOY_WORDS
    pieces = Pieces(SPECIAL_PIECES + TOY_PIECES) if meaning else None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        networks = toy_networks(
            vocabulary=len(words), joint=joint, pieces=len(pieces or words), gru=gru
        )
        facts = BundleFacts(
            name="toy",
            version=f"0.{seed}",
            licence="MIT",
            description="Random weights, for tests: it recognises nothing.",
            words=words,
            tags=TOY_TAGS,
            score=ScoreCalibration(lift=2.0, joint=5.0, bias=0.0, min_score=0.5, text_match=0.85),
            pieces=pieces,
            bridges=TOY_BRIDGES if meaning else {},
        )
        return export_bundle(networks, facts, path=path)


def write_toy_joint(path: Path, *, seed: int = 0) -> Path:
    """Write a toy bundle with a joint space and no captioner, as CLAP is one, and return it.

    It hears windows of just so many samples, at another rate than the other toys.
    """
    frontend = replace(TOY_FRONTEND, sample_rate=24_000, high_hz=12_000.0)
    samples = 10 * frontend.sample_rate
    pairs = toy_pairs()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        encoder = toy_networks(vocabulary=8, joint=False, pieces=8).encoder
        projection = Projection(encoder.config.dims[-1], TOY_JOINT)
        exported, trained = (
            _ToyEncoder(samples, log_mel, encoder, projection)
            for log_mel in (LeanLogMel(frontend), LogMel(frontend))
        )
        reader = RobertaConfig(
            vocabulary=len(pairs.tokens), dim=12, heads=2, layers=1, feedforward=16, positions=40
        )
        networks = EncoderNetworks(exported, trained, ClapText(reader, joint_dim=TOY_JOINT))
        facts = EncoderFacts(
            name="joint",
            version=f"0.{seed}",
            licence="MIT",
            description="Random weights, for tests: it recognises nothing.",
            sample_rate=frontend.sample_rate,
            window_s=10.0,
            min_samples=1,
            max_samples=samples,
            embedding_dim=encoder.config.dims[-1],
            joint_dim=TOY_JOINT,
            tags=(),
            score=ScoreCalibration(lift=0.0, joint=5.0, bias=0.0, min_score=0.5, text_match=0.85),
            reader=pairs,
        )
        return export_encoder(networks, facts, path=path)


class _ToyEncoder(nn.Module):
    def __init__(
        self, samples: int, log_mel: nn.Module, encoder: ConvNext, projection: Projection
    ) -> None:
        super().__init__()
        self.window, self.log_mel = ExactWindow(samples), log_mel
        self.encoder, self.projection = encoder, projection

    def forward(self, waveform: Tensor) -> tuple[Tensor, Tensor]:
        embedding = self.encoder(self.log_mel(self.window(waveform))).embedding
        return functional.normalize(embedding, dim=1), self.projection(embedding)


def toy_pairs() -> BytePairs:
    """Tokens and pairs in which each of the toy's words is one token after a space."""
    tokens = ["<s>", "<pad>", "</s>", "<unk>", *LETTERS.values()]
    merges: list[tuple[str, str]] = []
    for word in TOY_WORDS:
        grown = SPACE
        for letter in word:
            if (grown, letter) not in merges:
                merges.append((grown, letter))
                tokens.append(grown + letter)
            grown += letter
    return BytePairs(tokens=tuple(tokens), merges=tuple(merges), pad=1, start=0, end=2, longest=38)


def toy_networks(*, vocabulary: int, joint: bool, pieces: int, gru: bool = False) -> BundleNetworks:
    """Random networks of tiny size, from torch's current random state.

    Args:
        vocabulary: How many words the decoder knows.
        joint: Whether there is a joint space.
        pieces: How many the text tower knows.
        gru: Whether the captioner is that with a GRU.
    """
    encoder = ConvNext(
        ConvNextConfig(
            mels=TOY_FRONTEND.mels,
            classes=len(TOY_TAGS),
            depths=(1, 1, 1, 1),
            dims=(4, 6, 8, 12),
            stem="overlap",
            strides=((2, 2), (2, 2), (1, 2)),
            norm="batch",
            activation="relu",
            kernel=(3, 3),
            layer_scale=0.5,
        )
    )
    # Statistics of ordinary sound, or an untrained network would saturate on decibels.
    encoder.bn0.running_mean.fill_(-40.0)  # type: ignore[union-attr]
    encoder.bn0.running_var.fill_(400.0)  # type: ignore[union-attr]
    with torch.no_grad():
        for parameter in encoder.parameters():
            if parameter.ndim >= 2:
                parameter.mul_(
                    10.0
                )  # published starting weights are too small to tell sounds apart
    sizes = DecoderConfig(
        vocabulary=vocabulary,
        feature_dim=12,
        dim=12,
        heads=2,
        layers=2,
        feedforward=12,
        max_positions=24,
    )
    if gru:  # not as wide as its features, which are its frames
        decoder = captioner_for(GruConfig(**asdict(replace(sizes, dim=8))))
    else:
        decoder = captioner_for(replace(sizes, frame_positions=40))
    head = TagHead(TagHeadConfig(tags=2 * len(TOY_TAGS), joint_dim=8))
    tower = MeaningTower(
        SentenceTower(SentenceConfig(pieces=pieces, sentence_dim=16, dim=16, hidden=16)),
        ConceptLayer(ConceptConfig(concepts=12, joint_dim=8, sentence_dim=16)),
    )
    return BundleNetworks(
        frontend=TOY_FRONTEND,
        encoder=encoder,
        decoder=decoder,
        head=head if joint else None,
        tower=tower if joint else None,
    )
