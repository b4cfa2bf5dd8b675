"""A tiny deterministic model and small sounds for tests that index; everything else is real."""

from __future__ import annotations

import hashlib
import os
import threading
import wave
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from sqlalchemy import select

from audiosearch.config import IndexConfig
from audiosearch.errors import DecodeCode, DecodeError
from audiosearch.indexing.pipeline import index
from audiosearch.indexing.types import IndexReport, Models, OpenReader, Progress
from audiosearch.model.bundle import FrameGrid
from audiosearch.model.shared_frames import SoundParts
from audiosearch.store.database import Database
from audiosearch.store.integrity.verify import BundleDims
from audiosearch.store.queries import roots
from audiosearch.store.schema import SoundFile

RATE = 8000  # Hz
EMBEDDING, JOINT, FRAME_DIM, N_FRAMES = 12, 8, 4, 5


@dataclass(frozen=True)
class Said:
    """A sentence, as a captioner gives it."""

    text: str
    cross_entropy: float | None


@dataclass(frozen=True)
class FakeBundle:
    name: str = "fake"
    version: str = "1"
    fingerprint: str = "f" * 64
    sample_rate: int = RATE
    window_s: float = 1.0
    grid: FrameGrid | None = None


# What vectors of its windows are made of, for `verify`.
DIMS = {FakeBundle().fingerprint: BundleDims(embedding=EMBEDDING, joint=JOINT, frames=FRAME_DIM)}


@dataclass(frozen=True)
class FakeEncoded:
    frames: np.ndarray
    embedding: np.ndarray
    joint: np.ndarray | None
    tags: None = None


class FakeEncoder:
    """Vectors drawn from a hash of the samples: equal sounds, equal vectors."""

    def __init__(self) -> None:
        self.n_windows = 0
        self.batches: list[int] = []
        self.stretches: list[int] = []  # windows of each that was encoded as one
        self.on_batch = lambda: None

    def encode_many(self, waveforms: Sequence[np.ndarray]) -> list[FakeEncoded]:
        self.n_windows += len(waveforms)
        self.batches.append(len(waveforms))
        self.on_batch()
        return [self._encode(samples) for samples in waveforms]

    def encode_parts(self, sounds: Sequence[SoundParts]) -> list[list[FakeEncoded]]:
        self.stretches += [len(each.starts) for each in sounds]
        self.n_windows += sum(len(each.starts) for each in sounds)
        return [
            [self._encode(each.samples[at : at + each.length]) for at in each.starts]
            for each in sounds
        ]

    @staticmethod
    def _encode(samples: np.ndarray) -> FakeEncoded:
        digest = hashlib.sha256(samples.tobytes()).digest()
        random = np.random.default_rng(int.from_bytes(digest[:8], "little"))
        return FakeEncoded(
            frames=random.standard_normal((N_FRAMES, FRAME_DIM), dtype=np.float32),
            embedding=_unit(random.standard_normal(EMBEDDING, dtype=np.float32)),
            joint=_unit(random.standard_normal(JOINT, dtype=np.float32)),
        )


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)


class FakeCaptioner:
    WORDS = ("dog", "rain", "bell", "engine")

    def __init__(self) -> None:
        self.on_batch: Callable[[], object] = lambda: None

    def captions(self, frames: Sequence[np.ndarray]) -> list[Said]:
        self.on_batch()
        return [
            Said(f"a {self.WORDS[int(abs(each[0, 0]) * 100) % 4]} is heard", 1.5) for each in frames
        ]


def embed_texts(texts: Sequence[str]) -> np.ndarray:
    rows = [np.frombuffer(hashlib.sha256(t.encode()).digest()[:JOINT], np.uint8) for t in texts]
    return np.stack([_unit(row.astype(np.float32) + 1) for row in rows])


class FakeModels:
    """What `index` loads; counts what is encoded, and whether it was loaded at all."""

    def __init__(self) -> None:
        self.encoder = FakeEncoder()
        self.captioner = FakeCaptioner()
        self.n_loads = 0

    def __call__(self) -> Models:
        self.n_loads += 1
        return Models(encoder=self.encoder, captioner=self.captioner, embed_texts=embed_texts)


