"""What a model is run with sends nothing and leaves no file of its own behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.e2e.command import Command
from tests.e2e.watched import PATIENCE_S, Watch
from tests.sounds import noise, write_audio

STARTER = Path(__file__).parents[2] / "models" / "starter"
LISTEN = f"""
import sys, time
from pathlib import Path
from audiosearch.model.loaded import Model
from audiosearch.model.runtime.session import RuntimeOptions
model = Model.open(Path({str(STARTER)!r}), options=RuntimeOptions())
model.tower.embed(["a dog barks"])
time.sleep(float(sys.argv[1]))
"""
INET = ("AF_INET", "AF_INET6")
STRACE = ("-f", "-qq", "-e", "trace=socket,connect", "-o")


def listen(
    temporary: Path, *, seconds: float, before: tuple[str, ...] = (), **more: str
) -> subprocess.CompletedProcess[str]:
    told = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    return subprocess.run(
        [*before, sys.executable, "-W", "ignore", "-c", LISTEN, str(seconds)],
        env={**told, "TMPDIR": str(temporary), **more},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )


def test_running_a_model_leaves_nothing_in_the_temporary_folder(tmp_path: Path):
    listen(tmp_path, seconds=0)
    assert list(tmp_path.iterdir()) == []


def test_running_a_model_opens_no_socket_to_anywhere(tmp_path: Path):
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("needs strace")
    trace, temporary = tmp_path / "trace", tmp_path / "temporary"
    temporary.mkdir()
    watched = (strace, *STRACE, str(trace))
    listen(temporary, seconds=6, before=watched)
    assert [line for line in trace.read_text().splitlines() if any(f in line for f in INET)] == []


def test_a_daemon_that_hears_and_answers_opens_no_socket_to_anywhere(
    quick: Command, sound_folder: Path, tmp_path: Path
):
    """Its decoding processes and its threads, too; its own socket is one of the file system."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("needs strace")
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    quick.environ["TMPDIR"] = str(temporary)
    trace = tmp_path / "trace"
    assert quick("roots", "add", sound_folder).status == 0
    watch = Watch(replace(quick, program=(strace, *STRACE, str(trace), *quick.program)))
    watch.command = quick
    try:
        watch.until_rows([(3,)], "SELECT count(*) FROM encoding WHERE n_windows IS NOT NULL")
        watch.until(watch.is_idle)
        answer = quick("find", "a dog barks", "--min-score", "0", "--json", "-v")
        assert "answered by the daemon" in answer.err
        write_audio(sound_folder / "new.wav", noise(seconds=1.0, seed=9))
        watch.until_rows([(4,)], "SELECT count(*) FROM encoding WHERE n_windows IS NOT NULL")
        told = watch.told()
        assert told is not None
        os.kill(told["pid"], signal.SIGTERM)  # strace itself would let go of it
        watch.process.communicate(timeout=PATIENCE_S)
    finally:
        watch.kill()
    lines = trace.read_text().splitlines()
    assert any("AF_UNIX" in line for line in lines)
    assert [line for line in lines if any(family in line for family in INET)] == []
    assert list(temporary.iterdir()) == []


def test_a_persons_own_word_on_telemetry_stays(tmp_path: Path):
    code = (
        "import os; from audiosearch.model.runtime.session import onnx_runtime; onnx_runtime();"
        "print(os.environ['ORT_DISABLE_TELEMETRY'])"
    )
    for given, kept in (("0", "0"), (None, "1")):
        told = {n: v for n, v in os.environ.items() if n != "ORT_DISABLE_TELEMETRY"}
        told |= {"TMPDIR": str(tmp_path)} | (
            {} if given is None else {"ORT_DISABLE_TELEMETRY": given}
        )
        done = subprocess.run(
            [sys.executable, "-c", code], env=told, capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == kept
