"""What is taken for what among sounds that are easily confused, by the words of each.

The clips of a group of kinds are heard, every kind of the group is asked for, and each clip goes to
the kind whose words it fits best: by cross-entropy and likeness, both on the words' own scale, as
`label` ranks. A row a kind: how many of its clips went where.

python -m benchmarks.confusions manifest.csv [--audio FOLDER] [--held-out] [--bundle FOLDER]
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np

from audiosearch._typing import Ints
from audiosearch.evaluation.datasets import Dataset, DatasetClip
from audiosearch.evaluation.ranking import pool_least
from audiosearch.evaluation.run import EvaluationRun
from audiosearch.evaluation.work_folder import NoStageProgress, WorkFolder
from audiosearch.model.loaded import Model
from audiosearch.model.runtime.session import RuntimeOptions
from audiosearch.search.normalise import Normalise
from benchmarks.clip_options import chosen_clips, clip_options


@dataclass(frozen=True)
class Kind:
    """One of the sounds that are confused."""

    words: str
    """What is asked for."""
    labels: frozenset[str]
    """Of the clips that are of this kind."""


def _kind(words: str, *labels: str) -> Kind:
    return Kind(words, frozenset(labels))


GROUPS: Mapping[str, Sequence[Kind]] = {
    "rain, frying, static, applause, running water": (
        _kind("rain falling", "rain"),
        _kind("food frying in a pan", "sizzling", "frying"),
        _kind("radio static", "radio_static", "static_noise"),
        _kind("people applauding", "applause", "golf_applause", "clapping"),
        _kind("running water", "water_running", "stream_water", "forest_stream", "river"),
        _kind("a waterfall", "waterfall", "large_waterfall", "small_waterfall"),
        _kind("wind blowing", "wind"),
        _kind("a crackling fire", "forest_fire", "crackling_fire"),
        _kind("steam hissing", "steam_vent", "hydraulic_hiss"),
    ),
    "steps on gravel, snow, leaves": (
        _kind("footsteps on gravel", "footsteps_on_gravel"),
        _kind("footsteps in snow", "footsteps_on_snow"),
        _kind("footsteps on dry leaves", "footsteps_on_leaves", "leaves_rustling"),
        _kind("footsteps on grass", "footsteps_on_grass"),
        _kind("footsteps on sand", "footsteps_on_sand"),
        _kind("footsteps in water", "footsteps_in_water"),
        _kind("footsteps on rock", "footsteps_on_rock"),
    ),
    "typewriter, keyboard, mouse, switch": (
        _kind("a typewriter", "typewriter"),
        _kind("typing on a keyboard", "keyboard_typing"),
        _kind("a mouse click", "mouse_click"),
        _kind("a light switch", "light_switch"),
        _kind("a camera shutter", "camera_shutter"),
    ),
    "engine, aeroplane, fan, machines": (
        _kind("an engine running", "car_engine", "motorcycle_engine", "engine"),
        _kind("an airplane flying", "airplane", "airplane_prop"),
        _kind("a fan running", "fan", "electric_fan"),
        _kind("a helicopter", "helicopter"),
        _kind("a hair dryer", "hair_dryer"),
        _kind("an electric shaver", "electric_shaver"),
        _kind("a blender", "blender"),
        _kind("a power drill", "power_drill"),
        _kind("a clothes dryer", "clothes_dryer"),
    ),
    "door, drawer, cupboard, gate": (
        _kind("a door slams", "door_slam"),
        _kind("a door opens", "door_opening"),
        _kind("a door closes", "door_closing"),
        _kind("a creaking door", "door_creaking", "rusty_metal_door"),
        _kind("a drawer opens", "drawer_opening", "drawer_open"),
        _kind("a cupboard closes", "cupboard_closing", "cupboard"),
        _kind("a gate opens", "gate_opening"),
        _kind("knocking on a door", "door_knock"),
        _kind("a door handle", "locked_door_handle", "door_lock_turning"),
    ),
    "owl, dove, wolf": (
        _kind("an owl hooting", "tawny_owl", "owl_hooting"),
        _kind("a dove cooing", "turtle_dove", "pigeon_cooing"),
        _kind("a wolf howling", "wolf_howl", "wolves_howling", "coyotes_howling"),
        _kind("a loon calling", "common_loon"),
    ),
}


def kinds_of(clips: Sequence[DatasetClip], kinds: Sequence[Kind]) -> list[int | None]:
    """The kind of each clip by its place; None where it is of none."""
    return [
        next((place for place, kind in enumerate(kinds) if clip.label in kind.labels), None)
        for clip in clips
    ]


def confusion_counts(
    dataset: Dataset, own: Sequence[int], run: EvaluationRun, kinds: Sequence[Kind]
) -> Ints:
    """`(n_kinds, n_kinds)` how many clips of each kind go to which.

    Args:
        dataset: clips, each of a kind.
        own: the place of each one's kind.
        run: the model.
        kinds: that are asked for.
    """
    texts = [kind.words for kind in kinds]
    relevant = np.array(own)[:, None] == np.arange(len(kinds))[None, :]
    matrices = run.score_matrices(texts, run.encode(dataset), relevant=relevant)
    costs = pool_least(matrices.normalised(Normalise.MEAN), matrices.owners)
    counts = np.zeros((len(kinds), len(kinds)), np.int64)
    np.add.at(counts, (np.array(own), costs.argmin(axis=1)), 1)
    return counts


def lines(kinds: Sequence[Kind], counts: Ints) -> Iterator[str]:
    """The table of one group, of the kinds that have clips; a column a kind that was asked for."""
    yield "| is | clips | right | taken for |"
    yield "|---|---|---|---|"
    for place in np.flatnonzero(counts.sum(axis=1)).tolist():
        others = counts[place].copy()
        others[place] = 0
        order = np.argsort(-others, kind="stable")
        taken = ", ".join(
            f"{kinds[other].words} {others[other]}" for other in order if others[other]
        )
        yield (
            f"| {kinds[place].words} | {counts[place].sum()} | {counts[place, place]} "
            f"| {taken or '-'} |"
        )


@click.command()
@clip_options
def main(manifest: Path, audio: Path | None, bundle: Path, held_out: bool) -> None:
    """Print a table for each group, and all clips together."""
    dataset = chosen_clips(manifest, audio=audio, bundle=bundle, held_out=held_out)
    model = Model.open(bundle, options=RuntimeOptions())
    n_right = n_clips = 0
    with tempfile.TemporaryDirectory() as folder:
        run = EvaluationRun(model, WorkFolder(Path(folder)), NoStageProgress())
        for name, kinds in GROUPS.items():
            pairs = [
                (clip, kind)
                for clip, kind in zip(dataset.clips, kinds_of(dataset.clips, kinds), strict=True)
                if kind is not None
            ]
            if not pairs:
                continue
            some = Dataset(name=dataset.name, clips=tuple(clip for clip, _ in pairs))
            counts = confusion_counts(some, [kind for _, kind in pairs], run, kinds)
            n_right, n_clips = n_right + int(np.trace(counts)), n_clips + int(counts.sum())
            print(f"\n### {name}\n")
            for line in lines(kinds, counts):
                print(line)
    print(f"\n{n_right} of {n_clips} clips went to their own kind")


if __name__ == "__main__":
    main()
