"""Beam search and cross-entropy against numbers by the authors' own code.

Runs where AUDIOSEARCH_PARITY names a folder with `mini/cnext_trans_mini_random.ckpt` (a small
decoder with random weights, in the layout of published checkpoints) and `mini/decoder_mini.npz`
(what the published code gives for it).
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audiosearch.model.beam import BeamOptions, Hypothesis, beam_search
from audiosearch.model.bundle import Bundle, load_bundle
from audiosearch.model.decoder import Decoder
from audiosearch.model.scoring import CaptionScorer

PARITY = os.environ.get("AUDIOSEARCH_PARITY")
pytestmark = pytest.mark.skipif(
    PARITY is None or not (Path(PARITY) / "mini").is_dir(),
    reason="AUDIOSEARCH_PARITY names no folder with mini/",
)


@pytest.fixture(scope="module")
def mini() -> Path:
    return Path(PARITY or "") / "mini"


@pytest.fixture(scope="module")
def expected(mini: Path) -> dict[str, Any]:
    with np.load(mini / "decoder_mini.npz") as arrays:
        return dict(arrays)


@pytest.fixture(scope="module")
def decoder(
    mini: Path, expected: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> Decoder:
    from audiosearch.convert.checkpoints import load_cnext_trans  # noqa: PLC0415
    from audiosearch.training.export.bundle import write_decoder_graphs  # noqa: PLC0415 - imports torch

    folder = tmp_path_factory.mktemp("parity")
    network = load_cnext_trans(mini / "cnext_trans_mini_random.ckpt")
    write_decoder_graphs(network, folder=folder)
    return Decoder(_bundle(folder, mini, repeatable=~expected["forbid_rep_mask"]))


def _bundle(folder: Path, mini: Path, *, repeatable: np.ndarray) -> Bundle:
    itos = json.loads((mini / "tokenizer.json").read_text("utf-8"))["itos"]
    words = [itos[str(i)] for i in range(len(itos))]
    vocabulary = {"words": words, "repeatable": np.flatnonzero(repeatable).tolist()}
    (folder / "vocabulary.json").write_text(json.dumps(vocabulary), "utf-8")
    manifest = {
        "format": 1,
        "name": "parity",
        "version": "0",
        "licence": "none",
        "sample_rate": 32000,
        "window_s": 10.0,
        "min_samples": 7360,
        "frame_dim": 32,
        "embedding_dim": 32,
        "joint_dim": 0,
        "decoder": {"layers": 2, "heads": 2, "dim": 32, "max_positions": 64},
        "null_memory": "zero-frame",
        "tokenizer": {
            "kind": "words",
            "file": "vocabulary.json",
            "pad": 0,
            "bos": 1,
            "eos": 2,
            "unk": 3,
            "tasks": {},
            "default_task": None,
        },
        "beam": {"width": 3, "min_tokens": 3, "max_tokens": 20},
        "score": {"lift": 1, "joint": 0, "bias": 0, "min_score": 0.5},
        "tags": None,
        # No encoder is tried here; the manifest wants one.
        "graphs": {"encoder": "memory.onnx", "memory": "memory.onnx", "decoder": "decoder.onnx"},
        "files": {
            file.name: {
                "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
                "bytes": file.stat().st_size,
            }
            for file in folder.iterdir()
        },
    }
    (folder / "bundle.json").write_text(json.dumps(manifest), "utf-8")
    return load_bundle(folder)


@pytest.fixture(scope="module")
def frames(expected: dict[str, Any]) -> list[np.ndarray]:
    """The published projection's output, so that only the decoder is compared."""
    memory = expected["memory"].transpose(0, 2, 1)
    return [rows[:n] for rows, n in zip(memory, expected["lens"], strict=True)]


def search(
    decoder: Decoder, frames: list[np.ndarray], *, width: int, mask: bool = True
) -> list[list[Hypothesis]]:
    vocabulary = decoder.bundle.vocabulary
    return beam_search(
        decoder.steps(decoder.memory(frames)),
        starts=[vocabulary.bos] * len(frames),
        eos=vocabulary.eos,
        vocabulary_size=len(vocabulary),
        options=BeamOptions(width=width, min_tokens=3, max_tokens=20),
        repeatable=vocabulary.repeatable_mask if mask else None,
    )


def sentence(row: np.ndarray) -> tuple[int, ...]:
    """The ids of a stored row, without its padding and with the start token left out."""
    ids = row.tolist()
    ids = ids[: ids.index(2) + 1] if 2 in ids else ids
    while ids and ids[-1] == 0:
        ids.pop()
    return tuple(ids[1:] if ids[:1] == [1] else ids)


@pytest.mark.parametrize(
    ("name", "width", "mask"),
    [
        ("beam1", 1, True),
        ("beam2", 2, True),
        ("beam3", 3, True),
        ("beam10", 10, True),
        ("beam3norep_off", 3, False),
    ],
)
def test_beams_find_the_published_ids(
    decoder: Decoder,
    frames: list[np.ndarray],
    expected: dict[str, Any],
    name: str,
    width: int,
    mask: bool,
) -> None:
    found = search(decoder, frames, width=width, mask=mask)
    best = [slots[0] for slots in found]
    assert [b.ids for b in best] == [sentence(row) for row in expected[f"{name}.preds"]]
    np.testing.assert_allclose(
        [b.mean_log_prob for b in best], expected[f"{name}.lprobs"], atol=1e-5
    )
    if f"{name}.mpreds" in expected:
        for slots, rows in zip(found, expected[f"{name}.mpreds"], strict=True):
            assert {slot.ids for slot in slots} == {sentence(row) for row in rows}


def test_greedy_finds_the_published_ids(
    decoder: Decoder, frames: list[np.ndarray], expected: dict[str, Any]
) -> None:
    found = search(decoder, frames, width=1)
    assert [slots[0].ids for slots in found] == [sentence(row) for row in expected["greedy"]]


def test_one_clip_at_a_time_gives_the_same_ids(decoder: Decoder, frames: list[np.ndarray]) -> None:
    together = search(decoder, frames, width=3)
    for one, slots in zip(frames, together, strict=True):
        [alone] = search(decoder, [one], width=3)
        assert [slot.ids for slot in alone] == [slot.ids for slot in slots]


def test_cross_entropies_are_the_published_ones(
    decoder: Decoder, frames: list[np.ndarray], expected: dict[str, Any]
) -> None:
    captions = [sentence(row)[:-1] for row in expected["caps"]]
    scored = CaptionScorer(decoder).cross_entropies(captions, decoder.memory(frames))
    np.testing.assert_allclose(scored.T, expected["CE"], atol=1e-4)
