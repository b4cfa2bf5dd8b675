"""Sound levels on the way through: EBU R128 loudness.

FFmpeg's `ebur128` reckons the loudness anew every tenth of a second, which costs more than its
weighting: one and two channels are weighted here and reckoned once, to the same value.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from operator import attrgetter
from typing import NamedTuple, Protocol

import av.error
import numpy as np
from av.audio.fifo import AudioFifo
from av.audio.frame import AudioFrame
from av.filter import Graph

from audiosearch._typing import Doubles, Ints
from audiosearch.audio.weighting import PIECES, Weighting, block_length

BLOCK_S = 1.0  # sound handed on at once: enough for numpy to be worth its calls
GATE_LUFS = -70.0  # the absolute gate of BS.1770: what is below has no loudness
MIN_RATE = 8_000  # the weighting reaches to some 2 kHz and is no filter any more below 4 kHz
_GATED = 4  # pieces in a block that is gated: 400 ms
_OFFSET_DB = -0.691  # of BS.1770: 997 Hz at full scale are -3.01 LUFS
_BELOW_DB = -10.0  # the relative gate
_STEPS = 100  # in a decibel: as finely as `ebur128` tells loudnesses apart
_LOUDEST_STEP = 8_000  # 10 LUFS: all that is louder counts as that
_COUNTED_S = 64  # blocks of sound whose tenths are counted together


class FrameFormat(NamedTuple):
    """What must stay the same for frames to be one run of sound."""

    sample_format: str
    layout: str
    channels: int
    sample_rate: int


# The values of a decoded frame's `FrameFormat`, without making one for each: a frame may be 3 ms.
FORMAT_OF: Callable[[AudioFrame], tuple[str, str, int, int]] = attrgetter(
    "format.name", "layout.name", "layout.nb_channels", "sample_rate"
)


class LoudnessMeter(Protocol):
    """Passes frames of one format through and measures their integrated loudness."""

    def blocks(self, frames: Iterable[AudioFrame]) -> Iterator[Doubles]:
        """The sound of `frames` as blocks (n, channels) of `BLOCK_S` and less, nothing dropped."""
        ...

    def integrated_lufs(self) -> float | None:
        """Loudness of all that went through.

        None where it was too short or too quiet for one, or at a sample rate that holds too little
        of the band in which loudness is weighted.
        """
        ...


def loudness_meter(form: FrameFormat) -> LoudnessMeter:
    """The cheapest meter for frames of a format; both give the same value (ITU-R BS.1770)."""
    # In other layouts channels are weighted; WAV often names none.
    plain = form.layout in ("mono", "stereo", "1 channels", "2 channels")
    if plain and form.sample_rate >= MIN_RATE and block_length(form.sample_rate):
        return WeightedMeter(form)
    return FilterMeter(form)


class _FilteredBlocks:
    """Frames of any format put together to blocks of float64 by filters."""

    def __init__(self, form: FrameFormat, *, n_samples: int) -> None:
        self._channels = form.channels
        self._block = n_samples
        # A single channel is the same packed or planar, which spares a conversion.
        columns = "dblp" if form.channels == 1 else "dbl"
        graph = Graph()
        graph.threads = 1
        self._source = graph.add_abuffer(
            sample_rate=form.sample_rate, format=form.sample_format, layout=form.layout
        )
        whole = graph.add("asetnsamples", f"n={self._block}:p=0")
        converter = graph.add("aformat", f"sample_fmts={columns}")
        self._sound = graph.add("abuffersink")
        graph.link_nodes(self._source, whole, converter, self._sound).configure()
        self._graph = graph  # that owns the filters

    def of(self, frames: Iterable[AudioFrame]) -> Iterator[Doubles]:
        """Blocks (n, channels); only the last is shorter."""
        inside, source = 0, self._source  # samples (per channel) that have not come out
        for frame in frames:
            source.push(frame)
            inside += frame.samples
            while inside >= self._block:
                inside -= self._block
                yield self._pull()
        source.push(None)
        if inside:
            yield self._pull()

    def _pull(self) -> Doubles:
        frame = self._sound.pull()
        assert isinstance(frame, AudioFrame)
        return _columns(frame, self._channels)


class _GatheredBlocks:
    """The same of planar float32, which lossy codecs decode to, in .6 of the time."""

    sample_format = "fltp"

    def __init__(self, *, n_samples: int) -> None:
        self._block = n_samples
        self._fifo = AudioFifo()

    def of(self, frames: Iterable[AudioFrame]) -> Iterator[Doubles]:
        """Blocks (n, channels); only the last is shorter."""
        inside, fifo = 0, self._fifo
        for frame in frames:
            frame.pts = None  # it would insist on frames that follow each other
            fifo.write(frame)
            inside += frame.samples
            while inside >= self._block:
                inside -= self._block
                yield self._pull(self._block)
        if inside:
            yield self._pull(inside)

    def _pull(self, n_samples: int) -> Doubles:
        frame = self._fifo.read(n_samples)
        assert frame is not None
        sound: Doubles = np.empty((n_samples, len(frame.planes)))
        for channel, plane in enumerate(frame.planes):
            sound[:, channel] = np.frombuffer(memoryview(plane), np.float32, n_samples)
        return sound


class NoMeter:
    """Passes frames through and measures nothing."""

    def __init__(self, form: FrameFormat) -> None:
        n_samples = round(form.sample_rate * BLOCK_S)
        self._gathered = (
            _GatheredBlocks(n_samples=n_samples)
            if form.sample_format == _GatheredBlocks.sample_format
            else _FilteredBlocks(form, n_samples=n_samples)
        )

    def blocks(self, frames: Iterable[AudioFrame]) -> Iterator[Doubles]:
        """See `LoudnessMeter`."""
        for sound in self._gathered.of(frames):
            self._weigh(sound)
            yield sound

    def integrated_lufs(self) -> float | None:
        """None: see `LoudnessMeter`."""
        return None

    def _weigh(self, sound: Doubles) -> None:
        """Whatever is measured of a block."""


class WeightedMeter(NoMeter):
    """Measures one or two channels at rates of whole tenths, from `MIN_RATE` on.

    Of the sound no more is kept than how many gated blocks have which loudness, quantised as in
    `ebur128`; the integrated loudness is reckoned from these at the end.
    """

    def __init__(self, form: FrameFormat) -> None:
        super().__init__(form)
        self._piece = form.sample_rate // PIECES
        self._weighting = Weighting(form.sample_rate, form.channels)
        self._silent = True  # the last block, or there was none
        self._powers: list[Doubles] = []  # of tenths that are not counted yet
        self._counts: Ints = np.zeros(_LOUDEST_STEP + 1, np.int64)
        self._n_counted, self._power_counted = 0, 0.0

    def integrated_lufs(self) -> float | None:
        """See `LoudnessMeter`."""
        self._count()
        if not self._n_counted:
            return None
        mean = np.array([self._power_counted / self._n_counted])
        gate = int(_steps(_loudness(mean) + _BELOW_DB)[0])
        steps = gate + np.flatnonzero(self._counts[gate:])
        if not len(steps):
            return None
        counts = self._counts[steps]
        mean = (_power(steps / _STEPS + GATE_LUFS) * counts).sum(keepdims=True) / counts.sum()
        value = float(_loudness(mean)[0].round(3))
        return value if math.isfinite(value) and value > GATE_LUFS else None

    def _weigh(self, sound: Doubles) -> None:
        """Note the power of each tenth of a block, weighted."""
        before, self._silent = self._silent, not sound.any()
        if before and self._silent:  # after a second of zeros, nothing is left in the filter
            powers = np.zeros(len(sound) // self._piece)
        else:
            with np.errstate(over="ignore", invalid="ignore"):  # what is no sound is found later
                powers = self._weighting.powers(sound.T.astype(np.float32, order="C"))
        self._powers.append(powers)
        if len(self._powers) >= _COUNTED_S:
            self._count()

    def _count(self) -> None:
        """Count the blocks of 400 ms that are complete, by their loudness."""
        tenths = np.concatenate([np.empty(0), *self._powers])
        n_blocks = len(tenths) - _GATED + 1
        if n_blocks < 1:
            return
        self._powers = [tenths[n_blocks:]]
        powers: Doubles = sum(
            (tenths[i : i + n_blocks] for i in range(_GATED)), np.zeros(n_blocks)
        ) / (_GATED * self._piece)
        powers = powers[powers >= _power(GATE_LUFS)]  # NaN is left out
        self._n_counted += len(powers)
        self._power_counted += float(powers.sum())
        self._counts += np.bincount(_steps(_loudness(powers)), minlength=len(self._counts))


def _columns(frame: AudioFrame, channels: int) -> Doubles:
    """The samples (n, channels) of a frame of packed float64."""
    count = frame.samples * channels  # a plane may be padded
    return np.frombuffer(memoryview(frame.planes[0]), np.float64, count).reshape(-1, channels)


def _loudness(powers: Doubles) -> Doubles:
    return _OFFSET_DB + 10 * np.log10(powers)


def _power(lufs: Doubles | float) -> Doubles:
    return np.asarray(10 ** ((lufs - _OFFSET_DB) / 10), np.float64)


def _steps(lufs: Doubles) -> Ints:
    """Loudnesses in hundredths of a decibel above the absolute gate."""
    steps = np.minimum(np.maximum((lufs - GATE_LUFS) * _STEPS, 0), _LOUDEST_STEP)
    return steps.astype(np.int64)


class FilterMeter:
    """Measures any layout at any rate by `ebur128`.

    The filter passes the sound through in pieces of 100 ms; taking the
    samples from behind it spares a conversion of our own. It costs about a third of decoding.
    """

    def __init__(self, form: FrameFormat) -> None:
        self._channels = form.channels
        self._rate = form.sample_rate
        self._block = round(form.sample_rate * BLOCK_S)
        self._piece = form.sample_rate // PIECES
        self._inside = 0  # samples (per channel) in the filter that have not come out
        self._last_whole: AudioFrame | None = None
        graph = Graph()
        graph.threads = 1
        source = graph.add_abuffer(
            sample_rate=form.sample_rate, format=form.sample_format, layout=form.layout
        )
        meter = graph.add("ebur128", "metadata=1:framelog=quiet")
        sink = graph.add("abuffersink")
        graph.link_nodes(source, meter, sink).configure()
        self._graph = graph

    def blocks(self, frames: Iterable[AudioFrame]) -> Iterator[Doubles]:
        """See `LoudnessMeter`."""
        pieces: list[Doubles] = []
        held = 0
        for frame in frames:
            for piece in self._through(frame):
                pieces.append(piece)
                held += len(piece)
            if held >= self._block:
                yield np.concatenate(pieces)
                pieces, held = [], 0
        pieces += self._through(None)
        if pieces:
            yield np.concatenate(pieces)

    def integrated_lufs(self) -> float | None:
        """See `LoudnessMeter`."""
        if self._last_whole is None or self._rate < MIN_RATE:
            return None
        text = self._last_whole.metadata.get("lavfi.r128.I")
        value = math.nan if text is None else float(text)
        return value if math.isfinite(value) and value > GATE_LUFS else None

    def _through(self, frame: AudioFrame | None) -> Iterator[Doubles]:
        self._graph.push(frame)
        self._inside += self._piece if frame is None else frame.samples
        while self._inside >= self._piece:  # asking in vain costs an exception each time
            try:
                piece = self._graph.pull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return
            assert isinstance(piece, AudioFrame)
            self._inside -= piece.samples if frame is not None else 0
            if piece.samples == self._piece:  # the rest at the end is not measured
                self._last_whole = piece
            yield _columns(piece, self._channels)
