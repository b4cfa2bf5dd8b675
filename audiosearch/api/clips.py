"""Arguments as a program gives them, samples of sounds, and one caller at a time.

Unlike on the command line a name is only a name: a file called `a@3-5` is that file.
"""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import NoReturn, TypeAlias

import numpy as np

from audiosearch._typing import Floats
from audiosearch._urls import is_url, normal_url
from audiosearch.api.results import LibraryWindow, SearchHit
from audiosearch.audio.clip import ClipRange, stretch_fault
from audiosearch.audio.sandbox.client import Worker, WorkerLimits
from audiosearch.config import IndexConfig
from audiosearch.errors import AudiosearchError, QueryError
from audiosearch.library.clips import stretch
from audiosearch.search.results import MomentOptions

PathArgument: TypeAlias = str | bytes | os.PathLike[str] | os.PathLike[bytes]
Clip: TypeAlias = PathArgument | SearchHit | LibraryWindow

_ANY_RATE = 32_000  # Hz; nothing is decoded at it
_RATES = (100, 1_000_000)  # Hz; what a resampler is reasonably asked for


def absolute_path(path: PathArgument) -> bytes:
    """An absolute path as the system has it, or a URL; `~` is a name like any other."""
    if is_url(given := os.fsencode(path)):
        return normal_url(given)
    return os.path.abspath(given)  # noqa: PTH100  # bytes, which pathlib does not keep


def clip_range(
    clip: Clip, *, start_s: float | None, end_s: float | None, must_exist: bool = True
) -> ClipRange:
    """The stretch of a file that is meant: of a hit its own, unless another is given.

    Raises:
        QueryError: there is no such file (`must_exist`), or the stretch ends before it begins.
    """
    if isinstance(clip, (SearchHit, LibraryWindow)):
        if clip.path is None:
            raise QueryError("no file holds this sound now")
        start_s = clip.start_s if start_s is None else start_s
        end_s = clip.end_s if end_s is None else end_s
        path = absolute_path(clip.path)
    else:
        path = absolute_path(clip)
    start_s = 0.0 if start_s is None else start_s
    if fault := stretch_fault(start_s, end_s):
        raise QueryError(fault, path=path)
    if must_exist and not is_url(path) and not os.path.isfile(path):  # noqa: PTH113  # bytes
        raise QueryError("no such sound file", path=path)
    return ClipRange(path, float(start_s), None if end_s is None else float(end_s))


def read_samples(
    part: ClipRange, *, sample_rate: int | None, config: IndexConfig
) -> tuple[Floats, int]:
    """The samples (n,) of a stretch, mono, and their rate in Hz; None: the file's own.

    Raises:
        DecodeError: the file cannot be read.
        QueryError: the stretch lies beyond its end, or there is no such rate.
    """
    if sample_rate is not None and not _RATES[0] <= sample_rate <= _RATES[1]:
        raise QueryError(f"sound cannot be had at {sample_rate} Hz", path=part.path)
    with Worker(WorkerLimits.of(config)) as worker:
        if sample_rate is None:
            sample_rate = worker.open(part.path, sample_rate=_ANY_RATE).fingerprint.sample_rate
            worker.skip()
        worker.open(part.path, sample_rate=sample_rate)
        blocks = list(
            stretch(
                worker.blocks(), start_s=part.start_s, end_s=part.end_s, sample_rate=sample_rate
            )
        )
    if not blocks:
        raise QueryError(f"the sound ends before {part.start_s:g} s", path=part.path)
    return np.concatenate(blocks), int(sample_rate)


def texts_of(texts: Iterable[str]) -> list[str]:
    """Several texts, as a list.

    Raises:
        TypeError: it is one text, whose letters would be taken for texts.
    """
    if isinstance(texts, (str, bytes)):
        raise TypeError(f"several texts are wanted: [{texts!r}], not {texts!r}")
    return list(texts)


def clips_of(clips: Iterable[Clip]) -> list[Clip]:
    """Several sounds, as a list.

    Raises:
        TypeError: it is one, whose parts would be taken for several.
    """
    if isinstance(clips, (str, bytes, os.PathLike, SearchHit, LibraryWindow)):
        raise TypeError(f"several sounds are wanted: [{clips!r}], not {clips!r}")
    return list(clips)


def limit_of(limit: int | None) -> int | None:
    """Most hits; None stays None.

    Raises:
        QueryError: it is less than 1.
    """
    if limit is not None and limit < 1:
        raise QueryError(f"limit must be 1 or more, not {limit}")
    return limit


def least_of(value: float | None) -> float | None:
    """The least score or similarity; None stays None.

    Raises:
        QueryError: it is no number.
    """
    if value is not None and not math.isfinite(value):
        raise QueryError(f"the least must be a number, not {value}")
    return value


def share_of(value: float) -> float:
    """A weight from 0 to 1.

    Raises:
        QueryError: it is no such number.
    """
    if not 0 <= value <= 1:
        raise QueryError(f"a weight must be from 0 to 1, not {value}")
    return float(value)


def moment_options(moments: bool, *, by_time: bool, per_file: int | None) -> MomentOptions | None:
    """How moments are wanted; None where the best stretch of each recording is.

    Raises:
        QueryError: something is said of moments, but they are not wanted.
    """
    if not moments and (by_time or per_file is not None):
        raise QueryError("by_time and per_file are for moments", remedy="moments=True")
    return MomentOptions(by_time=by_time, per_file=per_file) if moments else None


_REMEDY = "open it in each process, after that has begun"


class Turns:
    """Lets one caller at a time in, of the process that opened what is called.

    Neither the engine's caches nor ONNX Runtime's and SQLite's handles may be used from a forked
    process, and the caches not by two threads at once. Waiting costs little: one call keeps all
    cores busy.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._pid = os.getpid()

    @property
    def foreign(self) -> bool:
        """Whether this is a copy in a process that was forked."""
        return os.getpid() != self._pid

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Wait until other threads have done.

        Raises:
            AudiosearchError: this is another process.
        """
        if self.foreign:  # whose copy of the lock may be held for ever
            raise AudiosearchError("opened by another process", remedy=_REMEDY)
        with self._lock:
            yield

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"an open library or model cannot be pickled: {_REMEDY}")
