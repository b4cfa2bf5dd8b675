"""The full-size captioner with tasks against numbers of the authors' own code.

Runs where AUDIOSEARCH_PARITY names a folder with `conette_hf/`: the published layout with random
weights (`pytorch_model.bin`, or that as `.xz`), `config.json`, and what the published code gives.
It takes a minute or two.
"""

from __future__ import annotations

import lzma
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audiosearch.model.beam import Hypothesis, beam_search
from audiosearch.model.bundle import load_bundle
from audiosearch.model.captioner import Captioner
from audiosearch.model.decoder import Decoder
from audiosearch.model.encoder import Encoded, Encoder
from audiosearch.model.scoring import CaptionScorer

PARITY = os.environ.get("AUDIOSEARCH_PARITY")
pytestmark = [
    pytest.mark.skipif(
        PARITY is None or not (Path(PARITY) / "conette_hf").is_dir(),
        reason="AUDIOSEARCH_PARITY names no folder with conette_hf/",
    ),
    pytest.mark.timeout(1200),
]

CLIPS = ("audio_10s", "audio_3_7s", "audio_12_34s")
TASKS = ("clotho", "audiocaps", "wavcaps_bbc_sound_effects")


@pytest.fixture(scope="module")
def expected() -> dict[str, Any]:
    with np.load(Path(PARITY or "") / "conette_hf" / "expected.npz") as arrays:
        return dict(arrays)


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    given = Path(PARITY or "") / "conette_hf"
    folder = tmp_path_factory.mktemp("hub")
    shutil.copyfile(given / "config.json", folder / "config.json")
    if (given / "pytorch_model.bin").is_file():
        (folder / "pytorch_model.bin").symlink_to((given / "pytorch_model.bin").resolve())
    else:
        packed, target = given / "pytorch_model.bin.xz", folder / "pytorch_model.bin"
        with lzma.open(packed) as content, target.open("wb") as file:
            shutil.copyfileobj(content, file)
    return folder


@pytest.fixture(scope="module")
def decoder(hub: Path, tmp_path_factory: pytest.TempPathFactory) -> Decoder:
    from audiosearch.convert.importer import (  # noqa: PLC0415 - imports torch
        import_published,
    )

    folder = tmp_path_factory.mktemp("models")
    return Decoder(load_bundle(import_published([hub], name="conette", folder=folder)))


@pytest.fixture(scope="module")
def alone(decoder: Decoder, expected: dict[str, Any]) -> list[Encoded]:
    """Each clip encoded by itself, as this program always does it."""
    return Encoder(decoder.bundle).encode_many([expected[clip] for clip in CLIPS])


@pytest.fixture(scope="module")
def padded(decoder: Decoder, expected: dict[str, Any]) -> list[Encoded]:
    """The clips as the authors' code hears them in a batch: zero-padded to the longest."""
    sounds = [expected[clip] for clip in CLIPS]
    longest = max(len(sound) for sound in sounds)
    return Encoder(decoder.bundle).encode(
        np.stack([np.pad(sound, (0, longest - len(sound))) for sound in sounds])
    )


def search(decoder: Decoder, frames: list[np.ndarray], *, task: str) -> list[list[Hypothesis]]:
    bundle = decoder.bundle.for_task(task)
    return beam_search(
        decoder.steps(decoder.memory(frames)),
        starts=[bundle.start_token] * len(frames),
        eos=bundle.vocabulary.eos,
        vocabulary_size=len(bundle.vocabulary),
        options=bundle.beam,
        repeatable=bundle.vocabulary.repeatable_mask,
    )


def sentence(row: np.ndarray, *, start: int) -> tuple[int, ...]:
    """The ids of a stored row, without its start token and padding."""
    ids = row.tolist()
    ids = ids[: ids.index(2) + 1] if 2 in ids else ids
    while ids and ids[-1] == 0:
        ids.pop()
    return tuple(ids[1:] if ids[:1] == [start] else ids)


def same(
    decoder: Decoder, found: list[list[Hypothesis]], expected: dict[str, Any], name: str, task: str
) -> None:
    start = decoder.bundle.vocabulary.tasks[task]
    best = [slots[0] for slots in found]
    wanted = [sentence(row, start=start) for row in expected[f"{name}.preds"]]
    assert [each.ids for each in best] == wanted
    np.testing.assert_allclose(
        [each.mean_log_prob for each in best], expected[f"{name}.lprobs"], atol=1e-4
    )
    if f"{name}.mult_preds" in expected:
        for slots, rows in zip(found, expected[f"{name}.mult_preds"], strict=True):
            ids = {sentence(row, start=start) for row in rows}
            assert {slot.ids for slot in slots} == ids


