"""Whole runs of `index`: real files, real decoding, a real database, a fake model."""

from __future__ import annotations

import os
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import select, text

from audiosearch.errors import AudiosearchError, BundleError
from audiosearch.indexing.types import IndexReport
from audiosearch.store.database import Database, open_database
from audiosearch.store.integrity.verify import verify
from audiosearch.store.queries import captions, files, fulltext, recordings, roots
from audiosearch.store.queries.failed import failed_files, retry_failed
from audiosearch.store.queries.status import library_status
from audiosearch.store.schema import FileState, Recording, WindowRow
from tests.indexing_fakes import (
    DIMS,
    RATE,
    FakeBundle,
    FakeCaptioner,
    FakeModels,
    run_index,
    states,
    write_samples,
    write_wav,
)


@pytest.fixture
def sounds(tmp_path: Path) -> Path:
    """Four recordings: 2 + 5 + 1 + 1 windows of a second, half overlapping."""
    folder = tmp_path / "sounds"
    write_wav(folder / "a.wav", seconds=1.5, seed=1)
    write_wav(folder / "birds" / "b.wav", seconds=3, seed=2)
    write_wav(folder / "birds" / "c.wav", seconds=0.4, seed=3)
    write_wav(folder / "d.wav", seconds=1, seed=4)
    return folder


def n_encoded_again(database: Database, *folders: Path, **settings: object) -> int:
    models = FakeModels()
    run_index(database, *folders, models=models, **settings)
    return models.encoder.n_windows


def test_a_first_run_encodes_everything(database: Database, sounds: Path) -> None:
    models = FakeModels()
    report = run_index(database, sounds, models=models)
    assert (report.n_files, report.n_new, report.n_encoded) == (4, 4, 4)
    assert report.n_windows == models.encoder.n_windows == 9
    assert models.encoder.batches == [4, 4, 1]  # batches reach across files
    assert report.sound_s == pytest.approx(5.9)
    assert set(states(database).values()) == {"indexed"}
    with database.reading() as session:
        status = library_status(session)
        durations = session.scalars(select(Recording.duration_s)).all()
    assert sorted(durations) == pytest.approx([0.4, 1, 1.5, 3])
    assert status.hours == pytest.approx(5.9 / 3600)
    assert status.bundles[0].n_windows == status.bundles[0].n_captioned == 9
    assert {"scan", "open", "decode", "load", "encode", "caption", "store"} <= set(report.stages_s)


def stored(database: Database) -> list[tuple[object, ...]]:
    """All of the windows but their ids, with frames, captions and the places of these."""
    wanted = (
        "SELECT r.audio_hash, w.position, w.start_s, w.end_s, w.silent, w.embedding, w.joint,"
        " f.n_frames, f.frames, base.frames, draw.draw, c.text, said.cross_entropy, v.joint"
        " FROM window AS w JOIN recording AS r ON r.id = w.recording_id"
        " JOIN window_frames AS f ON f.window_id = w.id"
        " JOIN frame_base AS base ON base.id = f.base_id"
        " JOIN window_draw AS draw ON draw.window_id = w.id"
        " JOIN window_caption AS said ON said.window_id = w.id JOIN caption AS c"
        " ON c.id = said.caption_id JOIN caption_vector AS v ON v.caption_id = c.id"
        " ORDER BY w.id"
    )
    with database.reading() as session:
        return [tuple(row) for row in session.execute(text(wanted))]


def test_batches_committed_together_store_what_each_by_itself_does(
    sounds: Path, tmp_path: Path
) -> None:
    (sounds / "bad.wav").write_bytes(b"x")
    (sounds / "copy.wav").write_bytes((sounds / "a.wav").read_bytes())
    found, n_told, reports = [], [], []
    for commit_s in (0.0, 60.0):
        witness = Witness()
        with open_database(tmp_path / f"{commit_s}" / "library.sqlite3") as database:
            reports.append(
                run_index(database, sounds, commit_s=commit_s, batch_windows=2, progress=witness)
            )
            assert verify(database, dims=DIMS) == []
            found.append((stored(database), states(database)))
        n_told.append(len(witness.calls))
    assert found[0] == found[1]
    assert len(found[0][0]) == 9
    assert n_told[1] < n_told[0]
    told = [(each.n_encoded, each.n_failed, each.n_recognised, each.sound_s) for each in reports]
    assert told[0] == told[1] == (4, 1, 1, pytest.approx(5.9))


