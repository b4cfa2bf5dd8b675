"""A small real library for tests that search: real SQLite, the toy bundle, generated sounds."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from audiosearch.config import SearchConfig
from audiosearch.model.bundle import Bundle
from audiosearch.model.calibration import ScoreCalibration
from audiosearch.model.captioner import Captioner
from audiosearch.model.decoder import Decoder
from audiosearch.model.encoder import Encoded, Encoder
from audiosearch.model.text_encoder import TextTower
from audiosearch.search.engine import SearchEngine
from audiosearch.store.database import Database
from audiosearch.store.queries import (
    captions,
    encodings,
    file_texts,
    files,
    fulltext,
    recordings,
    roots,
    windows,
)
from audiosearch.store.schema import CaptionSource
from tests.sounds import noise, tones

ROOT = b"/sounds"
WINDOW_S = 2.0


@dataclass(frozen=True)
class Models:
    """The toy bundle's parts, loaded once."""

    bundle: Bundle
    encoder: Encoder
    decoder: Decoder
    captioner: Captioner
    tower: TextTower | None

    @classmethod
    def of(cls, bundle: Bundle) -> Models:
        decoder = Decoder(bundle)
        tower = TextTower(bundle) if bundle.joint_dim else None
        return cls(bundle, Encoder(bundle), decoder, Captioner(decoder), tower)

    def encode(self, sound: np.ndarray) -> list[Encoded]:
        """Windows of two seconds side by side; the rest is a window of its own."""
        size = round(WINDOW_S * self.bundle.sample_rate)
        parts = [sound[start : start + size] for start in range(0, len(sound), size)]
        return self.encoder.encode_many([part.astype(np.float32) for part in parts])


@dataclass
class LibraryBuilder:
    """Puts sounds into a database as indexing would."""

    database: Database
    models: Models

    def engine(self, *, score: ScoreCalibration | None = None, **settings: object) -> SearchEngine:
        own = self.models.bundle
        return SearchEngine(
            database=self.database,
            bundle=own if score is None else replace(own, score=score),
            decoder=self.models.decoder,
            tower=self.models.tower,
            config=SearchConfig(**settings),  # type: ignore[arg-type]
        )

    def add(
        self,
        name: bytes,
        sound: np.ndarray,
        *,
        root: bytes = ROOT,
        metadata: Mapping[str, Sequence[str]] | None = None,
        tags: Sequence[str] = (),
        mtime_s: float = 1000.0,
        silent: Sequence[int] = (),
        said: str | None = None,
        sample_rate: int | None = None,
        channels: int = 1,
        bit_depth: int | None = 16,
        loudness_lufs: float | None = -23.0,
        peak_db: float | None = -6.0,
    ) -> int:
        """A file under `root` with this sound; the id of its recording."""
        with self.database.session() as session:
            place = roots.add_root(session, root)
            mtime_ns = round(mtime_s * 1e9)
            files.add_files(
                session, place.root.root_id, [files.FileStat(name, len(sound), mtime_ns, mtime_ns)]
            )
            [file_id] = [
                known.file_id
                for known in files.known_files(session, place.root.root_id)
                if known.path == name
            ]
            suffix = name.rpartition(b".")[2].decode("ascii", "replace").lower()
            new = recordings.NewRecording(
                audio_hash=hashlib.sha256(sound.tobytes()).digest(),
                sample_rate=sample_rate or self.models.bundle.sample_rate,
                channels=channels,
                bit_depth=bit_depth,
                codec={"wav": "pcm_s16le", "ogg": "vorbis"}.get(suffix, suffix),
                container={"m4a": "mov,mp4,m4a,3gp,3g2,mj2"}.get(suffix, suffix),
            )
            [recording_id] = recordings.ensure_recordings(session, [new]).values()
            files.set_indexed(
                session,
                [
                    files.ReadFile(
                        file_id=file_id,
                        recording_id=recording_id,
                        size=len(sound),
                        mtime_ns=mtime_ns,
                        ctime_ns=mtime_ns,
                    )
                ],
            )
            duration_s = len(sound) / self.models.bundle.sample_rate
            facts = encodings.SoundFacts(
                duration_s=duration_s, peak_db=peak_db, loudness_lufs=loudness_lufs
            )
            self._encode(session, recording_id, sound, silent=silent, said=said, facts=facts)
            texts = file_texts.FileTexts(file_id, metadata or {}, tags)
            file_texts.set_texts(session, [texts])
            fulltext.refresh_files(session, [file_id])
        return recording_id

    def _encode(self, session, recording_id, sound, *, silent, said, facts) -> None:  # type: ignore[no-untyped-def]
        bundle = self.models.bundle
        bundle_id = encodings.ensure_bundle(
            session, name=bundle.name, version=bundle.version, fingerprint=bundle.fingerprint
        )
        encoded = self.models.encode(sound)
        encodings.begin_encodings(session, [recording_id], bundle_id=bundle_id, hop_s=WINDOW_S)
        window_ids = windows.insert_windows(
            session,
            [
                windows.new_window(
                    recording_id=recording_id,
                    position=position,
                    start_s=position * WINDOW_S,
                    end_s=min(facts.duration_s, (position + 1) * WINDOW_S),
                    silent=position in silent,
                    frames=one.frames,
                    embedding=one.embedding,
                    joint=one.joint,
                )
                for position, one in enumerate(encoded)
            ],
            bundle_id=bundle_id,
        )
        complete = encodings.CompleteRecording(recording_id, len(encoded), facts)
        encodings.complete_encodings(session, [complete], bundle_id=bundle_id)
        texts = (
            [said] * len(encoded)
            if said is not None
            else [c.text for c in self.models.captioner.captions([e.frames for e in encoded])]
        )
        self._say(session, texts, window_ids, bundle_id=bundle_id, silent=silent)

    def _say(self, session, texts, window_ids, *, bundle_id, silent) -> None:  # type: ignore[no-untyped-def]
        ids = captions.ensure_captions(session, texts, source=CaptionSource.AUTO)
        captions.link_captions(
            session,
            [
                captions.CaptionLink(window_id, ids[text], None)
                for position, (window_id, text) in enumerate(zip(window_ids, texts, strict=True))
                if position not in silent
            ],
        )
        new = captions.captions_without_vector(session, bundle_id=bundle_id)
        if new and self.models.tower is not None:
            vectors = self.models.tower.embed([text for _, text in new])
            captions.insert_caption_vectors(
                session, [caption_id for caption_id, _ in new], vectors, bundle_id=bundle_id
            )

    def fill(self, n: int = 12) -> list[int]:
        """`n` different sounds of one to three windows; their recordings' ids."""
        return [
            self.add(f"box/sound_{i:02d}.wav".encode(), sound_number(i), mtime_s=1000.0 + i)
            for i in range(n)
        ]


def sound_number(i: int) -> np.ndarray:
    """The i-th of endless different sounds, one to three windows long."""
    seconds = 1.0 + (i % 5)
    if i % 2:
        return noise(seconds=seconds, amplitude=0.02 + 0.01 * i, seed=i)
    return tones([200.0 + 50 * i, 900.0 + 31 * i], seconds=seconds / 2, amplitude=0.1 + 0.02 * i)
