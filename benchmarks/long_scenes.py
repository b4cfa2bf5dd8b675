"""Long recordings of events at known times, and what an answer to a question about one is worth.

In: labelled clips, their samples, a random generator. Out: plans, samples at 16 kHz with the times
of their events, and verdicts on hits. Pure; it reads no file and asks no model.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from audiosearch._typing import Samples
from audiosearch.errors import DatasetError
from audiosearch.evaluation.datasets import DatasetClip
from audiosearch.evaluation.scenes.render import SAMPLE_RATE, levelled, loudest_stretch
from audiosearch.search.results import Hit

LONGEST_S = 5.0  # of an event
APART_S = 12.0  # least quiet between two events, so that no window holds both
LEVEL_DB, LEVEL_SPREAD_DB = -22.0, 6.0  # of an event, RMS
FLOOR_DB = -58.0  # of the noise between them
NEAR_S = 5.0
# Sounds of which a recording holds one at most: to ask for one is to ask for the others.
ALIKE = (
    frozenset({"speech", "man_speaking", "woman_speaking"}),
    frozenset({"man_screaming", "woman_screaming", "woman_crying"}),
)
NOWHERE = "the noise between events"
REFUSED = "no hit at all"


@dataclass(frozen=True)
class Event:
    """One sound in a long recording.

    Attributes:
        clip: its place in the list of clips.
        at_s: where its slot begins; the sound begins there.
        level_db: its RMS level.
    """

    clip: int
    label: str
    at_s: float
    level_db: float


@dataclass(frozen=True)
class Placed:
    """An event as it was mixed in, from `start_s` to `end_s` of its recording."""

    label: str
    start_s: float
    end_s: float


@dataclass(frozen=True)
class Answer:
    """The first hit of a question, or that there was none.

    Attributes:
        moment, start: whether it counts (see above).
        where: what is heard where the hit is, or why there is none.
    """

    label: str
    moment: bool
    start: bool
    where: str


def kind(label: str) -> str:
    """What two sounds that would be asked for alike have in common; else the label itself."""
    return next((min(family) for family in ALIKE if label in family), label)


def plan(
    clips: Sequence[DatasetClip], *, events: int, generator: np.random.Generator, length_s: float
) -> tuple[Event, ...]:
    """Events of one recording, each of another kind of sound, in order of time.

    Raises:
        DatasetError: there are fewer kinds than events, or they do not fit into the recording.
    """
    by_kind: dict[str, list[int]] = defaultdict(list)
    for place, clip in enumerate(clips):
        by_kind[kind(clip.label)].append(place)
    if len(by_kind) < events:
        raise DatasetError(f"{events} events need as many kinds of sounds; {len(by_kind)} are left")
    slot_s = length_s / events
    free_s = slot_s - LONGEST_S - APART_S
    if free_s < 0:
        raise DatasetError(f"{events} events do not fit into {length_s:g} seconds")
    chosen = generator.permutation(sorted(by_kind))[:events]
    found = []
    for number, name in enumerate(chosen.tolist()):
        place = int(generator.choice(by_kind[name]))
        at_s = number * slot_s + APART_S / 2 + float(generator.uniform(0, free_s))
        level_db = LEVEL_DB + float(generator.uniform(-LEVEL_SPREAD_DB, LEVEL_SPREAD_DB))
        found.append(Event(place, clips[place].label, at_s, level_db))
    return tuple(found)


def compose(
    events: Sequence[Event],
    sounds: Mapping[int, Samples],
    *,
    generator: np.random.Generator,
    length_s: float,
) -> tuple[Samples, tuple[Placed, ...]]:
    """The recording (n,) at `SAMPLE_RATE`, and where its events came to lie."""
    mixed = quiet_noise(round(length_s * SAMPLE_RATE), generator)
    placed = []
    for event in events:
        piece = loudest_stretch(sounds[event.clip], longest_s=LONGEST_S, sample_rate=SAMPLE_RATE)
        piece = levelled(piece, level_db=event.level_db, sample_rate=SAMPLE_RATE)
        first = round(event.at_s * SAMPLE_RATE)
        mixed[first : first + len(piece)] += piece
        placed.append(Placed(event.label, first / SAMPLE_RATE, (first + len(piece)) / SAMPLE_RATE))
    peak = float(np.abs(mixed).max())
    return (mixed * min(1.0, 0.98 / peak)).astype(np.float32), tuple(placed)


def quiet_noise(n: int, generator: np.random.Generator) -> Samples:
    """Noise (n,) as of a quiet room: falling by 3 dB an octave, RMS `FLOOR_DB`."""
    spectrum = np.fft.rfft(generator.standard_normal(n))
    spectrum /= np.sqrt(np.maximum(np.fft.rfftfreq(n, 1 / SAMPLE_RATE), 20.0))
    noise = np.fft.irfft(spectrum, n)
    scaled: Samples = (noise * 10 ** (FLOOR_DB / 20) / np.sqrt(np.mean(noise**2))).astype(
        np.float32
    )
    return scaled


def judge(
    label: str, hit: Hit | None, recordings: Mapping[str, Sequence[Placed]], *, name: str
) -> Answer:
    """What a first hit in the recording `name` is worth as an answer for the sound `label`."""
    if hit is None:
        return Answer(label, moment=False, start=False, where=REFUSED)
    middle_s = (hit.start_s + hit.end_s) / 2
    own = [each for each in recordings[name] if kind(each.label) == kind(label)]
    there = [
        each
        for each in recordings[name]
        if each.start_s - NEAR_S <= middle_s <= each.end_s + NEAR_S
    ]
    return Answer(
        label,
        moment=any(each in own for each in there),
        start=any(abs(hit.start_s - each.start_s) <= NEAR_S for each in own),
        where=there[0].label if there else NOWHERE,
    )