def test_captions_are_stored_once_with_their_vectors(database: Database, sounds: Path) -> None:
    run_index(database, sounds)
    with database.reading() as session:
        said = captions.list_captions(session)
        assert sum(each.n_windows for each in said) == 9
        assert len(said) == len({each.text for each in said}) < 9
        assert captions.captions_without_vector(session, bundle_id=1) == []
        words = fulltext.telling_words(said[0].text)
        found = fulltext.search_windows(session, words, bundle_id=1, limit=20)
    assert len(found) >= said[0].n_windows


def test_captions_can_be_left_out(database: Database, sounds: Path) -> None:
    run_index(database, sounds, captions=False)
    with database.reading() as session:
        assert captions.list_captions(session) == []


def no_reader():
    raise AssertionError("a file would be opened")


def n_captioned(database: Database) -> int:
    with database.reading() as session:
        return library_status(session).bundles[0].n_captioned


def test_captions_left_out_come_later_from_what_is_stored(database: Database, sounds: Path) -> None:
    run_index(database, sounds, captions=False)
    models = FakeModels()
    report = run_index(database, models=models, open_reader=no_reader)
    assert (report.n_captioned, models.encoder.n_windows, n_captioned(database)) == (9, 0, 9)
    with database.reading() as session:
        later = {each.text: each.n_windows for each in captions.list_captions(session)}
        assert captions.captions_without_vector(session, bundle_id=1) == []
    assert len(later) > 1
    models = FakeModels()
    report = run_index(database, models=models, open_reader=no_reader)
    assert (report.n_captioned, models.n_loads) == (0, 0)


def test_a_run_without_captions_leaves_those_that_are_wanting(
    database: Database, sounds: Path
) -> None:
    run_index(database, sounds / "birds", captions=False)
    run_index(database, sounds, captions=False)
    write_wav(sounds / "e.wav", seed=5)
    assert run_index(database, sounds).n_captioned == 9
    assert n_captioned(database) == 10  # the new one as well


def test_captions_of_what_is_stored_go_on_after_a_stop(database: Database, sounds: Path) -> None:
    run_index(database, sounds, captions=False)
    stop = threading.Event()

    class Stopping(FakeCaptioner):
        def captions(self, frames):
            stop.set()
            return super().captions(frames)

    class StoppingModels(FakeModels):
        def __call__(self):
            return replace(super().__call__(), captioner=Stopping())

    report = run_index(database, models=StoppingModels(), stop=stop)
    assert report.interrupted
    assert (report.n_captioned, n_captioned(database)) == (4, 4)
    assert (run_index(database).n_captioned, n_captioned(database)) == (5, 9)


def test_captions_that_were_removed_do_not_come_back(database: Database, sounds: Path) -> None:
    run_index(database, sounds, captions=False)
    run_index(database)
    with database.session() as session:
        said = captions.list_captions(session)
        captions.remove_captions(session, [each.caption_id for each in said])
    assert (run_index(database).n_captioned, n_captioned(database)) == (0, 0)


def test_nothing_is_said_of_silence_later_either(database: Database, tmp_path: Path) -> None:
    write_samples(tmp_path / "sounds" / "silence.wav", np.zeros(RATE, "<i2"))
    write_wav(tmp_path / "sounds" / "noise.wav", seed=1)
    run_index(database, tmp_path / "sounds", captions=False)
    assert run_index(database).n_captioned == 1


def test_a_second_run_loads_no_model_and_opens_no_file(database: Database, sounds: Path) -> None:
    run_index(database, sounds)
    models = FakeModels()
    report = run_index(database, models=models, open_reader=no_reader)
    assert (report.n_unchanged, report.n_windows, models.n_loads) == (4, 0, 0)


