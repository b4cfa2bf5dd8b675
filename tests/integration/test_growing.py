"""Files that grow while they are listened to: nothing of their unfinished states stays behind."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from audiosearch.errors import DecodeCode, DecodeError
from audiosearch.store.database import Database
from audiosearch.store.queries import annotate, captions, collections
from audiosearch.store.queries.annotate import SoundStretch
from audiosearch.store.queries.annotation_list import annotation_ids, written_annotations
from audiosearch.store.queries.captions import Target
from audiosearch.store.queries.status import library_status
from audiosearch.store.schema import (
    Caption,
    CaptionSource,
    CaptionTarget,
    Encoding,
    Recording,
    RecordingTag,
    SoundFile,
    WindowCaption,
    WindowFrames,
    WindowRow,
)
from tests.indexing_fakes import RATE, FakeModels, WaveOpened, WaveReader, run_index, write_samples


def recorded(path: Path, *, seconds: float, seed: int = 1) -> None:
    """A file as a recorder leaves it after so many seconds: each goes on from the one before."""
    random = np.random.default_rng(seed)
    samples = (random.standard_normal(60 * RATE) * 3000).astype("<i2")
    write_samples(path, samples[: round(seconds * RATE)])


def run(database: Database, *folders: Path, **settings: object):
    return run_index(database, *folders, **{"open_reader": WaveReader, **settings})


def heard_so_far(database: Database, folder: Path, *, seconds: float = 3) -> Path:
    """A take that is still recorded, of which so many seconds are heard."""
    file = folder / "s" / "take.wav"
    recorded(file, seconds=seconds)
    run(database, folder / "s")
    return file


def n_rows(database: Database, table: type) -> int:
    with database.reading() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def recordings(database: Database) -> list[float]:
    """The seconds of all recordings."""
    with database.reading() as session:
        return sorted(session.scalars(select(Recording.duration_s)))


def test_what_was_heard_of_an_unfinished_file_goes(database: Database, tmp_path: Path) -> None:
    file = tmp_path / "s" / "take.wav"
    for seconds in (0.4, 2.2, 5.0, 9.7):
        recorded(file, seconds=seconds)
        report = run(database, tmp_path / "s")
        assert report.n_encoded == 1
        assert recordings(database) == [seconds]
        assert n_rows(database, WindowRow) == report.n_windows  # and no others
    n_windows = n_rows(database, WindowRow)
    assert n_rows(database, WindowFrames) == n_windows
    assert n_rows(database, WindowCaption) == n_windows
    assert n_rows(database, Encoding) == 1
    with database.reading() as session:
        assert library_status(session).n_without_file == 0
        said = set(session.scalars(select(WindowCaption.caption_id)))
        assert set(session.scalars(select(Caption.id))) == said  # nothing is said of nothing
        assert session.scalars(select(SoundFile.former_hash)).all() == [None]
    assert run(database).n_windows == 0


def test_other_content_in_its_place_keeps_what_was_there(
    database: Database, tmp_path: Path
) -> None:
    file = heard_so_far(database, tmp_path)
    recorded(file, seconds=9, seed=2)  # longer, and something else
    run(database)
    assert recordings(database) == [3, 9]
    recorded(file, seconds=3)  # and back
    assert run(database).n_windows == 0


def test_a_file_that_was_cut_keeps_the_whole(database: Database, tmp_path: Path) -> None:
    file = heard_so_far(database, tmp_path, seconds=9)
    recorded(file, seconds=3)
    run(database)
    assert recordings(database) == [3, 9]


def test_files_that_change_places_are_not_encoded_again(database: Database, tmp_path: Path) -> None:
    """A recorder's `take.wav` becomes `take.1.wav`, that `take.2.wav`; the lengths grow."""
    folder = tmp_path / "s"
    for number in range(3):
        recorded(folder / f"take.{number}.wav", seconds=2 + number, seed=number)
    run(database, folder)
    for number in (2, 1, 0):
        (folder / f"take.{number}.wav").rename(folder / f"take.{number + 1}.wav")
    recorded(folder / "take.0.wav", seconds=8, seed=9)
    report = run(database)
    assert (report.n_encoded, report.n_recognised) == (1, 3)
    assert recordings(database) == [2, 3, 4, 8]


