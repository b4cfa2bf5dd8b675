"""What the histories of a library are made of: sounds, what must come of them, and a quick reader.

In: the folder of the toy bundle, named by the environment variable `BUNDLE`. Everything real, in
this process, and made once.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from audiosearch.audio.container import check_is_sound_file
from audiosearch.audio.decode import Decoding
from audiosearch.audio.fingerprint import survey_of
from audiosearch.audio.metadata import metadata_of
from audiosearch.audio.sandbox.client import OpenedFile
from audiosearch.audio.sound import open_sound
from audiosearch.audio.types import AudioFacts
from audiosearch.audio.windows import windows
from audiosearch.config import IndexConfig
from audiosearch.indexing.pipeline import index
from audiosearch.indexing.types import IndexReport, Models
from audiosearch.model.bundle import load_bundle
from audiosearch.model.captioner import Captioner
from audiosearch.model.loaded import Model
from audiosearch.model.runtime.session import RuntimeOptions
from audiosearch.store.database import Database, open_database
from audiosearch.store.queries import roots
from tests.sounds import info_chunk, noise, tones, wav_bytes

BUNDLE = "AUDIOSEARCH_MACHINE_BUNDLE"  # environment variable: the folder of the toy bundle


@dataclass(frozen=True)
class Content:
    """What a file may hold: bytes, and the sound that they are; None: no sound at all."""

    data: bytes
    sound: int | None


@dataclass(frozen=True)
class Sound:
    """What is to come of a sound: windows, and where they lie in the space of embeddings."""

    audio_hash: bytes
    n_windows: int
    embeddings: np.ndarray


def _contents() -> tuple[Content, ...]:
    short = tones([300, 900], seconds=0.3)
    tagged = info_chunk({b"INAM": b"another title"})
    return (
        Content(wav_bytes(short), 0),
        Content(wav_bytes(short, before=tagged), 0),  # the same sound, tagged anew
        Content(wav_bytes(noise(seconds=0.5)), 1),
        Content(wav_bytes(tones([1500, 200, 700], seconds=4)), 2),  # two windows
        Content(b"no sound at all", None),
    )


CONTENTS = _contents()


@cache
def model() -> Model:
    """The toy model, once a process."""
    bundle = load_bundle(Path(os.environ[BUNDLE]))
    return Model(bundle, options=RuntimeOptions(device="cpu", threads=1))


@cache
def sounds() -> dict[int, Sound]:
    """The sounds of `CONTENTS`, by themselves."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for content in CONTENTS:
            if content.sound is None:
                continue
            path = Path(folder) / "x.wav"
            path.write_bytes(content.data)
            reader = DirectReader()
            rate = model().bundle.sample_rate
            opened = reader.open(os.fsencode(path), sample_rate=rate)
            length_s = model().bundle.window_s
            cut = windows(reader.blocks(), sample_rate=rate, window_s=length_s, hop_s=length_s / 2)
            encoded = model().encoder.encode_many([window.samples for window in cut])
            vectors = np.stack([each.embedding for each in encoded])
            found[content.sound] = Sound(opened.fingerprint.audio_hash, len(vectors), vectors)
    return found


class DirectReader(AbstractContextManager["DirectReader"]):
    """Decodes in this process: the files are known to be harmless, and starting one takes long."""

    def __init__(self) -> None:
        self._decoding: Decoding | None = None

    def open(self, path: bytes, *, sample_rate: int) -> OpenedFile:
        facts = check_is_sound_file(path)
        with open_sound(path) as sound:
            texts = metadata_of(sound)
            survey = survey_of(sound)
        self._decoding = Decoding(path, sample_rate=sample_rate)
        return OpenedFile(
            survey.fingerprint,
            texts,
            survey.remark,
            facts.st_size,
            facts.st_mtime_ns,
            facts.st_ctime_ns,
        )

    def blocks(self) -> Iterator[np.ndarray]:
        assert self._decoding is not None
        yield from self._decoding

    def facts(self) -> AudioFacts:
        assert self._decoding is not None
        return self._decoding.facts

    def skip(self) -> None:
        self._decoding = None

    def close(self) -> None:
        self._decoding = None

    def __exit__(self, *_error: object) -> None:
        self.close()


def index_folder(database: Database, folder: Path, *, accept_missing: bool) -> IndexReport:
    """Take in what is new or changed in a folder, as the command does, in this process."""
    with database.session() as session:
        place = roots.add_root(session, os.fsencode(folder))
    return index(
        database,
        places=[place],
        bundle=model().bundle,
        load_models=lambda: Models(
            encoder=model().encoder,
            captioner=Captioner(model().decoder),
            embed_texts=model().tower.embed,  # type: ignore[union-attr]
        ),
        config=IndexConfig(workers=1, batch_windows=2),
        accept_missing=accept_missing,
        open_reader=DirectReader,
    )


@cache
def empty_library() -> bytes:
    """A new library's file: migrations are tested elsewhere, and take longer than the rest."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "library.sqlite3"
        open_database(path).close()
        return path.read_bytes()