def write_wav(path: Path | bytes, *, seconds: float = 1.0, seed: int = 0, rate: int = RATE) -> None:
    """Noise that `seed` decides."""
    random = np.random.default_rng(seed)
    samples = (random.standard_normal(round(seconds * rate)) * 3000).astype("<i2")
    write_samples(path, samples, rate=rate)


def write_samples(path: Path | bytes, samples: np.ndarray, *, rate: int = RATE) -> None:
    target = Path(os.fsdecode(path))
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as file, wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(samples.tobytes())


def run_index(
    database: Database,
    *folders: Path,
    models: FakeModels | None = None,
    bundle: FakeBundle | None = None,
    stop: threading.Event | None = None,
    accept_missing: bool = False,
    progress: Progress | None = None,
    open_reader: OpenReader | None = None,
    **settings: object,
) -> IndexReport:
    """Index `folders` (all roots without any) with the fake model, one reader."""
    config = IndexConfig(**{"workers": 1, "batch_windows": 4, **settings})
    with database.session() as session:
        places = roots.add_roots(session, [os.fsencode(folder) for folder in folders])
        places = places or [
            roots.RootPath(root=root, relative=b"") for root in roots.list_roots(session)
        ]
    return index(
        database,
        places=places,
        bundle=bundle or FakeBundle(),
        load_models=models or FakeModels(),
        config=config,
        progress=progress,
        stop=stop,
        accept_missing=accept_missing,
        open_reader=open_reader,
        settle_s=0.0,
    )


@dataclass(frozen=True)
class WaveIdentity:
    audio_hash: bytes
    codec: str = "pcm_s16le"
    container: str = "wav"
    sample_rate: int = RATE
    channels: int = 1
    bit_depth: int | None = 16


@dataclass(frozen=True)
class WaveOpened:
    fingerprint: WaveIdentity
    size: int
    mtime_ns: int
    ctime_ns: int
    metadata: dict[str, tuple[str, ...]] = field(default_factory=dict)
    expected_s: float | None = None
    remark: str | None = None


@dataclass(frozen=True)
class WaveFacts:
    duration_s: float
    peak_db: float | None = -3.0
    loudness_lufs: float | None = None
    remark: str | None = None


class WaveReader(AbstractContextManager["WaveReader"]):
    """Reads what `write_wav` writes, in this process: no decoder, no child to start."""

    def __init__(self) -> None:
        self._samples = b""

    def open(self, path: bytes, *, sample_rate: int) -> WaveOpened:
        assert sample_rate == RATE
        try:
            with open(path, "rb") as file:  # noqa: PTH123 - bytes
                facts = os.fstat(file.fileno())
                with wave.open(file) as sound:
                    self._samples = sound.readframes(sound.getnframes())
        except OSError as error:
            raise DecodeError(str(error), code=DecodeCode.UNREADABLE, path=path) from error
        except (wave.Error, EOFError) as error:
            raise DecodeError(str(error), code=DecodeCode.UNSUPPORTED, path=path) from error
        identity = WaveIdentity(hashlib.sha256(self._samples).digest())
        seconds = len(self._samples) / 2 / RATE
        return WaveOpened(
            identity,
            facts.st_size,
            facts.st_mtime_ns,
            facts.st_ctime_ns,
            expected_s=seconds,
        )

    def blocks(self) -> Iterator[np.ndarray]:
        samples = np.frombuffer(self._samples, "<i2").astype(np.float32) / 32768
        for start in range(0, len(samples), RATE):
            yield samples[start : start + RATE]

    def facts(self) -> WaveFacts:
        return WaveFacts(len(self._samples) / 2 / RATE)

    def skip(self) -> None:
        self._samples = b""

    def close(self) -> None:
        self._samples = b""

    def __exit__(self, *_error: object) -> None:
        self.close()


def states(database: Database) -> dict[str, str]:
    """The state of each file, by its path as it is shown."""
    with database.reading() as session:
        rows = session.execute(select(SoundFile.display, SoundFile.state))
        return {row.display: row.state for row in rows}