def test_a_short_beginning_of_long_ago_is_kept(database: Database, tmp_path: Path) -> None:
    """Of less than a window nothing can be compared, and its age speaks for another sound."""
    file = heard_so_far(database, tmp_path, seconds=0.4)
    with database.session() as session:
        session.execute(update(Recording).values(added_at=time.time() - 2 * 86_400))
    recorded(file, seconds=5)
    run(database)
    assert recordings(database) == [0.4, 5]


def annotate_so(session: Session, audio_hash: bytes, what: str) -> None:
    """Write something of a sound, or of its first second, as a person does."""
    end_s = 1.0 if what == "collection" else None
    sound = SoundStretch(audio_hash, b"/take.wav", 0.0, end_s)
    [annotation_id] = annotate.ensure_annotations(session, [sound]).values()
    if what == "tag":
        annotate.add_tags(session, [(annotation_id, "gate", 1.0)])
    elif what == "rating":
        annotate.set_rating(session, [annotation_id], 4)
    elif what == "favourite":
        annotate.set_favourite(session, [annotation_id], wanted=True)
    elif what == "note":
        annotate.set_note(session, [annotation_id], "the gate")
    else:
        collection_id = collections.create_collection(session, "gates")
        collections.add_items(session, collection_id, [annotation_id])
    annotate.settle(session, [audio_hash])


WRITTEN = ["tag", "rating", "favourite", "note", "collection"]


@pytest.mark.parametrize("what", ["copy", "missing copy"])
def test_what_is_more_than_the_unfinished_file_stays(
    database: Database, tmp_path: Path, what: str
) -> None:
    folder = tmp_path / "s"
    recorded(folder / "take.wav", seconds=3)
    if "copy" in what:
        recorded(folder / "copy.wav", seconds=3)
    for number in range(3):
        recorded(folder / f"other-{number}.wav", seconds=1, seed=20 + number)
    run(database, folder)
    if what == "missing copy":
        (folder / "copy.wav").unlink()
        run(database)
    recorded(folder / "take.wav", seconds=6)
    run(database)
    assert recordings(database) == [1, 1, 1, 3, 6]


@pytest.mark.parametrize("what", ["caption", *WRITTEN])
def test_what_was_written_of_an_unfinished_file_goes_on_with_it(
    database: Database, tmp_path: Path, what: str
) -> None:
    """A person rates a take, or notes something of its third second, while it is still recorded."""
    file = heard_so_far(database, tmp_path)
    with database.session() as session:
        recording_id = session.scalars(select(Recording.id).where(Recording.duration_s == 3)).one()
        if what == "caption":
            ids = captions.add_captions(session, ["the gate at dusk"], source=CaptionSource.USER)
            captions.add_targets(session, [Target(*ids.values(), recording_id, 0.0, 3.0)])
        else:
            annotate_so(session, session.get_one(Recording, recording_id).audio_hash, what)
    recorded(file, seconds=6)
    run(database)
    assert recordings(database) == [6]
    with database.reading() as session:
        [now] = session.scalars(select(Recording))
        if what == "caption":
            [target] = session.scalars(select(CaptionTarget))
            assert (target.recording_id, target.start_s, target.end_s) == (now.id, 0.0, 3.0)
            return
        [kept] = written_annotations(session, annotation_ids(session))
        assert (kept.audio_hash, kept.path, kept.here) == (now.audio_hash, bytes(file), True)
        assert kept.end_s == (1.0 if what == "collection" else None)
        tags = session.scalars(select(RecordingTag.recording_id)).all()
        assert tags == ([now.id] if what == "tag" else [])


def test_what_is_written_of_both_stays_with_each(database: Database, tmp_path: Path) -> None:
    """Nothing is lost where the longer sound was rated as well, as a copy of it may have been."""
    folder = tmp_path / "s"
    recorded(folder / "take.wav", seconds=3)
    recorded(folder / "whole.wav", seconds=6)
    run(database, folder)
    with database.session() as session:
        hashes = session.execute(select(Recording.duration_s, Recording.audio_hash))
        for length, audio_hash in hashes.all():
            annotate_so(session, audio_hash, "rating" if length == 3 else "note")
    recorded(folder / "take.wav", seconds=6)
    run(database)
    assert recordings(database) == [3, 6]
    with database.reading() as session:
        kept = written_annotations(session, annotation_ids(session))
    assert sorted((each.rating or 0, each.note or "") for each in kept) == [
        (0, "the gate"),
        (4, ""),
    ]


