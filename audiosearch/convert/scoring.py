"""`python -m audiosearch.convert.scoring BUNDLE SOUNDS`: a scoring graph for a bundle, in 8 bits.

Needs torch. The bundle's other files stay as they are, and so does its fingerprint.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np

from audiosearch._files import atomic_write
from audiosearch._typing import Floats
from audiosearch.convert.int8 import quantised
from audiosearch.convert.quantise import CPU, calibration_sounds, sentences_for
from audiosearch.convert.ranges import Feed
from audiosearch.errors import BundleError
from audiosearch.model.bundle import MANIFEST, SCORING, Bundle, load_bundle
from audiosearch.model.encoder import Encoder
from audiosearch.training.export.bundle import file_entry
from audiosearch.training.export.onnx_files import save_graph
from audiosearch.training.export.restored import decoder_of_bundle
from audiosearch.training.export.scoring_graph import scoring_model
from audiosearch.training.networks.gru import GruCaptioner


def add_scoring(path: Path, *, sounds: Sequence[Floats]) -> None:
    """Give the bundle in folder `path` a scoring graph, in place of one that it may have.

    Args:
        path: the folder.
        sounds: (n,) each, which the ranges of numbers are taken from.

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
    model = scoring_model(network.decoder)
    file = path / f"{SCORING}.onnx"
    save_graph(quantised(model, _examples(bundle, sounds)), path=file)
    manifest = json.loads((path / MANIFEST).read_text("utf-8"))
    manifest[SCORING] = {"file": file.name, **file_entry(file)}
    with atomic_write(path / MANIFEST) as out:
        out.write(f"{json.dumps(manifest, ensure_ascii=False, indent=1)}\n".encode())


def _examples(bundle: Bundle, sounds: Sequence[Floats]) -> list[Feed]:
    """What the graph is fed in use: sentences, each with its own sound and another, and silence."""
    least = bundle.min_samples
    padded = [np.pad(sound, (0, max(0, least - len(sound)))) for sound in sounds]
    heard = [each.frames for each in Encoder(bundle, options=CPU).encode_many(padded)]
    sentences = sentences_for(bundle, heard)
    nothing = np.zeros((1, bundle.frame_dim), np.float32)
    pairs = [
        (ids, heard[place % len(heard)]) for place, ids in enumerate([*sentences, *sentences[1:]])
    ]
    pairs += [(ids, nothing) for ids in sentences]
    return [
        {
            "tokens": np.array([[bundle.start_token, *ids]], np.int64),
            "targets": np.array([[*ids, bundle.vocabulary.eos]], np.int64),
            "frames": frames[None].astype(np.float32),
            "frame_lengths": np.array([len(frames)], np.int64),
        }
        for ids, frames in pairs
    ]


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("bundle", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("sounds", type=click.Path(exists=True, file_okay=False, path_type=Path))
def main(bundle: Path, sounds: Path) -> None:
    """Give BUNDLE a scoring graph whose ranges fit the recordings below SOUNDS."""
    add_scoring(bundle, sounds=calibration_sounds(load_bundle(bundle), folder=sounds))
    click.echo(f"wrote {bundle / f'{SCORING}.onnx'}")


if __name__ == "__main__":
    main()
