"""Does the model count? "Three knocks" against two of the same knock, and against five.

Each held-out clip of a sound that comes in single strokes is repeated two, three and five times,
with the same gaps, and asked for in the words of each number. Right is a pair in which a recording
of the number that is asked for scores above one of another number; chance is one half.

python -m benchmarks.counts manifest.csv [--audio FOLDER] [--held-out] [--bundle FOLDER]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path

import click
import numpy as np

from audiosearch._typing import Bools, Doubles, Samples
from audiosearch.evaluation.datasets import Dataset
from audiosearch.evaluation.scenes.render import (
    SAMPLE_RATE,
    decode_clips,
    levelled,
    loudest_stretch,
)
from audiosearch.evaluation.work_folder import NoStageProgress
from audiosearch.model.loaded import Model
from audiosearch.model.runtime.session import RuntimeOptions
from benchmarks.clip_options import chosen_clips, clip_options

TIMES = {2: ("two", "twice"), 3: ("three", "three times"), 5: ("five", "five times")}
STROKE_S = 1.0  # the longest of what is repeated
GAP_S = 0.5
MARGIN_S = 0.2
LEVEL_DB = -22.0
# label -> what several are called, and what one does
STROKES = {
    "bell_ding": ("dings of a bell", "a bell dings"),
    "camera_shutter": ("clicks of a camera", "a camera clicks"),
    "clapping": ("claps", "someone claps"),
    "coughing": ("coughs", "someone coughs"),
    "crow": ("caws of a crow", "a crow caws"),
    "dog_bark": ("barks of a dog", "a dog barks"),
    "door_knock": ("knocks on a door", "someone knocks on a door"),
    "door_slam": ("slams of a door", "a door slams"),
    "finger_snap": ("snaps of the fingers", "someone snaps the fingers"),
    "foot_stomp": ("stomps of a foot", "a foot stomps"),
    "laser_gun_effect": ("shots of a laser gun", "a laser gun fires"),
    "light_switch": ("clicks of a switch", "a light switch clicks"),
    "sneezing": ("sneezes", "someone sneezes"),
    "toy_squeak": ("squeaks of a toy", "a toy squeaks"),
    "whip_crack": ("cracks of a whip", "a whip cracks"),
    "wood_block": ("strokes on a wood block", "someone strikes a wood block"),
}


@dataclass(frozen=True)
class Counted:
    """One clip, repeated each number of times and asked for with each number."""

    label: str
    scores: Doubles
    """`(n_times, n_wordings, n_times)` of recordings, wordings and numbers asked for."""

    def right(self, asked: int, other: int) -> Bools:
        """`(n_wordings,)` whether the number asked for wins, both as places in `TIMES`."""
        wins: Bools = self.scores[asked, :, asked] > self.scores[other, :, asked]
        return wins


def repeated(stroke: Samples, times: int) -> Samples:
    """A stroke (n,) so many times, with silence between and around."""
    gap = np.zeros(round(GAP_S * SAMPLE_RATE), np.float32)
    parts = [part for _ in range(times) for part in (stroke, gap)][:-1]
    margin = round(MARGIN_S * SAMPLE_RATE)
    whole: Samples = np.pad(np.concatenate(parts), margin).astype(np.float32)
    return whole


def asked_for(label: str) -> list[tuple[str, ...]]:
    """The wordings, each with every number."""
    several, does = STROKES[label]
    return [
        tuple(f"{number} {several}" for number, _ in TIMES.values()),
        tuple(f"{does} {often}" for _, often in TIMES.values()),
    ]


def count_clips(dataset: Dataset, model: Model) -> list[Counted]:
    """Every clip of a label in `STROKES`, by the score that `find` gives."""
    places = [i for i, clip in enumerate(dataset.clips) if clip.label in STROKES]
    sounds = decode_clips({*places}, dataset.clips, NoStageProgress())
    found = []
    for place in places:
        stroke = loudest_stretch(sounds[place], longest_s=STROKE_S, sample_rate=SAMPLE_RATE)
        stroke = levelled(stroke, level_db=LEVEL_DB, sample_rate=SAMPLE_RATE)
        label = dataset.clips[place].label
        found.append(Counted(label, _scores(model, stroke, asked_for(label))))
    return found


def _scores(model: Model, stroke: Samples, wordings: Sequence[Sequence[str]]) -> Doubles:
    heard = model.encoder.encode_many([repeated(stroke, times) for times in TIMES])
    memory = model.decoder.memory([each.frames for each in heard])
    texts = [text for wording in wordings for text in wording]
    tokens = [model.scorer.encode(text) for text in texts]
    lifts = (
        model.scorer.without_sound(tokens)[None, :] - model.scorer.cross_entropies(tokens, memory).T
    )
    cosines = None
    if model.tower is not None:
        cosines = np.stack([each.joint for each in heard if each.joint is not None])
        cosines = cosines @ model.tower.embed(texts).T
    weights = np.array([model.scorer.lift_weight(ids) for ids in tokens])
    scores = model.bundle.score(lift=lifts, cosine=cosines, lift_weight=weights)
    table: Doubles = scores.reshape(len(TIMES), len(wordings), len(TIMES))
    return table


def lines(found: Sequence[Counted]) -> list[str]:
    """A row for each pair of numbers."""
    made = ["| asked for | beside | right | pairs |", "|---|---|---|---|"]
    numbers = [number for number, _ in TIMES.values()]
    for asked, other in permutations(range(len(numbers)), 2):
        wins = np.concatenate([each.right(asked, other) for each in found])
        made.append(f"| {numbers[asked]} | {numbers[other]} | {wins.mean():.3f} | {wins.size} |")
    return made


@click.command()
@clip_options
def main(manifest: Path, audio: Path | None, bundle: Path, held_out: bool) -> None:
    """Print Markdown."""
    dataset = chosen_clips(manifest, audio=audio, bundle=bundle, held_out=held_out)
    found = count_clips(dataset, Model.open(bundle, options=RuntimeOptions()))
    kinds = sorted({each.label for each in found})
    if not found:
        raise click.ClickException(f"no clip of {', '.join(STROKES)}")
    print(f"{len(found)} clips of {len(kinds)} kinds: {', '.join(kinds)}\n")
    for line in lines(found):
        print(line)


if __name__ == "__main__":
    main()