def test_what_was_written_of_another_sound_in_its_place_stays_there(
    database: Database, tmp_path: Path
) -> None:
    file = heard_so_far(database, tmp_path)
    with database.session() as session:
        [before] = session.scalars(select(Recording.audio_hash))
        annotate_so(session, before, "rating")
    recorded(file, seconds=9, seed=2)  # longer, and something else
    run(database)
    with database.reading() as session:
        [kept] = written_annotations(session, annotation_ids(session))
    assert kept.audio_hash == before


class Scripted(WaveReader):
    """Calls `on_block(number)` before each second of a sound of more than one."""

    def __init__(self, on_block: Callable[[int], None]) -> None:
        super().__init__()
        self._on_block = on_block

    def blocks(self) -> Iterator[np.ndarray]:
        for number, block in enumerate(super().blocks()):
            self._on_block(number)
            yield block

    def open(self, path: bytes, *, sample_rate: int) -> WaveOpened:
        return super().open(path, sample_rate=sample_rate)


def test_a_file_that_grows_while_it_is_read_leaves_nothing_half(
    database: Database, tmp_path: Path
) -> None:
    file = heard_so_far(database, tmp_path, seconds=4)
    lengths = iter((7, 9, 11))

    def grow(number: int) -> None:
        if number == 4:
            recorded(file, seconds=next(lengths))
            raise DecodeError("written to while it was read", code=DecodeCode.CHANGED)

    recorded(file, seconds=6)
    report = run(database, open_reader=lambda: Scripted(grow), batch_windows=2)
    assert (report.n_encoded, report.n_unsettled) == (0, 1)
    assert recordings(database) == [4]  # what was heard to its end, and no half of anything
    assert n_rows(database, Encoding) == 1
    assert n_rows(database, WindowRow) == 7
    assert run(database).n_encoded == 1
    assert recordings(database) == [11]


def test_a_file_that_vanishes_while_it_is_read_leaves_nothing_half(
    database: Database, tmp_path: Path
) -> None:
    file = tmp_path / "s" / "take.wav"
    recorded(file, seconds=6)
    recorded(file.with_name("z other.wav"), seconds=2)  # or all of the folder would be away

    def vanish(number: int) -> None:
        if number == 4:
            file.unlink()
            raise DecodeError("no such file", code=DecodeCode.UNREADABLE)

    run(database, tmp_path / "s", open_reader=lambda: Scripted(vanish), batch_windows=2)
    assert recordings(database) == [2]
    assert n_rows(database, WindowRow) == 3


def test_a_run_that_ends_in_a_file_that_then_grows_leaves_nothing_half(
    database: Database, tmp_path: Path
) -> None:
    """The unfinished file is heard, then half of more of it, then all: one recording."""
    file = heard_so_far(database, tmp_path)

    def die(number: int) -> None:
        if number == 4:
            raise RuntimeError("as good as a kill")

    recorded(file, seconds=6)
    with pytest.raises(RuntimeError):
        run(database, open_reader=lambda: Scripted(die), batch_windows=2)
    assert len(recordings(database)) == 2  # whether the half goes on is not known yet
    recorded(file, seconds=12)
    assert run(database).n_encoded == 1
    assert recordings(database) == [12]
    assert n_rows(database, WindowRow) == 23


def test_a_run_that_ends_in_it_goes_on_and_forgets_the_unfinished_one(
    database: Database, tmp_path: Path
) -> None:
    file = heard_so_far(database, tmp_path)
    died: list[int] = []

    def die_once(number: int) -> None:
        if number == 4 and not died:
            died.append(number)
            raise RuntimeError("as good as a kill")

    recorded(file, seconds=6)
    with pytest.raises(RuntimeError):
        run(database, open_reader=lambda: Scripted(die_once), batch_windows=2)
    n_stored = n_rows(database, WindowRow) - 5
    models = FakeModels()
    run(database, models=models)
    assert models.encoder.n_windows == 11 - n_stored  # from where it was
    assert recordings(database) == [6]


def test_a_file_that_cannot_be_read_in_between_is_still_compared(
    database: Database, tmp_path: Path
) -> None:
    file = heard_so_far(database, tmp_path)
    whole = file.read_bytes()
    file.write_bytes(b"RIFF")
    assert run(database).n_failed == 1
    assert recordings(database) == [3]
    file.write_bytes(whole)
    assert run(database).n_windows == 0
    file.write_bytes(b"RIFF")
    run(database)
    recorded(file, seconds=6)
    run(database)
    assert recordings(database) == [6]
