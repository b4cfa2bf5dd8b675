"""The command leaves at once, and yet nothing that was to be done at its end is lost."""

from __future__ import annotations

import subprocess
import sys

import pytest

START = (
    "import sys; sys.argv[:] = ['audiosearch', '--version']; from audiosearch.cli.main import main"
)


def left(code: str) -> subprocess.CompletedProcess[str]:
    whole = f"{START}\n{code}\nmain()\nprint('never')"
    return subprocess.run(
        [sys.executable, "-c", whole], capture_output=True, text=True, check=False, timeout=60
    )


def test_what_is_registered_for_the_end_is_done_and_output_is_complete():
    done = left("import atexit; atexit.register(print, 'at the end')\nprint('x' * 100_000)")
    assert done.returncode == 0
    assert done.stdout.startswith("x" * 100_000)
    assert done.stdout.endswith("at the end\n")
    assert "audiosearch, version" in done.stdout
    assert done.stderr == ""


def test_temporary_folders_go():
    done = left("import tempfile; folder = tempfile.TemporaryDirectory(); print(folder.name)")
    place = done.stdout.splitlines()[0]
    gone = subprocess.run(["ls", place], capture_output=True, check=False)
    assert gone.returncode != 0


def test_other_threads_are_waited_for():
    thread = """
import threading
begun = threading.Event()
def work():
    begun.wait()
    print("thread done")
threading.Thread(target=work).start()
threading.Timer(0.2, begun.set).start()
"""
    assert left(thread).stdout.endswith("thread done\n")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/dev/full")
def test_output_that_cannot_be_written_is_no_success():
    with open("/dev/full", "w") as full:  # noqa: PTH123
        done = subprocess.run(
            [sys.executable, "-c", f"{START}\nmain()"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=60,
        )
    assert done.returncode != 0
