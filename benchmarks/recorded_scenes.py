"""Long recordings of events written into a folder, once, with a list of what is heard when."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from audiosearch.evaluation.datasets import DatasetClip
from audiosearch.evaluation.scenes.render import SAMPLE_RATE, decode_clips, write_wav
from audiosearch.evaluation.work_folder import NoStageProgress
from benchmarks.long_scenes import Event, Placed, compose

Planner = Callable[[np.random.Generator], Sequence[Event]]


def write_recordings(
    plan: Planner,
    clips: Sequence[DatasetClip],
    folder: Path,
    *,
    name: str,
    recordings: int,
    length_s: float,
    seed: int,
) -> dict[str, tuple[Placed, ...]]:
    """Write recordings `NAME-00.wav` ... into `folder`; file name to events.

    Made ones are read, not remade.

    Args:
        plan: the events of the next recording, from a generator.
        clips: those that plans name.
        folder: where they are to be; made where it is missing.
        name: how the files' names begin.
        recordings: how many.
        length_s: of each.
        seed: of the one generator for all.
    """
    listing = folder / "events.json"
    if not listing.exists():
        folder.mkdir(parents=True, exist_ok=True)
        generator = np.random.default_rng(seed)
        plans = [plan(generator) for _ in range(recordings)]
        sounds = decode_clips({x.clip for each in plans for x in each}, clips, NoStageProgress())
        made = {}
        for number, each in enumerate(plans):
            file = f"{name}-{number:02d}.wav"
            samples, placed = compose(each, sounds, generator=generator, length_s=length_s)
            write_wav(folder / file, samples, sample_rate=SAMPLE_RATE)
            made[file] = [[event.label, event.start_s, event.end_s] for event in placed]
        listing.write_text(json.dumps(made, indent=1), encoding="utf-8")
    stored = json.loads(listing.read_text(encoding="utf-8"))
    return {file: tuple(Placed(*each) for each in placed) for file, placed in stored.items()}
