"""A library made by the real command, for tests that only ask it questions."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.command import Command
from tests.e2e.watched import FILES, Watch
from tests.sounds import noise, tones, write_audio


@pytest.fixture(scope="session")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five good sounds, one of them with a name that is no UTF-8, and one that is no sound."""
    folder = tmp_path_factory.mktemp("e2e") / "sounds"
    (folder / "deep").mkdir(parents=True)
    write_audio(folder / "low high.wav", tones([300, 1500]))
    write_audio(folder / "high-low.flac", tones([1500, 300]))
    write_audio(folder / "deep" / "hiss.ogg", noise(seconds=1.5))
    write_audio(folder / "long.wav", tones([200, 400, 800, 1600], seconds=6.0))
    odd = os.fsencode(write_audio(folder / "odd.wav", tones([900, 100])))
    os.rename(odd, odd.replace(b"odd.wav", b"od\xff d.wav"))  # noqa: PTH104  # bytes
    (folder / "notes.wav").write_bytes(b"not a sound at all, whatever its name says")
    return folder


@pytest.fixture
def fresh(tmp_path: Path, toy_bundle: Path) -> Command:
    """The command with an empty library."""
    return Command(data_dir=tmp_path / "data", bundle=str(toy_bundle))


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory, toy_bundle: Path, sounds: Path) -> Command:
    """The command with a library of `sounds`; tests must not change it."""
    command = Command(data_dir=tmp_path_factory.mktemp("library"), bundle=str(toy_bundle))
    answer = command("index", sounds)
    assert answer.status == 0, answer.err
    return command


@pytest.fixture
def own(filled: Command, tmp_path: Path) -> Command:
    """A copy of the filled library, to change."""
    shutil.copytree(filled.data_dir, tmp_path / "own", ignore=shutil.ignore_patterns("answers"))
    return Command(data_dir=tmp_path / "own", bundle=filled.bundle)


@pytest.fixture
def quick(fresh: Command) -> Command:
    """The command, whose daemon waits a short while only for files to rest."""
    fresh.environ["AUDIOSEARCH_WATCH_SETTLE_S"] = "0.2"
    return fresh


@pytest.fixture
def watch(quick: Command, sound_folder: Path) -> Iterator[Watch]:
    """A daemon that has taken in a folder of three sounds."""
    assert quick("roots", "add", sound_folder).status == 0
    watch = Watch(quick)
    try:
        watch.until_rows(
            [("high-low.flac", "indexed"), ("hiss.ogg", "indexed"), ("low-high.wav", "indexed")],
            FILES,
        )
        yield watch
    finally:
        watch.kill()
