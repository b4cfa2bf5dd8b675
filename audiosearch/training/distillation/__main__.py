"""`python -m audiosearch.training.distillation STAGE`: teach the encoder by a published tagger.

Stages that were stopped go on where they were.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click
import torch

from audiosearch._statuses import EXIT_ERROR, EXIT_INTERRUPTED
from audiosearch.errors import AudiosearchError
from audiosearch.training.checkpoints import Report, TrainingProgress
from audiosearch.training.distillation.heads import HeadRecipe
from audiosearch.training.distillation.listening import probe_lines
from audiosearch.training.distillation.pool import render_pool
from audiosearch.training.distillation.recipe import DistillationRecipe
from audiosearch.training.distillation.run import (
    DistillationRun,
    load_encoder,
    open_corpus,
    refit,
    teach,
)
from audiosearch.training.distillation.stretches import StretchRecipe
from audiosearch.training.distillation.yamnet import Yamnet

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_FOLDER = click.Path(file_okay=False, path_type=Path)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--data", type=_FILE, multiple=True, required=True, help="manifest.csv, or several.")
@click.option("--out", type=_FOLDER, required=True, help="Folder of sounds, pool and checkpoints.")
@click.option("--sound-font", type=_FILE, help="Render instruments from it; needs FluidSynth.")
@click.option("--seed", type=int, default=1234, show_default=True, help="Of all randomness.")
@click.option("--threads", type=int, default=1, show_default=True, help="Threads of torch.")
@click.pass_context
def main(
    context: click.Context,
    data: tuple[Path, ...],
    out: Path,
    sound_font: Path | None,
    seed: int,
    threads: int,
) -> None:
    """Teach the encoder by a published tagger."""
    torch.set_num_threads(threads)
    context.obj = DistillationRun(manifests=data, folder=out, sound_font=sound_font, seed=seed)


@main.command()
@click.option("--teacher", type=_FILE, required=True, help="yamnet.tflite, its classes beside it.")
@click.option("--shards", default=80, show_default=True, help="Of 500 stretches each.")
@click.pass_obj
def pool(run: DistillationRun, teacher: Path, shards: int) -> None:
    """Render stretches of sound, with what the teacher makes of them."""
    corpus = open_corpus(run, hold_out_fold="none")
    rendered = render_pool(
        corpus.sounds,
        corpus.listing.training(),
        Yamnet(teacher),
        folder=run.folder / "pool",
        shards=shards,
        seed=run.seed,
        recipe=StretchRecipe(),
        report=reporter(run.folder / "pool.log"),
    )
    click.echo(f"{len(rendered)} stretches in {run.folder / 'pool'}")


@main.command()
@click.option("--name", default="encoder", show_default=True, help="Folder of this training.")
@click.option("--hold-out-fold", default="4", show_default=True, help="`none`: train on all folds.")
@click.option(
    "--start", type=click.Path(exists=True, path_type=Path), help="Bundle or encoder to go on from."
)
@click.option("--steps", default=2500, show_default=True, help="Of 64 stretches each.")
@click.option("--shards", default=80, show_default=True, help="The first of the pool to use.")
@click.option("--restarts", default="", help="Steps at which the learning rate starts anew.")
@click.option("--learning-rate", default=2e-3, show_default=True, help="The highest.")
@click.option("--teacher-first", default=0.4, show_default=True, help="Share of steps it leads.")
@click.option("--early-labels", default=0.2, show_default=True, help="Say of labels meanwhile.")
@click.option("--late-teacher", default=0.3, show_default=True, help="Say of the teacher later.")
@click.pass_obj
def train(
    run: DistillationRun,
    name: str,
    hold_out_fold: str,
    start: Path | None,
    steps: int,
    shards: int,
    restarts: str,
    learning_rate: float,
    teacher_first: float,
    early_labels: float,
    late_teacher: float,
) -> None:
    """Teach an encoder from the rendered pool.

    Labels alone: --teacher-first 0 --late-teacher 0.
    """
    recipe = DistillationRecipe(
        steps=steps,
        shards=shards,
        restarts=tuple(int(step) for step in restarts.split(",") if step),
        learning_rate=learning_rate,
        teacher_first=teacher_first,
        early_labels=early_labels,
        late_teacher=late_teacher,
    )
    folder = run.folder / name
    folder.mkdir(parents=True, exist_ok=True)
    path = teach(
        run,
        recipe,
        name=name,
        hold_out_fold=hold_out_fold,
        start=start,
        report=reporter(folder / "log.txt"),
    )
    click.echo(path)


@main.command()
@click.option("--name", default="head", show_default=True, help="Folder of this head.")
@click.option("--hold-out-fold", default="4", show_default=True, help="`none`: train on all folds.")
@click.option(
    "--start",
    type=click.Path(exists=True, path_type=Path),
    required=True,
    help="Bundle or encoder that stays as it is.",
)
@click.option("--shards", default=80, show_default=True, help="The first of the pool to use.")
@click.option("--steps", default=6000, show_default=True, help="Of 128 stretches each.")
@click.pass_obj
def head(
    run: DistillationRun, name: str, hold_out_fold: str, start: Path, shards: int, steps: int
) -> None:
    """Fit a head of tags and the teacher's classes to an encoder that stays as it is."""
    folder = run.folder / name
    folder.mkdir(parents=True, exist_ok=True)
    path = refit(
        run,
        HeadRecipe(steps=steps),
        name=name,
        hold_out_fold=hold_out_fold,
        start=start,
        shards=shards,
        report=reporter(folder / "log.txt"),
    )
    click.echo(path)


@main.command()
@click.argument("encoders", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option("--hold-out-fold", default="4", show_default=True, help="Fold that is named.")
@click.pass_obj
def probe(run: DistillationRun, encoders: tuple[Path, ...], hold_out_fold: str) -> None:
    """What linear probes on the embeddings of bundles or checkpoints can name."""
    corpus = open_corpus(run, hold_out_fold=hold_out_fold)
    for path in encoders:
        encoder, _ = load_encoder(path)
        for line in probe_lines(encoder, corpus.sounds, corpus.listing):
            click.echo(f"{path}: {line}")


def reporter(log: Path) -> Report:
    """Says progress on stderr, and writes it down."""

    def report(progress: TrainingProgress) -> None:
        line = f"{progress.stage} {progress.step}/{progress.total} {progress.text}"
        click.echo(line, err=True)
        with log.open("a", encoding="utf-8") as lines:
            lines.write(line + "\n")

    return report


def run_main() -> None:
    """The command, with expected errors as one line."""
    try:
        main(standalone_mode=False)
    except AudiosearchError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(EXIT_ERROR)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        sys.exit(EXIT_INTERRUPTED)


if __name__ == "__main__":
    run_main()
