"""The picture of a sound: time from left to right, frequency from below, louder is lighter.

Rows are equally far apart in mel, from 0 Hz to half the sampling rate; levels are absolute, so that
one picture joins the next.
"""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np

from audiosearch._typing import Floats

FLOOR_DB = -100.0  # dBFS of a sine: black; 0 dBFS is white
FRAMES = 8  # at most, that a column is made of: the loudest counts
_LONGEST_S = 0.045  # of a frame
_LEAST, _MOST = 256, 16_384  # samples of a frame
_BATCH = 64  # frames transformed at once

Grey = np.ndarray[tuple[int, int], np.dtype[np.uint8]]


def row_frequencies(height: int, sample_rate: int) -> Floats:
    """The middle frequency of each row in Hz, the top row first: (height,)."""
    top = _mel(sample_rate / 2)
    middles = (np.arange(height)[::-1] + 0.5) * top / height
    return _hertz(middles).astype(np.float32)


def _mel(hertz: float) -> float:
    return 2595.0 * float(np.log10(1 + hertz / 700.0))


def _hertz(mel: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Floats:
    found: Floats = (700.0 * (10 ** (mel / 2595.0) - 1)).astype(np.float32)
    return found


def frame_length(n_samples: int, width: int, sample_rate: int) -> int:
    """Samples of a frame, a power of two: about 45 ms, or less where columns are much nearer."""
    column = n_samples / width
    wanted = min(_LONGEST_S * sample_rate, max(8 * column, _LEAST))
    return int(np.clip(2 ** int(np.log2(max(wanted, 1))), _LEAST, _MOST))


class SpectrogramMeter:
    """Makes the picture of `n_samples` of sound that come block by block, (height, width) uint8.

    Each column is made of up to `FRAMES` frames spread over it; a long sound is looked at here and
    there, which is what its picture has room for.
    """

    def __init__(self, n_samples: int, *, width: int, height: int, sample_rate: int) -> None:
        """For a stretch.

        Raises:
            ValueError: there is no sample, row or column.
        """
        if n_samples < 1 or width < 1 or height < 1:
            raise ValueError(f"{n_samples} samples as a picture of {width} x {height}")
        self._n_samples = n_samples
        self._length = frame_length(n_samples, width, sample_rate)
        column = n_samples / width
        frames = int(np.clip(np.ceil(column / self._length), 1, FRAMES))
        middles = (np.arange(width * frames) + 0.5) * column / frames
        self._starts = np.floor(middles).astype(np.int64) - self._length // 2
        self._columns = np.repeat(np.arange(width), frames)
        self._next = 0  # the frame to be made next
        self._held = np.zeros(self._length, np.float32)  # silence before the first sample
        self._held_at = -self._length
        window = np.hanning(self._length + 1)[:-1].astype(np.float32)
        self._window = window / (window.sum() / 2)  # a sine of full scale is 1
        self._rows = _RowMap(height, self._length, sample_rate)
        self._power = np.zeros((width, height), np.float32)

    def feed(self, block: Floats) -> None:
        """Take in the next samples (n,); what lies beyond the stretch is left out."""
        end = self._held_at + len(self._held)
        block = block[: max(0, self._n_samples - end)]
        if not len(block):
            return
        self._held = np.concatenate([self._held, block])
        self._make_frames()

    def wants(self, n_samples: int) -> bool:
        """Whether any of the next samples will be looked at; else `skip` spares making them."""
        end = self._held_at + len(self._held)
        return self._next < len(self._starts) and bool(self._starts[self._next] < end + n_samples)

    def skip(self, n_samples: int) -> None:
        """Pass over the next samples, which nobody wants."""
        self._held_at += len(self._held) + n_samples
        self._held = self._held[:0]

    def result(self) -> Grey:
        """The picture of what came; what did not come is black."""
        missing = max(0, self._n_samples - self._held_at - len(self._held))
        # Frames of nothing but what never came are left out; the others end in silence.
        ready = self._held_at + len(self._held)
        keep = int(np.searchsorted(self._starts, ready, "left"))
        self._starts, self._columns = self._starts[:keep], self._columns[:keep]
        tail = np.zeros(min(missing, self._length) + self._length, np.float32)
        self._held = np.concatenate([self._held, tail])
        self._make_frames()
        level = 10 * np.log10(np.maximum(self._power, 10 ** (FLOOR_DB / 10)))
        grey = np.rint(np.clip(1 - level / FLOOR_DB, 0.0, 1.0) * 255).astype(np.uint8)
        return np.ascontiguousarray(grey.T[::-1])

    def _make_frames(self) -> None:
        for numbers in self._ready():
            at = self._starts[numbers] - self._held_at
            places = at[:, np.newaxis] + np.arange(self._length)
            spectra = np.fft.rfft(self._held[places] * self._window, axis=1)
            power = self._rows.of_spectra((np.abs(spectra) ** 2).astype(np.float32))
            np.maximum.at(self._power, self._columns[numbers], power)
        needed = self._starts[self._next] if self._next < len(self._starts) else self._n_samples
        drop = int(min(max(0, needed - self._held_at), len(self._held)))
        self._held, self._held_at = self._held[drop:], self._held_at + drop

    def _ready(self) -> Iterator[slice]:
        """The frames that all samples are there for, a few at a time."""
        end = self._held_at + len(self._held)
        ready = int(np.searchsorted(self._starts, end - self._length, "right"))
        while self._next < ready:
            some = slice(self._next, min(self._next + _BATCH, ready))
            self._next = some.stop
            yield some


class _RowMap:
    """Takes the bins of a spectrum to rows, the lowest frequency first.

    A row as wide as several bins is the loudest of them; one narrower than a bin lies between two.
    """

    def __init__(self, height: int, length: int, sample_rate: int) -> None:
        edges_mel = np.arange(height + 1) * _mel(sample_rate / 2) / height
        edges = _hertz(edges_mel).astype(np.float64) * length / sample_rate
        n_bins = length // 2 + 1
        middles = np.clip((edges[:-1] + edges[1:]) / 2, 0, n_bins - 1)
        self._below = np.minimum(middles.astype(np.int64), n_bins - 2)
        self._share = (middles - self._below).astype(np.float32)
        first = np.clip(np.ceil(edges[:-1]).astype(np.int64), 0, n_bins - 1)
        last = np.clip(np.ceil(edges[1:]).astype(np.int64), 0, n_bins)
        last[-1] = n_bins
        self._wide = last > first + 1
        self._pairs = np.stack([first, np.maximum(last, first + 1)], axis=1).ravel()

    def of_spectra(self, power: Floats) -> Floats:
        """(n, bins) as (n, height)."""
        below = self._below
        near = power[:, below] * (1 - self._share) + power[:, below + 1] * self._share
        if not self._wide.any():
            return near
        padded = np.concatenate([power, power[:, -1:]], axis=1)
        loudest = np.maximum.reduceat(padded, self._pairs, axis=1)[:, ::2]
        return np.where(self._wide, loudest, near)


def png(grey: Grey) -> bytes:
    """A picture as a PNG of 8-bit grey."""
    import av  # noqa: PLC0415 - FFmpeg, which whoever only measures does without
    from av.video.frame import VideoFrame  # noqa: PLC0415

    height, width = grey.shape
    out = io.BytesIO()
    with av.open(out, "w", format="image2pipe") as container:
        stream = container.add_stream("png", rate=1)
        stream.width, stream.height, stream.pix_fmt = width, height, "gray"
        frame = VideoFrame.from_ndarray(np.ascontiguousarray(grey), format="gray")
        for packet in (*stream.encode(frame), *stream.encode()):
            container.mux(packet)
    return out.getvalue()
