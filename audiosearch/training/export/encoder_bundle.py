"""A bundle of an encoder without a captioner: published joint spaces, taggers.

Weights are kept as they are. The graph is compared with the network in its trained form, whose
front-end is an FFT, at several lengths.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from audiosearch.model.byte_pairs import BytePairs
from audiosearch.model.calibration import ScoreCalibration
from audiosearch.model.wordpiece import PAD, Pieces
from audiosearch.training.export.bundle import PIECES_FILE, bundle_in_making, file_entry, write_json
from audiosearch.training.export.graphs import TEXT_FORM, GraphForm, write_graph
from audiosearch.training.export.parity import compare, open_session

FORMAT = 2  # without a captioner; older programs know 1 alone
PAIRS_FILE = "pairs.json"


@dataclass(frozen=True)
class EncoderFacts:
    """What `bundle.json` says of an encoder."""

    name: str
    version: str
    licence: str
    description: str
    sample_rate: int
    window_s: float
    min_samples: int
    max_samples: int | None
    """Longer sounds are heard in stretches of so many samples; None: of any length."""
    embedding_dim: int
    joint_dim: int
    """0: there is no joint space, and no text side."""
    tags: tuple[str, ...]
    score: ScoreCalibration
    reader: BytePairs | Pieces | None
    """What the text side reads."""


@dataclass(frozen=True)
class EncoderNetworks:
    """An encoder in two forms that must agree, and its text side.

    An encoder takes samples `(B, N)` and gives the embedding `(B, E)` of unit length, the joint
    vector `(B, J)` if there is one and the tags `(B, C)` if there are any.
    """

    exported: nn.Module
    trained: nn.Module
    text: nn.Module | None
    """Tokens `(B, S)` to unit vectors `(B, J)`."""


class _WithFrames(nn.Module):
    """The outputs that every bundle has: one frame, which is the embedding, and the rest."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, waveform: Tensor) -> tuple[Tensor, ...]:
        outputs: tuple[Tensor, ...] = self.encoder(waveform)
        return (outputs[0].unsqueeze(1), *outputs)


def export_encoder(networks: EncoderNetworks, facts: EncoderFacts, *, path: Path) -> Path:
    """Write a bundle to `path`, in place of any older one there, and return `path`.

    Raises:
        AudiosearchError: ONNX Runtime does not give torch's numbers; nothing is written.
    """
    with bundle_in_making(path) as partial:
        _write_graphs(networks, facts, partial)
        if facts.tags:
            write_json(list(facts.tags), partial / "tags.json")
        if isinstance(facts.reader, Pieces):
            write_json({"pieces": facts.reader.pieces}, partial / PIECES_FILE, indent=None)
        if isinstance(facts.reader, BytePairs):
            table = {
                "tokens": facts.reader.tokens,
                "merges": [" ".join(p) for p in facts.reader.merges],
            }
            write_json(table, partial / PAIRS_FILE, indent=None)
        write_json(_manifest(networks, facts, partial), partial / "bundle.json")
    return path


def _write_graphs(networks: EncoderNetworks, facts: EncoderFacts, folder: Path) -> None:
    outputs: dict[str, tuple[str, ...]] = {"frames": ("batch",), "embedding": ("batch",)}
    outputs |= {"joint": ("batch",)} if facts.joint_dim else {}
    outputs |= {"tags": ("batch",)} if facts.tags else {}
    form = GraphForm(inputs={"waveform": ("batch", "samples")}, outputs=outputs)
    longest = int(facts.window_s * facts.sample_rate)
    networks.exported.eval()
    networks.trained.eval()
    with torch.no_grad():
        write_graph(
            _WithFrames(networks.exported),
            [0.1 * torch.randn(2, longest - longest // 3)],
            form=form,
            path=folder / "encoder.onnx",
        )
    _check_encoder(networks.trained, facts, [*outputs][1:], longest, folder)
    if networks.text is not None and facts.reader is not None:
        networks.text.eval()
        pad, end = _pad_and_end(facts.reader)
        example = torch.tensor([[end, end, end, end], [end, end, pad, pad]])
        write_graph(networks.text, [example], form=TEXT_FORM, path=folder / "text.onnx")
        _check_text(networks.text, facts.reader, folder)


def _pad_and_end(reader: BytePairs | Pieces) -> tuple[int, int]:
    """Ids of what fills up a row, and of what stands at the end of a text or may stand there."""
    return (reader.pad, reader.end) if isinstance(reader, BytePairs) else (PAD, len(reader) - 1)


def _check_encoder(
    trained: nn.Module, facts: EncoderFacts, names: list[str], longest: int, folder: Path
) -> None:
    session = open_session(folder / "encoder.onnx")
    rng = np.random.default_rng(0)
    for count in (facts.min_samples, longest * 2 // 5, longest):
        noise = rng.standard_normal((2, max(count, facts.min_samples))) * [[0.1], [0.01]]
        waveform = noise.astype(np.float32)
        with torch.no_grad():
            expected = trained(torch.from_numpy(waveform))
        found = session.run(names, {"waveform": waveform})
        for name, ours, theirs in zip(names, found, expected, strict=True):
            compare(ours, theirs.numpy(), what=f"{name} of {count} samples", path=folder)


def _check_text(text: nn.Module, reader: BytePairs | Pieces, folder: Path) -> None:
    session = open_session(folder / "text.onnx")
    rng = np.random.default_rng(0)
    pad, end = _pad_and_end(reader)
    size = len(reader.tokens) if isinstance(reader, BytePairs) else len(reader)
    usual = np.array([n for n in range(size) if n not in (pad, end)])
    for count in (3, 12):
        tokens = rng.choice(usual, (3, count)).astype(np.int64)
        tokens[:, -1] = end
        tokens[0, -1], tokens[0, -2] = pad, end
        with torch.no_grad():
            expected = text(torch.from_numpy(tokens)).numpy()
        [found] = session.run(["joint"], {"tokens": tokens})
        compare(found, expected, what=f"text joint of {count} tokens", path=folder)


def _text_tokenizer(reader: BytePairs | Pieces | None) -> dict[str, Any] | None:
    if reader is None:
        return None
    if isinstance(reader, Pieces):
        return {"kind": "pieces", "file": PIECES_FILE}
    return {
        "kind": "byte-pairs",
        "file": PAIRS_FILE,
        "pad": reader.pad,
        "start": reader.start,
        "end": reader.end,
        "longest": reader.longest,
        **({"tail": reader.tail} if reader.tail else {}),
        **({"apart": reader.apart} if reader.apart else {}),
    }


def _manifest(networks: EncoderNetworks, facts: EncoderFacts, folder: Path) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "name": facts.name,
        "version": facts.version,
        "licence": facts.licence,
        "description": facts.description,
        "sample_rate": facts.sample_rate,
        "window_s": facts.window_s,
        "min_samples": facts.min_samples,
        "max_samples": facts.max_samples,
        "frame_dim": facts.embedding_dim,
        "embedding_dim": facts.embedding_dim,
        "joint_dim": facts.joint_dim,
        "text_tokenizer": _text_tokenizer(facts.reader),
        "score": asdict(facts.score),
        "tags": "tags.json" if facts.tags else None,
        "graphs": {
            "encoder": "encoder.onnx",
            "text": None if networks.text is None else "text.onnx",
        },
        "files": {file.name: file_entry(file) for file in sorted(folder.iterdir())},
    }
