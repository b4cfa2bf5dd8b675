"""The clips that a benchmark of a bundle is run on, as its options choose them.

With `--held-out` only what the bundle neither trained nor was tuned on.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from audiosearch.evaluation.dataset_files import read_dataset
from audiosearch.evaluation.datasets import Dataset
from audiosearch.evaluation.splits import only_held_out

Command = Callable[..., None]


def clip_options(command: Command) -> Command:
    """`MANIFEST --audio FOLDER --bundle FOLDER --held-out`, for `chosen_clips`."""
    path = click.Path(exists=True, path_type=Path)
    for option in (
        click.option(
            "--held-out", is_flag=True, help="Only clips whose groups the bundle does not list."
        ),
        click.option("--bundle", type=click.Path(path_type=Path), default=Path("models/starter")),
        click.option("--audio", type=path, help="The sounds' folder."),
        click.argument("manifest", type=click.Path(exists=True, dir_okay=False, path_type=Path)),
    ):
        command = option(command)
    return command


def chosen_clips(manifest: Path, *, audio: Path | None, bundle: Path, held_out: bool) -> Dataset:
    """The clips that `MANIFEST` lists, or those of them that the bundle held out.

    Raises:
        DatasetError: the list is unfit, or the bundle lists nothing that it held out.
    """
    dataset = read_dataset(manifest, audio=audio)
    return only_held_out(dataset, bundle=bundle) if held_out else dataset
