"""Decode a sound file of any format into a stream of mono float32 samples at one rate.

Levels are left alone: no normalisation, no dither, a constant offset stays. FFmpeg can crash on
hostile input: run it in `audio.sandbox.client`. It knows nothing of windows, tags or processes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, nullcontext
from itertools import chain, groupby

import av.error
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream

from audiosearch._typing import Doubles, Floats, Samples
from audiosearch.audio.container import OpenedPart, packets
from audiosearch.audio.extent import disagreement
from audiosearch.audio.loudness import FORMAT_OF, FrameFormat, NoMeter, loudness_meter
from audiosearch.audio.mixing import Levels, Mixer, Resampler
from audiosearch.audio.ogg_vorbis import OggVorbis
from audiosearch.audio.sound import KeptPackets, Sound, open_sound
from audiosearch.audio.source import Span
from audiosearch.audio.timeline import EndTrim, lateness, without_gaps
from audiosearch.audio.tracks import AudioPacket, Demultiplexer, Track, side_by_side
from audiosearch.audio.types import AudioFacts
from audiosearch.errors import DecodeCode, DecodeError

__all__ = ["AudioFacts", "Decoding"]

MAX_BAD_SHARE = 0.1  # refused packets in all packets; one refused packet is always forgiven
MAX_BAD_SAMPLES_SHARE = 0.5  # one channel of two may hold nothing but NaN
MAX_PEAK_DB = 60.0  # no recording comes near; integers taken for floats, and noise, go beyond


def _no_progress() -> None:
    """Nobody wants to know."""


class Decoding:
    """Iterates over mono blocks `(n,)` float32 of a file at `sample_rate`, once.

    It holds about a second of sound however long the file is. All that is heard in the file is
    decoded: every audio stream, side by side as more channels, and every part of a chained file.
    Channels are mixed (see `Mixer`), then resampled with soxr.

    Packets that the decoder refuses are left out and counted, as players do: one flipped bit
    should not hide two hours of sound, and a file cut short gives what is there. Where more than
    `MAX_BAD_SHARE` of the packets are refused it is noise or the wrong decoder, and the file
    fails as DAMAGED; so does one whose samples cannot be sound. Samples of float files that are
    not finite become 0 and are counted. A file without one sample fails as NO_SAMPLES: nothing
    is not silence.

    `progress` is called for each packet read, also while nothing comes of it. With `mixed` false
    blocks are `(n, channels)`, all the channels that the file begins with as they are. `opened` is
    the file where it is open, with its packets, if they were kept when it was read through. Without
    `loudness` none is measured.
    """

    def __init__(
        self,
        path: bytes,
        *,
        sample_rate: int,
        progress: Callable[[], None] = _no_progress,
        mixed: bool = True,
        opened: tuple[Sound, KeptPackets] | None = None,
        loudness: bool = True,
    ) -> None:
        self.path = path
        self.sample_rate = sample_rate
        self._progress = progress
        self._mixed = mixed
        self._measures = loudness
        self._opened = opened if opened is not None and opened[1].suffice(opened[0]) else None
        self._channels = 1  # of the blocks given
        self._facts: AudioFacts | None = None
        self._levels = Levels()
        self._n_packets = 0
        self._n_bad_packets = 0
        self._seconds = 0.0
        self._timed = False  # whether packets tell of holes
        self._first_pts: int | None = None
        self._last_end = 0  # by the packets, in the time base of the last stream asked
        self._loudness: list[float | None] = []
        self._first: FrameFormat | None = None

    @property
    def facts(self) -> AudioFacts:
        """What the file turned out to be; there is no answer before the last block."""
        if self._facts is None:
            raise RuntimeError("facts are known when all blocks have been taken")
        return self._facts

    def __iter__(self) -> Iterator[Samples]:
        """Decode.

        Raises:
            DecodeError: the file cannot be opened (see `open_sound`), is DAMAGED, decodes to
                nothing (NO_SAMPLES), cannot be read (UNREADABLE) or needs too much MEMORY.
        """
        try:
            with self._sound() as sound:
                self._timed = sound.form.container == "flac"
                if not self._mixed:
                    self._channels = sound.channels
                if sound.plain is not None:
                    yield from self._plain(sound.plain)
                    self._facts = self._summary(sound)
                    return
                spans: tuple[Span | None, ...] = sound.extent.spans or (None,)
                for span, part in zip(spans, sound.parts(), strict=True):
                    if isinstance(part, Span):
                        continue  # cannot be opened, as the survey of the file has said
                    if len(part.heard) == 1:
                        stream = part.heard[0]
                        source = self._packets(part, stream)
                        trim = EndTrim.of(part, stream, sound.extent.n_samples)
                        yield from self._alone(stream.codec_context, source, trim)
                    else:
                        yield from self._together(part, span)
                self._facts = self._summary(sound)
        except MemoryError as error:
            raise self._error("not enough memory to decode it", DecodeCode.MEMORY) from error
        except av.error.FFmpegError as error:  # from the filter graph: an impossible layout or rate
            raise self._error(
                f"no filter for it: {error.strerror}", DecodeCode.UNSUPPORTED
            ) from error

    def _sound(self) -> AbstractContextManager[Sound]:
        return open_sound(self.path) if self._opened is None else nullcontext(self._opened[0])

    def _packets(self, part: OpenedPart, stream: AudioStream) -> Iterable[AudioPacket]:
        """Of a part with one stream."""
        kept = None if self._opened is None else self._opened[1].packets
        return packets(self.path, part.container, stream) if kept is None else kept

    def _plain(self, plain: OggVorbis) -> Iterator[Samples]:
        """A file whose packets are in memory."""
        with plain.decoder() as decoder:
            trim = EndTrim(plain.n_samples / plain.sample_rate)
            frames = self._frames(decoder, plain.sound_from())
            for first in frames:  # all are of one form
                form = FrameFormat(*FORMAT_OF(first))
                yield from self._run(form, chain((first,), frames), decoder, trim)

    def _alone(
        self, decoder: AudioCodecContext, source: Iterable[AudioPacket], trim: EndTrim
    ) -> Iterator[Samples]:
        """One stream, which is mixed at its own rate."""
        frames = self._frames(decoder, source)
        for form, of_run in groupby(frames, FORMAT_OF):
            yield from self._run(FrameFormat(*form), of_run, decoder, trim)

    def _run(
        self,
        form: FrameFormat,
        frames: Iterable[AudioFrame],
        decoder: AudioCodecContext,
        trim: EndTrim,
    ) -> Iterator[Samples]:
        """Frames of one form."""
        mixer = Mixer(form.sample_rate)
        resampler = Resampler(form.sample_rate, self.sample_rate, channels=self._channels)
        for block in trim.cut(self._blocks(form, frames, decoder), rate=form.sample_rate):
            self._seconds += len(block) / form.sample_rate
            if self._mixed:
                made = mixer.mono(block, peak=self._levels.peak)
            else:
                made = _first_form(block, self._channels)
            ready = resampler.feed(made)
            if len(ready):
                yield self._shaped(ready)
        rest = resampler.end()
        if len(rest):
            yield self._shaped(rest)

    def _together(self, part: OpenedPart, span: Span | None) -> Iterator[Samples]:
        """A part with several streams, which are mixed at the rate wanted."""
        mixer = Mixer(self.sample_rate)
        with ExitStack() as stack:
            streams = Demultiplexer(self.path, part, span, stack=stack)
            tracks = [
                Track(
                    channels=stream.codec_context.layout.nb_channels,
                    late=round(late_s * self.sample_rate),
                    blocks=self._track(part, stream, streams.packets(stream)),
                )
                for stream, late_s in zip(part.heard, lateness(part.heard), strict=True)
            ]
            for block in side_by_side(tracks, sample_rate=self.sample_rate):
                self._seconds += len(block) / self.sample_rate
                if self._mixed:
                    yield mixer.mono(block.astype(np.float64))
                else:
                    yield self._shaped(_first_form(block.astype(np.float64), self._channels))

    def _shaped(self, ready: Floats) -> Floats:
        """A block as it is given out: (n,) mixed, else (n, channels)."""
        return ready if self._mixed else _columns(ready, self._channels)

    def _track(
        self, part: OpenedPart, stream: AudioStream, source: Iterable[AudioPacket]
    ) -> Iterator[Floats]:
        """A stream as blocks (n, channels) at the rate wanted."""
        channels = stream.codec_context.layout.nb_channels
        frames = without_gaps(self._frames(stream.codec_context, source))
        trim = EndTrim.of(part, stream, None)
        for form, of_run in groupby(frames, FORMAT_OF):
            run = FrameFormat(*form)
            resampler = Resampler(run.sample_rate, self.sample_rate, channels=channels)
            for block in trim.cut(
                self._blocks(run, of_run, stream.codec_context), rate=run.sample_rate
            ):
                yield _columns(resampler.feed(_first_form(block, channels)), channels)
            yield _columns(resampler.end(), channels)

    def _frames(
        self, decoder: AudioCodecContext, source: Iterable[AudioPacket]
    ) -> Iterator[AudioFrame]:
        """Decoded frames with something in them; refused packets are counted, not fatal."""
        progress = self._progress
        for packet in source:
            progress()
            self._n_packets += 1
            if self._timed and (start := packet.pts) is not None:
                self._first_pts = start if self._first_pts is None else self._first_pts
                self._last_end = max(self._last_end, start + (packet.duration or 0))
            try:
                frames = decoder.decode(packet)
            except MemoryError:
                raise
            except av.error.DecoderNotFoundError as error:
                raise self._error(str(error), DecodeCode.UNSUPPORTED) from error
            except av.error.FFmpegError:
                self._n_bad_packets += _is_sound(packet, decoder)
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

    def _blocks(
        self, run: FrameFormat, frames: Iterable[AudioFrame], decoder: AudioCodecContext
    ) -> Iterator[Doubles]:
        """One run of frames of the same format as clean blocks (n, channels), measured."""
        self._first = self._first or run
        meter = loudness_meter(run) if self._measures else NoMeter(run)
        for block in meter.blocks(frames):
            clean = self._levels.clean(block)
            self._check_is_sound(decoder)
            yield clean
        self._loudness.append(meter.integrated_lufs())

    def _check_is_sound(self, decoder: AudioCodecContext) -> None:
        if self._levels.n_bad and _holds_integers(decoder):
            reason = "it decodes to what is no number, which integers cannot be"
            raise self._error(reason, DecodeCode.DAMAGED)
        peak = self._levels.peak
        if peak >= 10 ** (MAX_PEAK_DB / 20):
            reason = f"a peak of {20 * math.log10(peak):+.0f} dBFS: these samples cannot be sound"
            raise self._error(reason, DecodeCode.DAMAGED)

    def _summary(self, sound: Sound) -> AudioFacts:
        refused, total = self._n_bad_packets, self._n_packets
        levels = self._levels
        if refused > max(1.0, MAX_BAD_SHARE * total) or (refused and self._first is None):
            reason = f"the decoder refuses {refused} of {total} packets"
            raise self._error(reason, DecodeCode.DAMAGED)
        if self._first is None:
            raise self._error("no sample of sound in it", DecodeCode.NO_SAMPLES)
        if levels.n_bad > MAX_BAD_SAMPLES_SHARE * levels.n_samples:
            reason = f"{levels.n_bad} of {levels.n_samples} samples are no numbers"
            raise self._error(reason, DecodeCode.DAMAGED)
        form = sound.form
        n_streams = 1 if sound.plain is not None else len(sound.first.heard)
        # Several runs (streams, parts of a chained file) or a poisoned filter have no loudness as
        # one.
        measured = len(self._loudness) == 1 and levels.n_bad == 0
        return AudioFacts(
            duration_s=self._seconds,
            sample_rate=self._first.sample_rate,
            channels=self._first.channels if n_streams == 1 else sound.channels,
            bit_depth=form.bit_depth,
            codec=form.codec,
            container=form.container,
            peak_db=20 * math.log10(levels.peak) if levels.peak > 0 else None,
            loudness_lufs=self._loudness[0] if measured else None,
            bad_packets=refused,
            bad_samples=levels.n_bad,
            remark=_remark(refused, total, levels.n_bad, self._hole_s(sound)),
        )

    def _hole_s(self, sound: Sound) -> float:
        """Seconds that are missing in the midst of FLAC, whose frames are numbered."""
        if not self._timed or self._first_pts is None:
            return 0.0
        unit_s = sound.first.heard[0].time_base
        if unit_s is None:
            return 0.0
        told_s = float((self._last_end - self._first_pts) * unit_s)
        return (
            told_s - self._seconds if disagreement(told_s, self._seconds, by_bytes=False) else 0.0
        )

    def _error(self, reason: str, code: DecodeCode) -> DecodeError:
        return DecodeError(reason, code=code, path=self.path)


def _remark(n_refused: int, n_packets: int, n_bad: int, hole_s: float) -> str | None:
    said = []
    if hole_s > 0:
        said.append(f"{hole_s:.1f} s of it are missing or damaged")
    if n_refused:
        said.append(f"{n_refused} of its {n_packets} packets are damaged and left out")
    if n_bad:
        said.append(f"{n_bad} of its samples are no numbers and are heard as silence")
    return "; ".join(said) or None


def _holds_integers(decoder: AudioCodecContext) -> bool:
    """Whether by its header a stream holds integers, so that NaN means a wrong reading of it."""
    codec = decoder.codec
    name = codec.canonical_name
    if name.startswith("pcm_f"):
        return name.startswith(("pcm_f16", "pcm_f24"))  # read so where a header says integers
    return codec.lossless and not codec.lossy and name != "wavpack"


def _is_sound(packet: AudioPacket, decoder: AudioCodecContext) -> bool:
    """Whether a packet that the decoder refuses is one of sound."""
    if packet.size == 1:
        return False  # it fills a chunk of uneven length up, and was counted as sound
    # Headers of a next link in Ogg: frames of FLAC begin with ones.
    head = bytes(memoryview(packet)[:8])
    return head != b"Speex   " and (head[0] == 0xFF or decoder.name != "flac")


def _first_form(block: Doubles, channels: int) -> Floats:
    """`block` with as many channels as its stream began with, in the resampler's form."""
    if block.shape[1] != channels:
        block = np.repeat(block.mean(axis=1, keepdims=True), channels, axis=1)
    narrow = np.ascontiguousarray(block, np.float32)
    return narrow[:, 0] if channels == 1 else narrow


def _columns(samples: Floats, channels: int) -> Floats:
    return samples.reshape(-1, channels)
