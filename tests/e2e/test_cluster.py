"""`index --on ray`: a real Ray, of one node of our own and of two in networks of their own."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.command import Command
from tests.library_rows import library_rows
from tests.ray_nodes import RayNodes, children, lone_network, ray_nodes
from tests.sounds import noise, write_audio

if find_spec("ray") is None:
    pytest.skip(
        "Ray is not installed: pip install 'audiosearch[cluster]' (`make test` has it)",
        allow_module_level=True,
    )
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="needs Linux: it looks into /proc"),
]

N_SOUNDS, LENGTH_S = 6, 180.0
N_WINDOWS = N_SOUNDS * 35
PATIENCE_S = 240.0
SMALL = {"AUDIOSEARCH_INDEX_BATCH_WINDOWS": "2", "AUDIOSEARCH_INDEX_WORKERS": "1"}


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Enough sound to be caught in the middle of it, a copy, and a file that is none."""
    folder = tmp_path_factory.mktemp("cluster") / "many"
    folder.mkdir()
    for number in range(N_SOUNDS):
        write_audio(folder / f"{number}.wav", noise(seconds=LENGTH_S, seed=number))
    (folder / "copy.wav").write_bytes((folder / "1.wav").read_bytes())
    (folder / "none.wav").write_bytes(b"no sound at all")
    return folder


@pytest.fixture(scope="module")
def plain(
    many: Path, toy_bundle: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, list[Any]]:
    """The rows that the plain command makes."""
    command = Command(tmp_path_factory.mktemp("plain"), str(toy_bundle), dict(SMALL))
    assert command("index", many).status == 0
    return library_rows(command.data_dir / "library.sqlite3")


@pytest.fixture
def small(fresh: Command) -> Command:
    return replace(fresh, environ={**fresh.environ, **SMALL})


@pytest.fixture
def cluster() -> Iterator[RayNodes]:
    with ray_nodes() as nodes:
        yield nodes


def on_cluster(command: Command, cluster: RayNodes) -> Command:
    """The command as it runs on the head."""
    keys = ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN")
    return replace(
        command,
        environ={**command.environ, **{key: cluster.environment[key] for key in keys}},
        program=(*cluster.networks[0].before, *command.program),
    )


def n_windows(command: Command) -> int:
    with contextlib.suppress(sqlite3.OperationalError):  # not there yet
        path = command.data_dir / "library.sqlite3"
        reader = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
        with contextlib.closing(reader):
            return int(reader.execute("SELECT count(*) FROM window").fetchone()[0])
    return 0


def start(command: Command, *arguments: str, said: Path | None = None) -> subprocess.Popen[bytes]:
    """Start it; what it says goes into a file, to be read while it runs, or into a pipe."""
    stderr = subprocess.PIPE if said is None else os.open(said, os.O_CREAT | os.O_WRONLY)
    return subprocess.Popen(
        [*command.program, "index", *arguments],
        env=command.environment(),
        stdout=subprocess.PIPE,
        stderr=stderr,
        start_new_session=True,
    )


def until(happened: Callable[[], object], process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not happened():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.02)


def test_two_machines_make_the_rows_of_one_whoever_dies(
    small: Command, many: Path, plain: dict[str, list[Any]], cluster: RayNodes, tmp_path: Path
) -> None:
    said = tmp_path / "said.txt"
    command = on_cluster(small, cluster)
    place = f"ray://{cluster.address}"
    process = start(command, str(many), "--on", place, said=said)
    try:
        # A worker is killed, and the run goes on.
        until(lambda: n_windows(small) >= 8, process)
        worker = next(pid for node in cluster.nodes for pid in node.workers())
        os.kill(worker, signal.SIGKILL)
        until(lambda: "files are read once more" in " ".join(said.read_text().split()), process)
        before = n_windows(small)
        until(lambda: n_windows(small) >= before + 4, process)
        # A second driver is refused, as long as the first one lives.
        os.kill(process.pid, signal.SIGSTOP)
        second = command("index", "--on", place)
        assert second.status == 2
        assert "another process keeps the library up to date (pid " in second.err
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # the driver is killed
        process.communicate()
    assert small("verify").status == 0
    kept = n_windows(small)
    assert 0 < kept < N_WINDOWS
    # Another one goes on from there, and loses a machine on the way.
    process = start(command, str(many), "--on", place, "--json")
    until(lambda: all(node.workers() for node in cluster.nodes), process)
    until(lambda: n_windows(small) >= kept + 8, process)
    cluster.nodes[1].kill()
    out, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, err
    assert "files are read once more" in " ".join(err.decode().split())
    assert json.loads(out)["windows_encoded"] == N_WINDOWS - kept  # what was committed stays
    assert library_rows(small.data_dir / "library.sqlite3") == plain
    assert small("verify").status == 0
    again = command("index", "--on", place, "--json")
    assert again.rows[0]["windows_encoded"] == 0


