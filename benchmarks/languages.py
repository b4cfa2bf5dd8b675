"""Whether names of sounds in other languages lead where the English ones do.

Takes clips of ESC-50 (two of each kind, fold 4), has the real `index` take them in, and
asks for each of the fifty kinds by its English name in the word list and by the first word that the
list has for it in each language. Right is a name with the same first hit.

python -m benchmarks.languages MANIFEST.csv [--bundle models/starter]
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from importlib.resources import files
from pathlib import Path

import click

import audiosearch
from audiosearch.evaluation.dataset_files import read_dataset
from audiosearch.search.word_list import LANGUAGES, Concept, read_concepts

FOLD = "4"
N_OF_EACH = 2
# kind = its English name in the list
_NAMES = """
airplane = airplane; breathing = heavy breathing; brushing_teeth = brushing teeth
can_opening = opening a can; car_horn = car horn; cat = cat meowing; chainsaw = chainsaw
chirping_birds = birdsong; church_bells = church bells; clapping = applause
clock_alarm = alarm clock; clock_tick = clock ticking; coughing = cough; cow = cow mooing
crackling_fire = crackling fire; crickets = crickets chirping; crow = crow cawing
crying_baby = baby crying; dog = dog barking; door_wood_creaks = door creaking
door_wood_knock = door knocking; drinking_sipping = sipping a drink; engine = engine
fireworks = fireworks; footsteps = footsteps; frog = frog croaking; glass_breaking = glass breaking
hand_saw = sawing wood; helicopter = helicopter; hen = hen clucking; insects = insects
keyboard_typing = keyboard typing; laughing = laugh; mouse_click = mouse click; pig = pig oinking
pouring_water = pouring water; rain = rain; rooster = rooster crowing; sea_waves = sea waves
sheep = sheep bleating; siren = siren; sneezing = sneeze; snoring = snoring
thunderstorm = thunderstorm; toilet_flush = toilet flush; train = train
vacuum_cleaner = vacuum cleaner; washing_machine = washing machine; water_drops = water drops
wind = wind
"""


def names() -> dict[str, str]:
    """Kind of sound -> its English name in the list."""
    found = {}
    for each in _NAMES.strip().replace("\n", "; ").split("; "):
        kind, name = each.split(" = ")
        found[kind] = name
    return found


def first_words(name: str, concepts: list[Concept]) -> dict[str, str]:
    """By language, the first word that the list has for an English name."""
    for concept in concepts:
        if name in concept.english:
            place = concept.english.index(name)
            return {
                language: forms[min(place, len(forms) - 1)][0].rstrip("*")
                for language, forms in concept.forms.items()
            }
    raise LookupError(f"the list has no {name!r}")


def put_clips(manifest: Path, folder: Path) -> dict[str, str]:
    """Copy clips into a folder; names of the copies -> kinds."""
    wanted, n_of, found = set(names()), Counter[str](), dict[str, str]()
    for clip in read_dataset(manifest, folds=(FOLD,)).clips:
        if clip.label in wanted and n_of[clip.label] < N_OF_EACH:
            n_of[clip.label] += 1
            name = f"{len(found):03d}{clip.path.suffix}"
            shutil.copy(clip.path, folder / name)
            found[name] = clip.label
    return found


def first_hit(library: audiosearch.SoundLibrary, text: str) -> str:
    """The name of the best file, however it scores; empty for none."""
    hits = library.find(text, limit=1, min_score=0)
    return hits[0].path.name if hits else ""


@click.command()
@click.argument("manifest", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--bundle", default="starter", show_default=True)
def languages(manifest: Path, bundle: str) -> None:
    """Ask for the kinds of MANIFEST's clips in all languages."""
    os.environ["AUDIOSEARCH_MODEL_BUNDLE"] = bundle
    listed = files("audiosearch.search").joinpath("languages.txt").read_text("utf-8")
    concepts = read_concepts(listed)
    with tempfile.TemporaryDirectory() as folder:
        sounds = Path(folder) / "sounds"
        sounds.mkdir()
        kinds = put_clips(manifest, sounds)
        with audiosearch.open(Path(folder) / "library", writable=True) as library:
            library.index(sounds)
            english = {kind: first_hit(library, name) for kind, name in names().items()}
            n_right = sum(kinds.get(hit) == kind for kind, hit in english.items())
            click.echo(f"{len(kinds)} clips; English: right kind {n_right / len(english):.3f}")
            for language, called in LANGUAGES.items():
                n_same, others = 0, list[str]()
                for kind, name in names().items():
                    text = first_words(name, concepts)[language]
                    is_same = first_hit(library, text) == english[kind]
                    n_same += is_same
                    others += [] if is_same else [text]
                share = n_same / len(english)
                click.echo(f"{called}: same first hit {share:.3f}; not {', '.join(others) or '-'}")


if __name__ == "__main__":
    languages()