def move(old: Path, new: Path) -> None:
    new.parent.mkdir(parents=True, exist_ok=True)
    old.rename(new)


def test_renaming_encodes_nothing(database: Database, sounds: Path) -> None:
    run_index(database, sounds)
    move(sounds / "a.wav", sounds / "DogBark.wav")
    move(sounds / "birds", sounds / "voices" / "birds")
    assert n_encoded_again(database) == 0
    assert states(database) == {
        "a.wav": "missing",
        "birds/b.wav": "missing",
        "birds/c.wav": "missing",
        "DogBark.wav": "indexed",
        "voices/birds/b.wav": "indexed",
        "voices/birds/c.wav": "indexed",
        "d.wav": "indexed",
    }
    with database.reading() as session:
        assert (
            len(
                fulltext.search_windows(
                    session, fulltext.telling_words("bark"), bundle_id=1, limit=9
                )
            )
            == 2
        )
        assert len(session.scalars(select(Recording.id)).all()) == 4


def test_moving_a_whole_root_encodes_nothing(
    database: Database, sounds: Path, tmp_path: Path
) -> None:
    run_index(database, sounds)
    sounds.rename(tmp_path / "elsewhere")
    models = FakeModels()
    report = run_index(database, tmp_path / "elsewhere", models=models)
    assert (models.encoder.n_windows, report.n_recognised) == (0, 4)


def test_copies_and_hard_links_are_encoded_once(database: Database, sounds: Path) -> None:
    for number in range(5):
        (sounds / f"copy{number}.wav").write_bytes((sounds / "a.wav").read_bytes())
    os.link(sounds / "d.wav", sounds / "link.wav")
    models = FakeModels()
    report = run_index(database, sounds, models=models, workers=3)
    assert models.encoder.n_windows == 9
    assert (report.n_encoded, report.n_recognised) == (4, 6)
    assert set(states(database).values()) == {"indexed"}


def test_new_tags_change_rows_only(database: Database, sounds: Path) -> None:
    run_index(database, sounds)
    content = (sounds / "a.wav").read_bytes()
    info = b"LIST\x14\0\0\0INFOINAM\x07\0\0\0Thunder\0"
    (sounds / "a.wav").write_bytes(
        b"RIFF" + (len(content) - 8 + len(info)).to_bytes(4, "little") + content[8:] + info
    )
    assert n_encoded_again(database) == 0
    with database.reading() as session:
        assert (
            len(
                fulltext.search_windows(
                    session, fulltext.telling_words("thunder"), bundle_id=1, limit=9
                )
            )
            == 2
        )


def test_touched_files_are_not_encoded_again(database: Database, sounds: Path) -> None:
    run_index(database, sounds)
    for time_s in (0, 4_000_000_000):  # 1970 and 2096
        os.utime(sounds / "a.wav", (time_s, time_s))
        models = FakeModels()
        report = run_index(database, models=models)
        assert (report.n_changed, report.n_recognised) == (1, 1)
        assert models.encoder.n_windows == 0