def test_what_the_folder_says_is_carried_over(decoder: Decoder, expected: dict[str, Any]) -> None:
    bundle = decoder.bundle
    assert (bundle.decoder.heads, bundle.decoder.layers, bundle.joint_dim) == (8, 6, 0)
    assert (bundle.beam.width, bundle.beam.min_tokens, bundle.beam.max_tokens) == (3, 3, 20)
    assert list(bundle.vocabulary.tasks.values()) == expected["task_id_to_token_id"].tolist()
    assert bundle.start_token == bundle.vocabulary.tasks["clotho"]
    assert (len(bundle.tags), bundle.tags[0], bundle.tags[-1]) == (527, "Speech", "Field recording")


def test_each_clip_alone(decoder: Decoder, alone: list[Encoded], expected: dict[str, Any]) -> None:
    for place, encoded in enumerate(alone):
        name = f"single{place}.clotho"
        assert encoded.tags is not None
        np.testing.assert_allclose(encoded.tags, expected[f"{name}.tags_probs"][0], atol=1e-5)
        same(decoder, search(decoder, [encoded.frames], task="clotho"), expected, name, "clotho")


@pytest.mark.parametrize("task", TASKS)
def test_clips_padded_to_one_length(
    decoder: Decoder, padded: list[Encoded], expected: dict[str, Any], task: str
) -> None:
    longest = max(len(expected[clip]) for clip in CLIPS)
    ratio = longest // len(padded[0].frames)
    lengths = [round(len(expected[clip]) / ratio) for clip in CLIPS]
    frames = [encoded.frames[:n] for encoded, n in zip(padded, lengths, strict=True)]
    tags = np.stack([encoded.tags for encoded in padded if encoded.tags is not None])
    np.testing.assert_allclose(tags, expected[f"{task}.tags_probs"], atol=1e-5)
    same(decoder, search(decoder, frames, task=task), expected, task, task)


@pytest.mark.parametrize("task", ["clotho", "macs"])
def test_captions_of_given_features(
    hub: Path, decoder: Decoder, expected: dict[str, Any], task: str
) -> None:
    import torch  # noqa: PLC0415 - only where this test runs

    from audiosearch.convert.checkpoints import PublishedDecoder, read_published  # noqa: PLC0415

    [network] = [part.network for part in read_published(hub) if isinstance(part, PublishedDecoder)]
    with torch.no_grad():
        memory = network.project(torch.from_numpy(expected["feat.frame_embs"])).numpy()
    frames = [rows[:n] for rows, n in zip(memory, expected["feat.lens"], strict=True)]
    same(decoder, search(decoder, frames, task=task), expected, f"feat.{task}", task)


def test_onnx_gives_torchs_cross_entropies(
    hub: Path, decoder: Decoder, alone: list[Encoded], expected: dict[str, Any]
) -> None:
    """No published numbers exist for these; torch, whose numbers are the published ones, does."""
    import torch  # noqa: PLC0415

    from audiosearch.convert.checkpoints import read_published  # noqa: PLC0415
    from audiosearch.training.networks.convnext import ConvNext  # noqa: PLC0415
    from audiosearch.training.networks.decoder import caption_cross_entropy  # noqa: PLC0415
    from audiosearch.training.networks.frontend import PAPER_FRONTEND, LogMel  # noqa: PLC0415

    encoder, captioner = (part.network for part in read_published(hub))
    assert isinstance(encoder, ConvNext)
    captions = ["a man speaks and then a dog barks", "rain falls on a tin roof"]
    ids = [decoder.bundle.vocabulary.encode(text) for text in captions]
    found = CaptionScorer(decoder).cross_entropies(
        ids, decoder.memory([encoded.frames for encoded in alone])
    )
    for column, clip in enumerate(CLIPS):
        with torch.no_grad():
            decibels = LogMel(PAPER_FRONTEND)(torch.from_numpy(expected[clip])[None])
            frames = captioner.project(encoder(decibels).frames)
            np.testing.assert_allclose(alone[column].frames, frames[0], atol=1e-4)
            for row, caption in enumerate(ids):
                words = torch.tensor([[decoder.bundle.start_token, *caption, 2]])
                length = torch.tensor([frames.shape[1]])
                logits = captioner(frames, length, words[:, :-1])
                loss = caption_cross_entropy(logits, words[:, 1:])
                np.testing.assert_allclose(found[row, column], loss[0], atol=1e-4)


def test_the_captioner_writes_the_published_sentences(
    decoder: Decoder, alone: list[Encoded], expected: dict[str, Any]
) -> None:
    vocabulary = decoder.bundle.vocabulary
    written = Captioner(decoder).captions([encoded.frames for encoded in alone])
    wanted = [expected[f"single{place}.clotho.preds"][0].tolist() for place in range(len(CLIPS))]
    assert [caption.text for caption in written] == [vocabulary.decode(ids) for ids in wanted]
