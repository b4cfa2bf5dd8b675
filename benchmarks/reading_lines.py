"""What reading files takes, for `benchmarks.against`: opening, decoding, FFmpeg's own program."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
from collections.abc import Sequence

import click

# Opening and hashing files, and with `blocks` decoding them too, in a decoding process; printed is
# the processor time that this process took beyond one that reads a single file.
READ = """
import json, os, resource, sys
try:
    from audiosearch.audio.sandbox.client import Worker, WorkerLimits
except ImportError:  # where it was before
    from audiosearch.indexing.workers import Worker, WorkerLimits
files = [name.encode() for name in json.load(open(sys.argv[1]))]
def took(files):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with Worker(WorkerLimits()) as worker:
        for file in files:
            worker.open(file, sample_rate=16000)
            if sys.argv[2] == "blocks":
                for block in worker.blocks():
                    pass
            else:
                worker.skip()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
print(json.dumps(took(files) - took(files[:1])))
"""
_MONO = ("-ac", "1", "-ar", "16000", "-f", "f32le")


def ffmpeg_s(files: Sequence[str], *, net: bool) -> float:
    """Processor time of `ffmpeg -i FILE -ac 1 -ar 16000 -f f32le` over files, one after the other.

    With `net`, without what the program takes to start, by a hundredth of a second of silence after
    each file: nine tenths of the time, so that only runs side by side can be told apart.

    Raises:
        ClickException: it is not installed.
    """
    program = shutil.which("ffmpeg")
    if program is None:
        raise click.ClickException("no ffmpeg in the search path")
    nothing = ["-f", "lavfi", "-t", "0.01", "-i", "anullsrc"]
    return sum(
        _one(program, ["-i", file]) - (_one(program, nothing) if net else 0.0) for file in files
    )


def _one(program: str, source: Sequence[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [program, "-v", "error", "-nostdin", *source, *_MONO, os.devnull, "-y"],
        check=True,
        capture_output=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
