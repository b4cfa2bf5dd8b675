"""What `doctor` says of things that a test cannot break for real: disks, limits, decoders."""

from __future__ import annotations

import dataclasses
import shutil
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest

from audiosearch.config import Config, ModelConfig
from audiosearch.doctor import model as doctor_model
from audiosearch.doctor import store as doctor_store
from audiosearch.doctor import watch as doctor_watch
from audiosearch.doctor.findings import Level
from audiosearch.store.database import open_database
from audiosearch.store.lock import IndexerLock
from audiosearch.store.queries import roots
from audiosearch.watch.status import (
    GuardedFiles,
    RootState,
    WatchActivity,
    WatchMode,
    WatchState,
    write_state,
)
from tests.sounds import noise, tone, wav_bytes

Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def config(tmp_path: Path, toy_bundle: Path) -> Config:
    """Settings with an empty library."""
    found = Config(
        data_dir=tmp_path / "data",
        config_file=tmp_path / "config.toml",
        model=ModelConfig(bundle=str(toy_bundle), device="cpu"),
    )
    open_database(found.database).close()
    return found


@pytest.mark.parametrize(
    ("free", "level"),
    [(10 << 30, Level.OK), (500 << 20, Level.WARNING), (1 << 20, Level.ERROR)],
)
def test_a_disk_that_fills(
    config: Config, monkeypatch: pytest.MonkeyPatch, free: int, level: Level
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(1 << 40, 0, free))
    [finding] = doctor_store.disk_space(config)
    assert finding.level is level


def test_a_limit_on_watches(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = config.data_dir.parent / "sounds"
    for number in range(10):
        (folder / str(number)).mkdir(parents=True)
    with open_database(config.database) as database, database.session() as session:
        roots.add_root(session, str(folder).encode())
    limit = config.data_dir.parent / "max_user_watches"
    monkeypatch.setattr(doctor_watch, "LIMIT", limit)
    for allowed, level in (("10", Level.WARNING), ("100", Level.OK)):
        limit.write_text(allowed)
        *_, finding = doctor_watch.watching(config)
        assert finding.level is level
        assert "11 folders" in finding.detail
        assert finding.level is Level.OK or "max_user_watches=" in (finding.remedy or "")


def test_a_tone_is_told_from_other_sounds() -> None:
    def is_tone(samples: np.ndarray) -> bool:
        return doctor_model.is_tone(samples.astype(np.float32), rate=16_000)

    assert is_tone(tone(440.0))
    assert not is_tone(tone(880.0))
    assert not is_tone(noise())
    assert not is_tone(tone(440.0, seconds=0.5))
    assert not is_tone(np.zeros(0))


def test_a_decoder_that_gives_something_else(config: Config) -> None:
    [finding] = doctor_model.decoding(config, write=_write_noise)
    assert finding.level is Level.ERROR


def _write_noise(path: Path) -> None:
    path.write_bytes(wav_bytes(noise(rate=44_100), rate=44_100))


def test_a_daemon_is_told_with_what_it_waits_for(config: Config) -> None:
    [none] = doctor_watch.daemon(config)
    assert "none is running" in none.detail
    with IndexerLock(config.data_dir):
        [other] = doctor_watch.daemon(config)
        assert "indexing now" in other.detail
        held = RootState(b"/sounds", WatchMode.NATIVE, guarded=GuardedFiles(n_lost=9, n_known=10))
        share = RootState(b"/share", WatchMode.POLLING, why="a network file system (nfs4)")
        state = WatchState(
            pid=IndexerLock(config.data_dir).pid() or 0,
            since=0.0,
            activity=WatchActivity.IDLE,
            next_scan_at=1.0,
            roots=(held, share),
        )
        write_state(config.data_dir, state)
        first, late, gone, polled = doctor_watch.daemon(config)
        assert first.detail.endswith("idle")
        assert (late.level, gone.level, polled.level) == (Level.WARNING, Level.WARNING, Level.OK)
        assert "late" in late.detail
        assert "9 of 10" in gone.detail
        assert "nfs4" in polled.detail
        write_state(config.data_dir, dataclasses.replace(state, pid=1))
        assert len(list(doctor_watch.daemon(config))) == 1
