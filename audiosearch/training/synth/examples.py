"""A small folder of generated sounds to try the program on, where no recordings are at hand.

Scenes have names that say nothing, so that what is found in them was heard.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream

from audiosearch._typing import Doubles
from audiosearch.training.synth.synthesis import (
    RATE,
    Generator,
    add,
    beeps,
    bell,
    birds,
    clock,
    engine,
    heartbeat,
    hiss,
    knocks,
    phone,
    rain,
    siren,
    wind,
)

PEAK = 0.7  # what every file is brought to, -3 dBFS


def write_examples(folder: Path, *, seed: int = 0) -> list[Path]:
    """Write the example sounds into `folder` (made if absent) and give their paths, sorted.

    Raises:
        OSError: the folder cannot be written to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths: list[Path] = []
    for number, (name, make) in enumerate(EXAMPLES.items()):
        path = folder / name
        _write(path, make(np.random.default_rng([seed, number])))
        paths.append(path)
    return sorted(paths)


def _joined(*parts: Doubles, pause_s: float = 0.4) -> Doubles:
    pause = np.zeros(round(pause_s * RATE))
    pieces: list[Doubles] = []
    for part in parts:
        pieces += [part / np.abs(part).max(), pause]
    return np.concatenate(pieces[:-1])


def _knocks_then_bell(rng: Generator) -> Doubles:
    return _joined(knocks(rng, 5), bell(rng, 4.5))


def _bell_then_knocks(rng: Generator) -> Doubles:
    return _joined(bell(rng, 4.5), knocks(rng, 5))


def _siren_in_rain(rng: Generator) -> Doubles:
    scene = 0.5 * rain(rng, 10)
    passing = np.hanning(round(8 * RATE))
    add(scene, siren(rng, 8) * passing, 1.0, level=0.5)
    return scene


def _engine_then_birds(rng: Generator) -> Doubles:
    fading = engine(rng, 5) * np.linspace(1, 0, round(5 * RATE)) ** 0.5
    return _joined(fading, birds(rng, 5))


EXAMPLES: Mapping[str, Callable[[Generator], Doubles]] = MappingProxyType(
    {
        "rain.wav": rain,
        "wind.flac": wind,
        "siren.wav": siren,
        "clock.flac": clock,
        "bell.wav": bell,
        "knocks.wav": knocks,
        "engine.ogg": engine,
        "beeps.ogg": beeps,
        "hiss.wav": hiss,
        "heartbeat.flac": heartbeat,
        "birds.ogg": birds,
        "phone.flac": phone,
        "scene-1.wav": _knocks_then_bell,
        "scene-2.wav": _bell_then_knocks,
        "scene-3.flac": _siren_in_rain,
        "scene-4.flac": _engine_then_birds,
    }
)


# FFmpeg's own Vorbis encoder is experimental; Opus in Ogg is not, at 48 kHz.
_CODECS = MappingProxyType({".wav": "pcm_s16le", ".flac": "flac", ".ogg": "libopus"})
_OPUS_RATE = 48_000
_PIECE = 4_800


def _write(path: Path, sound: Doubles) -> None:
    codec = _CODECS[path.suffix]
    rate = _OPUS_RATE if codec == "libopus" else RATE
    with av.open("file:" + str(path), "w") as output:
        stream = output.add_stream(codec, rate=rate)
        assert isinstance(stream, AudioStream)
        stream.codec_context.layout = "mono"
        converter = av.AudioResampler(stream.codec_context.format, "mono", rate)
        for frame in _frames(PEAK * sound / np.abs(sound).max()):
            for converted in converter.resample(frame):
                output.mux(stream.encode(converted))
        output.mux(stream.encode(None))


def _frames(sound: Doubles) -> Iterator[AudioFrame | None]:
    """The sound in pieces as FFmpeg takes them, and None, which empties a converter."""
    for start in range(0, len(sound), _PIECE):
        piece = np.ascontiguousarray(sound[None, start : start + _PIECE])
        frame = AudioFrame.from_ndarray(piece, format="dbl", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, start, Fraction(1, RATE)
        yield frame
    yield None


if __name__ == "__main__":  # python -m audiosearch.training.synth.examples FOLDER
    write_examples(Path(sys.argv[1]))
