"""`python -m audiosearch.training.pairs TABLE.csv --out FOLDER`: a joint space of one's own.

A run that was stopped goes on where it was. What it has trained becomes a bundle without a
captioner, which `audiosearch models combine` joins with one.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import click
import torch

from audiosearch.errors import AudiosearchError
from audiosearch.training.checkpoints import TrainingProgress, load_state
from audiosearch.training.networks.cnn14 import CNN14_FRONTEND
from audiosearch.training.pairs.data import PairData, read_images, read_table
from audiosearch.training.pairs.losses import TagDistance
from audiosearch.training.pairs.recipe import RECIPES, read_recipe, write_recipe
from audiosearch.training.pairs.run import TrainingStart, export_run, first_network
from audiosearch.training.pairs.trainer import PairTrainer

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_FOLDER = click.Path(file_okay=False, path_type=Path)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("table", type=_FILE)
@click.option(
    "--audio", type=_FOLDER, help="Folder of the sounds (default: where TABLE is, or has them)."
)
@click.option("--out", type=_FOLDER, required=True, help="Folder of the run.")
@click.option("--encoder", type=_FILE, help="A file of CNN14 to begin with (default: none).")
@click.option("--text", type=_FOLDER, help="A folder of BERT to begin with (default: a small one).")
@click.option("--start", type=_FOLDER, help="Folder of an earlier run to go on from.")
@click.option("--recipe", type=click.Choice(list(RECIPES)), default="pretrain", show_default=True)
@click.option("--settings", type=_FILE, help="A JSON file with other settings of the recipe.")
@click.option("--tags", type=click.Choice([str(kind) for kind in TagDistance]), help="CLAP-TAG.")
@click.option("--images", type=_FILE, help="CLAIP: a .npz with ids and vectors of pictures.")
@click.option("--seed", type=int, default=1234, show_default=True, help="Of all randomness.")
@click.option("--device", help="Where torch computes (default: a graphics card, if there is one).")
@click.option("--name", help="What the bundle is called (default: that of the folder).")
def main(
    table: Path,
    audio: Path | None,
    out: Path,
    encoder: Path | None,
    text: Path | None,
    start: Path | None,
    recipe: str,
    settings: Path | None,
    tags: str | None,
    images: Path | None,
    seed: int,
    device: str | None,
    name: str | None,
) -> None:
    """Train a joint space of sound and text on the captioned sounds of TABLE, and export it."""
    chosen = RECIPES[recipe]
    if settings is not None:
        chosen = read_recipe(settings, start=chosen)
    if tags is not None:
        chosen = replace(chosen, tag_distance=TagDistance(tags))
    sounds = read_table(table, audio=audio)
    pictures = None if images is None else read_images(images)
    captions = [caption for sound in sounds for caption in sound.captions]
    network, pieces = first_network(
        TrainingStart(encoder=encoder, text=text, run=start),
        captions,
        joint_dim=chosen.joint_dim,
        image_dim=len(next(iter(pictures.values()), ())) if pictures else 0,
        seed=seed,
    )
    data = PairData(
        sounds,
        pieces,
        folder=out / "sounds",
        sample_rate=CNN14_FRONTEND.sample_rate,
        seconds=chosen.seconds,
        most_pieces=network.text.config.longest,
        images=pictures,
    )
    write_recipe(chosen, out / "recipe.json")
    where = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    trainer = PairTrainer(
        network, data, recipe=chosen, seed=seed, folder=out, device=where, pieces=pieces
    )
    trained = trainer.run(report=_tell)
    network.cpu().load_state_dict(load_state(trained)["network"])
    path = export_run(network, pieces, name=name or out.name, path=out / "bundle")
    click.echo(f"{path}: audiosearch models use {path}")


def _tell(progress: TrainingProgress) -> None:
    click.echo(f"{progress.stage} {progress.step}/{progress.total} {progress.text}", err=True)


if __name__ == "__main__":
    try:
        main()
    except AudiosearchError as error:
        sys.exit(f"{error}")
