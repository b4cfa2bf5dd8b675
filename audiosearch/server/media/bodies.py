"""The bytes of answers that are sound, made piece by piece in threads: files, WAV and FLAC.

Nothing is held between two pieces but a place in the sound, so that many listeners share a few
decoding processes and none waits for another who listens slowly.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from fractions import Fraction
from typing import BinaryIO, Final

import numpy as np

from audiosearch._typing import Floats
from audiosearch.audio.mixing import Mixer
from audiosearch.errors import DecodeCode, DecodeError, QueryError
from audiosearch.library.playable import PlayableFile
from audiosearch.server.media.service import DecoderPool
from audiosearch.server.media.wave_form import WaveForm

Chunks = Generator[bytes, None, None]

MOST_CHANNELS: Final = 2  # heard side by side; of more, what the library hears, as one
_FILE_CHUNK: Final = 256 << 10
_FIRST_S: Final = 0.5  # of sound at once: soon, and then enough to be worth its calls
_MOST_CHUNK: Final = 512 << 10  # bytes of decoded samples


def file_chunks(file: BinaryIO, start: int, end: int) -> Chunks:
    """Bytes `start` to `end` of a file, which is closed afterwards; fewer where it was cut."""
    with file:
        file.seek(start)
        left = end - start
        while left > 0:
            chunk = file.read(min(_FILE_CHUNK, left))
            if not chunk:
                return
            left -= len(chunk)
            yield chunk


class DecodedSound:
    """A stretch of a file as samples, from any of them on."""

    def __init__(
        self, pool: DecoderPool, file: PlayableFile, *, start: int, n_samples: int | None
    ) -> None:
        """Of `n_samples` from sample `start` on; None: to the end of a file of unknown length."""
        self._pool = pool
        self._file = file
        self._start = start
        self._mixed = file.channels > MOST_CHANNELS
        self.form = WaveForm.holding(
            file.bit_depth,
            sample_rate=file.sample_rate,
            channels=1 if self._mixed else file.channels,
            n_samples=n_samples,
        )

    def samples(self, first: int = 0) -> Iterator[Floats]:
        """Its samples from number `first` on, (n, channels); as many as the form tells.

        Where the file ends before, silence makes up for it.

        Raises:
            DecodeError: it cannot be read, or is another by now.
        """
        form, at = self.form, first
        wanted = max(1, round(_FIRST_S * form.sample_rate))
        most = max(1, _MOST_CHUNK // (4 * self._file.channels))
        while form.n_samples is None or at < form.n_samples:
            n = min(wanted, most)
            n = n if form.n_samples is None else min(n, form.n_samples - at)
            block = self._read(at, n)
            at += n
            wanted *= 2
            if form.n_samples is None:
                yield block
                if len(block) < n:
                    return
            else:
                missing = n - len(block)
                yield np.pad(block, ((0, missing), (0, 0))) if missing else block

    def _read(self, at: int, n: int) -> Floats:
        file, place = self._file, self._start + at
        keys = (file.path, place), (file.path, place + n)
        with self._pool.borrowed(keys[0], next_key=keys[1]) as worker:
            blocks = list(worker.stretch(file.stretch(place, n)))
        channels = file.channels
        if any(block.shape[1] != channels for block in blocks):
            reason = f"holds other than {channels} channels now"
            raise DecodeError(reason, code=DecodeCode.CHANGED, path=file.path)
        empty: Floats = np.zeros((0, channels), np.float32)
        samples = np.concatenate([empty, *blocks])
        if self._mixed and len(samples):
            mono = Mixer(self.form.sample_rate).mono(samples.astype(np.float64))
            samples = mono[:, np.newaxis]
        return samples[:, : self.form.channels]


def wave_chunks(sound: DecodedSound, start: int, end: int | None) -> Chunks:
    """Bytes `start` to `end` (None: all that comes) of the sound as a WAV file."""
    header = sound.form.header()
    left = None if end is None else end - start
    if start < len(header):
        head = header[start:end]
        left = None if left is None else left - len(head)
        yield head
    first, skipped = sound.form.sample_at(max(start, len(header)))
    if left == 0:
        return
    for block in sound.samples(first):
        chunk = sound.form.encode(block)[skipped : left if left is None else skipped + left]
        skipped = 0
        yield chunk
        if left is not None:
            left -= len(chunk)
            if left <= 0:
                return


class _Outlet:
    """What the muxer writes to, and cannot seek in."""

    name = "audiosearch.flac"

    def __init__(self) -> None:
        self._written = bytearray()

    def write(self, content: bytes) -> int:
        self._written += content
        return len(content)

    def take(self) -> bytes:
        """All that was written since the last call."""
        content = bytes(self._written)
        self._written.clear()
        return content


def flac_chunks(sound: DecodedSound) -> Chunks:
    """The sound as FLAC, of 24 bits where it has more than 16.

    Raises:
        QueryError: FLAC has no such sampling rate.
    """
    import av  # noqa: PLC0415 - FFmpeg's encoders, for this alone
    import av.error  # noqa: PLC0415
    from av.audio.frame import AudioFrame  # noqa: PLC0415
    from av.audio.stream import AudioStream  # noqa: PLC0415

    form, outlet = sound.form, _Outlet()
    layout = "mono" if form.channels == 1 else "stereo"
    kind, dtype, full = (
        ("s16", np.int16, 1 << 15) if form.bits == 16 else ("s32", np.int32, 1 << 23)
    )
    done, told = 0, False
    with av.open(outlet, "w", format="flac") as output:
        try:
            stream = output.add_stream("flac", rate=form.sample_rate)
            assert isinstance(stream, AudioStream)
            stream.codec_context.layout = layout
            stream.codec_context.format = kind
            stream.codec_context.time_base = Fraction(1, form.sample_rate)
            stream.codec_context.open()
        except (av.error.FFmpegError, ValueError, OverflowError) as error:
            raise QueryError(
                f"FLAC holds no sound at {form.sample_rate} Hz", remedy="format=wav"
            ) from error
        for block in sound.samples():
            if not len(block):
                continue
            whole = np.rint(np.clip(block.astype(np.float64) * full, -full, full - 1))
            if kind == "s32":
                whole *= 256  # FFmpeg wants the sound in the upper bits
            flat = whole.astype(dtype).reshape(1, -1)
            frame = AudioFrame.from_ndarray(np.ascontiguousarray(flat), format=kind, layout=layout)
            frame.sample_rate, frame.pts = form.sample_rate, done
            frame.time_base = Fraction(1, form.sample_rate)
            done += len(block)
            output.mux(stream.encode(frame))
            if content := outlet.take():
                yield content if told else _with_length(content, form.n_samples)
                told = True
        output.mux(stream.encode(None))
    if content := outlet.take():
        yield content if told else _with_length(content, form.n_samples)


def _with_length(head: bytes, n_samples: int | None) -> bytes:
    """The first bytes of a FLAC file with its length, which the muxer would go back to write.

    In STREAMINFO, after magic and heads: 10 bytes, then 20 bits of rate, 3 of channels, 5 of bits a
    sample, and 36 of the number of samples; 0 is unknown.
    """
    if n_samples is None or n_samples >= 1 << 36 or not head.startswith(b"fLaC") or len(head) < 42:
        return head
    fields = int.from_bytes(head[18:26], "big") >> 36 << 36 | n_samples
    return head[:18] + fields.to_bytes(8, "big") + head[26:]
