"""Stretches and views through the decoding process, and what one that dies takes with it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from audiosearch.audio.peaks import PeakTrace
from audiosearch.audio.sandbox.client import Worker, WorkerLimits
from audiosearch.audio.types import StretchRequest, ViewKind, ViewRequest
from audiosearch.errors import DecodeCode, DecodeError
from tests.integration.audio.test_sandbox import poisoned
from tests.sounds import noise, tone, wav_bytes, write_audio

RATE = 16_000


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    with Worker() as shared:
        yield shared


def stretch_of(path: Path, start: int, n_samples: int) -> StretchRequest:
    found = path.stat()
    return StretchRequest(
        path=os.fsencode(path),
        size=found.st_size,
        mtime_ns=found.st_mtime_ns,
        sample_rate=RATE,
        start=start,
        n_samples=n_samples,
    )


def read(worker: Worker, path: Path, start: int, n_samples: int) -> np.ndarray:
    return np.concatenate(list(worker.stretch(stretch_of(path, start, n_samples))))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    sound = np.stack([noise(seconds=20.0), tone(seconds=20.0)], axis=1)
    path = tmp_path / "a.wav"
    path.write_bytes(wav_bytes(sound, floating=True, bits=32))
    return path


def test_pieces_join_however_they_are_asked_for(worker: Worker, path: Path) -> None:
    whole = read(worker, path, 0, 20 * RATE)
    assert whole.shape == (20 * RATE, 2)
    at = 12_345
    pieces = []
    for n_samples in (1, 10, 16_000, 7, 100_000):
        pieces.append(read(worker, path, at, n_samples))  # goes on where the last one ended
        at += n_samples
    assert np.array_equal(np.concatenate(pieces), whole[12_345:at])
    for start in (150_000, 3, 299_999):  # and elsewhere
        assert np.array_equal(read(worker, path, start, 20), whole[start : start + 20])
    assert len(read(worker, path, 20 * RATE - 5, 100)) == 5
    assert list(worker.stretch(stretch_of(path, 21 * RATE, 10))) == []


def test_a_file_between_two_pieces_of_another(worker: Worker, path: Path, tmp_path: Path) -> None:
    other = write_audio(tmp_path / "b.flac", tone(seconds=2.0))
    first = read(worker, path, 0, 1000)
    assert read(worker, other, 0, 1000).shape == (1000, 1)
    worker.open(os.fsencode(other), sample_rate=RATE)
    assert sum(map(len, worker.blocks())) == 2 * RATE
    second = read(worker, path, 1000, 1000)
    both = read(worker, path, 0, 2000)
    assert np.array_equal(np.concatenate([first, second]), both)


def test_views(worker: Worker, path: Path) -> None:
    stretch = stretch_of(path, 16_000, 32_000)
    seen = worker.view(ViewRequest(stretch=stretch, kind=ViewKind.PEAKS, width=50))
    sound = read(worker, path, 16_000, 32_000).reshape(50, -1)
    assert PeakTrace.of_bytes(seen).maximum.tolist() == np.rint(sound.max(axis=1) * 127).tolist()
    picture = ViewRequest(stretch=stretch, kind=ViewKind.SPECTROGRAM, width=30, height=20)
    assert len(set(worker.view(picture))) > 20
    # What lies behind the end is silence.
    beyond = replace(stretch, start=19 * RATE, n_samples=2 * RATE)
    trace = PeakTrace.of_bytes(
        worker.view(ViewRequest(stretch=beyond, kind=ViewKind.PEAKS, width=2))
    )
    assert (trace.maximum[0] > 0, trace.maximum[1]) == (True, 0)


def test_a_view_has_its_time(worker: Worker, path: Path) -> None:
    request = ViewRequest(
        stretch=stretch_of(path, 0, 20 * RATE), kind=ViewKind.PEAKS, width=5, patience_s=0.0
    )
    with pytest.raises(DecodeError) as told:
        worker.view(request)
    assert told.value.code is DecodeCode.TIMEOUT
    assert len(worker.view(replace(request, patience_s=60.0))) == 10


def test_another_file_of_the_name_is_refused(worker: Worker, path: Path) -> None:
    request = stretch_of(path, 0, 1000)
    read(worker, path, 0, 1000)
    os.utime(path, (1, 1))
    for asked in (request, replace(request, start=1000)):  # also where it would only go on
        with pytest.raises(DecodeError) as told:
            list(worker.stretch(asked))
        assert told.value.code is DecodeCode.CHANGED
    path.unlink()
    with pytest.raises(DecodeError) as told:
        list(worker.stretch(request))
    assert told.value.code is DecodeCode.UNREADABLE


def test_what_is_left_early_costs_a_process_and_nothing_else(worker: Worker, path: Path) -> None:
    before = worker.pid
    blocks = worker.stretch(stretch_of(path, 0, 20 * RATE))
    first = next(blocks)
    del blocks
    assert np.array_equal(read(worker, path, 0, len(first)), first)
    assert worker.pid != before


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("segfault.wav", DecodeCode.CRASHED),
        ("exit.wav", DecodeCode.CRASHED),
        ("hang.wav", DecodeCode.TIMEOUT),
        ("raise.wav", DecodeCode.PROGRAM),
    ],
)
def test_a_decoder_that_dies_takes_its_own_request(path: Path, name: str, code: DecodeCode) -> None:
    bad = path.rename(path.with_name(name))
    good = path.with_name("good.wav")
    good.write_bytes(bad.read_bytes())
    with poisoned(WorkerLimits(stall_s=2.0)) as worker:
        for ask in (
            lambda: list(worker.stretch(stretch_of(bad, 0, 20 * RATE))),
            lambda: worker.view(
                ViewRequest(stretch=stretch_of(bad, 0, 20 * RATE), kind=ViewKind.PEAKS, width=10)
            ),
        ):
            with pytest.raises(DecodeError) as told:
                ask()
            assert told.value.code is code
            assert len(read(worker, good, 0, 1000)) == 1000
