"""Ctrl-C and SIGTERM: the run ends in good order, and the next one goes on from there."""

from __future__ import annotations

import contextlib
import json
import signal
import sqlite3
import subprocess
import time
from pathlib import Path

import pytest

from tests.e2e.command import Command
from tests.sounds import noise, write_audio

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Enough sound to be caught in the middle of it."""
    folder = tmp_path_factory.mktemp("many")
    for number in range(6):
        sound = noise(seconds=180.0, seed=number)
        write_audio(folder / f"{number}.wav", sound)
    return folder


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_in_good_order(
    fresh: Command, many: Path, number: signal.Signals
) -> None:
    process = subprocess.Popen(
        [*fresh.program, "index", str(many), "--json"],
        env=fresh.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for_windows(fresh)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    stopped = json.loads(out)
    assert stopped["interrupted"]
    assert fresh("verify").status == 0
    rest = fresh("index", "--json").rows[0]
    assert not rest["interrupted"]
    # 35 windows a file: none is encoded twice
    assert stopped["windows_encoded"] + rest["windows_encoded"] == 6 * 35


def wait_for_windows(command: Command) -> None:
    """Wait until the run has committed something."""
    database = command.data_dir / "library.sqlite3"
    for _ in range(6000):
        with contextlib.suppress(sqlite3.OperationalError):  # not there yet
            reader = sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)
            with contextlib.closing(reader):
                if reader.execute("SELECT EXISTS (SELECT * FROM window)").fetchone() == (1,):
                    return
        time.sleep(0.01)
    raise AssertionError("nothing was ever committed")
