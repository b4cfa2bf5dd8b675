"""What a model is run with sends nothing and leaves no file of its own behind."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

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
    watched = (strace, "-f", "-qq", "-e", "trace=socket,connect", "-o", str(trace))
    listen(temporary, seconds=6, before=watched)
    assert [line for line in trace.read_text().splitlines() if any(f in line for f in INET)] == []


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
