"""All the figures of docs/evaluation.md, by one command, as Markdown.

Runs the real `audiosearch evaluate` commands over a labelled folder that the model was not trained
on: tags, scenes with order and the two-step search, and on those scenes relations, scales,
candidates and captions. What they share (hearing, the table of losses) is computed once and kept,
so a run that was stopped goes on. About a quarter of an hour on two cores for 373 clips.

python -m benchmarks.evaluation_tables manifest.csv [--folds 4 | --held-out] [--bundle FOLDER]
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path

import click

from benchmarks.child import run

STEPS = ("tags", "scenes", "relations", "scale", "shortlist", "captions")
ON_SCENES = STEPS[2:]
HIDDEN = ("evaluation", "table")

Row = Mapping[str, object]


def arguments(step: str, *, manifest: Path, scenes: Path, chosen: Sequence[str]) -> list[str]:
    """The command of a step; `chosen` are the options that choose clips."""
    if step in ON_SCENES:
        return ["evaluate", step, str(scenes / "scenes.csv")]
    written = ["--write", str(scenes)] if step == "scenes" else []
    return ["evaluate", step, str(manifest), *chosen, *written]


def markdown(rows: Sequence[Row]) -> Iterator[str]:
    """The tables of one evaluation, each under its name."""
    for name, group in groupby(rows, key=lambda row: row["table"]):
        table = list(group)
        if name == "facts":
            yield from (f"- {key}: {value}" for key, value in table[0].items() if key not in HIDDEN)
            continue
        columns = [column for column in table[0] if column not in HIDDEN]
        yield f"\n### {name}\n"
        yield f"| {' | '.join(columns)} |"
        yield f"|{'---|' * len(columns)}"
        for row in table:
            yield f"| {' | '.join(cell(row[column]) for column in columns)} |"


def cell(value: object) -> str:
    """A value with three decimals, if it is a number with any."""
    if value is None:
        return "-"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


@contextmanager
def place(work: Path | None) -> Iterator[Path]:
    """The folder to work in: a given one, or one for the moment."""
    if work is not None:
        yield work
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@click.command()
@click.argument("manifest", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--bundle", help="Model, by name or folder (default: the bundled one).")
@click.option("--folds", help="Only clips of these folds.")
@click.option("--held-out", is_flag=True, help="Only clips whose groups the bundle does not list.")
@click.option("--only", type=click.Choice(STEPS), multiple=True, help="Only these evaluations.")
@click.option("--work", type=click.Path(path_type=Path), help="Keeps scenes and half-done work.")
def main(
    manifest: Path,
    bundle: str | None,
    folds: str | None,
    held_out: bool,
    only: tuple[str, ...],
    work: Path | None,
) -> None:
    """Print Markdown; progress goes to stderr."""
    chosen = [*(["--folds", folds] if folds else []), *(["--held-out"] if held_out else [])]
    model = ["--bundle", bundle] if bundle else []
    with place(work) as folder:
        for step in [each for each in STEPS if each in (only or STEPS)]:
            command = arguments(step, manifest=manifest, scenes=folder / "scenes", chosen=chosen)
            shown = " ".join(["audiosearch", *command, *model])
            click.echo(shown, err=True)
            done = run(*command, *model, "--json", data_dir=folder / "data")
            if done.status:
                raise click.ClickException(f"{shown}\n{done.err}")
            print(f"\n## {step}\n\n    {shown}\n\n{done.wall_s:.0f} s\n")
            for line in markdown([json.loads(each) for each in done.out.splitlines()]):
                print(line)


if __name__ == "__main__":
    main()
