"""A bundle in 8 or 16 bits beside the one it is made from: `audiosearch models quantise`.

Half of the sounds give the ranges of numbers (16 bits need none), the other half the loss.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import onnx

from audiosearch._typing import Floats
from audiosearch._wording import counted
from audiosearch.audio.sandbox.client import Worker
from audiosearch.audio.windows import windows
from audiosearch.convert.half import half_precision
from audiosearch.convert.int8 import quantised, with_biases
from audiosearch.convert.ranges import Feed
from audiosearch.errors import AudiosearchError, BundleError, DecodeError
from audiosearch.indexing.walk import Problem, walk
from audiosearch.model.bundle import (
    APART,
    MANIFEST,
    PROCESSOR_ENCODER,
    Bundle,
    load_bundle,
)
from audiosearch.model.captioner import Captioner
from audiosearch.model.decoder import Decoder
from audiosearch.model.encoder import Encoder
from audiosearch.model.registry import target_folder
from audiosearch.model.runtime.session import RuntimeOptions
from audiosearch.model.scoring import CaptionScorer, TokenIds
from audiosearch.store.queries.places import join
from audiosearch.training.synth.examples import write_examples

LEAST_SOUNDS = 4
MOST = 64  # windows: more move the ranges of no layer by much
SEEDS = 3  # of the generated examples: of one alone, ranges fit its own sounds too closely
A_FILE = 4  # windows, so that one long file does not stand for all
RANDOM_WORDS = 24  # of each sentence that is made up, so that rare words lie within the ranges
EXACT_CPU = RuntimeOptions(device="cpu", exact=True)
INT8, FP16 = "int8", "fp16"
_SAID = {INT8: "In 8 bits.", FP16: "In half precision."}
Graphs = dict[str, bytes]  # by the name of their file


@dataclass(frozen=True)
class QuantisationLoss:
    """What fewer bits change, over sounds that the ranges were not taken from.

    Attributes:
        n_sounds: how many.
        least_cosine: of a frame with the same frame in float32, the worst of all.
        mean_cosine: the mean over all frames.
        embedding_cosine: the worst of the sounds' embeddings.
        cross_entropy: mean absolute change, in nats a word, for the sentence written in float32.
    """

    n_sounds: int
    least_cosine: float
    mean_cosine: float
    embedding_cosine: float
    cross_entropy: float


def quantise_bundle(
    source: Bundle,
    *,
    name: str,
    folder: Path,
    sounds: Sequence[Floats],
    form: str = INT8,
    replace: bool = False,
) -> tuple[Path, QuantisationLoss]:
    """Write the bundle `name` into `folder`; its path, and what was lost.

    Args:
        source: the bundle to make it from.
        name: what the new one will be called.
        folder: where the user's bundles stand.
        sounds: (n,) each, at the bundle's rate, not longer than its window.
        form: int8 for processors, or fp16 for graphics cards.
        replace: write over a bundle of that name.

    Raises:
        BundleError: the name is taken or unfit, or the folder cannot be written to.
        AudiosearchError: there are too few sounds, or nothing in a graph to quantise.
    """
    target = target_folder(name, folder=folder, replace=replace)
    if source.parts or source.decoder is None:
        why = "is combined: quantise its parts" if source.parts else "has no captioner"
        raise BundleError(f"cannot be quantised: it {why}", path=source.path)
    if len(sounds) < LEAST_SOUNDS:
        raise AudiosearchError(
            f"{counted(len(sounds), 'sound')}: too few to quantise with",
            remedy=f"give a folder with at least {LEAST_SOUNDS}",
        )
    least = source.min_samples
    padded = [np.pad(sound, (0, max(0, least - len(sound)))) for sound in sounds]
    written, measured = _in_16_bits(source) if form == FP16 else _in_8_bits(source, padded[::2])
    partial = target.with_name(target.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        shutil.copytree(source.path, partial)
        _put_graphs(partial, measured, name=name, said=_SAID[form])
        loss = measure_loss(source, load_bundle(partial), padded[1::2])
        _put_graphs(partial, written, name=name, said="")
        shutil.rmtree(target, ignore_errors=True)
        partial.replace(target)
    except OSError as error:
        raise BundleError(f"cannot be written: {error.strerror}", path=target) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return target, loss


def _in_8_bits(source: Bundle, sounds: Sequence[Floats]) -> tuple[Graphs, Graphs]:
    """The graphs to write and those to measure, which are the same."""
    graphs = {
        source.graphs[graph].path.name: quantised(
            onnx.load_from_string(source.graphs[graph].read()), examples
        ).SerializeToString()
        for graph, examples in _examples(source, sounds)
    }
    return graphs, graphs


def _in_16_bits(source: Bundle) -> tuple[Graphs, Graphs]:
    """The graphs to write and those to measure: a CPU would not round between operators."""
    models = {
        source.graphs[graph].path.name: with_biases(
            onnx.load_from_string(source.graphs[graph].read())
        )
        for graph in ("encoder", "memory", "decoder")
    }
    written, measured = (
        {
            file: half_precision(model, rounded=rounded).SerializeToString()
            for file, model in models.items()
        }
        for rounded in (False, True)
    )
    return written, measured


def _examples(source: Bundle, sounds: Sequence[Floats]) -> Iterator[tuple[str, list[Feed]]]:
    """What the encoder and the decoder are fed in use, for the ranges of each.

    The memory stays in float32: it takes little of the time, and frames have channels so unlike
    that in common steps they would lose more than all layers of the decoder together.
    """
    assert source.decoder is not None
    yield "encoder", [{"waveform": sound[None]} for sound in sounds]
    heard = [each.frames for each in Encoder(source, options=EXACT_CPU).encode_many(sounds)]
    decoder = Decoder(source, options=EXACT_CPU)
    sentences = sentences_for(source, heard)
    yield (
        "decoder",
        [
            _forced(decoder, ids, heard[place % len(heard)])
            for place, ids in enumerate(
                [*sentences, *sentences[1:]]
            )  # with its own sound and another
        ],
    )


def sentences_for(source: Bundle, heard: Sequence[Floats]) -> list[TokenIds]:
    """Sentences to take ranges from: the model's own for frames (T_i, D), and made-up ones."""
    written = [
        caption.ids for caption in Captioner(Decoder(source, options=EXACT_CPU)).captions(heard)
    ]
    words = np.random.default_rng(0).integers(
        4, len(source.vocabulary), (len(heard), min(RANDOM_WORDS, source.max_words))
    )
    return [*written, *map(tuple, words.tolist())]


