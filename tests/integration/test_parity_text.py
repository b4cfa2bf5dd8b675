"""Words of published checkpoints against numbers and texts by the authors' own code.

Runs where AUDIOSEARCH_PARITY names a folder with `mini/`: a captioner's checkpoint, its tokenizer
as JSON, captions with their words, ids, and decoded sentences.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from audiosearch.convert.checkpoints import PublishedDecoder, read_published  # noqa: E402
from audiosearch.model.tokenizer import Vocabulary  # noqa: E402

PARITY = os.environ.get("AUDIOSEARCH_PARITY")
pytestmark = pytest.mark.skipif(
    PARITY is None or not (Path(PARITY) / "mini").is_dir(),
    reason="AUDIOSEARCH_PARITY names no folder with mini/",
)


@pytest.fixture(scope="module")
def mini() -> Path:
    return Path(PARITY or "") / "mini"


@pytest.fixture(scope="module")
def part(mini: Path) -> PublishedDecoder:
    [part] = read_published(mini / "cnext_trans_mini_random.ckpt")
    assert isinstance(part, PublishedDecoder)
    return part


@pytest.fixture(scope="module")
def vocabulary(part: PublishedDecoder) -> Vocabulary:
    return part.vocabulary


@pytest.fixture(scope="module")
def texts(mini: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((mini / "decoder_mini_text.json").read_text("utf-8"))
    return content


@pytest.fixture(scope="module")
def arrays(mini: Path) -> dict[str, Any]:
    with np.load(mini / "decoder_mini.npz") as content:
        return dict(content)


def test_the_checkpoint_holds_the_published_words(
    mini: Path, part: PublishedDecoder, arrays: dict[str, Any]
) -> None:
    itos = json.loads((mini / "tokenizer.json").read_text("utf-8"))["itos"]
    assert part.vocabulary.words == tuple(itos[str(i)] for i in range(len(itos)))
    assert np.array_equal(part.vocabulary.repeatable_mask, ~arrays["forbid_rep_mask"])
    assert (part.beam.width, part.beam.min_tokens, part.beam.max_tokens) == (3, 3, 20)
    assert part.network.config.heads == 2


def test_captions_become_the_published_words_and_ids(
    vocabulary: Vocabulary, texts: dict[str, Any], arrays: dict[str, Any]
) -> None:
    assert [vocabulary.split(text) for text in texts["captions"]] == texts["norm"]
    for text, row in zip(texts["captions"], arrays["caps"], strict=True):
        assert (1, *vocabulary.encode(text), 2) == tuple(i for i in row.tolist() if i != 0)


@pytest.mark.parametrize(("name", "ids"), [("beam3", "beam3.preds"), ("greedy", "greedy")])
def test_ids_become_the_published_sentences(
    vocabulary: Vocabulary, texts: dict[str, Any], arrays: dict[str, Any], name: str, ids: str
) -> None:
    rows = [row.tolist() for row in arrays[ids]]
    rows = [row[: row.index(2)] if 2 in row else row for row in rows]
    assert [vocabulary.decode(row) for row in rows] == texts[name]


def test_safetensors_hold_the_same_encoder(mini: Path) -> None:
    [one] = read_published(mini / "convnext_mini_random.pth")
    [other] = read_published(mini / "convnext_mini_random.safetensors")
    theirs = other.network.state_dict()
    assert all(torch.equal(value, theirs[name]) for name, value in one.network.state_dict().items())
