"""A file decoded from any sample on, without what comes before where the container allows it.

Samples are counted as decoding from the start counts them: the frame that lies at the start of the
file tells what the container's clock calls sample 0. `tests/unit/audio/test_seeking.py` holds each
format to that.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain

import av.error
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream

from audiosearch._typing import Doubles, Floats
from audiosearch.audio.container import packets
from audiosearch.audio.decode import Decoding
from audiosearch.audio.mixing import Levels
from audiosearch.audio.ogg_vorbis import OggVorbis
from audiosearch.audio.sound import Sound, open_sound
from audiosearch.audio.tracks import AudioPacket

BLOCK_S = 0.25  # sound handed on at once: what is listened to should begin soon
NEAR_S = 5.0  # decoded from the start: seeking would not be faster
_LEAD_S = 0.5  # decoded before the first sample, for codecs whose frames lean on earlier ones
# Longer than a page, too: a seek into the last one of Ogg FLAC gives wrong times
# (findings/ffmpeg-ogg-flac-late-last-page.sh).
_OGG_LEAD_S = 6.0
# FFmpeg's names of the demuxers whose clock leads to the right sample; of others it was not tried,
# or it does not: E-AC-3, and streams of transport packets that were cut.
_SEEKABLE = frozenset(
    (
        *("wav", "w64", "aiff", "caf", "au", "flac", "wv", "tta"),
        *("ogg", "mov", "matroska", "asf", "avi", "flv"),
    )
)
# These guess places from the bit rate when they seek; their packets tell exact ones.
_PACED = frozenset(("mp3", "aac", "ac3"))


class _CannotSeek(Exception):
    """The container does not lead to where it was asked to."""


def decode_from(
    path: bytes,
    *,
    sample_rate: int,
    start: int,
    in_order: bool = True,
    progress: Callable[[], None] = lambda: None,
) -> Iterator[Floats]:
    """Blocks (n, channels) float32 of a file at `sample_rate`, the first from sample `start` on.

    Args:
        path: of the file.
        sample_rate: Hz; of files that have another it is decoded from the start.
        start: the first sample wanted.
        in_order: whether the container's clock can be believed; damaged files are decoded from the
            start.
        progress: called for each packet read.

    Raises:
        DecodeError: it cannot be read, or not as far as that.
    """
    begun = False
    if in_order:
        try:
            with open_sound(path) as sound:
                for block in _sought(
                    sound, sample_rate=sample_rate, start=start, progress=progress
                ):
                    begun = True
                    yield block
        except _CannotSeek:
            pass
    if not begun:
        yield from _from_the_start(path, sample_rate=sample_rate, start=start, progress=progress)


def _from_the_start(
    path: bytes, *, sample_rate: int, start: int, progress: Callable[[], None]
) -> Iterator[Floats]:
    position = 0
    for block in Decoding(path, sample_rate=sample_rate, progress=progress, mixed=False):
        channels = block if block.ndim == 2 else block[:, np.newaxis]
        if position + len(block) > start:
            yield channels[max(0, start - position) :]
        position += len(block)


def _sought(
    sound: Sound, *, sample_rate: int, start: int, progress: Callable[[], None]
) -> Iterator[Floats]:
    """The sound from a sample on; it has been found before the first block comes.

    Raises:
        _CannotSeek: before the first block.
    """
    if sound.plain is not None:
        if sound.plain.sample_rate != sample_rate:
            raise _CannotSeek
        yield from _of_plain(sound.plain, start=start, progress=progress)
        return
    part = sound.first
    stream = part.heard[0]
    if sound.n_parts > 1 or sound.extent.n_links > 1 or len(part.heard) > 1:
        raise _CannotSeek
    channels = stream.codec_context.layout.nb_channels
    if stream.codec_context.sample_rate != sample_rate or stream.time_base is None:
        raise _CannotSeek
    demuxer = _demuxer(sound)
    if demuxer not in _SEEKABLE | _PACED:
        raise _CannotSeek
    frames = _Frames(sound, stream, progress)
    if start <= NEAR_S * sample_rate:
        with closing(frames.decoded()) as found:
            yield from _blocks(found, 0, start=start, channels=channels, rate=sample_rate)
        return
    clock = frames.clock()
    lead_s = _OGG_LEAD_S if demuxer == "ogg" else _LEAD_S
    frames.go_to(clock.origin + int((start / sample_rate - lead_s) / stream.time_base))
    with closing(frames.decoded()) as found:
        first = next(found, None)
        if first is None:
            raise _CannotSeek
        at = clock.position(first)
        if at > start:
            raise _CannotSeek
        following = chain((first,), found)
        yield from _blocks(following, at, start=start, channels=channels, rate=sample_rate)


def _of_plain(plain: OggVorbis, *, start: int, progress: Callable[[], None]) -> Iterator[Floats]:
    """The sound of packets in memory from a sample on."""
    first = plain.before(start)
    left = plain.n_samples - start
    with plain.decoder() as decoder:
        frames = _decoded(decoder, plain.sound_from(first))
        at, channels, rate = int(plain.ends[first]), plain.channels, plain.sample_rate
        for block in _blocks(frames, at, start=start, channels=channels, rate=rate):
            progress()
            if left > 0:
                yield block[:left]
            left -= len(block)


def _decoded(
    decoder: AudioCodecContext, source: Iterable[AudioPacket]
) -> Generator[AudioFrame, None, None]:
    """Frames with something in them; what the decoder refuses is left out.

    Raises:
        DecodeError: the file cannot be read.
    """
    for packet in source:
        try:
            frames = decoder.decode(packet)
        except MemoryError:
            raise
        except av.error.FFmpegError:
            continue
        yield from (frame for frame in frames if frame.samples)
    try:
        rest = decoder.decode(None)
    except av.error.FFmpegError:
        return
    yield from (frame for frame in rest if frame.samples)


def _demuxer(sound: Sound) -> str:
    name: str = sound.first.container.format.name
    return name.partition(",")[0]


def _blocks(
    frames: Iterator[AudioFrame], at: int, *, start: int, channels: int, rate: int
) -> Iterator[Floats]:
    """Frames, the first of which begins at sample `at`, as clean blocks from `start` on."""
    levels = Levels()
    pieces: list[Doubles] = []
    held = 0
    for samples in _as_doubles(frames, rate=rate):
        kept = samples[max(0, start - at) :]
        at += len(samples)
        if not len(kept):
            continue
        pieces.append(kept)
        held += len(kept)
        if held >= BLOCK_S * rate:
            yield _clean(levels, pieces, channels)
            pieces, held = [], 0
    if pieces:
        yield _clean(levels, pieces, channels)


def _clean(levels: Levels, pieces: list[Doubles], channels: int) -> Floats:
    block = levels.clean(np.concatenate(pieces))
    if block.shape[1] != channels:
        block = np.repeat(block.mean(axis=1, keepdims=True), channels, axis=1)
    narrow: Floats = np.ascontiguousarray(block, np.float32)
    return narrow


def _as_doubles(frames: Iterator[AudioFrame], *, rate: int) -> Iterator[Doubles]:
    """The samples (n, channels) of frames, whatever they are stored as; of another rate, resampled.

    FFmpeg's own conversion, as in decoding from the start: the same to the last bit.
    """
    form: tuple[str, str, int] | None = None
    resampler: AudioResampler | None = None
    for frame in frames:
        now = (frame.format.name, frame.layout.name, frame.sample_rate)
        if resampler is None or now != form:
            form = now
            resampler = AudioResampler(format="dbl", layout=frame.layout, rate=rate)
        frame.pts = None
        for made in resampler.resample(frame):
            count = made.samples * made.layout.nb_channels  # a plane may be padded
            flat = np.frombuffer(memoryview(made.planes[0]), np.float64, count)
            yield flat.reshape(-1, made.layout.nb_channels)


@dataclass(frozen=True)
class _Clock:
    """A container's clock: its time at sample 0, samples in a tick, and those of the first frame.

    Matroska and ASF count milliseconds, but most codecs' frames are all of one length, so that what
    lies near the border of one lies on it; only the first may have been cut.
    """

    origin: int
    tick: Fraction
    n_first: int

    def position(self, frame: AudioFrame) -> int:
        """The sample that a frame begins with.

        Raises:
            _CannotSeek: it has no time.
        """
        if frame.pts is None:
            raise _CannotSeek
        at = round((frame.pts - self.origin) * self.tick)
        if self.tick <= 1:
            return at
        before = self.n_first % frame.samples
        border = before + round((at - before) / frame.samples) * frame.samples
        return border if abs(border - at) <= 2 * self.tick else at


class _Frames:
    """The frames of a stream, from its start or from elsewhere on."""

    def __init__(self, sound: Sound, stream: AudioStream, progress: Callable[[], None]) -> None:
        self._sound = sound
        self._stream = stream
        self._progress = progress
        self._skip_to: int | None = None

    def clock(self) -> _Clock:
        """What the container's clock says at the first sample.

        Raises:
            _CannotSeek: it says nothing.
        """
        with closing(self.decoded()) as frames:
            first = next(frames, None)
        if first is None or first.pts is None or self._stream.time_base is None:
            raise _CannotSeek
        tick = self._stream.time_base * first.sample_rate
        return _Clock(origin=first.pts, tick=tick, n_first=first.samples)

    def go_to(self, pts: int) -> None:
        """Have `decoded` begin at that time of the stream's clock, or before.

        Raises:
            _CannotSeek: the container cannot.
        """
        container = self._sound.first.container
        paced = _demuxer(self._sound) in _PACED
        try:
            # Back to the start where packets are counted: what has been read is gone.
            target = (self._stream.start_time or 0) if paced else max(pts, 0)
            container.seek(target, stream=self._stream, backward=True)
        except (av.error.FFmpegError, OSError) as error:
            raise _CannotSeek from error
        self._skip_to = pts if paced else None

    def decoded(self) -> Generator[AudioFrame, None, None]:
        """Frames as `_decoded` gives them.

        Raises:
            DecodeError: the file cannot be read.
        """
        yield from _decoded(self._stream.codec_context, self._packets())

    def _packets(self) -> Iterator[AudioPacket]:
        for packet in packets(self._sound.path, self._sound.first.container, self._stream):
            self._progress()
            if not self._passes_over(packet):
                yield packet

    def _passes_over(self, packet: AudioPacket) -> bool:
        if self._skip_to is None:
            return False
        if packet.pts is None:
            raise _CannotSeek
        return packet.pts + (packet.duration or 0) < self._skip_to
