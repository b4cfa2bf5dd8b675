"""The daemon over real folders: whatever happens to files, the library comes to know it."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import numpy as np
import pytest
from sqlalchemy import select
from watchdog.events import FileCreatedEvent, FileMovedEvent

from audiosearch.errors import LibraryCorrupt, StorageFull
from audiosearch.store.database import Database
from audiosearch.store.queries import roots
from audiosearch.store.schema import Recording
from audiosearch.watch import roots as watch_roots
from audiosearch.watch.coverage import watched_inodes
from audiosearch.watch.events import MANY, Gathered, Inbox
from audiosearch.watch.status import GuardedFiles, WatchActivity, WatchMode
from tests.indexing_fakes import (
    RATE,
    WaveReader,
    run_index,
    write_samples,
    write_wav,
)
from tests.watching import SETTLE_S, Daemon


@pytest.fixture
def sounds(tmp_path: Path) -> Path:
    """Three files of three windows each; `c` is in a folder."""
    folder = tmp_path / "sounds"
    for seed, name in enumerate(("a.wav", "b.wav", "in/c.wav")):
        write_wav(folder / name, seconds=2, seed=seed)
    return folder


@pytest.fixture
def daemon(database: Database, sounds: Path) -> Iterator[Daemon]:
    """A daemon that has taken in `sounds`."""
    with Daemon(database, sounds) as daemon:
        daemon.until_files(a="indexed", b="indexed", in__c="indexed")
        assert daemon.n_encoded == 9
        yield daemon
    fresh = run_index(database, open_reader=WaveReader)
    assert (fresh.n_new, fresh.n_windows) == (0, 0)  # a fresh scan has nothing to add


def test_what_is_there_is_taken_in_and_what_is_new(daemon: Daemon, sounds: Path) -> None:
    assert daemon.root().mode is WatchMode.NATIVE
    write_wav(sounds / "d.wav", seconds=1, seed=7)
    daemon.until_files(a="indexed", b="indexed", in__c="indexed", d="indexed")
    first, *others = (rules.observed for rules in daemon.indexer.passes)
    assert not first  # the whole folder; afterwards what events tell
    assert others
    assert all(others)
    assert daemon.indexer.n_tidied >= 1


def test_renaming_and_moving_encode_nothing(daemon: Daemon, sounds: Path) -> None:
    (sounds / "a.wav").rename(sounds / "A.wav")  # in its case only
    (sounds / "in").rename(sounds / "out")
    shutil.copyfile(sounds / "b.wav", sounds / "copy.wav")
    os.link(sounds / "b.wav", sounds / "link.wav")
    daemon.until_files(
        a="missing",
        A="indexed",
        b="indexed",
        copy="indexed",
        link="indexed",
        in__c="missing",
        out__c="indexed",
    )
    assert daemon.n_encoded == 9


def test_moving_between_roots_encodes_nothing(
    database: Database, sounds: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    write_wav(other / "x.wav", seed=9)
    with Daemon(database, sounds, other) as daemon:
        daemon.until_files(a="indexed", b="indexed", in__c="indexed", x="indexed")
        n_encoded = daemon.n_encoded
        (sounds / "a.wav").rename(other / "a2.wav")
        (sounds / "in").rename(other / "in2")
        daemon.until_files(
            a="missing",
            b="indexed",
            in__c="missing",
            x="indexed",
            a2="indexed",
            in2__c="indexed",
        )
        assert daemon.n_encoded == n_encoded


def test_moving_and_tagging_at_once_encodes_nothing(daemon: Daemon, sounds: Path) -> None:
    content = (sounds / "a.wav").read_bytes()
    (sounds / "a.wav").unlink()
    info = b"LIST\x14\0\0\0INFOINAM\x07\0\0\0Thunder\0"
    size = (len(content) - 8 + len(info)).to_bytes(4, "little")
    (sounds / "in" / "thunder.wav").write_bytes(b"RIFF" + size + content[8:] + info)
    daemon.until_files(a="missing", b="indexed", in__c="indexed", in__thunder="indexed")
    assert daemon.n_encoded == 9


def test_an_atomic_save_is_encoded_once(daemon: Daemon, sounds: Path) -> None:
    write_wav(sounds / "a.wav.tmp", seconds=1, seed=20)
    (sounds / "a.wav.tmp").replace(sounds / "a.wav")
    daemon.until(lambda: daemon.n_encoded > 9 and daemon.is_idle())
    assert daemon.n_encoded == 10
    assert set(daemon.files().values()) == {"indexed"}


def test_a_file_that_is_being_copied_in_is_waited_for(
    daemon: Daemon, sounds: Path, tmp_path: Path
) -> None:
    write_wav(tmp_path / "whole.wav", seconds=30, seed=21)
    data = (tmp_path / "whole.wav").read_bytes()
    with (sounds / "slow.wav").open("wb") as file:
        for start in range(0, len(data), len(data) // 20):
            file.write(data[start : start + len(data) // 20])
            file.flush()
            time.sleep(0.03)
    daemon.until(lambda: daemon.files().get("slow.wav") == "indexed" and daemon.is_idle())
    assert daemon.n_encoded == 9 + 59  # 30 s, once


def test_a_file_that_is_written_to_during_a_full_look_is_waited_for(
    database: Database, sounds: Path
) -> None:
    with Daemon(database, sounds, settle_s=0.6) as daemon:  # all of them are new on the disk
        daemon.until_files(a="indexed", b="indexed", in__c="indexed")
        assert daemon.indexer.reports[0].n_unsettled == 3
        assert daemon.n_encoded == 9


@pytest.mark.slow
@pytest.mark.parametrize("polling", ["auto", "always"])
def test_a_recorder_is_heard_less_and_less_often(
    database: Database, tmp_path: Path, polling: str
) -> None:
    """The longer a file has been written to, the longer it must rest; one recording is left."""
    file = tmp_path / "s" / "take.wav"
    random = np.random.default_rng(1)
    samples = (random.standard_normal(20 * RATE) * 3000).astype("<i2")

    def grow(seconds: int) -> float:
        """Write more; how long it takes until the daemon has heard it."""
        n_heard = sum(report.n_encoded for report in daemon.indexer.reports)
        write_samples(file, samples[: seconds * RATE])
        written = time.monotonic()
        daemon.until(lambda: sum(each.n_encoded for each in daemon.indexer.reports) > n_heard)
        return time.monotonic() - written

    write_samples(file, samples[:RATE])
    with Daemon(database, tmp_path / "s", polling=polling, poll_every_s=0.1) as daemon:
        daemon.until_files(take="indexed")
        waits = [grow(seconds) for seconds in (2, 3, 4, 5)]
        daemon.until(daemon.is_idle)
    for number, wait_s in enumerate(waits, 1):
        assert wait_s >= 0.9 * SETTLE_S * 2**number
    with database.reading() as session:
        assert session.scalars(select(Recording.duration_s)).all() == [5.0]


def test_recycle_bins_are_not_heard_of(daemon: Daemon, sounds: Path) -> None:
    write_wav(sounds / "#recycle" / "x.wav", seed=22)
    (sounds / "a.wav").rename(sounds / "#recycle" / "a.wav")
    write_wav(sounds / "in" / "@Recycle" / "y.wav", seed=23)
    write_wav(sounds / "d.wav", seed=24)  # told after all of these
    daemon.until_files(a="missing", b="indexed", in__c="indexed", d="indexed")
    daemon.indexer.nudge += 1  # a full look finds nothing more
    n_passes = len(daemon.indexer.passes)
    daemon.until(lambda: len(daemon.indexer.reports) > n_passes)
    daemon.until_files(a="missing", b="indexed", in__c="indexed", d="indexed")


def test_deleting_marks_as_missing(daemon: Daemon, sounds: Path) -> None:
    shutil.rmtree(sounds / "in")
    daemon.until_files(a="indexed", b="indexed", in__c="missing")
    write_wav(sounds / "in" / "c.wav", seconds=2, seed=2)  # it is back
    daemon.until_files(a="indexed", b="indexed", in__c="indexed")
    assert daemon.n_encoded == 9


def test_a_great_loss_is_held_until_it_is_confirmed(daemon: Daemon, sounds: Path) -> None:
    (sounds / "a.wav").unlink()
    shutil.rmtree(sounds / "in")
    daemon.until(lambda: daemon.root().guarded == GuardedFiles(n_lost=2, n_known=3))
    assert set(daemon.files().values()) == {"indexed"}
    write_wav(sounds / "a.wav", seconds=2, seed=0)
    daemon.until(daemon.is_idle)
    (sounds / "in").mkdir()
    daemon.indexer.nudge += 1  # as `roots confirm` does
    daemon.until_files(a="indexed", b="indexed", in__c="missing")
    assert daemon.root().guarded is None


def test_a_folder_tree_moved_in_is_watched_from_then_on(
    daemon: Daemon, sounds: Path, tmp_path: Path
) -> None:
    write_wav(tmp_path / "new" / "deep" / "er" / "d.wav", seed=30)
    (tmp_path / "new").rename(sounds / "new")
    daemon.until(lambda: daemon.files().get("new/deep/er/d.wav") == "indexed")
    (sounds / "new" / "deep").rename(sounds / "deep")
    daemon.until(lambda: daemon.files().get("deep/er/d.wav") == "indexed")
    write_wav(sounds / "deep" / "er" / "e.wav", seed=31)  # its folder has moved twice
    daemon.until(lambda: daemon.files().get("deep/er/e.wav") == "indexed")


def test_a_root_that_goes_away_is_offline_and_comes_back(
    daemon: Daemon, sounds: Path, tmp_path: Path
) -> None:
    sounds.rename(tmp_path / "away")
    daemon.until(lambda: daemon.root().mode is WatchMode.OFFLINE)
    sounds.mkdir()  # an empty mount point
    daemon.indexer.nudge += 1
    n_looks = daemon.indexer.n_looks
    daemon.until(lambda: daemon.indexer.n_looks >= n_looks + 3)  # two of them are over
    assert daemon.root().mode is WatchMode.OFFLINE
    assert set(daemon.files().values()) == {"indexed"}
    sounds.rmdir()
    (tmp_path / "away").rename(sounds)
    write_wav(sounds / "d.wav", seed=40)
    daemon.until_files(a="indexed", b="indexed", in__c="indexed", d="indexed")
    assert daemon.root().mode is WatchMode.NATIVE
    write_wav(sounds / "e.wav", seed=41)
    daemon.until(lambda: daemon.files().get("e.wav") == "indexed")


def test_a_watcher_that_has_died_is_begun_anew(daemon: Daemon, sounds: Path) -> None:
    for emitter in list(daemon.watcher._folders._observer.emitters):  # type: ignore[union-attr]
        emitter.stop()
    write_wav(sounds / "d.wav", seed=50)
    daemon.until_files(a="indexed", b="indexed", in__c="indexed", d="indexed")
    write_wav(sounds / "e.wav", seed=51)
    daemon.until(lambda: daemon.files().get("e.wav") == "indexed")


def test_lost_events_are_made_good_by_a_full_look(daemon: Daemon, sounds: Path) -> None:
    inbox = daemon.watcher._inbox
    daemon.watcher._folders.unwatch(os.fsencode(sounds))  # nothing is told from here
    write_wav(sounds / "d.wav", seed=60)
    inbox.lose()
    daemon.until(lambda: daemon.files().get("d.wav") == "indexed")


def test_more_events_than_are_worth_keeping_count_as_lost() -> None:
    inbox = Inbox()
    for number in range(MANY):
        inbox.on_any_event(FileCreatedEvent(f"/sounds/{number}.wav"))
    inbox.on_any_event(FileCreatedEvent("/sounds/0.wav"))  # told twice, kept once
    gathered = inbox.take()
    assert (len(gathered.paths), gathered.lost) == (MANY, False)
    assert inbox.take() == Gathered()
    for number in range(MANY + 1):
        inbox.on_any_event(FileMovedEvent("/sounds/a.wav", f"/sounds/{number}.wav"))
    assert inbox.take().lost


def test_folders_beyond_the_limit_are_polled(
    database: Database, sounds: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inodes = frozenset({sounds.stat().st_ino})  # as if `in` had got no watch
    monkeypatch.setattr(watch_roots, "watched_inodes", lambda: inodes)
    with Daemon(database, sounds, poll_every_s=0.2) as daemon:
        daemon.until(lambda: daemon.is_watched_by(WatchMode.POLLING))
        assert "1 of 2 folders" in (daemon.root().why or "")
        daemon.until_files(a="indexed", b="indexed", in__c="indexed")
        write_wav(sounds / "in" / "d.wav", seed=70)
        daemon.until(lambda: daemon.files().get("in/d.wav") == "indexed")
        monkeypatch.setattr(watch_roots, "watched_inodes", watched_inodes)  # the limit was raised
        daemon.until(lambda: daemon.is_watched_by(WatchMode.NATIVE))


def test_no_watches_at_all_is_polling(
    database: Database, sounds: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("audiosearch.watch.events.FolderWatch.watch", refuse)
    with Daemon(database, sounds, poll_every_s=0.2) as daemon:
        daemon.until_files(a="indexed", b="indexed", in__c="indexed")
        assert daemon.root().mode is WatchMode.POLLING
        assert "limit on watches" in (daemon.root().why or "")


def test_polling_finds_everything(database: Database, sounds: Path) -> None:
    with Daemon(database, sounds, polling="always", poll_every_s=0.2) as daemon:
        daemon.until_files(a="indexed", b="indexed", in__c="indexed")
        assert (daemon.root().mode, daemon.root().why) == (WatchMode.POLLING, "as configured")
        (sounds / "a.wav").rename(sounds / "z.wav")
        write_wav(sounds / "d.wav", seed=80)
        daemon.until(lambda: daemon.files().get("d.wav") == "indexed" and daemon.is_idle())
        daemon.until_files(a="missing", z="indexed", b="indexed", in__c="indexed", d="indexed")
        assert daemon.n_encoded == 10


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_whatever_happens_the_library_comes_to_know_it(
    daemon: Daemon, sounds: Path, seed: int
) -> None:
    random = Random(seed)
    for number in range(25):
        there = sorted(sounds.rglob("*.wav"))
        new = sounds / random.choice(["", "in", "x/y"]) / f"{seed}-{number}.wav"
        new.parent.mkdir(parents=True, exist_ok=True)
        match random.randrange(6):
            case 0 | 1:
                write_wav(new, seconds=0.5, seed=1000 * seed + number)
            case 2:
                random.choice(there).rename(new)
            case 3:
                shutil.copyfile(random.choice(there), new)
            case 4 if len(there) > 3:
                random.choice(there).unlink()
            case _:
                write_wav(random.choice(there), seconds=0.5, seed=2000 * seed + number)
        time.sleep(random.choice([0.0, 0.0, 0.1, 0.3]))
    there = {str(path.relative_to(sounds)) for path in sounds.rglob("*.wav")}
    daemon.until(
        lambda: (
            {name for name, state in daemon.files().items() if state == "indexed"} == there
            and daemon.is_idle()
        )
    )
    assert set(daemon.files().values()) <= {"indexed", "missing"}


def test_roots_may_come_and_go(daemon: Daemon, database: Database, tmp_path: Path) -> None:
    other = tmp_path / "other"
    write_wav(other / "x.wav", seed=90)
    with database.session() as session:
        place = roots.add_root(session, os.fsencode(other))
    daemon.until(lambda: daemon.files().get("x.wav") == "indexed")
    with database.session() as session:
        roots.remove_root(session, place.root.root_id)
    daemon.until(lambda: len(daemon.states[-1].roots) == 1)


def test_trouble_that_may_pass_is_waited_out(database: Database, sounds: Path) -> None:
    daemon = Daemon(database, sounds)
    daemon.indexer.trouble = StorageFull("no space left", path=sounds)
    with daemon:
        daemon.until(
            lambda: any(state.activity is WatchActivity.WAITING for state in daemon.states)
        )
        assert "no space left" in (daemon.states[-1].note or "")
        daemon.indexer.trouble = None
        daemon.until_files(a="indexed", b="indexed", in__c="indexed")
        assert daemon.states[-1].note is None


def test_a_damaged_library_ends_it(database: Database, sounds: Path) -> None:
    daemon = Daemon(database, sounds)
    daemon.indexer.trouble = LibraryCorrupt("damaged", path=sounds)
    with pytest.raises(LibraryCorrupt), daemon:
        daemon.until(lambda: False)


def test_it_can_be_stopped_in_the_middle(database: Database, tmp_path: Path) -> None:
    write_wav(tmp_path / "s" / "long.wav", seconds=60, seed=1)
    daemon = Daemon(database, tmp_path / "s")
    first = threading.Event()
    daemon.indexer.models.encoder.on_batch = first.set
    with daemon:
        daemon.until(first.is_set)
    assert daemon.indexer.reports[-1].interrupted
    assert daemon.states[-1].activity is WatchActivity.STOPPING
    n_stored = daemon.n_encoded
    with Daemon(database) as again:
        again.until(lambda: again.files() == {"long.wav": "indexed"})
        assert 119 <= n_stored + again.n_encoded <= 119 + 4  # at most a batch again
