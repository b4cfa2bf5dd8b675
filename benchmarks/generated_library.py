"""A large library without any audio: rows as indexing would write them, vectors and words made up.

In: a data folder, a bundle and a number of windows. Out: a database of the real schema with
recordings of one to many windows, files, captions, full text, vectors near the captions that are
said of them, and frames for a share of the windows. Rows go in by bulk insert: a million of them
would take the model a week.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from audiosearch._typing import Floats, Ints
from audiosearch.config import Config
from audiosearch.library.model_selection import find_model
from audiosearch.model.bundle import Bundle, load_bundle
from audiosearch.model.encoder import Encoder
from audiosearch.model.runtime.session import RuntimeOptions
from audiosearch.model.text_encoder import TextTower
from audiosearch.store.database import open_database
from audiosearch.store.names import indexed_words
from audiosearch.store.packed_frames import better_base
from audiosearch.store.sampling import sample_key

WINDOWS_A_RECORDING = 4.0  # on average; a quarter are single windows, some last ten minutes
SILENT = 0.02  # share of windows
BLOCK = 20_000  # windows made at a time
FOLDERS = 500

_WHO = (
    *("a dog", "a man", "a woman", "a child", "a car", "rain", "water", "wind", "a bell", "a cat"),
    *("a bird", "a crowd", "an engine", "a train", "a clock", "thunder", "music", "a door"),
    *("a phone", "a siren", "a machine", "an insect", "fire", "a hammer", "glass"),
)
_DOES = (
    *("barks", "speaks", "rings", "passes", "falls", "hums", "sings", "knocks", "rattles"),
    *("squeaks", "whistles", "laughs", "roars", "drips", "splashes", "crackles", "beeps"),
)
_HOW = ("", " loudly", " softly", " nearby", " in the distance", " in the background", " twice")
_THEN = ("", " and then", " while", " before", " after", " followed by", " as")


@dataclass(frozen=True, kw_only=True)
class Made:
    """What was made: numbers of rows, and the bytes of the database."""

    n_windows: int
    n_recordings: int
    n_captions: int
    n_frames: int
    seconds: float


def sentences(n: int, *, seed: int = 0) -> list[str]:
    """`n` different captions in words that bundles know."""
    dice = np.random.default_rng(seed)
    found: dict[str, None] = {}
    while len(found) < n:
        who, does, how = dice.choice(_WHO), dice.choice(_DOES), dice.choice(_HOW)
        text, link = f"{who} {does}{how}", str(dice.choice(_THEN))
        if link:
            text += f"{link} {dice.choice(_WHO)} {dice.choice(_DOES)}{dice.choice(_HOW)}"
        found[text] = None
    return list(found)


class Maker:
    """Fills an empty data folder."""

    def __init__(self, config: Config, *, seed: int = 0) -> None:
        self._config = config
        self._dice = np.random.default_rng(seed)
        self.bundle: Bundle = load_bundle(find_model(config, config.model.bundle))
        self._frames = self._some_frames()

    def make(self, n_windows: int, *, frames: float) -> Made:
        """A library of `n_windows`, a share `frames` of which have frames."""
        began = time.perf_counter()
        open_database(self._config.database).close()  # the real schema
        captions = sentences(min(20_000, max(200, n_windows // 20)))
        tower = TextTower(self.bundle, options=RuntimeOptions(device="cpu"))
        parts = [captions[at : at + 256] for at in range(0, len(captions), 256)]
        vectors = np.concatenate([tower.embed(part) for part in parts])
        with _writing(self._config.database) as database:
            self._begin(database, captions, vectors)
            n_recordings = self._fill(database, n_windows, captions, vectors, frames=frames)
            (n_frames,) = database.execute("SELECT count(*) FROM window_frames").fetchone()
            database.execute("COMMIT")
            database.execute("PRAGMA optimize")
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return Made(
            n_windows=n_windows,
            n_recordings=n_recordings,
            n_captions=len(captions),
            n_frames=n_frames,
            seconds=time.perf_counter() - began,
        )

    def add_frames(self, window_ids: Sequence[int]) -> None:
        """Give windows frames that have none, so that the decoder can listen to them."""
        with _writing(self._config.database) as database:
            database.executemany(
                "INSERT OR IGNORE INTO window_frames VALUES (?, ?, ?, 1)",
                ((each, *self._frame()) for each in window_ids),
            )
            database.execute("COMMIT")
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _some_frames(self) -> list[tuple[int, bytes]]:
        """Frames of a few noises of a window's length, as the encoder gives them."""
        encoder = Encoder(self.bundle, options=RuntimeOptions(device="cpu"))
        size = round(self.bundle.window_s * self.bundle.sample_rate)
        noises = self._dice.normal(scale=0.1, size=(8, size)).astype(np.float32)
        found = [each.frames for each in encoder.encode_many(list(noises))]
        base = better_base(None, found)
        assert base is not None
        self._base = base
        return [(len(each), base.pack(each)) for each in found]

    def _frame(self) -> tuple[int, bytes]:
        return self._frames[int(self._dice.integers(len(self._frames)))]

    def _begin(
        self, database: sqlite3.Connection, captions: Sequence[str], vectors: Floats
    ) -> None:
        bundle, now = self.bundle, time.time()
        database.execute(
            "INSERT INTO bundle VALUES (1, ?, ?, ?, ?)",
            (bundle.name, bundle.version, bundle.fingerprint, now),
        )
        database.execute(
            "INSERT INTO frame_base VALUES (1, 1, ?, ?)",
            (len(self._base.rows), self._base.rows.tobytes()),
        )
        database.execute(
            "INSERT INTO library_root (id, path, added_at) VALUES (1, ?, ?)", (b"/generated", now)
        )
        database.executemany(
            "INSERT INTO caption (id, text, source, added_at) VALUES (?, ?, 'auto', ?)",
            ((number, text, now) for number, text in enumerate(captions, 1)),
        )
        database.executemany(
            "INSERT INTO caption_text (rowid, text) VALUES (?, ?)", enumerate(captions, 1)
        )
        database.executemany(
            "INSERT INTO caption_vector VALUES (?, 1, ?)",
            ((number, row.astype("<f2").tobytes()) for number, row in enumerate(vectors, 1)),
        )
        for name in ("windows", "captions"):
            database.execute("INSERT INTO library_state VALUES (?, ?)", (name, time.time_ns()))

    def _fill(
        self,
        database: sqlite3.Connection,
        n_windows: int,
        captions: Sequence[str],
        vectors: Floats,
        *,
        frames: float,
    ) -> int:
        """Recordings with all that belongs to them; returns how many."""
        lengths = self._lengths(n_windows)
        firsts = np.cumsum([1, *lengths[:-1]])
        start = 0
        while start < len(lengths):
            end = int(np.searchsorted(firsts, firsts[start] + BLOCK))
            part = slice(start, max(end, start + 1))
            self._recordings(database, range(start + 1, part.stop + 1), lengths[part], captions)
            recordings = np.repeat(np.arange(start + 1, part.stop + 1), lengths[part])
            ids = np.arange(firsts[start], firsts[start] + len(recordings))
            places = ids - np.repeat(firsts[part], lengths[part])
            self._windows(database, ids, recordings, places, vectors)
            self._listen(database, ids[self._dice.random(len(ids)) < frames])
            start = part.stop
        return len(lengths)

    def _lengths(self, n_windows: int) -> list[int]:
        """Windows of each recording, `n_windows` in all."""
        sizes = np.minimum(self._dice.geometric(1 / WINDOWS_A_RECORDING, n_windows), 120)
        n = int(np.searchsorted(np.cumsum(sizes), n_windows)) + 1
        lengths: list[int] = sizes[:n].tolist()
        lengths[-1] -= sum(lengths) - n_windows
        return lengths

    def _recordings(
        self,
        database: sqlite3.Connection,
        numbers: range,
        lengths: Sequence[int],
        captions: Sequence[str],
    ) -> None:
        hop_s, window_s, now = self.bundle.window_s / 2, self.bundle.window_s, time.time()
        hashes = [self._hash(number) for number in numbers]
        said = self._dice.integers(len(captions), size=len(numbers))
        # One file name in three tells what is heard; the others are those of a recorder.
        names = [
            f"{number % FOLDERS:03d}/"
            + (captions[c].replace(" ", "_") if number % 3 == 0 else "ZOOM")
            + f"_{number}.wav"
            for number, c in zip(numbers, said, strict=True)
        ]
        seconds = [window_s + (n - 1) * hop_s for n in lengths]
        database.executemany(
            "INSERT INTO recording VALUES (?, ?, ?, 48000, 2, 24, 'pcm_s24le', 'wav', -3, -23, ?)",
            ((n, h, s, now) for n, h, s in zip(numbers, hashes, seconds, strict=True)),
        )
        database.executemany(
            "INSERT INTO sound_file (id, root_id, path, display, size, mtime_ns, ctime_ns, state,"
            " recording_id, checked_at) VALUES (?, 1, ?, ?, 1000000, ?, ?, 'indexed', ?, ?)",
            ((n, p.encode(), p, n, n, n, now) for n, p in zip(numbers, names, strict=True)),
        )
        database.executemany(
            "INSERT INTO encoding VALUES (?, 1, ?, ?)",
            ((n, hop_s, length) for n, length in zip(numbers, lengths, strict=True)),
        )
        database.executemany(
            "INSERT INTO file_text (rowid, name, folders, tags, metadata, notes)"
            " VALUES (?, ?, ?, '', '', '')",
            (
                (n, indexed_words(p.partition("/")[2]), p.partition("/")[0])
                for n, p in zip(numbers, names, strict=True)
            ),
        )

    def _windows(
        self,
        database: sqlite3.Connection,
        ids: Ints,
        recordings: Ints,
        places: Ints,
        vectors: Floats,
    ) -> None:
        bundle, n = self.bundle, len(ids)
        said = self._dice.integers(len(vectors), size=n)
        spread = 0.1  # of each value: a cosine of about 0.66 to the caption's own vector
        joint = vectors[said] + self._dice.normal(scale=spread, size=(n, bundle.joint_dim))
        embedding = self._dice.normal(size=(n, bundle.embedding_dim))
        joint /= np.linalg.norm(joint, axis=1, keepdims=True)
        embedding /= np.linalg.norm(embedding, axis=1, keepdims=True)
        silent = self._dice.random(n) < SILENT
        starts = places * bundle.window_s / 2
        rows = zip(
            ids.tolist(),
            recordings.tolist(),
            places.tolist(),
            starts.tolist(),
            (starts + bundle.window_s).tolist(),
            silent.astype(int).tolist(),
            (row.tobytes() for row in embedding.astype("<f2")),
            (row.tobytes() for row in joint.astype("<f2")),
            strict=True,
        )
        database.executemany("INSERT INTO window VALUES (?, ?, 1, ?, ?, ?, ?, ?, ?)", rows)
        heard = ids[~silent].tolist()
        database.executemany(
            "INSERT INTO window_caption VALUES (?, ?, 2.0)",
            zip(heard, (said[~silent] + 1).tolist(), strict=True),
        )
        database.executemany(
            "INSERT INTO window_draw VALUES (?, 1, ?)",
            (
                (
                    each,
                    sample_key(
                        audio_hash=self._hash(recording),
                        fingerprint=bundle.fingerprint,
                        position=place,
                        start_s=0.0,
                        end_s=0.0,
                    ),
                )
                for each, recording, place in zip(
                    heard, recordings[~silent].tolist(), places[~silent].tolist(), strict=True
                )
            ),
        )

    def _listen(self, database: sqlite3.Connection, ids: Ints) -> None:
        database.executemany(
            "INSERT INTO window_frames VALUES (?, ?, ?, 1)",
            ((each, *self._frame()) for each in ids.tolist()),
        )

    @staticmethod
    def _hash(recording: int) -> bytes:
        return recording.to_bytes(32, "little")


@contextmanager
def _writing(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection in a transaction, as fast as it gets: a crash would only cost a benchmark."""
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA synchronous = OFF")
        database.execute("PRAGMA cache_size = -1000000")  # 1 GB: pages of indexes come up again
        database.execute("BEGIN")
        yield database
