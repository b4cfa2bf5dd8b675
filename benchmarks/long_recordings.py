"""Whether `find` shows the moment of an event in recordings of ten minutes.

Composes recordings out of clips that the model was never trained nor tuned on: events of different
sounds at known times, minutes of quiet noise between them. The real `index` takes them in; then
each event is asked for as a person would type it ("a dog barks"), once in its own recording and
once in the whole library. What counts is the first hit:

- `moment`: its middle is within five seconds of the event;
- `start`: it begins within five seconds of where the event begins, which is harder, since a window
  of ten seconds may begin long before a short event.

A miss tells what stands where the first hit is. In the whole library any recording that holds the
same sound is right, at the time where it holds it.

python -m benchmarks.long_recordings MANIFEST.csv [--bundle models/starter] [--keep FOLDER]
"""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import click

from audiosearch.config import load_config
from audiosearch.evaluation.dataset_files import read_dataset
from audiosearch.evaluation.scenes.grammar import WORDINGS, wording
from audiosearch.evaluation.splits import only_held_out
from audiosearch.library import Library, open_library
from audiosearch.library.model_selection import find_model
from audiosearch.search.filters import Filters
from benchmarks.child import run, write_settings
from benchmarks.long_scenes import Answer, Placed, judge, kind, plan
from benchmarks.recorded_scenes import write_recordings

LENGTH_S = 600.0


def share(values: Sequence[bool]) -> float:
    """Share of those that are true; 0 of none."""
    return sum(values) / len(values) if values else 0.0


def report(title: str, answers: Sequence[Answer]) -> None:
    """Print shares by the two criteria, and what was shown instead."""
    click.echo(
        f"{title:<28} {len(answers):4d} questions   moment {share([a.moment for a in answers]):.3f}"
        f"   start {share([a.start for a in answers]):.3f}"
    )
    missed = Counter((answer.label, answer.where) for answer in answers if not answer.moment)
    for (label, where), count in missed.most_common():
        click.echo(f"    {label:<20} {count} x  {where}")


def ask(
    library: Library,
    folder: Path,
    recordings: Mapping[str, Sequence[Placed]],
    *,
    min_score: float | None,
    whole: bool,
) -> list[Answer]:
    """The first hit for each event, in its recording or in the whole library."""
    answers = []
    for name, placed in recordings.items():
        for event in placed:
            folders = (folder,) if whole else (folder / name,)
            found = library.find(
                wording(event.label).clause,
                filters=Filters(folders=folders),
                limit=1,
                min_score=min_score,
            )
            hit = found.hits[0] if found.hits else None
            shown = Path(os.fsdecode(hit.path)).name if hit else name
            answers.append(judge(event.label, hit, recordings, name=shown))
    return answers


@click.command()
@click.argument("manifest", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--audio", type=click.Path(path_type=Path), help="Folder of the sounds, if another.")
@click.option("--bundle", default="starter", show_default=True, help="Name or folder of a model.")
@click.option("--recordings", default=10, show_default=True, help="Of ten minutes each.")
@click.option("--events", default=12, show_default=True, help="In each of them.")
@click.option("--shared-frames", is_flag=True, help="Hear each second once.")
@click.option("--seed", default=0, show_default=True)
@click.option("--keep", type=click.Path(path_type=Path), help="Keeps sounds and library here.")
def main(
    manifest: Path,
    audio: Path | None,
    bundle: str,
    recordings: int,
    events: int,
    shared_frames: bool,
    seed: int,
    keep: Path | None,
) -> None:
    """Print the table for the labelled clips that MANIFEST lists."""
    base = load_config()
    path = find_model(base, bundle)
    clips = [
        clip
        for clip in only_held_out(read_dataset(manifest, audio=audio), bundle=path).clips
        if clip.label in WORDINGS
    ]
    with tempfile.TemporaryDirectory() as place:
        folder = (keep or Path(place)).resolve()
        made = write_recordings(
            lambda generator: plan(clips, events=events, generator=generator, length_s=LENGTH_S),
            clips,
            folder / "sounds",
            name="recording",
            recordings=recordings,
            length_s=LENGTH_S,
            seed=seed,
        )
        data_dir = folder / "library"
        settings = folder / "settings.toml"
        write_settings(settings, bundle=path, exact_windows=not shared_frames)
        sounds = str(folder / "sounds")
        indexed = run("index", sounds, "--config", str(settings), "--quiet", data_dir=data_dir)
        if indexed.status:
            raise click.ClickException(indexed.err)
        config = replace(base, data_dir=data_dir, model=replace(base.model, bundle=str(path)))
        kinds = {kind(event.label) for placed in made.values() for event in placed}
        click.echo(
            f"{path.name}: {len(made)} recordings, {len(kinds)} kinds of sounds, seed {seed}"
        )
        with open_library(config) as library:
            for title, whole, least in (
                ("own recording, every answer", False, 0.0),
                ("own recording, default", False, None),
                ("whole library, default", True, None),
            ):
                report(title, ask(library, folder / "sounds", made, min_score=least, whole=whole))


if __name__ == "__main__":
    main()
