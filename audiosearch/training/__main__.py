"""`python -m audiosearch.training STAGE --data MANIFEST --out DIR --seed N`: make the model again.

`all` runs every stage in turn. In: options. Out: files in DIR, progress on stderr, and on stdout
what each stage has written. Interrupted stages go on where they stopped.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import click
import torch
from rich.console import Console

from audiosearch._statuses import EXIT_ERROR, EXIT_INTERRUPTED
from audiosearch.errors import AudiosearchError
from audiosearch.training import stages, text_stages
from audiosearch.training.checkpoints import TrainingProgress
from audiosearch.training.recipes.captioners import CaptionerKind
from audiosearch.training.rescore import rescore
from audiosearch.training.run import Run
from audiosearch.training.trainer import TrainingStopped

STAGES = (
    "encoder",
    "decoder",
    "words",
    "joint",
    "bridges",
    "calibrate",
    "export",
    "figures",
)
RESCORE = "rescore"  # no part of a run: the score alone, of a bundle that was made before


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("stage", type=click.Choice([*STAGES, RESCORE, "all"]))
@click.option(
    "--data",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    multiple=True,
    help="manifest.csv: path, label, source, group, fold, licence, attribution; may be repeated.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Folder of checkpoints, caches, log and, unless --bundle says otherwise, the bundle.",
)
@click.option("--seed", type=int, default=1234, show_default=True, help="Of all randomness.")
@click.option(
    "--hold-out-fold",
    default="4",
    show_default=True,
    help="Fold that no stage trains on; `none`: train on all folds.",
)
@click.option(
    "--sound-font",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Render instruments from this General MIDI font (FluidR3_GM.sf2) into OUT; needs "
    "FluidSynth.  [default: no instruments]",
)
@click.option(
    "--dictionary",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Explain rare words to the text tower from this folder of WordNet (Debian's "
    "wordnet-base: /usr/share/wordnet).  [default: no explanations]",
)
@click.option(
    "--bundle",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where export writes the bundle.  [default: OUT/bundle]",
)
@click.option(
    "--captioner",
    type=click.Choice([str(kind) for kind in CaptionerKind]),
    default=str(CaptionerKind.CNEXT_TRANS),
    show_default=True,
    help="What the stage `decoder` trains: the transformer of Labbé et al. 2023, or the GRU of Sun "
    "et al. 2023.",
)
@click.option(
    "--start",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A bundle whose words and decoder are learned on from.  [default: from nothing]",
)
@click.option(
    "--pool",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Stretches that a teacher has named (`python -m audiosearch.training.distillation pool`), "
    "whose names the joint space learns.  [default: none]",
)
@click.option(
    "--bundle-version",
    default=Run.version,
    show_default=True,
    help="Of what export and rescore write.",
)
@click.option("--threads", type=int, default=0, help="Threads; 0 leaves it to torch.")
@click.option(
    "--resume/--restart",
    default=True,
    show_default=True,
    help="Go on from checkpoints in OUT, or do these stages anew.",
)
def main(
    stage: str,
    data: tuple[Path, ...],
    out: Path,
    seed: int,
    hold_out_fold: str,
    sound_font: Path | None,
    dictionary: Path | None,
    bundle: Path | None,
    captioner: str,
    start: Path | None,
    pool: Path | None,
    bundle_version: str,
    threads: int,
    resume: bool,
) -> None:
    """Train, calibrate, export or measure the bundled model."""
    if threads:
        torch.set_num_threads(threads)
    run = Run(
        manifests=data,
        folder=out,
        seed=seed,
        hold_out_fold=hold_out_fold,
        sound_font=sound_font,
        dictionary=dictionary,
        captioner=CaptionerKind(captioner),
        start=start,
        pool=pool,
        version=bundle_version,
    )
    chosen = STAGES if stage == "all" else (stage,)
    out.mkdir(parents=True, exist_ok=True)
    try:
        for name in chosen:
            if not resume:
                _forget(out, name)
            click.echo(f"{name}: {_stage(name, run, bundle or out / 'bundle')}")
    except TrainingStopped as stopped:
        click.echo(str(stopped), err=True)
        sys.exit(EXIT_INTERRUPTED)
    except AudiosearchError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(EXIT_ERROR)


def _stage(name: str, run: Run, bundle: Path) -> Path:
    console = Console(stderr=True)
    log = run.folder / "log.txt"

    def report(progress: TrainingProgress) -> None:
        line = f"{progress.stage} {progress.step}/{progress.total} {progress.text}"
        console.log(line, highlight=False)
        with log.open("a", encoding="utf-8") as lines:
            lines.write(line + "\n")

    calls: dict[str, Callable[[], Path]] = {
        "encoder": lambda: stages.train_encoder(run, report=report),
        "decoder": lambda: stages.train_decoder(run, report=report),
        "words": lambda: text_stages.learn_words(run, report=report),
        "bridges": lambda: text_stages.bridge_words(run, report=report),
        "joint": lambda: text_stages.train_joint(run, report=report),
        "calibrate": lambda: stages.calibrate_score(run, report=report),
        "export": lambda: stages.export(run, bundle=bundle, report=report),
        RESCORE: lambda: rescore(run, bundle=bundle, report=report),
        "figures": lambda: stages.evaluate(run, report=report),
    }
    return calls[name]()


def _forget(folder: Path, name: str) -> None:
    for file in (folder / f"{name}.pt", folder / f"{name}.partial.pt"):
        file.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