def _forced(decoder: Decoder, ids: Sequence[int], frames: Floats) -> Feed:
    """What the decoder is fed to score one sentence for one sound."""
    memory, shape = decoder.memory([frames]), decoder.bundle.decoder
    assert shape is not None
    past = np.zeros((1, shape.layers, shape.heads, 0, shape.head_dim), np.float32)
    return {
        "tokens": np.array([[decoder.bundle.start_token, *ids]], np.int64),
        "past_keys": past,
        "past_values": past,
        "memory_keys": np.asarray(memory.keys),
        "memory_values": np.asarray(memory.values),
        "memory_lengths": memory.lengths,
    }


def _put_graphs(folder: Path, contents: Graphs, *, name: str, said: str) -> None:
    """Replace graphs of the bundle in `folder`, and list them so."""
    manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
    manifest["name"] = name
    dropped = [manifest.pop(name, {}).get("file") for name in APART]
    dropped.append(manifest["graphs"].pop(PROCESSOR_ENCODER, None))
    for file in filter(None, dropped):  # they were made of what is replaced
        manifest["files"].pop(file, None)
        (folder / file).unlink(missing_ok=True)
    manifest["description"] = f"{manifest.get('description') or ''} {said}".strip()
    for file, content in contents.items():
        (folder / file).write_bytes(content)
        manifest["files"][file] = {
            "sha256": hashlib.sha256(content).hexdigest(),
            "bytes": len(content),
        }
    text = json.dumps(manifest, ensure_ascii=False, indent=1)
    (folder / MANIFEST).write_text(f"{text}\n", encoding="utf-8")


def measure_loss(exact: Bundle, coarse: Bundle, sounds: Sequence[Floats]) -> QuantisationLoss:
    """How far `coarse` is from `exact` on `sounds` (n,)."""
    heard = Encoder(exact, options=EXACT_CPU).encode_many(sounds)
    other = Encoder(coarse, options=EXACT_CPU).encode_many(sounds)
    cosines = np.concatenate(
        [_cosines(one.frames, two.frames) for one, two in zip(heard, other, strict=True)]
    )
    embeddings = [
        float(one.embedding @ two.embedding) for one, two in zip(heard, other, strict=True)
    ]
    written = Captioner(Decoder(exact, options=EXACT_CPU)).captions([each.frames for each in heard])
    decoder = Decoder(coarse, options=EXACT_CPU)
    again = CaptionScorer(decoder).cross_entropy(
        [caption.ids for caption in written], decoder.memory([each.frames for each in other])
    )
    changes = [
        abs(caption.cross_entropy - float(value))
        for caption, value in zip(written, again, strict=True)
    ]
    return QuantisationLoss(
        n_sounds=len(sounds),
        least_cosine=float(cosines.min()),
        mean_cosine=float(cosines.mean()),
        embedding_cosine=min(embeddings),
        cross_entropy=float(np.mean(changes)),
    )


def _cosines(one: Floats, other: Floats) -> Floats:
    """Of each frame (T, D) with the same frame; two frames of zeros are alike."""
    product = (one * other).sum(axis=1)
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return np.where(lengths > 0, product / np.maximum(lengths, 1e-12), 1.0).astype(np.float32)


def calibration_sounds(
    bundle: Bundle, *, folder: Path | None, wanted: Callable[[bytes], bool] = lambda _: True
) -> list[Floats]:
    """Windows (n,) that are not silent, of files below `folder`, or of generated sounds."""
    if folder is not None:
        return _windows(_files(folder, wanted), bundle)
    with tempfile.TemporaryDirectory() as place:
        made = [
            os.fsencode(path)
            for seed in range(SEEDS)
            for path in write_examples(Path(place, str(seed)), seed=seed)
        ]
        return _windows(made, bundle)


def _files(folder: Path, wanted: Callable[[bytes], bool]) -> list[bytes]:
    root = os.fsencode(folder.absolute())
    found = walk(root, on_problem=_left_out)
    paths = sorted(filter(wanted, (join(root, each.path) for each in found)))
    return paths[:: max(1, len(paths) // MOST)]


def _left_out(problem: Problem) -> None:
    """A folder that cannot be read gives no sounds, which is no reason to stop."""


def _windows(paths: list[bytes], bundle: Bundle) -> list[Floats]:
    heard: list[Floats] = []
    with Worker() as worker:  # the files may be anything
        for path in paths:
            with contextlib.suppress(DecodeError):
                worker.open(path, sample_rate=bundle.sample_rate)
                cut = windows(
                    worker.blocks(),
                    sample_rate=bundle.sample_rate,
                    window_s=bundle.window_s,
                    hop_s=bundle.window_s,
                )
                heard += islice((each.samples for each in cut if not each.silent), A_FILE)
            if len(heard) >= MOST:
                break
    return heard[:MOST]
