"""What is to be seen of recordings, made in the sandbox and kept: outlines and spectrograms.

The outline of a whole recording is kept once in several resolutions, and any stretch of it is taken
from there; only what is nearer than that is decoded for each question.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final

import numpy as np

from audiosearch.audio.peaks import FACTOR, PeakTrace
from audiosearch.audio.sandbox.client import Worker
from audiosearch.audio.spectrogram import png
from audiosearch.audio.types import ViewKind, ViewRequest
from audiosearch.library.playable import PlayableFile
from audiosearch.store.file_cache import MAX_BYTES, FileCache

VIEWS_FOLDER: Final = "views"  # beside the database
VIEWS_BYTES: Final = MAX_BYTES
MOST_WIDTH: Final = 4000  # bins or columns
MOST_HEIGHT: Final = 512
_FORM: Final = 1  # of what is kept: others are made anew
_FINEST: Final = 16  # samples in a bin
_MOST_BINS: Final = 1 << 19  # of the finest level that is kept
_FEWEST_BINS: Final = 1 << 12  # no coarser level is kept than one of so many
_NEAR_S: Final = 60.0  # a stretch of a long recording that is decoded by itself
_LONG_S: Final = 600.0  # of a recording
_PATIENCE_S: Final = 300.0  # for hours of sound that were never looked at

WorkerSource = Callable[[bytes], AbstractContextManager[Worker]]  # for a file, by its path


@dataclass(frozen=True)
class _Levels:
    """The resolutions in which an outline is kept: samples in a bin of the finest, and how many."""

    finest: int
    count: int

    @classmethod
    def of(cls, n_samples: int) -> _Levels:
        finest = _FINEST
        while n_samples > finest * _MOST_BINS:
            finest *= 2
        count, bins = 1, -(-n_samples // finest)
        while bins > _FEWEST_BINS * FACTOR:
            count, bins = count + 1, bins // FACTOR
        return cls(finest, count)

    def number_for(self, samples_in_bin: float) -> int | None:
        """The coarsest that is fine enough; None where none is."""
        fit = [each for each in range(self.count) if self.bin_size(each) <= samples_in_bin]
        return max(fit, default=None)

    def bin_size(self, number: int) -> int:
        size: int = self.finest * FACTOR**number
        return size


class SoundViews:
    """Outlines and spectrograms of the files of a library; safe to use from several threads.

    Of a view that several ask for at once, one is made.
    """

    def __init__(self, cache: FileCache, workers: WorkerSource) -> None:
        self._cache = cache
        self._workers = workers
        self._lock = threading.Lock()
        self._making: weakref.WeakValueDictionary[str, _Turn] = weakref.WeakValueDictionary()

    def peaks(self, file: PlayableFile, start: int, end: int, *, width: int) -> PeakTrace:
        """The outline of samples `start` to `end` in `width` bins.

        Raises:
            DecodeError: the file cannot be read, or not in time.
        """
        total = file.n_samples
        number = None
        if total is not None:
            levels = _Levels.of(total)
            number = levels.number_for((end - start) / width)
            is_near = (
                end - start <= _NEAR_S * file.sample_rate and total > _LONG_S * file.sample_rate
            )
            if number is not None:
                trace = self._kept_level(file, number)
                if trace is None and not is_near:
                    trace = self._made_levels(file, levels, total)[number]
                if trace is not None:
                    bin_size = levels.bin_size(number)
                    return trace.within(start, end, bin_size=bin_size, width=width)
        request = ViewRequest(
            stretch=file.stretch(start, end - start),
            kind=ViewKind.PEAKS,
            width=width,
            patience_s=_PATIENCE_S,
        )
        return PeakTrace.of_bytes(self._looked_at(file, request))

    def spectrogram(
        self, file: PlayableFile, start: int, end: int, *, width: int, height: int
    ) -> bytes:
        """Samples `start` to `end` as a PNG of 8-bit grey.

        Raises:
            DecodeError: the file cannot be read, or not in time.
        """
        name = f"{_stem(file)}-spectrogram-{start}-{end}-{width}x{height}"
        with self._turn(name):
            kept = self._cache.find(name)
            if kept is not None:
                return kept
            request = ViewRequest(
                stretch=file.stretch(start, end - start),
                kind=ViewKind.SPECTROGRAM,
                width=width,
                height=height,
                patience_s=_PATIENCE_S,
            )
            grey = np.frombuffer(self._looked_at(file, request), np.uint8).reshape(height, width)
            picture = png(grey)
            self._cache.keep(name, picture)
            return picture

    def _kept_level(self, file: PlayableFile, number: int) -> PeakTrace | None:
        kept = self._cache.find(f"{_stem(file)}-peaks-{number}")
        return None if kept is None else PeakTrace.of_bytes(kept)

    def _made_levels(self, file: PlayableFile, levels: _Levels, total: int) -> list[PeakTrace]:
        """All levels of a recording: made and kept, unless another has just done so."""
        with self._turn(f"{_stem(file)}-peaks"):
            kept = [self._kept_level(file, number) for number in range(levels.count)]
            whole = [each for each in kept if each is not None]
            if len(whole) == levels.count:
                return whole
            width = -(-total // levels.finest)
            request = ViewRequest(
                # To a whole number of bins, so that each is of as many samples.
                stretch=file.stretch(0, width * levels.finest),
                kind=ViewKind.PEAKS,
                width=width,
                patience_s=_PATIENCE_S,
            )
            made = [PeakTrace.of_bytes(self._looked_at(file, request))]
            while len(made) < levels.count:
                made.append(made[-1].coarser())
            for number, trace in enumerate(made):
                self._cache.keep(f"{_stem(file)}-peaks-{number}", trace.to_bytes())
            return made

    def _looked_at(self, file: PlayableFile, request: ViewRequest) -> bytes:
        with self._workers(file.path) as worker:
            return worker.view(request)

    def _turn(self, name: str) -> _Turn:
        with self._lock:
            turn = self._making.get(name)
            if turn is None:
                turn = self._making[name] = _Turn()
            return turn


class _Turn:
    """A lock that goes with its last user."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_error: object) -> None:
        self._lock.release()


def _stem(file: PlayableFile) -> str:
    """Names what is kept of a sound, whichever file holds it."""
    return f"{_FORM}-{file.audio_hash.hex()}-{file.sample_rate}"
