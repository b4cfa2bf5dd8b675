"""Where queries by name, title, tag or metadata find their file: the rank of each, as Markdown.

Makes a library of generated sounds whose names and texts say other things than what is heard (bells
and hiss), indexes it with the real command and asks. `--folder` keeps the sounds, so that another
version of the program can be asked the same.

python -m benchmarks.name_queries [--folder FOLDER]
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import numpy as np

from audiosearch.training.synth.synthesis import RATE, bell, hiss
from benchmarks.child import run
from tests.sounds import write_audio

BELLS = ("bell-01.wav", "bell-02.wav", "kookaburra_morning.flac")
# name below the folder -> texts inside
NOISES = {
    "TASCAM_0031.wav": {},
    "TASCAM_0032.wav": {},
    "WATRTap_Kitchen Sink_ABC_LIB1.wav": {},
    "DOORWood_Cupboard Door Close_ABC_LIB1.wav": {},
    "cat-purring.wav": {},
    "trips/belgrade/x1.wav": {},
    "dog_bark2.wav": {},
    "train-pass.wav": {},
    "雨の音_屋根.wav": {},
    "Brücke_nachts.wav": {},
    "n1.flac": {"title": "Hvalfjord", "genre": "Fjords; Night"},
    "n2.flac": {"title": "Roomtone 4", "comment": "recorded with a Nagra"},
    "n3.ogg": {"artist": "A. Recordist", "album": "Reykjanes"},
    "n4.wav": {"title": "Geysir Strokkur", "genre": "Geothermal"},
    "AMBUrbn_Marketplace Marrakesh_XYZ_LIB2.wav": {},
}
# query -> the file that it means
QUERIES = {
    "kookaburra": "kookaburra_morning.flac",
    "a bell kookaburra": "kookaburra_morning.flac",
    "TASCAM_0031": "TASCAM_0031.wav",
    "WATRTap": "WATRTap_Kitchen Sink_ABC_LIB1.wav",
    "kitchen sink": "WATRTap_Kitchen Sink_ABC_LIB1.wav",
    "DOORWood_Cupboard Door Close": "DOORWood_Cupboard Door Close_ABC_LIB1.wav",
    "door wood": "DOORWood_Cupboard Door Close_ABC_LIB1.wav",
    "cat-purring": "cat-purring.wav",
    "belgrade": "trips/belgrade/x1.wav",
    "dog bark": "dog_bark2.wav",
    "bark": "dog_bark2.wav",
    "trian": "train-pass.wav",
    "雨": "雨の音_屋根.wav",
    "brucke": "Brücke_nachts.wav",
    "Hvalfjord": "n1.flac",
    "fjords": "n1.flac",
    "roomtone": "n2.flac",
    "nagra": "n2.flac",
    "reykjanes": "n3.ogg",
    "strokkur": "n4.wav",
    "geothermal": "n4.wav",
    "marrakesh": "AMBUrbn_Marketplace Marrakesh_XYZ_LIB2.wav",
}


def write_sounds(folder: Path) -> None:
    """Bells under plain names, hiss under names that lead elsewhere."""
    for seed, name in enumerate([*BELLS, *NOISES]):
        rng = np.random.default_rng(seed)
        sound = np.asarray(bell(rng) if name in BELLS else hiss(rng))
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_audio(path, 0.5 * sound / np.abs(sound).max(), rate=RATE, tags=NOISES.get(name, {}))


@contextmanager
def place(folder: Path | None) -> Iterator[Path]:
    """A folder of sounds: the given one, filled if it is empty, or one for the moment."""
    with tempfile.TemporaryDirectory() as moment:
        chosen = folder or Path(moment) / "sounds"
        if not chosen.is_dir():
            write_sounds(chosen)
        yield chosen


@click.command()
@click.option("--folder", type=click.Path(path_type=Path), help="Keeps the sounds, or has them.")
def main(folder: Path | None) -> None:
    """Print a table."""
    with place(folder) as sounds, tempfile.TemporaryDirectory() as data:
        run("index", str(sounds), data_dir=Path(data))
        print("| query | file | rank |\n|---|---|---|")
        for query, name in QUERIES.items():
            done = run("find", query, "--json", "-n", "20", data_dir=Path(data))
            paths = [json.loads(line)["path"] for line in done.out.splitlines()]
            wanted = str(sounds / name)
            rank = str(paths.index(wanted) + 1) if wanted in paths else "not found"
            print(f"| {query} | {name} | {rank} |")


if __name__ == "__main__":
    main()
