"""The real command with a real S3 server on this machine."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote
from urllib.request import Request, urlopen

import pytest

from tests.e2e.command import Command
from tests.remote_stores import s3_server
from tests.sounds import noise, tones, write_audio

pytest.importorskip("s3fs", reason="needs the extra [dev]: pip install 'audiosearch[dev]'")
pytest.importorskip("moto.server", reason="needs the extra [dev]: pip install 'audiosearch[dev]'")
pytest.importorskip("flask", reason="needs the extra [dev]: pip install 'audiosearch[dev]'")

ODD = "a b#1?x@3-5 ü.wav"
WORDS = "a dog barks"
NAMES = ("low high.wav", "deep/hiss.ogg", ODD)


@dataclass(frozen=True)
class Bucket:
    """A bucket of a server of S3, and the environment in which it is found."""

    environ: dict[str, str]

    def put(self, key: str, content: bytes) -> None:
        self._ask("PUT", f"sounds/{key}", content)

    def delete(self, key: str) -> None:
        self._ask("DELETE", f"sounds/{key}")

    def make(self) -> None:
        self._ask("PUT", "sounds", b"")

    def _ask(self, method: str, path: str, content: bytes | None = None) -> None:
        url = f"{self.environ['AWS_ENDPOINT_URL']}/{quote(path)}"
        headers = {"Content-Type": "application/octet-stream"}
        with urlopen(Request(url, data=content, method=method, headers=headers), timeout=30):
            pass


@pytest.fixture(scope="module")
def server() -> Iterator[Bucket]:
    with s3_server() as environ:
        bucket = Bucket(environ)
        bucket.make()
        yield bucket


@pytest.fixture(scope="module")
def filled_bucket(server: Bucket, tmp_path_factory: pytest.TempPathFactory) -> Bucket:
    folder = tmp_path_factory.mktemp("sounds")
    made = (
        write_audio(folder / "1.wav", tones([300, 1500])),
        write_audio(folder / "2.ogg", noise(seconds=1.5)),
        write_audio(folder / "3.wav", tones([900, 100], seconds=2.0)),
    )
    for name, path in zip(NAMES, made, strict=True):
        server.put(f"field/{name}", path.read_bytes())
    server.put("field2/beside.wav", made[0].read_bytes())
    server.put("field/notes.txt", b"no sound")
    server.put("field//strange.wav", made[0].read_bytes())
    return server


@pytest.fixture
def remote(fresh: Command, filled_bucket: Bucket) -> Command:
    return replace(fresh, environ={**fresh.environ, **filled_bucket.environ})


def secrets_in(folder: Path, *texts: str) -> list[str]:
    """Where the bucket's key is to be seen, in files or in texts."""
    secrets = (b"secret-of-tests", b"KEYOFTESTS")
    found = [
        str(path)
        for path in folder.rglob("*")
        if path.is_file() and any(each in path.read_bytes() for each in secrets)
    ]
    return found + [text for text in texts if any(each.decode() in text for each in secrets)]


def paths(rows: Sequence[dict[str, object]]) -> set[object]:
    return {row["path"] for row in rows}


def test_a_bucket_is_indexed_and_searched(remote: Command, tmp_path: Path) -> None:
    urls = {f"s3://sounds/field/{name}" for name in NAMES}
    indexed = remote("index", "s3://sounds/field/", "--json")
    assert indexed.status == 0, indexed.err
    assert (indexed.rows[0]["files"], indexed.rows[0]["failed"]) == (3, 0)
    assert indexed.rows[0]["passed_over"]["endings"] == {".txt": 1}  # type: ignore[index, call-overload]
    assert "strange.wav" in indexed.err
    assert paths(remote("files", "--json").rows) == urls
    found = remote("find", WORDS, "--min-score", "0", "--json")
    assert paths(found.rows) == urls
    within = remote("find", WORDS, "--in", "s3://sounds/field/deep", "--min-score", "0", "--json")
    assert paths(within.rows) == {"s3://sounds/field/deep/hiss.ogg"}
    again = remote("index", "--json")
    assert (again.rows[0]["unchanged"], again.rows[0]["windows_encoded"]) == (3, 0)
    alike = remote("similar", f"s3://sounds/field/{ODD}@0.5-1.5", "--json")
    assert alike.status == 0, alike.err
    described = remote("describe", f"s3://sounds/field/{ODD}", "--json")
    assert described.rows[0]["path"] == f"s3://sounds/field/{ODD}"
    assert remote("describe", "s3://sounds/field2/beside.wav").status == 0  # in no library
    told = remote("info", f"s3://sounds/field/{ODD}", "--json")
    assert told.rows[0]["changed"] is False
    clips = remote("export", "clips", "--to", tmp_path / "clips", given=found.out)
    assert clips.status == 0, clips.err
    assert len(list((tmp_path / "clips").glob("*.wav"))) == 3
    assert remote("verify").status == 0
    outputs = (indexed.err, found.text, told.text)
    assert secrets_in(remote.data_dir, *outputs) == []


def test_a_bucket_that_is_not_there(remote: Command) -> None:
    assert remote("index", "s3://sounds/field").status == 0
    for url, why in (
        ("s3://none/field", "nothing is there"),
        ("s3://sounds/typo", "nothing is there"),
        ("s3://KEY:hidden@sounds/field", "password"),
        ("nosuch://sounds", "no kind of URL"),
    ):
        refused = remote("index", url)
        assert refused.status == 2
        assert why in refused.err
        assert "hidden" not in refused.err
    away = replace(
        remote,
        environ={
            **remote.environ,
            "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
            "AWS_MAX_ATTEMPTS": "1",
            "FSSPEC_S3_RETRIES": "0",
        },
    )
    later = away("index", "--json")
    assert (later.status, later.rows[0]["missing"], later.rows[0]["failed"]) == (0, 0, 0)
    assert "s3://sounds/field" in later.err
    assert len(away("files", "--json").rows) == 3
    assert away("find", WORDS, "--min-score", "0").status == 0  # which asks no store
    assert secrets_in(remote.data_dir, later.err) == []


def test_a_local_url_is_the_folder(fresh: Command, sound_folder: Path) -> None:
    assert fresh("index", f"file://{sound_folder}").status == 0
    assert fresh("index", sound_folder).status == 0
    assert paths(fresh("roots", "list", "--json").rows) == {os.fspath(sound_folder)}


def test_only_urls_load_what_reaches_them(fresh: Command, sound_folder: Path) -> None:
    timed = replace(fresh, program=(sys.executable, "-X", "importtime", "-m", "audiosearch"))
    assert "fsspec" not in timed("index", sound_folder).err
    found = timed("find", WORDS, "--min-score", "0")
    assert "audiosearch.search" in found.err
    assert not any(each in found.err for each in ("fsspec", "audiosearch.remote"))
