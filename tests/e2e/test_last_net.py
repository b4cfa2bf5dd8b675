"""What nobody foresaw, what is missing, what has no end: a line and a status, never a traceback."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.command import Answer, Command
from tests.e2e.watched import FILES, Watch, rows
from tests.sounds import noise, write_audio

FAILING = """
import sys
import audiosearch.cli.main as main
def fail(*arguments, **more):
    raise ZeroDivisionError("something \\x1b[35;7m odd")
main.audiosearch.main = fail
sys.exit(main.run(sys.argv[1:]))
"""


def refused(answer: Answer, *words: str) -> None:
    """The command said in a line or two why it cannot, and left with 2."""
    assert answer.status == 2, (answer.out, answer.err)
    assert "Traceback" not in answer.err
    assert "unforeseen" not in answer.err
    assert [each for each in words if each not in answer.err] == [], answer.err


def failing(command: Command, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", FAILING, *arguments],
        env=command.environment() | {"HOME": str(command.data_dir.parent)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_what_nobody_foresaw_is_a_line_and_a_file(own: Command) -> None:
    done = failing(own, "find", "secret words")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "\x1b[35" not in done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == 2
    assert "an unforeseen error: ZeroDivisionError: something" in lines[0]
    file = own.data_dir / "logs" / "errors.log"
    assert str(file) in lines[1]
    assert "ZeroDivisionError" in file.read_text()
    assert "Traceback" in file.read_text()
    if os.name != "nt":
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    asked = failing(own, "--debug", "find", "x")
    assert (asked.returncode, "Traceback" in asked.stderr) == (2, True)


def test_a_file_of_errors_does_not_grow_for_ever_and_is_no_pipe(own: Command) -> None:
    file = own.data_dir / "logs" / "errors.log"
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(b"x" * 1_100_000)
    assert failing(own, "status").returncode == 2
    assert file.stat().st_size < 100_000
    assert file.with_name("errors.log.1").stat().st_size == 1_100_000
    if hasattr(os, "mkfifo"):
        file.unlink()
        os.mkfifo(file)
        done = failing(own, "status")
        assert (done.returncode, "errors.log" in done.stderr) == (2, True)


def test_the_data_folder_of_the_settings_gives_way_to_the_environments(
    fresh: Command, tmp_path: Path
) -> None:
    settings = tmp_path / "settings.toml"
    settings.write_text('data_dir = "/nowhere"\n')
    shown = fresh("config", "show", "--config", settings)
    assert shown.status == 0, shown.err
    assert f"data_dir = {json.dumps(str(fresh.data_dir))}" in shown.text
    settings.write_text("data_dir = 5\n")
    refused(fresh("config", "show", "--config", settings), "data_dir must be a text")


@pytest.mark.parametrize(
    "content", ["x = " + "[" * 50_000 + "]" * 50_000, "a = " + "{b=" * 20_000 + "1" + "}" * 20_000]
)
def test_settings_that_are_nested_without_end(fresh: Command, tmp_path: Path, content: str) -> None:
    settings = tmp_path / "settings.toml"
    settings.write_text(content)
    refused(fresh("status", "--config", settings), "settings.toml")


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="has no device without end")
def test_files_without_end(own: Command, sounds: Path) -> None:
    clip = sounds / "low high.wav"
    for arguments in (
        ("status", "--config", "/dev/zero"),
        ("captions", "import", "/dev/zero"),
        ("label", clip, "--labels-file", "/dev/zero"),
        ("restore", "/dev/zero"),
    ):
        refused(own(*arguments), "/dev/zero")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names")
def test_a_pipe_in_the_place_of_the_library(fresh: Command) -> None:
    fresh.data_dir.mkdir()
    os.mkfifo(fresh.data_dir / "library.sqlite3")
    for arguments in (("status",), ("index",), ("verify",), ("find", "bell"), ("purge",)):
        refused(fresh(*arguments), "no ordinary file")
    answer = fresh("doctor", "-q")
    assert (answer.status, "no ordinary file" in answer.text) == (2, True)


@pytest.mark.skipif(os.name == "nt", reason="arguments are text there")
def test_arguments_that_are_no_text(own: Command) -> None:
    odd = b"\xff\xfe name"
    for arguments in (
        ("tag", "show", odd),
        ("collection", "show", odd),
        ("collection", "rename", odd, odd),
        ("search", "run", odd),
        ("models", "info", odd),
    ):
        refused(own(*arguments))
    for arguments in (("find", odd), ("files", odd), ("captions", "search", odd)):
        answer = own(*arguments)
        assert (answer.status in (0, 1, 2), "Traceback" in answer.err) == (True, False)
        assert "unforeseen" not in answer.err


@pytest.mark.parametrize("option", ["--min-score", "--like-weight"])
@pytest.mark.parametrize("number", ["nan", "inf", "-nan"])
def test_numbers_that_are_none(own: Command, option: str, number: str) -> None:
    refused(own("find", "bell", f"{option}={number}"), option)


def test_what_the_library_holds_is_told_without_a_model(own: Command, tmp_path: Path) -> None:
    gone = shutil.copytree(own.bundle, tmp_path / "gone")
    command = Command(own.data_dir, bundle="")
    assert command("models", "use", gone).status == 0
    shutil.rmtree(gone)
    for arguments in (
        ("status",),
        ("verify",),
        ("files",),
        ("failed",),
        ("captions", "list"),
        ("roots", "list"),
        ("purge", "--dry-run"),
        ("backup", tmp_path / "backup.jsonl"),
        ("models", "list"),
    ):
        answer = command(*arguments)
        assert answer.status == 0, (arguments, answer.err)
        assert "Traceback" not in answer.err
    row = command("status", "--json").rows[0]
    assert row["model"] == {"name": str(gone), "version": "", "provider": ""}
    refused(command("find", "bell"), "no model bundle")


def spoil(bundle: Path, to: Path, **changes: object) -> Path:
    shutil.copytree(bundle, to)
    manifest = json.loads((to / "bundle.json").read_text())
    for key, value in changes.items():
        *path, last = key.split("__")
        table = manifest
        for name in path:
            table = table[name]
        table[last] = value
    (to / "bundle.json").write_text(json.dumps(manifest))
    return to


@pytest.mark.parametrize(
    "change",
    [
        {"joint_dim": 7},
        {"embedding_dim": 9},
        {"frame_dim": 5},
        {"decoder__layers": 7},
        {"decoder__heads": 1},
        {"decoder__dim": 2**31},
        {"min_samples": 2**31},
        {"decoder__max_positions": 2**31},
        {"joint_dim": 10**12},
    ],
)
def test_a_manifest_at_odds_with_its_graphs(
    fresh: Command, toy_bundle: Path, sound_folder: Path, tmp_path: Path, change: dict[str, object]
) -> None:
    bundle = spoil(toy_bundle, tmp_path / "odd", **change)
    command = Command(fresh.data_dir, bundle=str(bundle))
    answer = command("index", sound_folder)
    if answer.status == 0:  # only its text or decoder is at odds, of which indexing needs nothing
        answer = command("find", "a bell", "--min-score", "0")
    refused(answer)
    assert command("verify").status == 0


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits another process")
def test_a_daemon_without_descriptors_waits_and_goes_on(watch: Watch, sound_folder: Path) -> None:
    import resource  # noqa: PLC0415 - Linux's

    watch.until(watch.is_idle)
    pid = watch.process.pid
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, before[1]))
    write_audio(sound_folder / "new.wav", noise(seconds=1.0, seed=9))
    log = watch.command.data_dir / "logs" / "watch.log"
    watch.until(lambda: "tried again in" in log.read_text())
    resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
    watch.until(lambda: ("new.wav", "indexed") in rows(watch.command, FILES))
    status, err = watch.end()
    assert (status, "Traceback" in err) == (0, False)
    assert watch.command("verify").status == 0
