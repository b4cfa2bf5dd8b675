"""From trained networks to a bundle folder that the program can load.

The weights are rounded to float16 first, so what is compared with torch (`parity`) is what is
shipped; imported weights are kept as they are.
"""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from audiosearch._files import atomic_write
from audiosearch.model.calibration import ScoreCalibration
from audiosearch.training.export import graphs
from audiosearch.training.export.decoder_graph import decoder_model
from audiosearch.training.export.gru_graph import gru_memory_model
from audiosearch.training.export.onnx_files import save_graph
from audiosearch.training.export.parity import check_parity
from audiosearch.training.export.spec import BundleFacts, BundleNetworks
from audiosearch.training.networks.convnext import STEM_STRIDE
from audiosearch.training.networks.decoder import CaptionerNetwork
from audiosearch.training.networks.gru import GruCaptioner
from audiosearch.training.text.vocabulary import make_vocabulary

FORMAT = 1
PIECES_FILE, BRIDGES_FILE = "pieces.json", "bridges.json"


def export_bundle(networks: BundleNetworks, facts: BundleFacts, *, path: Path) -> Path:
    """Write a bundle to `path`, in place of any older one there, and return `path`.

    Other files in the folder (its card) stay.

    Raises:
        AudiosearchError: ONNX Runtime does not give torch's numbers; nothing is written.
    """
    ready = networks if facts.exact else networks.rounded()
    with bundle_in_making(path) as partial:
        names = _write_graphs(ready, facts, partial)
        check_parity(ready, facts, folder=partial)
        _write_texts(facts, partial)
        write_json(_manifest(ready, facts, partial, names), partial / "bundle.json")
    return path


@contextmanager
def bundle_in_making(path: Path) -> Iterator[Path]:
    """A folder beside `path` for a bundle's files, which are put there if all could be written."""
    partial = path.with_name(path.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
        path.mkdir(parents=True, exist_ok=True)
        # The manifest comes last: without it, or with that of an older bundle, nothing loads.
        for file in sorted(partial.iterdir(), key=lambda file: file.name == "bundle.json"):
            file.replace(path / file.name)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def rescore_bundle(path: Path, score: ScoreCalibration, *, version: str) -> None:
    """Give a bundle another score and version.

    No file that it lists changes, nor does its fingerprint, so nothing has to be heard again.
    """
    file = path / "bundle.json"
    manifest = json.loads(file.read_text(encoding="utf-8"))
    manifest |= {"score": asdict(score), "version": version}
    with atomic_write(file) as out:
        out.write(_json_text(manifest).encode())


def _write_graphs(
    networks: BundleNetworks, facts: BundleFacts, folder: Path
) -> dict[str, str | None]:
    graph = graphs.EncoderGraph(
        networks.frontend, networks.encoder, networks.decoder, networks.head
    )
    form = graphs.ENCODER_FORM if networks.head else graphs.ENCODER_FORM_WITHOUT_JOINT
    waveform = 0.1 * torch.randn(2, int(facts.window_s * networks.frontend.sample_rate))
    graphs.write_graph(graph, [waveform], form=form, path=folder / "encoder.onnx")
    write_decoder_graphs(networks.decoder, folder=folder)
    if networks.tower is not None:
        tokens = torch.tensor([[4, 4, 4], [4, 4, 0]])
        graphs.write_graph(
            networks.tower, [tokens], form=graphs.TEXT_FORM, path=folder / "text.onnx"
        )
    return {
        "encoder": "encoder.onnx",
        "memory": "memory.onnx",
        "decoder": "decoder.onnx",
        "text": "text.onnx" if networks.tower is not None else None,
    }


def write_decoder_graphs(network: CaptionerNetwork, *, folder: Path) -> None:
    """Write `memory.onnx` and `decoder.onnx` of a captioner, without any rounding."""
    network.eval()
    decoder = network.decoder
    if isinstance(network, GruCaptioner):
        save_graph(gru_memory_model(network), path=folder / "memory.onnx")
    else:
        graphs.write_graph(
            graphs.MemoryGraph(decoder),
            [torch.randn(2, 5, network.config.dim)],
            form=graphs.MEMORY_FORM,
            path=folder / "memory.onnx",
        )
    save_graph(decoder_model(decoder), path=folder / "decoder.onnx")


def _write_texts(facts: BundleFacts, folder: Path) -> None:
    repeatable = facts.repeatable
    if repeatable is None:
        repeatable = make_vocabulary(facts.words).repeatable
    vocabulary = {"words": list(facts.words), "repeatable": sorted(repeatable)}
    write_json(vocabulary, folder / "vocabulary.json")
    if facts.tags:
        write_json(list(facts.tags), folder / "tags.json")
    if facts.pieces is not None:
        write_json({"pieces": facts.pieces.pieces}, folder / PIECES_FILE, indent=None)
    if facts.bridges:
        by_word: dict[str, list[str]] = {}
        for word, read_as in sorted(facts.bridges.items()):
            by_word.setdefault(read_as, []).append(word)
        write_json(by_word, folder / BRIDGES_FILE, indent=None)


def _manifest(
    networks: BundleNetworks, facts: BundleFacts, folder: Path, names: dict[str, str | None]
) -> dict[str, Any]:
    decoder = networks.decoder.config
    score = facts.score if networks.head else replace(facts.score, joint=0.0)
    return {
        "format": FORMAT,
        "name": facts.name,
        "version": facts.version,
        "licence": facts.licence,
        "description": facts.description,
        "sample_rate": networks.frontend.sample_rate,
        "window_s": facts.window_s,
        "min_samples": facts.min_samples,
        "grid": _grid(networks, facts),
        "frame_dim": networks.decoder.frame_dim,
        "embedding_dim": networks.encoder.config.dims[-1],
        "joint_dim": networks.head.config.joint_dim if networks.head else 0,
        "decoder": {
            "layers": decoder.layers,
            "heads": decoder.heads,
            "dim": decoder.dim,
            "max_positions": decoder.max_positions,
        },
        "null_memory": "zero-frame",
        "tokenizer": {
            "kind": facts.splitting.value,
            "file": "vocabulary.json",
            "pad": 0,
            "bos": 1,
            "eos": 2,
            "unk": 3,
            "tasks": dict(facts.tasks),
            "default_task": facts.default_task,
        },
        "text_tokenizer": {"kind": "pieces", "file": PIECES_FILE} if facts.pieces else None,
        "bridges": BRIDGES_FILE if facts.bridges else None,
        "beam": asdict(facts.beam),
        "score": asdict(score),
        "tags": "tags.json" if facts.tags else None,
        "graphs": names,
        "files": {file.name: file_entry(file) for file in sorted(folder.iterdir())},
    }


def _grid(networks: BundleNetworks, facts: BundleFacts) -> dict[str, int] | None:
    """How the frames of an encoder lie in the sound."""
    if facts.halo is None:
        return None
    frontend, strides = networks.frontend, networks.encoder.config.strides
    samples = frontend.hop * frontend.average * STEM_STRIDE
    return {"samples": samples * math.prod(time for time, _ in strides), "halo": facts.halo}


def file_entry(path: Path) -> dict[str, str | int]:
    """What a manifest lists of a file: its hash and its size."""
    content = path.read_bytes()
    return {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}


def write_json(value: object, path: Path, *, indent: int | None = 1) -> None:
    """Write a JSON file of a bundle."""
    path.write_text(_json_text(value, indent=indent), encoding="utf-8")


def _json_text(value: object, *, indent: int | None = 1) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent) + "\n"