def test_captions_and_evaluations_by_workers(
    small: Command, tmp_path: Path, toy_bundle: Path
) -> None:
    folder = tmp_path / "clips"
    folder.mkdir()
    for number in range(6):
        write_audio(folder / f"{number}.wav", noise(seconds=12.0, seed=number))
    lines = [f"{number}.wav,the noise number {number}" for number in range(6)]
    table = folder / "captions.csv"
    table.write_text("\n".join(["file_name,caption_1", *lines]) + "\n")
    other = Command(tmp_path / "other", str(toy_bundle), dict(SMALL))
    for command in (small, other):
        without = replace(command, environ={**command.environ, "AUDIOSEARCH_INDEX_CAPTIONS": "0"})
        assert without("index", folder).status == 0
    evaluation = ("evaluate", "captions", table, "--json")
    assert other("index").status == 0
    here = other(*evaluation)
    with ray_nodes(n_nodes=1) as cluster:
        command = on_cluster(small, cluster)
        place = f"ray://{cluster.address}"
        answer = command("index", "--on", place, "--json")
        assert answer.rows[0]["windows_captioned"] == 12, answer.err
        there = command(*evaluation, "--on", place)
    rows = [library_rows(each.data_dir / "library.sqlite3") for each in (small, other)]
    assert rows[0] == rows[1]
    assert there.status == here.status == 0, there.err
    figures = [[row for row in each.rows if row["table"] != "facts"] for each in (there, here)]
    assert figures[0] == figures[1]


def test_a_ray_of_our_own_sends_nothing_and_leaves_nothing(
    small: Command, many: Path, plain: dict[str, list[Any]], tmp_path: Path
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    small.environ["TMPDIR"] = str(temporary)
    with lone_network() as network:
        before = network.before if network else ()
        sent = int(network.outside.read_text()) if network and network.outside else 0
        there = replace(small, program=(*before, *small.program))
        process = start(there, str(many), "--on", "ray", "--json")
        until(lambda: n_windows(small) > 0, process)
        folders = list(temporary.glob("audiosearch-ray-*")) or list(
            Path("/tmp").glob(f"audiosearch-ray-{process.pid}-*")
        )
        assert [stat.S_IMODE(folder.stat().st_mode) for folder in folders] == [0o700]
        out, err = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0, err
        if network and network.outside:
            assert int(network.outside.read_text()) == sent
    # Nothing of Ray's beside the report, or beside what is told of the run.
    assert json.loads(out)["windows_encoded"] == N_WINDOWS
    lines = re.sub(
        r"not a sound\s+file, or its\s+header is\s+damaged", "", err.decode()
    ).splitlines()
    assert all("of 8 files" in line or "none.wav" in line for line in lines if line.strip()), err
    assert library_rows(small.data_dir / "library.sqlite3") == plain
    assert list(temporary.iterdir()) == []


def test_an_interrupt_ends_a_ray_of_our_own_in_good_order(small: Command, many: Path) -> None:
    process = start(small, str(many), "--on", "ray", "--json")
    until(lambda: n_windows(small) >= 8, process)
    ours = children(process.pid)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all of them
    out, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130, err
    assert b"Traceback" not in err
    stopped = json.loads(out)
    assert stopped["interrupted"]
    end = time.monotonic() + PATIENCE_S
    while any(Path(f"/proc/{pid}/cmdline").exists() for pid in ours):
        assert time.monotonic() < end, ours
        time.sleep(0.05)
    rest = small("index", "--json").rows[0]
    assert stopped["windows_encoded"] + rest["windows_encoded"] == N_WINDOWS


@pytest.mark.parametrize(("given", "enabled"), [(None, False), ("1", True)])
def test_ray_is_told_to_send_nothing_unless_a_person_says_otherwise(
    given: str | None, enabled: bool, tmp_path: Path
) -> None:
    code = (
        "from audiosearch.cluster.ray_engine import _loaded_ray; _loaded_ray(of_our_own=True);"
        "from ray._common.usage.usage_lib import usage_stats_enabled; print(usage_stats_enabled())"
    )
    told = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    told |= {"HOME": str(tmp_path)} | ({"RAY_USAGE_STATS_ENABLED": given} if given else {})
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env=told,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == str(enabled)


def test_an_address_that_nobody_answers_at(small: Command, many: Path) -> None:
    answer = small("index", many, "--on", "ray://127.0.0.1:1")
    assert answer.status == 2
    assert "Ray at 127.0.0.1:1 cannot be joined" in answer.err
    assert "ray start --address=127.0.0.1:1" in answer.err
    assert "Traceback" not in answer.err
