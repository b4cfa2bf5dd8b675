"""Examine what hears: the model's files, what it runs on, and the decoder.

In: the settings. Out: findings. The sound that decoder and model are tried with is made here.
"""

from __future__ import annotations

import os
import tempfile
import time
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import numpy as np

from audiosearch._typing import Floats
from audiosearch.config import Config
from audiosearch.doctor.findings import Finding, error, warning
from audiosearch.library.model_selection import find_model
from audiosearch.model.bundle import Bundle, load_bundle
from audiosearch.model.loaded import Model
from audiosearch.model.runtime.session import RuntimeOptions

_TONE_HZ: Final = 440.0
_TONE_S: Final = 1.0
_RATE: Final = 44_100  # not a model's rate, so that the resampler is used too
_REINSTALL: Final = "reinstall audiosearch (its decoder, PyAV, comes with it)"


def bundle(config: Config) -> Iterator[Finding]:
    """Whether the chosen model is there and every file of it is what its manifest says."""
    found = _bundle(config)
    detail = f"{found.name} {found.version}: every file matches its checksum"
    yield Finding("model", detail)


def device(config: Config) -> Iterator[Finding]:
    """What the model really runs on."""
    ran = _model(config).decoder.device
    if ran.note is None:
        yield Finding("device", ran.provider)
    else:
        remedy = 'a card needs its driver as well; without one, set model.device = "cpu"'
        yield warning("device", f"{ran.provider}: {ran.note}", remedy)


def decoding(config: Config, *, write: Callable[[Path], None] | None = None) -> Iterator[Finding]:
    """Whether a decoding process starts, and gives back what `write` writes: a tone."""
    from audiosearch.audio.sandbox.client import Worker, WorkerLimits  # noqa: PLC0415 - loads FFmpeg

    rate = _bundle(config).sample_rate
    limits = WorkerLimits.of(config.index)
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, Worker(limits) as worker:
        path = Path(folder) / "tone.wav"
        (write or write_tone)(path)
        opened = worker.open(os.fsencode(path), sample_rate=rate)
        heard = np.concatenate([*worker.blocks(), np.zeros(0, np.float32)])
    if opened.fingerprint.codec != "pcm_s16le" or not is_tone(heard, rate=rate):
        yield error("decoder", "a generated tone comes back as something else", _REINSTALL)
    else:
        took_s = time.perf_counter() - start
        yield Finding("decoder", f"a generated sound is decoded rightly ({took_s:.1f} s)")


def hearing(config: Config) -> Iterator[Finding]:
    """Whether the model makes something of a sound: finite vectors, and a sentence."""
    from audiosearch.model.captioner import Captioner  # noqa: PLC0415 - with what loads for it

    model = _model(config)
    rate = model.bundle.sample_rate
    start = time.perf_counter()
    [encoded] = model.encoder.encode_many([_tone(rate)])
    if not (np.isfinite(encoded.frames).all() and np.isfinite(encoded.embedding).all()):
        remedy = f'audiosearch models verify {model.bundle.name}; set model.device = "cpu"'
        yield error("hearing", "the model gives values that are not finite", remedy)
        return
    if model.bundle.decoder is None:
        took_s = time.perf_counter() - start
        yield Finding("hearing", f"the model hears a tone; it has no captioner ({took_s:.1f} s)")
        return
    [said] = Captioner(model.decoder).captions([encoded.frames])
    took_s = time.perf_counter() - start
    yield Finding("hearing", f"the model hears a tone and says {said.text!r} ({took_s:.1f} s)")


def _bundle(config: Config) -> Bundle:
    found = load_bundle(find_model(config, config.model.bundle))
    return found.for_task(config.model.task)


def _model(config: Config) -> Model:
    options = RuntimeOptions.of(config.model)
    return Model(_bundle(config), options=options)


def _tone(rate: int) -> Floats:
    """(n,) samples of a tone at half the full level."""
    time_s = np.arange(round(_TONE_S * rate)) / rate
    return (0.5 * np.sin(2 * np.pi * _TONE_HZ * time_s)).astype(np.float32)


def write_tone(path: Path) -> None:
    """A WAV file of the tone."""
    with path.open("wb") as file, wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(_RATE)
        out.writeframes((_tone(_RATE) * 32767).astype("<i2").tobytes())


def is_tone(samples: Floats, *, rate: int) -> bool:
    """Whether (n,) samples are the tone: of its length, nearly all of it at its frequency."""
    if abs(len(samples) - _TONE_S * rate) > 0.01 * rate:
        return False
    power = np.abs(np.fft.rfft(samples)) ** 2
    middle = round(_TONE_HZ * len(samples) / rate)
    return bool(power[middle - 5 : middle + 6].sum() > 0.99 * power.sum())
