"""Decode a sound file of any format into a stream of mono float32 samples at one rate.

In: a path and the sample rate wanted. Out: `Decoding`, an iterator over blocks `(n,)` that holds
about a second of sound however long the file is, and, when it is exhausted, the `AudioFacts`.

Channels are averaged (as the published encoders were trained, with every channel alike), then
resampled with soxr. Levels are left alone: no normalisation, no dither, a constant offset stays.
Samples that are no sound (NaN, infinite, or beyond `MAX_AMPLITUDE`, as in damaged float files)
become 0 and are counted.

What is damaged: packets that the decoder refuses are left out and counted, as players do, since
one flipped bit should not hide two hours of sound; a file cut short gives what is there. Where
more than `MAX_BAD_SHARE` of the packets are refused, it is noise or the wrong decoder, and the
file fails as DAMAGED. A file without one sample fails as NO_SAMPLES: nothing is not silence.

It knows nothing of windows, tags or processes. FFmpeg can crash on hostile input: run it in
`audiosearch.indexing.workers`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import groupby

import av.error
import numpy as np
import numpy.typing as npt
import soxr
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer

from audiosearch.audio.container import StreamFormat, open_audio, packets, stream_format
from audiosearch.audio.facts import AudioFacts
from audiosearch.audio.loudness import FrameFormat, LoudnessMeter
from audiosearch.errors import DecodeCode, DecodeError

__all__ = ["AudioFacts", "Decoding"]

MAX_BAD_SHARE = 0.1  # refused packets in all packets; one refused packet is always forgiven
MAX_AMPLITUDE = 2.0**32  # integer-scaled float files stay below; float32 power spectra stay finite
RESAMPLER_QUALITY = "HQ"  # soxr: 20 bit, band to 0.91 of Nyquist, more than any encoder hears

Mono = npt.NDArray[np.float32]  # (n,)


def _no_progress() -> None:
    """Nobody wants to know."""


class Decoding:
    """Iterates over mono blocks `(n,)` float32 of a file at `sample_rate`, once.

    `progress` is called for each packet read, also while nothing comes of it.
    """

    def __init__(
        self, path: bytes, *, sample_rate: int, progress: Callable[[], None] = _no_progress
    ) -> None:
        self.path = path
        self.sample_rate = sample_rate
        self._progress = progress
        self._facts: AudioFacts | None = None
        self._levels = _Levels()
        self._n_packets = 0
        self._n_bad_packets = 0
        self._seconds = 0.0
        self._loudness: list[float | None] = []
        self._first: FrameFormat | None = None

    @property
    def facts(self) -> AudioFacts:
        """What the file turned out to be; there is no answer before the last block."""
        if self._facts is None:
            raise RuntimeError("facts are known when all blocks have been taken")
        return self._facts

    def __iter__(self) -> Iterator[Mono]:
        """Decode.

        Raises:
            DecodeError: the file cannot be opened (see `open_audio`), is DAMAGED, decodes to
                nothing (NO_SAMPLES), cannot be read (UNREADABLE) or needs too much MEMORY.
        """
        try:
            with open_audio(self.path) as (container, stream):
                form = stream_format(container, stream)
                for run, frames in groupby(self._frames(container, stream), FrameFormat.of):
                    yield from self._resampled(run, frames)
        except MemoryError as error:
            raise self._error("not enough memory to decode it", DecodeCode.MEMORY) from error
        except av.error.FFmpegError as error:  # from the filter graph: an impossible layout or rate
            raise self._error(
                f"no filter for it: {error.strerror}", DecodeCode.UNSUPPORTED
            ) from error
        self._facts = self._summary(form)

    def _frames(self, container: InputContainer, stream: AudioStream) -> Iterator[AudioFrame]:
        """Decoded frames with something in them; refused packets are counted, not fatal."""
        decoder = stream.codec_context
        for packet in packets(container, stream):
            self._progress()
            self._n_packets += 1
            try:
                frames = decoder.decode(packet)
            except MemoryError:
                raise
            except av.error.DecoderNotFoundError as error:
                raise self._error(str(error), DecodeCode.UNSUPPORTED) from error
            except av.error.FFmpegError:
                self._n_bad_packets += 1
                continue
            for frame in frames:
                if frame.samples:
                    yield frame
        try:
            rest = decoder.decode(None)
        except av.error.FFmpegError:  # what was cut off inside the decoder is not there
            self._n_bad_packets += 1
            return
        yield from (frame for frame in rest if frame.samples)

    def _resampled(self, run: FrameFormat, frames: Iterator[AudioFrame]) -> Iterator[Mono]:
        """One run of frames of the same format, as mono blocks at the rate wanted."""
        self._first = self._first or run
        meter = LoudnessMeter(run)
        resample = _Resampler(run.sample_rate, self.sample_rate)
        for block in meter.blocks(frames):
            self._seconds += len(block) / run.sample_rate
            mono = resample.feed(self._levels.mono(block))
            if len(mono):
                yield mono
        rest = resample.end()
        if len(rest):
            yield rest
        self._loudness.append(meter.integrated_lufs())

    def _summary(self, form: StreamFormat) -> AudioFacts:
        refused, total = self._n_bad_packets, self._n_packets
        if refused > max(1.0, MAX_BAD_SHARE * total) or (refused and self._first is None):
            reason = f"the decoder refuses {refused} of {total} packets"
            raise self._error(reason, DecodeCode.DAMAGED)
        if self._first is None:
            raise self._error("no sample of sound in it", DecodeCode.NO_SAMPLES)
        # Several runs (chained Ogg of unlike parts) or a poisoned filter have no loudness as one.
        measured = len(self._loudness) == 1 and self._levels.n_bad == 0
        peak = self._levels.peak
        return AudioFacts(
            duration_s=self._seconds,
            sample_rate=self._first.sample_rate,
            channels=self._first.channels,
            bit_depth=form.bit_depth,
            codec=form.codec,
            container=form.container,
            peak_db=20 * math.log10(peak) if peak > 0 else None,
            loudness_lufs=self._loudness[0] if measured else None,
            bad_packets=refused,
            bad_samples=self._levels.n_bad,
        )

    def _error(self, reason: str, code: DecodeCode) -> DecodeError:
        return DecodeError(reason, code=code, path=self.path)


class _Levels:
    """Mixes blocks to mono, keeping count of the peak and of samples that are no sound."""

    def __init__(self) -> None:
        self.peak = 0.0
        self.n_bad = 0

    def mono(self, block: npt.NDArray[np.float64]) -> Mono:
        """The mean over the channels of `block` (n, channels), clean."""
        # NaN compares false, so `not <=` finds NaN, infinities and absurd values alike.
        peak = max(float(block.max()), -float(block.min()))
        if not peak <= MAX_AMPLITUDE:
            bad = ~(np.abs(block) <= MAX_AMPLITUDE)
            self.n_bad += int(np.count_nonzero(bad))
            block = np.where(bad, 0.0, block)
            peak = float(np.abs(block).max())
        self.peak = max(self.peak, peak)
        channels = block.shape[1]
        mixed = block[:, 0] if channels == 1 else block @ np.full(channels, 1 / channels)
        return mixed.astype(np.float32)


class _Resampler:
    """soxr as a stream; passes the sound through where the rate is right already."""

    def __init__(self, rate_in: int, rate_out: int) -> None:
        self._stream = (
            None
            if rate_in == rate_out
            else soxr.ResampleStream(rate_in, rate_out, 1, "float32", RESAMPLER_QUALITY)
        )

    def feed(self, samples: Mono) -> Mono:
        """What is ready after `samples` (n,)."""
        return samples if self._stream is None else self._stream.resample_chunk(samples)

    def end(self) -> Mono:
        """What is still inside."""
        nothing = np.empty(0, np.float32)
        return nothing if self._stream is None else self._stream.resample_chunk(nothing, last=True)
