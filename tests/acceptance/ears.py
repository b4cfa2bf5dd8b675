"""A library of the generated sounds, heard by a given bundle, and the questions put to it.

The files' names are numbers, so that whatever is found was heard. This is the one file of the
suite that knows the program's interface; what must be true stands in `truths`.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from audiosearch.audio.decode import Decoding
from audiosearch.config import Config, ModelConfig
from audiosearch.library import Library, open_library
from audiosearch.training.synth.examples import write_examples
from audiosearch.training.synth.synthesis import RATE
from tests.sounds import write_audio

BUNDLED = Path(__file__).parents[2] / "models" / "starter"
SILENCE = "silence"
KNOCKS_THEN_BELL, BELL_THEN_KNOCKS = "scene-1", "scene-2"


@dataclass(frozen=True)
class Heard:
    """A sound that answers a query by words."""

    sound: str
    score: float
    lift: float


@dataclass(frozen=True)
class Ears:
    """What a bundle hears in the generated sounds, each known by the name that `examples` gives.

    Attributes:
        least_score: what a sound must score to be shown by default.
    """

    library: Library
    paths: dict[str, Path]
    workshop: Path
    least_score: float

    def find(self, words: str) -> list[str]:
        """The sounds that are shown for words, best first."""
        return [self._sound(hit.path) for hit in self.library.find(words, limit=99).hits]

    def find_all(self, words: str) -> list[Heard]:
        """How each sound answers words, best first, whatever it scores."""
        result = self.library.find(words, limit=99, min_score=0.0, exhaustive=True)
        heard = []
        for hit in result.hits:
            assert hit.score is not None
            assert hit.lift is not None
            heard.append(Heard(self._sound(hit.path), hit.score, hit.lift))
        return heard

    def similar(self, clip: Path) -> list[tuple[str, float]]:
        """The sounds most like a file, with their cosines."""
        found = []
        for hit in self.library.similar(str(clip)).hits:
            assert hit.similarity is not None
            found.append((self._sound(hit.path), hit.similarity))
        return found

    def first_label(self, sound: str, labels: Sequence[str]) -> str:
        """The label that fits a sound best."""
        _, fits = self.library.label(str(self.paths[sound]), labels)
        return fits[0].label

    def captions(self, sound: str) -> list[str]:
        """The model's own sentence for each window of a sound; none for a silent one."""
        _, windows = self.library.describe(str(self.paths[sound]), limit=0)
        return [fit.text for window in windows for fit in window.captions]

    def loud_short_mp3(self, sound: str) -> Path:
        """A copy of the middle two thirds of a sound, 2.5 dB louder, as MP3 at 96 kbit/s."""
        path = os.fsencode(self.paths[sound])
        samples = np.concatenate(list(Decoding(path, sample_rate=RATE))).astype(np.float64)
        part = samples[len(samples) // 6 : len(samples) * 5 // 6]
        copy = self.workshop / f"{sound}.mp3"
        return write_audio(copy, np.clip(1.33 * part, -1, 1), rate=RATE, options={"b": "96k"})

    def _sound(self, path: bytes) -> str:
        [name] = [name for name, own in self.paths.items() if bytes(own) == path]
        return name


@contextlib.contextmanager
def listening(bundle: Path, folder: Path) -> Iterator[Ears]:
    """Let a bundle hear the generated sounds and a silence, in a library below `folder`."""
    paths = {
        path.stem: path.rename(path.with_name(f"{number:02}{path.suffix}"))
        for number, path in enumerate(write_examples(folder / "sounds"))
    }
    paths[SILENCE] = write_audio(folder / "sounds" / "99.wav", np.zeros(4 * RATE), rate=RATE)
    config = Config(
        data_dir=folder / "data",
        config_file=folder / "config.toml",
        model=ModelConfig(bundle=str(bundle), device="cpu"),
    )
    with open_library(config, writable=True) as library:
        library.index([folder / "sounds"])
    with open_library(config) as library:
        yield Ears(library, paths, folder, library.bundle.score.min_score)
