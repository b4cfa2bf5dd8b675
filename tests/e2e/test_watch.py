"""The real daemon: real folders, signals, and the commands that live beside it."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

import pytest

from tests.e2e.command import Command
from tests.e2e.watched import FILES, PATIENCE_S, Watch, rows
from tests.sounds import noise, tones, write_audio

pytestmark = pytest.mark.slow


def test_a_library_is_kept_in_step_and_what_people_wrote_is_kept(
    watch: Watch, sound_folder: Path
) -> None:
    command = watch.command
    windows = "SELECT id, recording_id FROM window ORDER BY id"
    before = rows(command, windows)
    written = command(
        "captions", "add", "a deep hum then a high one", "--for", sound_folder / "low-high.wav"
    )
    assert written.status == 0, written.err  # the daemon is idle: others may write
    targets = rows(command, "SELECT recording_id, start_s FROM caption_target")
    assert len(targets) == 1
    (sound_folder / "low-high.wav").rename(sound_folder / "LOW-high.wav")
    (sound_folder / "deep").mkdir()
    (sound_folder / "hiss.ogg").rename(sound_folder / "deep" / "hiss.ogg")
    watch.until_rows(
        [
            ("LOW-high.wav", "indexed"),
            ("deep/hiss.ogg", "indexed"),
            ("high-low.flac", "indexed"),
            ("hiss.ogg", "missing"),
            ("low-high.wav", "missing"),
        ],
        FILES,
    )
    assert rows(command, windows) == before  # nothing was encoded
    assert rows(command, "SELECT recording_id, start_s FROM caption_target") == targets
    write_audio(sound_folder / "new.wav", tones([700, 100]))
    watch.until(lambda: ("new.wav", "indexed") in rows(command, FILES))
    status, err = watch.end()
    assert status == 0, err
    assert command("verify").status == 0
    again = command("index", "--json").rows[0]
    assert (again["new"], again["windows_encoded"], again["missing"]) == (0, 0, 0)


def test_status_tells_of_it_and_a_second_one_is_refused(watch: Watch, sound_folder: Path) -> None:
    watch.until(watch.is_idle)
    told = watch.told()
    assert told is not None
    pid = watch.process.pid
    assert told["pid"] == pid
    assert [(root["path"], root["mode"]) for root in told["roots"]] == [
        (str(sound_folder), "native")
    ]
    assert told["next_scan_at"] > told["scanned_at"] >= told["since"]
    assert f"pid {pid}" in watch.command("status").text
    for arguments in (["watch"], ["index"]):
        answer = watch.command(*arguments)
        assert answer.status == 2
        assert f"pid {pid}" in answer.err
    assert watch.command("find", "a high tone", "--min-score", "0").status == 0
    status, err = watch.end(signal.SIGINT)
    assert status == 130
    assert "Traceback" not in err
    assert "stopped" in (watch.command.data_dir / "logs" / "watch.log").read_text()
    assert watch.told() is None


def test_a_signal_ends_it_in_the_middle_of_the_work(quick: Command, tmp_path: Path) -> None:
    (tmp_path / "many").mkdir()
    write_audio(tmp_path / "many" / "long.wav", noise(seconds=300.0))
    quick("roots", "add", tmp_path / "many")
    watch = Watch(quick)
    watch.until(lambda: rows(quick, "SELECT id FROM window"))
    status, err = watch.end()  # a second signal: test_it_ends_although_a_decoder_hangs
    assert status == 0
    assert "Traceback" not in err
    assert quick("verify").status == 0
    rest = quick("index", "--json").rows[0]
    assert rest["files"] == 1
    assert quick("verify").status == 0


def test_it_waits_for_folders_and_learns_of_new_ones(
    quick: Command, sound_folder: Path, tmp_path: Path
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:  # as systemd has one
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(PATIENCE_S)
        quick.environ["NOTIFY_SOCKET"] = str(tmp_path / "notify")
        watch = Watch(quick)
        assert manager.recv(100) == b"READY=1"
        assert manager.recv(100) == b"STATUS=idle"
    del quick.environ["NOTIFY_SOCKET"]
    assert quick("roots", "add", sound_folder).status == 0
    watch.until(lambda: len(rows(quick, FILES)) == 3)
    status, err = watch.end()
    assert (status, "no folder was ever given" in err) == (0, True)


def test_a_model_that_is_not_there_is_said_at_once(fresh: Command) -> None:
    fresh.environ["AUDIOSEARCH_MODEL_BUNDLE"] = "no-such-model"
    answer = fresh("watch")
    assert answer.status == 2
    assert "no-such-model" in answer.err


def test_a_great_loss_is_confirmed_and_purged(fresh: Command, sound_folder: Path) -> None:
    fresh("index", sound_folder)
    for name in ("low-high.wav", "hiss.ogg"):
        (sound_folder / name).unlink()
    assert "2 of 3 files gone" in fresh("index").err
    assert fresh("roots", "confirm", sound_folder.parent).status == 2  # no folder of the library
    assert fresh("roots", "confirm", sound_folder).status == 0
    assert [state for _, state in rows(fresh, FILES)] == ["indexed", "missing", "missing"]
    would = fresh("purge", "--dry-run", "--json").rows[0]
    assert (would["files"], would["recordings"], would["dry_run"]) == (2, 2, True)
    assert len(rows(fresh, FILES)) == 3
    purged = fresh("purge", "--json").rows[0]
    assert (purged["files"], purged["recordings"], purged["dry_run"]) == (2, 2, False)
    assert rows(fresh, FILES) == [("high-low.flac", "indexed")]
    assert fresh("verify").status == 0


def test_a_service_is_installed_shown_and_removed(fresh: Command, tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    manager = tmp_path / "bin" / "systemctl"
    manager.parent.mkdir()
    manager.write_text(f'#!/bin/sh\necho "$@" >> {calls}\n')
    manager.chmod(0o755)
    fresh.environ["PATH"] = f"{manager.parent}{os.pathsep}{os.environ['PATH']}"
    assert fresh("service", "status").status == 1
    assert "Type=notify" in fresh("service", "install", "--print").text
    assert fresh("service", "status").status == 1  # that wrote nothing
    installed = fresh("service", "install", "--memory", "3G")
    assert installed.status == 0, installed.err
    row = fresh("service", "status", "--json").rows[0]
    assert (row["installed"], row["watch"]) == (True, None)
    text = Path(row["file"]).read_text()
    assert "MemoryMax=3G" in text
    assert f"AUDIOSEARCH_DATA_DIR={fresh.data_dir}" in text
    assert calls.read_text().splitlines() == [
        "--user daemon-reload",
        "--user enable audiosearch.service",
        "--user restart audiosearch.service",
    ]
    assert fresh("service", "remove").status == 0
    assert not Path(row["file"]).exists()
    again = fresh("service", "remove")
    assert (again.status, again.err) == (0, f"not installed: {row['file']}\n")
    manager.write_text("#!/bin/sh\necho no bus >&2\nexit 1\n")
    refused = fresh("service", "install")
    assert refused.status == 2
    assert "no bus" in refused.err
    assert not Path(row["file"]).exists()
    assert fresh("service", "status").status == 1