def test_an_edit_that_restores_size_and_time_is_seen(database: Database, sounds: Path) -> None:
    run_index(database, sounds)
    before = (sounds / "d.wav").stat()
    write_wav(sounds / "d.wav", seconds=1, seed=99)
    os.utime(sounds / "d.wav", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (sounds / "d.wav").stat().st_size == before.st_size
    assert n_encoded_again(database) == 1


def test_replacing_and_restoring_a_file(database: Database, sounds: Path) -> None:
    run_index(database, sounds)
    original = (sounds / "a.wav").read_bytes()
    write_wav(sounds / "a.wav", seconds=2.5, seed=50)
    assert n_encoded_again(database) == 4
    (sounds / "a.wav").write_bytes(original)
    assert n_encoded_again(database) == 0
    with database.reading() as session:
        assert library_status(session).n_without_file == 1
    with database.session() as session:
        assert recordings.purge(session).n_recordings == 1


def test_vanished_files_are_kept_as_missing_and_come_back(
    database: Database, sounds: Path, tmp_path: Path
) -> None:
    run_index(database, sounds)
    move(sounds / "a.wav", tmp_path / "a.wav")
    report = run_index(database)
    assert (report.n_missing, states(database)["a.wav"]) == (1, "missing")
    assert run_index(database).n_missing == 0  # said once
    move(tmp_path / "a.wav", sounds / "a.wav")
    assert n_encoded_again(database) == 0
    assert states(database)["a.wav"] == "indexed"


def test_an_unmounted_drive_loses_nothing(database: Database, sounds: Path, tmp_path: Path) -> None:
    run_index(database, sounds)
    sounds.rename(tmp_path / "away")
    assert run_index(database).offline == (os.fsencode(sounds),)
    sounds.mkdir()
    assert run_index(database).offline == (os.fsencode(sounds),)  # the empty mount point
    assert set(states(database).values()) == {"indexed"}
    sounds.rmdir()
    (tmp_path / "away").rename(sounds)
    assert n_encoded_again(database) == 0


def test_a_great_loss_is_held_back(database: Database, sounds: Path) -> None:
    run_index(database, sounds)
    for name in ("a.wav", "d.wav", "birds/b.wav"):
        (sounds / name).unlink()
    report = run_index(database)
    assert [(each.n_lost, each.n_known) for each in report.guarded] == [(3, 4)]
    assert set(states(database).values()) == {"indexed"}
    report = run_index(database, accept_missing=True)
    assert (report.n_missing, report.guarded) == (3, ())
    assert sorted(states(database).values()) == ["indexed", "missing", "missing", "missing"]


def test_new_files_do_not_outvote_a_great_loss(database: Database, sounds: Path) -> None:
    run_index(database, sounds)
    away = {name: (sounds / name).read_bytes() for name in ("a.wav", "d.wav", "birds/b.wav")}
    for name in away:
        (sounds / name).unlink()
    for number in range(4):
        write_wav(sounds / f"new-{number}.wav", seed=20 + number)
    for _ in range(2):  # the second run knows eight files, of which three are gone
        report = run_index(database)
        assert [(each.n_lost, each.n_known) for each in report.guarded] == [(3, 4)]
        assert set(states(database).values()) == {"indexed"}
    for name, content in away.items():
        (sounds / name).write_bytes(content)
    assert run_index(database).guarded == ()
    (sounds / "a.wav").unlink()  # one of eight
    report = run_index(database)
    assert (report.n_missing, report.guarded) == (1, ())


def test_bad_files_fail_alone_and_are_not_tried_again(database: Database, sounds: Path) -> None:
    (sounds / "empty.wav").touch()
    (sounds / "garbage.flac").write_bytes(b"no sound " * 100)
    (sounds / "cut.wav").write_bytes((sounds / "a.wav").read_bytes()[:30])
    write_samples(sounds / "none.wav", np.zeros(0, "<i2"))
    report = run_index(database, sounds)
    assert (report.n_encoded, report.n_failed) == (4, 4)
    with database.reading() as session:
        failed = {each.display: each for each in failed_files(session)}
    assert failed.keys() == {"empty.wav", "garbage.flac", "cut.wav", "none.wav"}
    assert failed["empty.wav"].error_code == "empty"
    assert all(each.error_code and each.error_text for each in failed.values())
    assert run_index(database).n_failed == 0
    with database.session() as session:
        assert retry_failed(session) == 4
    assert run_index(database).n_failed == 4
    write_wav(sounds / "empty.wav", seed=9)
    assert n_encoded_again(database) == 1
    assert states(database)["empty.wav"] == "indexed"


def test_a_file_that_turns_bad_loses_its_name_not_its_sound(
    database: Database, sounds: Path
) -> None:
    run_index(database, sounds)
    good = (sounds / "a.wav").read_bytes()
    (sounds / "a.wav").write_bytes(b"garbage")
    assert run_index(database).n_failed == 1
    (sounds / "a.wav").write_bytes(good)
    assert n_encoded_again(database) == 0


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may read all")
def test_a_file_without_permission_recovers(database: Database, sounds: Path) -> None:
    (sounds / "a.wav").chmod(0)
    assert run_index(database, sounds).n_failed == 1
    (sounds / "a.wav").chmod(0o600)
    assert n_encoded_again(database) == 2


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX names")
def test_names_of_any_bytes(database: Database, tmp_path: Path) -> None:
    names = [b"\xff\xfe.wav", b"new\nline.wav", "שלום.wav".encode(), b"x" * 251 + b".wav"]
    for seed, name in enumerate(names):
        write_wav(os.fsencode(tmp_path / "odd") + b"/" + name, seed=seed)
    os.mkfifo(tmp_path / "odd" / "pipe.wav")
    assert run_index(database, tmp_path / "odd").n_encoded == 4
    with database.reading() as session:
        assert {each.path for each in files.known_files(session, 1)} == set(names)
    assert all(display.isprintable() for display in states(database))


def test_silence_is_stored_but_nothing_is_said_of_it(database: Database, tmp_path: Path) -> None:
    loud = (np.random.default_rng(0).standard_normal(RATE) * 3000).astype("<i2")
    write_samples(tmp_path / "s" / "half.wav", np.concatenate([loud, np.zeros(2 * RATE, "<i2")]))
    run_index(database, tmp_path / "s")
    with database.reading() as session:
        silent = session.scalars(select(WindowRow.silent).order_by(WindowRow.position)).all()
        status = library_status(session).bundles[0]
    assert [bool(each) for each in silent] == [False, False, True, True, True]
    assert (status.n_silent, status.n_captioned) == (3, 2)


def test_another_bundle_or_hop_encodes_anew_and_never_mixes(
    database: Database, sounds: Path
) -> None:
    run_index(database, sounds)
    other = FakeBundle(name="other", fingerprint="e" * 64)
    assert n_encoded_again(database, bundle=other) == 9
    with database.reading() as session:
        assert [each.n_windows for each in library_status(session).bundles] == [9, 9]
    assert n_encoded_again(database) == 0  # the first is still there
    assert n_encoded_again(database, hop=1.0) == 2 + 3 + 1 + 1
    with database.reading() as session:
        assert [each.n_windows for each in library_status(session).bundles] == [7, 9]


def test_only_what_was_asked_for_is_indexed(database: Database, sounds: Path) -> None:
    assert run_index(database, sounds / "birds").n_files == 2
    # the folder above takes over what its subfolder has
    assert n_encoded_again(database, sounds) == 3
    with database.reading() as session:
        assert [each.path for each in roots.list_roots(session)] == [os.fsencode(sounds)]
    write_wav(sounds / "new.wav", seed=20)
    write_wav(sounds / "birds" / "new.wav", seed=21)
    assert run_index(database, sounds / "birds").n_encoded == 1
    assert "new.wav" not in states(database)
    assert run_index(database, sounds / "new.wav").n_encoded == 1
    with database.reading() as session:
        assert len(roots.list_roots(session)) == 1


def test_folders_within_each_other_given_together(database: Database, sounds: Path) -> None:
    report = run_index(database, sounds / "birds", sounds, sounds / "birds", sounds)
    assert (report.n_files, report.n_encoded) == (4, 4)
    with database.reading() as session:
        assert [each.path for each in roots.list_roots(session)] == [os.fsencode(sounds)]


def test_removing_a_root_keeps_its_sounds(database: Database, sounds: Path) -> None:
    run_index(database, sounds)
    with database.session() as session:
        assert roots.remove_root(session, 1) == 4
    assert states(database) == {}
    assert n_encoded_again(database, sounds) == 0


def test_an_error_of_the_model_ends_the_run_and_keeps_what_is_committed(
    database: Database, sounds: Path
) -> None:
    models = FakeModels()

    def fail_later() -> None:
        if len(models.encoder.batches) == 2:
            raise BundleError("the graph is broken")

    models.encoder.on_batch = fail_later
    with pytest.raises(BundleError):
        run_index(database, sounds, models=models)
    assert verify(database, dims=DIMS) == []
    assert n_encoded_again(database) == 5


def test_vectors_that_cannot_be_stored_fail_their_file_alone(
    database: Database, sounds: Path
) -> None:
    models = FakeModels()
    encode = models.encoder._encode

    def overflow(samples: np.ndarray):
        encoded = encode(samples)
        if len(samples) < RATE:  # birds/c.wav
            encoded.frames[0, 0] = 1e9
        return encoded

    models.encoder._encode = overflow  # type: ignore[method-assign]
    report = run_index(database, sounds, models=models)
    assert (report.n_encoded, report.n_failed) == (3, 1)
    with database.reading() as session:
        assert [each.error_code for each in failed_files(session)] == ["encoding"]
        assert library_status(session).n_recordings == 3


@pytest.mark.parametrize("way", ["event", "ctrl-c"])
def test_a_run_that_is_stopped_goes_on_later(database: Database, tmp_path: Path, way: str) -> None:
    write_wav(tmp_path / "s" / "long.wav", seconds=20, seed=1)
    models, stop = FakeModels(), threading.Event()

    def interrupt() -> None:
        if len(models.encoder.batches) == 4:
            if way == "ctrl-c":
                raise KeyboardInterrupt
            stop.set()

    models.encoder.on_batch = interrupt
    report = run_index(database, tmp_path / "s", models=models, stop=stop)
    assert report.interrupted
    assert verify(database, dims=DIMS) == []
    again = FakeModels()
    assert run_index(database, models=again).n_encoded == 1
    n_repeated = models.encoder.n_windows + again.encoder.n_windows - 39
    assert 0 <= n_repeated <= 4  # a batch
    assert states(database) == {"long.wav": "indexed"}


def test_a_folder_that_cannot_be_looked_into_loses_nothing(
    database: Database, sounds: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_index(database, sounds)
    real = os.scandir

    def closed(folder: bytes):
        if folder.endswith(b"birds"):
            raise PermissionError(13, "Permission denied")
        return real(folder)

    monkeypatch.setattr(os, "scandir", closed)
    report = run_index(database)
    assert len(report.problems) == 1
    assert report.n_missing == 0
    assert set(states(database).values()) == {"indexed"}


def test_a_decoder_that_cannot_start_ends_the_run(database: Database, sounds: Path) -> None:
    def no_reader():
        raise AudiosearchError("no decoding process can be started")

    with pytest.raises(AudiosearchError, match="no decoding process"):
        run_index(database, sounds, open_reader=no_reader)
    assert set(states(database).values()) == {FileState.PENDING}


class Witness:
    def __init__(self) -> None:
        self.total = 0
        self.calls: list[tuple[int, float, int]] = []
        self.warnings: list[str] = []
        self.done: list[float] = []

    def start(self, n_files: int) -> None:
        self.total = n_files

    def advance(
        self, *, n_files: int, under_way: float, seconds: float, rate: float, n_failed: int
    ) -> None:
        assert rate >= 0
        self.calls.append((n_files, seconds, n_failed))
        self.done.append(n_files + under_way)

    def warn(self, message: str) -> None:
        self.warnings.append(message)


def test_progress_is_told(database: Database, sounds: Path) -> None:
    (sounds / "bad.wav").write_bytes(b"x")
    witness = Witness()
    report: IndexReport = run_index(database, sounds, progress=witness)
    assert witness.total == 5
    assert witness.calls[-1] == (5, pytest.approx(report.sound_s), 1)
    assert witness.calls == sorted(witness.calls)
    assert len(witness.warnings) == 1
    assert "bad.wav" in witness.warnings[0]


def test_a_long_file_is_told_of_while_it_is_heard(database: Database, tmp_path: Path) -> None:
    write_wav(tmp_path / "s" / "long.wav", seconds=20, seed=1)
    witness = Witness()
    run_index(database, tmp_path / "s", progress=witness, batch_windows=4, commit_s=0)
    assert len(witness.done) >= 10  # 39 windows, four at a time, and the rest
    assert witness.done == sorted(witness.done)
    # Each batch is two seconds of twenty; the first window brings a whole one.
    assert witness.done[:9] == pytest.approx([(2.5 + 2 * n) / 20 for n in range(9)], abs=0.01)
    assert witness.done[-1] == 1
