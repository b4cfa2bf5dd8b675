"""Whether "rain without thunder" puts rain alone first, and "in the rain" with a bark finds both.

Composes sounds of ten seconds out of labelled clips, has the real `index` take them in, and asks as
a person would. By default the clips are those that the model was never trained nor tuned on; with
`--every-clip` all are, for kinds of which none are left (rain, thunder): the pairs themselves are
new to the model all the same.

- Pairs: a background alone, and another clip of it with up to four seconds of another sound in it.
  Right is the answer to "BACKGROUND without OTHER" that has the first above the second.
- Words and a sound: each of some sounds in each of some backgrounds. Asked for is the background in
  words with another clip of the sound (`--like`); right is the one mixture that has both.

python -m benchmarks.composed_pairs MANIFEST.csv [--bundle models/starter] [--every-clip]
"""

from __future__ import annotations

import os
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import click
import numpy as np

from audiosearch._typing import Samples
from audiosearch.audio.clip import ClipRange
from audiosearch.config import load_config
from audiosearch.evaluation.dataset_files import read_dataset
from audiosearch.evaluation.datasets import DatasetClip
from audiosearch.evaluation.scenes.grammar import WORDINGS, wording
from audiosearch.evaluation.scenes.render import (
    SAMPLE_RATE,
    decode_clips,
    levelled,
    loudest_stretch,
    write_wav,
)
from audiosearch.evaluation.splits import only_held_out
from audiosearch.evaluation.work_folder import NoStageProgress
from audiosearch.library import Library, open_library
from audiosearch.library.model_selection import find_model
from audiosearch.search.filters import Filters
from audiosearch.search.results import TextQuery
from benchmarks.child import run, write_settings
from benchmarks.long_scenes import kind

N = 10 * SAMPLE_RATE
BACKGROUND_DB, OTHER_DB = -24.0, (-28.0, -18.0)
LONGEST_S = 4.0
# What goes on and on, so that ten seconds of it are one sound.
STEADY = frozenset(
    (
        *("rain", "wind", "sea_waves", "crackling_fire", "engine", "crickets", "train", "insects"),
        *("helicopter", "vacuum_cleaner", "washing_machine", "chainsaw", "pouring_water"),
        *("airplane", "man_speaking", "woman_speaking", "clapping", "keyboard_typing"),
    )
)
WEIGHTS = (0.0, 0.3, 0.5, 0.7, 1.0)


@dataclass(frozen=True)
class Pair:
    """Places of clips: the background alone, another of it, and what is mixed into that."""

    alone: int
    background: int
    other: int


