"""Runs `audiosearch index` and tells what each of its stages took, decoding processes included.

In: a file to write into, and the command's arguments. Out: JSON, seconds of processor time by stage
up to the end of this process, which whoever started it can tell. Stages that the program times by
the clock are timed by the processor here, thread by thread; what a decoding process has taken is
read from its clock wherever an answer of it is complete. Linux.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import resource
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

START, IMPORTS = "interpreter", "imports"
OPENING = "settings, opening the library, checking the model"
REST, END = "between stages", "end of the command"
LOADED = "networks read and prepared"
OPENED = "readers: open, asking and answer"
RECEIVED = "readers: receiving blocks"
DECIDED = "readers: is the sound known"
CUT = "readers: windows, queue, start of processes"
CHILD_START = "decoding: interpreter, imports"
CHILD_OPEN = "decoding: open, hash, metadata"
CHILD_DECODE = "decoding: decode, levels, rate"
CHILD_END = "decoding: end"
LINES = (
    *(START, IMPORTS, OPENING, "scan", "load", LOADED, "encode", "caption", "store", "wait", REST),
    *(END, OPENED, DECIDED, RECEIVED, CUT, CHILD_START, CHILD_OPEN, CHILD_DECODE, CHILD_END),
)


class StageTimes:
    """Processor time by stage, from several threads; what is measured within counts once."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._lock = threading.Lock()
        self._within = threading.local()  # seconds of stages in stages, of this thread
        self._ended_s = 0.0  # of readers
        self._children: dict[int, float] = {}

    def add(self, stage: str, seconds: float) -> None:
        """Count seconds towards a stage."""
        with self._lock:
            self.seconds[stage] += seconds

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count what this thread takes, and in the main thread what those of networks take."""
        outer_s = getattr(self._within, "seconds", 0.0)
        self._within.seconds = 0.0
        is_main = threading.current_thread() is threading.main_thread()

        def taken_s() -> float:
            return time.thread_time() + (self.networks_s() if is_main else 0.0)

        began_s = taken_s()
        try:
            yield
        finally:
            whole_s = taken_s() - began_s
            self.add(name, whole_s - self._within.seconds)
            self._within.seconds = outer_s + whole_s

    @property
    def staged_s(self) -> float:
        """What stages of this thread took that have ended."""
        return float(getattr(self._within, "seconds", 0.0))

    def networks_s(self) -> float:
        """What threads have taken that are none of Python's."""
        python_s = self._ended_s
        for thread in threading.enumerate():
            if thread.ident is not None:
                with contextlib.suppress(OSError):
                    clock = time.pthread_getcpuclockid(thread.ident)
                    python_s += time.clock_gettime(clock)
        return time.process_time() - python_s

    def end_reader(self) -> None:
        """This reader has nothing more to do."""
        whole_s = time.thread_time()
        self.add(CUT, whole_s - self.staged_s)
        with self._lock:
            self._ended_s += whole_s

    def child(self, stage: str, pid: int | None) -> None:
        """Count what a decoding process took since it was last looked at."""
        if pid is None:
            return
        try:
            now_s = time.clock_gettime((~pid << 3) | 2)  # as clock_getcpuclockid(3) has it
        except OSError:  # it is gone; its end counts it
            return
        self.add(stage, now_s - self._children.get(pid, 0.0))
        self._children[pid] = now_s


def watch(times: StageTimes) -> None:
    """Have the program's stages timed."""
    import onnxruntime  # noqa: PLC0415

    from audiosearch import _timing  # noqa: PLC0415
    from audiosearch.audio.sandbox import client, process  # noqa: PLC0415
    from audiosearch.indexing import claims, pipeline, reader  # noqa: PLC0415

    _replace(_timing.Stopwatch, "stage", lambda old: _staged(times, old))
    _replace(pipeline, "index", lambda old: _indexed(times, old))
    _replace(onnxruntime.InferenceSession, "__init__", lambda old: _in_stage(times, LOADED, old))
    _replace(claims.SoundClaims, "decide", lambda old: _in_stage(times, DECIDED, old))
    _replace(client.Worker, "open", lambda old: _opened(times, old))
    _replace(client.Worker, "blocks", lambda old: _blocks(times, old))
    _replace(process.WorkerProcess, "wait_ready", lambda old: _ready(times, old))
    _replace(reader.Readers, "_run", lambda old: _read(times, old))


Work = Callable[..., Any]


def _replace(place: Any, name: str, by: Callable[[Work], Work]) -> None:
    setattr(place, name, by(getattr(place, name)))


def _in_stage(times: StageTimes, name: str, work: Work) -> Work:
    def timed(*given: Any, **named: Any) -> Any:
        with times.stage(name):
            return work(*given, **named)

    return timed


def _staged(times: StageTimes, by_clock: Work) -> Work:
    """The program's own stages, but those of readers, of which more is told."""

    @contextlib.contextmanager
    def stage(self: Any, name: str) -> Iterator[None]:
        is_main = threading.current_thread() is threading.main_thread()
        with times.stage(name) if is_main else contextlib.nullcontext(), by_clock(self, name):
            yield

    return stage


def _indexed(times: StageTimes, index: Work) -> Work:
    def indexed(*given: Any, **named: Any) -> Any:
        times.add(OPENING, time.thread_time() - sum(times.seconds.values()))
        with times.stage(REST):
            return index(*given, **named)

    return indexed


def _opened(times: StageTimes, open_file: Work) -> Work:
    def opened(self: Any, *given: Any, **named: Any) -> Any:
        with times.stage(OPENED):
            found = open_file(self, *given, **named)
        times.child(CHILD_OPEN, self.pid)
        return found

    return opened


def _blocks(times: StageTimes, read_blocks: Work) -> Work:
    def blocks(self: Any) -> Iterator[Any]:
        found = read_blocks(self)
        while True:
            with times.stage(RECEIVED):
                block = next(found, None)
            if block is None:
                times.child(CHILD_DECODE, self.pid)
                return
            yield block

    return blocks


def _ready(times: StageTimes, wait_ready: Work) -> Work:
    def ready(self: Any) -> None:
        was_ready = self._ready
        wait_ready(self)
        if not was_ready:
            times.child(CHILD_START, self.pid)

    return ready


def _read(times: StageTimes, run_reader: Work) -> Work:
    def read(self: Any) -> None:
        try:
            run_reader(self)
        finally:
            times.end_reader()

    return read


def main(place: Path, arguments: list[str]) -> None:
    """Run the command, and write what its stages took."""
    times = StageTimes()
    times.add(START, time.process_time())

    def tell() -> None:
        below = resource.getrusage(resource.RUSAGE_CHILDREN)
        in_children = {CHILD_START, CHILD_OPEN, CHILD_DECODE}
        below_s = sum(times.seconds[each] for each in in_children)
        times.add(CHILD_END, below.ru_utime + below.ru_stime - below_s)
        here_s = sum(times.seconds.values()) - below_s - times.seconds[CHILD_END]
        times.add(END, time.process_time() - here_s)
        place.write_text(json.dumps(times.seconds), encoding="utf-8")

    atexit.register(tell)  # first, and so called last
    with times.stage(IMPORTS):
        from audiosearch.cli import index as _  # noqa: F401, PLC0415
        from audiosearch.cli import main as command  # noqa: PLC0415

        watch(times)
    sys.argv[:] = ["audiosearch", *arguments]
    command.main()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
