"""A library of generated files of many formats, behind a running server."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np

from audiosearch.config import Config, ModelConfig, ServeConfig
from audiosearch.library import open_library
from audiosearch.server.page_address import open_page
from audiosearch.server.server import AnswerServer
from tests.sounds import noise, tone, tones, wav_bytes, write_audio

EVIL = "<img src=x onerror=alert(1)>.wav"


@dataclass(frozen=True)
class HttpAnswer:
    """What a server said; names of headers in any case."""

    status_code: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def text(self) -> str:
        return self.content.decode()

    def json(self) -> Any:
        return json.loads(self.content)


@dataclass(frozen=True)
class HttpClient:
    """Asks a server over HTTP, each time anew."""

    port: int
    host: str = "127.0.0.1"

    def ask(
        self,
        method: str,
        url: str,
        *,
        json: object = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str | Sequence[str]] | None = None,
    ) -> HttpAnswer:
        sent = dict(headers or {})
        if json is not None:
            content = _dumped(json)
            sent["content-type"] = "application/json"
        if params:
            url = f"{url}?{urlencode(params, doseq=True)}"
        with closing(HTTPConnection(self.host, self.port, timeout=60)) as connection:
            connection.request(method, url, content, sent)
            response = connection.getresponse()
            return HttpAnswer(response.status, response.headers, response.read())

    def get(self, url: str, **more: Any) -> HttpAnswer:
        return self.ask("GET", url, **more)

    def head(self, url: str, **more: Any) -> HttpAnswer:
        return self.ask("HEAD", url, **more)

    def put(self, url: str, **more: Any) -> HttpAnswer:
        return self.ask("PUT", url, **more)

    def post(self, url: str, **more: Any) -> HttpAnswer:
        return self.ask("POST", url, **more)

    def delete(self, url: str, **more: Any) -> HttpAnswer:
        return self.ask("DELETE", url, **more)


def _dumped(content: object) -> bytes:
    return json.dumps(content).encode()


@dataclass(frozen=True)
class Served:
    """A library of real files, and what asks its server."""

    client: HttpClient
    config: Config
    folder: Path
    ids: dict[str, int] = field(default_factory=dict)

    def id_of(self, name: str) -> int:
        if name not in self.ids:
            self.ids[name] = self._id_of(name)
        return self.ids[name]

    def _id_of(self, name: str) -> int:
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


def heard_library(place: Path, bundle: Path, folder: Path) -> Config:
    """The settings of a library in `place` that has heard `folder`."""
    config = Config(
        data_dir=place / "data",
        config_file=place / "config.toml",
        model=ModelConfig(bundle=str(bundle), device="cpu", threads=1),
        serve=ServeConfig(port=0),
    )
    with open_library(config, writable=True) as library:
        library.index([folder])
    return config


@contextmanager
def served_library(place: Path, bundle: Path) -> Iterator[Served]:
    """The sounds of `write_sounds` in a library of their own, served."""
    folder = place / "sounds"
    folder.mkdir()
    write_sounds(folder)
    config = heard_library(place, bundle, folder)
    page = open_page(config)
    with AnswerServer(config, page=page):
        yield Served(HttpClient(page.socket.port), config, folder)
