"""A library of generated files of many formats, behind the application of the server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from starlette.testclient import TestClient

from audiosearch.config import Config, ModelConfig
from audiosearch.library import open_library
from audiosearch.server.app import create_app
from audiosearch.server.context import ServerContext
from tests.sounds import noise, tone, tones, wav_bytes, write_audio

EVIL = "<img src=x onerror=alert(1)>.wav"


@dataclass
class Served:
    """A library of real files behind the application."""

    client: TestClient
    config: Config
    folder: Path
    context: ServerContext

    def id_of(self, name: str) -> int:
        with open_library(self.config) as library:
            file = library.info(str(self.folder / name)).file
            assert file is not None
            assert file.recording_id is not None
            return file.recording_id

    def audio(self, name: str, **parameters: object) -> str:
        given = "&".join(f"{key}={value}" for key, value in parameters.items())
        return f"/api/recordings/{self.id_of(name)}/audio?{given}"


def write_sounds(folder: Path) -> None:
    """Sounds of many formats, eight seconds each, so that places in them are sought."""
    sound = tones([300, 900, 500, 700], seconds=2.0) + noise(seconds=8.0, amplitude=0.02)
    write_audio(folder / "plain.wav", sound)
    (folder / EVIL).write_bytes(wav_bytes(tone(500, seconds=1.0)))
    both = np.stack([sound, tone(220, seconds=8.0)], axis=1)
    write_audio(folder / "both.flac", both)
    write_audio(folder / "apple.aiff", both[::-1])
    write_audio(folder / "many.w64", np.stack([sound * each for each in (0.9, 0.3, 0.2, 0.1)], 1))
    write_audio(folder / "song.mp3", sound * 0.5)
    write_audio(folder / "voice.opus", np.repeat(sound, 3)[: 8 * 48_000], rate=48_000)
    write_audio(folder / "film.mka", np.repeat(sound * 0.7, 3)[: 8 * 48_000], rate=48_000)


@contextmanager
def served_library(place: Path, bundle: Path) -> Iterator[Served]:
    """The sounds of `write_sounds` in a library of their own, served."""
    folder = place / "sounds"
    folder.mkdir()
    write_sounds(folder)
    config = Config(
        data_dir=place / "data",
        config_file=place / "config.toml",
        model=ModelConfig(bundle=str(bundle), device="cpu", threads=1),
    )
    with open_library(config, writable=True) as library:
        library.index([folder])
    context = ServerContext.of(config)
    try:
        with TestClient(create_app(context)) as client:
            yield Served(client, config, folder, context)
    finally:
        context.close(timeout_s=10.0)
