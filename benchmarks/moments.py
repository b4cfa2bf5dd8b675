"""Whether `find --moments` finds every event of long recordings, and where it places them.

Composes recordings of two hours out of clips that the model was never trained nor tuned on: events
of several kinds of sounds, two of each kind, at known times, with the quiet noise of a room between
them. The real `index` takes them in; then each kind is asked for once ("a dog barks"), and all its
moments are compared with its events. A moment is right within a tolerance if it begins no more than
that from where an event of its kind begins, each event answering for one moment; and, the milder
measure, if it meets one.

python -m benchmarks.moments MANIFEST.csv [--bundle models/starter] [--recordings 3] [--keep FOLDER]
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import click
import numpy as np

from audiosearch.config import load_config
from audiosearch.errors import DatasetError
from audiosearch.evaluation.dataset_files import read_dataset
from audiosearch.evaluation.datasets import DatasetClip
from audiosearch.evaluation.scenes.grammar import WORDINGS, wording
from audiosearch.evaluation.splits import only_held_out
from audiosearch.library import Library, open_library
from audiosearch.library.model_selection import find_model
from audiosearch.search.filters import Filters
from audiosearch.search.results import MomentOptions, TextQuery
from benchmarks.child import run, write_settings
from benchmarks.long_scenes import APART_S, LONGEST_S, Event, Placed, kind
from benchmarks.recorded_scenes import write_recordings

LENGTH_S = 7200.0
KINDS, OF_EACH = 7, 2
TOLERANCES_S = (0.5, 1.0, 2.0, 5.0)
LEVELS_DB = (-28.0, -16.0)


@dataclass(frozen=True)
class Shown:
    """A moment as it was answered, in seconds."""

    start_s: float
    end_s: float


@dataclass(frozen=True)
class Matched:
    """How many moments are right, of those shown, and of the events that there are."""

    n_right: int
    n_shown: int
    n_events: int

    def __add__(self, other: Matched) -> Matched:
        return Matched(
            self.n_right + other.n_right,
            self.n_shown + other.n_shown,
            self.n_events + other.n_events,
        )

    @property
    def precision(self) -> float:
        """Share of the moments that are right; 1 of none."""
        return self.n_right / self.n_shown if self.n_shown else 1.0

    @property
    def recall(self) -> float:
        """Share of the events that are found."""
        return self.n_right / self.n_events if self.n_events else 1.0


def matched(events: Sequence[Placed], shown: Sequence[Shown], *, within_s: float | None) -> Matched:
    """Moments and events paired, each once, nearest starts first.

    Args:
        events: of the kind that was asked for.
        shown: the moments.
        within_s: how far apart starts may be; None: they need only overlap.
    """
    pairs = sorted(
        (abs(moment.start_s - event.start_s), e, m)
        for e, event in enumerate(events)
        for m, moment in enumerate(shown)
        if (
            moment.start_s < event.end_s and event.start_s < moment.end_s
            if within_s is None
            else abs(moment.start_s - event.start_s) <= within_s
        )
    )
    used_events: set[int] = set()
    used_moments: set[int] = set()
    for _, e, m in pairs:
        if e not in used_events and m not in used_moments:
            used_events.add(e)
            used_moments.add(m)
    return Matched(len(used_events), len(shown), len(events))


def plan(
    clips: Sequence[DatasetClip], *, generator: np.random.Generator, length_s: float
) -> tuple[Event, ...]:
    """Two events each of some kinds of sounds, of different clips, in a random order.

    Raises:
        DatasetError: there are too few kinds of two clips.
    """
    by_kind: dict[str, list[int]] = defaultdict(list)
    for place, clip in enumerate(clips):
        by_kind[kind(clip.label)].append(place)
    enough = sorted(name for name, places in by_kind.items() if len(places) >= OF_EACH)
    if len(enough) < KINDS:
        raise DatasetError(f"{KINDS} kinds of {OF_EACH} clips are needed; there are {len(enough)}")
    chosen = [
        int(place)
        for name in generator.permutation(enough)[:KINDS].tolist()
        for place in generator.choice(by_kind[name], OF_EACH, replace=False)
    ]
    slot_s = length_s / len(chosen)
    found = []
    for number, place in enumerate(generator.permutation(chosen).tolist()):
        free_s = slot_s - LONGEST_S - APART_S
        at_s = number * slot_s + APART_S / 2 + float(generator.uniform(0, free_s))
        level_db = float(generator.uniform(*LEVELS_DB))
        found.append(Event(place, clips[place].label, at_s, level_db))
    return tuple(found)


def ask(
    library: Library,
    folder: Path,
    recordings: Mapping[str, Sequence[Placed]],
    *,
    min_score: float | None,
) -> tuple[dict[float | None, Matched], list[str]]:
    """Matches by tolerance over all recordings and kinds, and what was missed or wrong.

    Args:
        library: that holds the recordings.
        folder: where they are.
        recordings: their events.
        min_score: the least score; None: the model's own.
    """
    total: dict[float | None, Matched] = defaultdict(lambda: Matched(0, 0, 0))
    remarks = []
    for name, placed in recordings.items():
        for wanted in sorted({kind(event.label) for event in placed}):
            events = [event for event in placed if kind(event.label) == wanted]
            query = TextQuery(
                text=wording(events[0].label).clause,
                filters=Filters(folders=(folder / name,)),
                min_score=min_score,
                moments=MomentOptions(),
            )
            hits = library.answer(query).hits
            shown = [Shown(hit.start_s, hit.end_s) for hit in hits]
            for within_s in (*TOLERANCES_S, None):
                total[within_s] += matched(events, shown, within_s=within_s)
            meets = matched(events, shown, within_s=None)
            if meets.n_right < max(meets.n_shown, meets.n_events):
                remarks.append(
                    f"{name} {wanted}: {meets.n_right} of {meets.n_events} found,"
                    f" {meets.n_shown - meets.n_right} wrong"
                )
    return total, remarks


@click.command()
@click.argument("manifest", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--audio", type=click.Path(path_type=Path), help="Folder of the sounds, if another.")
@click.option("--bundle", default="starter", show_default=True, help="Name or folder of a model.")
@click.option("--recordings", default=3, show_default=True, help="Of two hours each.")
@click.option("--hours", default=LENGTH_S / 3600, show_default=True, help="Length of each.")
@click.option("--shared-frames", is_flag=True, help="Hear each second once.")
@click.option("--seed", default=0, show_default=True)
@click.option("--keep", type=click.Path(path_type=Path), help="Keeps sounds and library here.")
@click.option("--remarks", is_flag=True, help="Tell what was missed, and what is wrong.")
def main(
    manifest: Path,
    audio: Path | None,
    bundle: str,
    recordings: int,
    hours: float,
    shared_frames: bool,
    seed: int,
    keep: Path | None,
    remarks: bool,
) -> None:
    """Print precision and recall by tolerance for the labelled clips that MANIFEST lists."""
    base = load_config()
    path = find_model(base, bundle)
    clips = [
        clip
        for clip in only_held_out(read_dataset(manifest, audio=audio), bundle=path).clips
        if clip.label in WORDINGS
    ]
    with tempfile.TemporaryDirectory() as place:
        folder = (keep or Path(place)).resolve()
        sounds = folder / "sounds"
        length_s = 3600 * hours
        made = write_recordings(
            lambda generator: plan(clips, generator=generator, length_s=length_s),
            clips,
            sounds,
            name="night",
            recordings=recordings,
            length_s=length_s,
            seed=seed,
        )
        settings = folder / "settings.toml"
        write_settings(settings, bundle=path, exact_windows=not shared_frames)
        data_dir = folder / "library"
        indexed = run("index", str(sounds), "--config", str(settings), "-q", data_dir=data_dir)
        if indexed.status:
            raise click.ClickException(indexed.err)
        config = replace(base, data_dir=data_dir, model=replace(base.model, bundle=str(path)))
        n_events = sum(map(len, made.values()))
        click.echo(f"{path.name}: {len(made)} recordings of {hours:g} h, {n_events} events")
        with open_library(config) as library:
            for min_score in (None, 0.5, 0.3):
                total, said = ask(library, sounds, made, min_score=min_score)
                title = "default" if min_score is None else f"min score {min_score}"
                for within_s, found in total.items():
                    within = "overlap" if within_s is None else f"{within_s:g} s"
                    click.echo(
                        f"{title:<14} {within:<8} precision {found.precision:.3f}"
                        f"   recall {found.recall:.3f}   {found.n_shown} moments"
                    )
                for each in said if remarks else ():
                    click.echo(f"    {each}")


if __name__ == "__main__":
    main()