def looped(sound: Samples, *, level_db: float) -> Samples:
    """Ten seconds of a sound, repeated where it is shorter."""
    even = levelled(sound, level_db=level_db, sample_rate=SAMPLE_RATE)
    repeated: Samples = np.tile(even, -(-N // len(even)))[:N].astype(np.float32)
    return repeated


def mixed(
    background: Samples, other: Samples, *, level_db: float, generator: np.random.Generator
) -> Samples:
    """A background of ten seconds with the loudest of another sound somewhere in it."""
    piece = loudest_stretch(other, longest_s=LONGEST_S, sample_rate=SAMPLE_RATE)
    piece = levelled(piece, level_db=level_db, sample_rate=SAMPLE_RATE)[:N]
    first = int(generator.integers(0, N - len(piece) + 1))
    made = looped(background, level_db=BACKGROUND_DB)
    made[first : first + len(piece)] += piece
    return made


def quieter(sound: Samples) -> Samples:
    """The sound as it is, or so that it is not clipped."""
    peak = float(np.abs(sound).max())
    return sound * np.float32(min(1.0, 0.98 / peak))


def by_label(clips: Sequence[DatasetClip]) -> dict[str, list[int]]:
    """Places of clips by their label, in order."""
    found: dict[str, list[int]] = defaultdict(list)
    for place, clip in enumerate(clips):
        found[clip.label].append(place)
    return dict(sorted(found.items()))


def plan_pairs(
    clips: Sequence[DatasetClip], *, n: int, generator: np.random.Generator
) -> list[Pair]:
    """Pairs over all steady backgrounds, of rain and thunder as many again where there are any."""
    places = by_label(clips)
    steady = [label for label in places if label in STEADY]
    pairs = []
    for number in range(n):
        label = steady[number % len(steady)]
        others = [each for each in places if kind(each) != kind(label)]
        pairs.append((label, str(generator.choice(others))))
    if "rain" in places and "thunderstorm" in places:
        pairs += [("rain", "thunderstorm")] * n
    return [
        Pair(*(int(generator.choice(places[each])) for each in (label, label, other)))
        for label, other in pairs
    ]


def said_of(label: str) -> str:
    """A sound as it is named after "without"."""
    return "thunder" if label == "thunderstorm" else wording(label).thing


def ask_pairs(
    library: Library, folder: Path, clips: Sequence[DatasetClip], pairs: Sequence[Pair]
) -> Mapping[str, list[bool]]:
    """By what was asked, whether the background alone came first; a tie is wrong."""
    right: dict[str, list[bool]] = defaultdict(list)
    for number, pair in enumerate(pairs):
        wanted, other = clips[pair.alone].label, clips[pair.other].label
        name = "rain, thunder" if (wanted, other) == ("rain", "thunderstorm") else "all kinds"
        for how in ("with nothing said", "without"):
            text = wording(wanted).thing
            query = TextQuery(
                text=text if how != "without" else f"{text} without {said_of(other)}",
                filters=Filters(folders=(folder / f"pair-{number:03d}",)),
                min_score=0.0,
            )
            hits = library.answer(query).hits
            first = Path(os.fsdecode(hits[0].path)).stem if hits else ""
            tied = len(hits) > 1 and hits[0].score == hits[1].score
            right[f"{name}, {how}"].append(first == "alone" and not tied)
    return right


def write_pairs(
    folder: Path,
    clips: Sequence[DatasetClip],
    pairs: Sequence[Pair],
    *,
    generator: np.random.Generator,
) -> None:
    """A folder for each pair, with `alone.wav` and `mixed.wav`."""
    used = {place for pair in pairs for place in (pair.alone, pair.background, pair.other)}
    sounds = decode_clips(used, clips, NoStageProgress())
    for number, pair in enumerate(pairs):
        place = folder / f"pair-{number:03d}"
        place.mkdir(parents=True)
        alone = looped(sounds[pair.alone], level_db=BACKGROUND_DB)
        level_db = float(generator.uniform(*OTHER_DB))
        both = mixed(
            sounds[pair.background], sounds[pair.other], level_db=level_db, generator=generator
        )
        write_wav(place / "alone.wav", quieter(alone), sample_rate=SAMPLE_RATE)
        write_wav(place / "mixed.wav", quieter(both), sample_rate=SAMPLE_RATE)


def write_mixtures(
    folder: Path, clips: Sequence[DatasetClip], *, generator: np.random.Generator
) -> tuple[list[str], list[str]]:
    """Each of some sounds in each of some backgrounds, and another clip of it in `like`.

    Returns:
        The labels of backgrounds and of sounds.
    """
    places = by_label(clips)
    grounds = [label for label in places if label in STEADY and kind(label) != "man_speaking"][:6]
    others = [x for x in places if x not in STEADY and len(places[x]) >= 2][:15]
    chosen = {label: generator.choice(places[label], 2, replace=False).tolist() for label in others}
    ground = {label: int(generator.choice(places[label])) for label in grounds}
    used = {place for each in chosen.values() for place in each} | set(ground.values())
    sounds = decode_clips(used, clips, NoStageProgress())
    (folder / "library").mkdir(parents=True)
    (folder / "like").mkdir()
    for label, (example, part) in chosen.items():
        piece = loudest_stretch(sounds[example], longest_s=5.0, sample_rate=SAMPLE_RATE)
        piece = levelled(piece, level_db=-22.0, sample_rate=SAMPLE_RATE)
        write_wav(folder / "like" / f"{label}.wav", quieter(piece), sample_rate=SAMPLE_RATE)
        for behind, place in ground.items():
            both = mixed(sounds[place], sounds[part], level_db=-20.0, generator=generator)
            name = f"{others.index(label):02d}-{grounds.index(behind):02d}.wav"
            write_wav(folder / "library" / name, quieter(both), sample_rate=SAMPLE_RATE)
    return grounds, others


def ask_mixtures(
    library: Library, folder: Path, grounds: Sequence[str], others: Sequence[str], *, weight: float
) -> list[int]:
    """The rank of the one right mixture for each question, from 1."""
    ranks = []
    for label in others:
        example = os.fsencode(folder / "like" / f"{label}.wav")
        for behind in grounds:
            query = TextQuery(
                text=wording(behind).thing,
                filters=Filters(folders=(folder / "library",)),
                min_score=0.0,
                limit=1000,
                like=(ClipRange(example),),
                like_weight=weight,
            )
            names = [Path(os.fsdecode(hit.path)).stem for hit in library.answer(query).hits]
            found = f"{others.index(label):02d}-{grounds.index(behind):02d}"
            ranks.append(names.index(found) + 1 if found in names else len(names) + 1)
    return ranks


@click.command()
@click.argument("manifest", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--audio", type=click.Path(path_type=Path), help="Folder of the sounds, if another.")
@click.option("--bundle", default="starter", show_default=True, help="Name or folder of a model.")
@click.option("--pairs", default=100, show_default=True, help="Of all kinds.")
@click.option("--every-clip", is_flag=True, help="Also clips that the model was trained on.")
@click.option("--seed", default=0, show_default=True)
def main(
    manifest: Path, audio: Path | None, bundle: str, pairs: int, every_clip: bool, seed: int
) -> None:
    """Print the shares for the labelled clips that MANIFEST lists."""
    base = load_config()
    path = find_model(base, bundle)
    dataset = read_dataset(manifest, audio=audio)
    if not every_clip:
        dataset = only_held_out(dataset, bundle=path)
    clips = [clip for clip in dataset.clips if clip.label in WORDINGS]
    generator = np.random.default_rng(seed)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place).resolve()
        planned = plan_pairs(clips, n=pairs, generator=generator)
        write_pairs(folder / "pairs", clips, planned, generator=generator)
        grounds, others = write_mixtures(folder / "mixtures", clips, generator=generator)
        settings = folder / "settings.toml"
        write_settings(settings, bundle=path)
        for name in ("pairs", "mixtures/library"):
            done = run(
                *("index", str(folder / name), "--config", str(settings), "-q"),
                data_dir=folder / "data",
            )
            if done.status:
                raise click.ClickException(done.err)
        config = replace(
            base, data_dir=folder / "data", model=replace(base.model, bundle=str(path))
        )
        clips_said = "all clips" if every_clip else "held-out clips"
        click.echo(f"{path.name}: {len({clip.label for clip in clips})} kinds, {clips_said}")
        with open_library(config) as library:
            for title, right in ask_pairs(library, folder / "pairs", clips, planned).items():
                click.echo(f"{title:<32} {np.mean(right):.3f} of {len(right)} pairs")
            for weight in WEIGHTS:
                ranks = np.array(
                    ask_mixtures(library, folder / "mixtures", grounds, others, weight=weight)
                )
                click.echo(
                    f"like weight {weight:<20g} R@1 {(ranks == 1).mean():.3f}"
                    f"   R@5 {(ranks <= 5).mean():.3f} of {len(ranks)} questions"
                )


if __name__ == "__main__":
    main()
