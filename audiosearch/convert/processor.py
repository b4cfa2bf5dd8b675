"""`python -m audiosearch.convert.processor BUNDLE SOUNDS`: graphs in 8 bits for processors.

Needs torch. The bundle's other graphs stay as they are, for graphics cards and to compare with.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import click
import numpy as np
import onnx

from audiosearch._files import atomic_write
from audiosearch._typing import AnyArray, Floats
from audiosearch.convert.int8 import quantised
from audiosearch.convert.lean_encoder import lean_encoder
from audiosearch.convert.quantise import EXACT_CPU, calibration_sounds, sentences_for
from audiosearch.convert.ranges import Feed
from audiosearch.errors import BundleError
from audiosearch.model.bundle import (
    APART,
    MANIFEST,
    PROCESSOR_ENCODER,
    SCORING,
    WRITING_MEMORY,
    Bundle,
    load_bundle,
)
from audiosearch.model.encoder import Encoder
from audiosearch.model.runtime.session import onnx_runtime
from audiosearch.model.scoring import TokenIds
from audiosearch.training.export.bundle import file_entry
from audiosearch.training.export.onnx_files import save_graph
from audiosearch.training.export.restored import decoder_of_bundle
from audiosearch.training.export.scoring_graph import scoring_model
from audiosearch.training.export.writing_graph import writing_memory_model, writing_model
from audiosearch.training.networks.gru import GruCaptioner

_CLIPS = "clips.csv"  # of a bundle of our own training: what it was trained on
PROCESSOR_GRAPHS = (PROCESSOR_ENCODER, *APART)


def add_processor_graphs(
    path: Path, *, sounds: Sequence[Floats], wanted: Sequence[str] = PROCESSOR_GRAPHS
) -> None:
    """Give the bundle in folder `path` its graphs for processors, in place of any it has.

    They are the encoder, the captioner as it scores words (`scoring`) and as it writes them.

    Args:
        path: the folder.
        sounds: (n,) each, which the ranges of numbers are taken from.
        wanted: which of them; all others stay as they are.

    Raises:
        BundleError: it has no captioner, or one with a GRU.
        AudiosearchError: its captioner is of another form.
    """
    bundle = load_bundle(path)
    if bundle.parts or bundle.decoder is None:
        raise BundleError("has no captioner of its own to score words with", path=path)
    network = decoder_of_bundle(path)
    if isinstance(network, GruCaptioner):
        raise BundleError("has a captioner with a GRU, which has no scoring graph", path=path)
    least = bundle.min_samples
    padded = [np.pad(sound, (0, max(0, least - len(sound)))) for sound in sounds]
    heard = [each.frames for each in Encoder(bundle, options=EXACT_CPU).encode_many(padded)]
    pairs = _pairs(sentences_for(bundle, heard), heard)
    decoder = network.decoder

    def made(name: str) -> onnx.ModelProto:
        if name == PROCESSOR_ENCODER:
            encoder = lean_encoder(onnx.load_from_string(bundle.graphs["encoder"].read()))
            return quantised(encoder, [{"waveform": sound[None]} for sound in padded])
        if name == SCORING:
            return quantised(scoring_model(decoder), _scored(bundle, pairs))
        memory = writing_memory_model(decoder)
        if name == WRITING_MEMORY:
            return quantised(memory, [{"frames": each[None]} for each in heard])
        writing = writing_model(decoder)
        return quantised(writing, _written(writing, memory, bundle, pairs))

    models = {name: made(name) for name in wanted}
    manifest = json.loads((path / MANIFEST).read_text("utf-8"))
    for name, model in models.items():
        file = path / f"{name}.onnx"
        save_graph(model, path=file)
        if name in APART:
            manifest[name] = {"file": file.name, **file_entry(file)}
        else:
            manifest["graphs"][name] = file.name
            manifest["files"][file.name] = file_entry(file)
    manifest["files"] = dict(sorted(manifest["files"].items()))
    with atomic_write(path / MANIFEST) as out:
        out.write(f"{json.dumps(manifest, ensure_ascii=False, indent=1)}\n".encode())


def _pairs(sentences: Sequence[TokenIds], heard: Sequence[Floats]) -> list[tuple[TokenIds, Floats]]:
    """Sentences, each with its own sound and another."""
    return [
        (ids, heard[place % len(heard)]) for place, ids in enumerate([*sentences, *sentences[1:]])
    ]


def _scored(bundle: Bundle, pairs: Sequence[tuple[TokenIds, Floats]]) -> list[Feed]:
    """What the scoring graph is fed in use, silence too."""
    nothing = np.zeros((1, bundle.frame_dim), np.float32)
    silent = [(ids, nothing) for ids in dict.fromkeys(ids for ids, _ in pairs)]
    return [
        {
            "tokens": np.array([[bundle.start_token, *ids]], np.int64),
            "targets": np.array([[*ids, bundle.vocabulary.eos]], np.int64),
            "frames": frames[None].astype(np.float32),
            "frame_lengths": np.array([len(frames)], np.int64),
        }
        for ids, frames in (*pairs, *silent)
    ]


def _written(
    writing: onnx.ModelProto,
    memory: onnx.ModelProto,
    bundle: Bundle,
    pairs: Sequence[tuple[TokenIds, Floats]],
) -> Iterator[Feed]:
    """What the writing graph is fed, word by word, where a beam writes these sentences."""
    shape = bundle.decoder
    assert shape is not None
    listens, writes = (
        onnx_runtime().InferenceSession(
            model.SerializeToString(), providers=["CPUExecutionProvider"]
        )
        for model in (memory, writing)
    )
    grown = [output.name for output in writes.get_outputs()][1:]
    heads = np.arange(shape.heads)
    alone = {"parents": np.zeros(1, np.int64), "asking": heads[None, :, None], "asked": heads[None]}
    for ids, frames in pairs:
        given = listens.run(None, {"frames": frames[None].astype(np.float32)})
        heard = {
            output.name: each for output, each in zip(listens.get_outputs(), given, strict=True)
        }
        heard["memory_lengths"] = np.array([len(frames)], np.int64)
        nothing = np.zeros((1, shape.heads, 0, shape.head_dim), np.float32)
        caches: list[AnyArray] = [nothing] * len(grown)
        for token in (bundle.start_token, *ids):
            feed = {"tokens": np.array([token], np.int64), **alone, **heard}
            feed |= {
                name.replace("present", "past"): cache
                for name, cache in zip(grown, caches, strict=True)
            }
            yield feed
            caches = writes.run(grown, feed)


def trained_on(bundle: Path, folder: Path) -> Callable[[bytes], bool]:
    """Whether a file below `folder` was trained on, by the bundle's list; all, if it has none."""
    listed = bundle / _CLIPS
    if not listed.exists():
        return lambda _: True
    with listed.open(encoding="utf-8", newline="") as file:
        known = {
            os.fsencode(folder.absolute() / row["path"])
            for row in csv.DictReader(file)
            if row["split"] == "train"
        }
    return known.__contains__


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("bundle", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("sounds", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--only",
    "wanted",
    multiple=True,
    default=PROCESSOR_GRAPHS,
    type=click.Choice(PROCESSOR_GRAPHS),
    help="A graph to make, in place of all; may be given several times.",
)
def main(bundle: Path, sounds: Path, wanted: tuple[str, ...]) -> None:
    """Give BUNDLE graphs in 8 bits whose ranges fit the recordings below SOUNDS.

    Of a bundle that lists what it was trained on, no other recording is heard: those that were
    held out to measure it stay so.
    """
    heard = calibration_sounds(
        load_bundle(bundle), folder=sounds, wanted=trained_on(bundle, sounds)
    )
    add_processor_graphs(bundle, sounds=heard, wanted=wanted)
    click.echo(f"wrote {', '.join(f'{name}.onnx' for name in wanted)} in {bundle}")


if __name__ == "__main__":
    main()
