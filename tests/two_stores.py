"""One history of a library in two databases at once: the same folder, the same words, two stores.

Real sound files, the real ways into the library, decoding in this process, the toy model.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import text

from audiosearch.audio.clip import ClipRange
from audiosearch.config import Config, SearchConfig
from audiosearch.library import Library
from audiosearch.library.annotations import Annotations
from audiosearch.library.captions import NewCaption, add, remove_captions
from audiosearch.library.lookup import list_files
from audiosearch.search.engine import SearchEngine
from audiosearch.search.filters import Filters
from audiosearch.search.results import SoundQuery, TextQuery
from audiosearch.store.database import Database
from audiosearch.store.schema import CaptionSource
from tests.library_sounds import CONTENTS, index_folder, model, sounds

# What each table says, without the ids and times in which two runs may differ.
_ROWS = {
    "files": "SELECT f.path, f.display, f.size, f.state, f.metadata_json, r.audio_hash"
    " FROM sound_file AS f LEFT JOIN recording AS r ON r.id = f.recording_id ORDER BY f.path",
    "recordings": "SELECT audio_hash, duration_s, sample_rate, channels, bit_depth, codec,"
    " container, peak_db, loudness_lufs FROM recording ORDER BY audio_hash",
    "windows": "SELECT r.audio_hash, w.position, w.start_s, w.end_s, w.silent, f.frames, d.draw"
    ' FROM "window" AS w JOIN recording AS r ON r.id = w.recording_id'
    " JOIN window_frames AS f ON f.window_id = w.id"
    " LEFT JOIN window_draw AS d ON d.window_id = w.id ORDER BY r.audio_hash, w.position",
    "said": "SELECT r.audio_hash, w.position, c.text, c.source, s.cross_entropy"
    ' FROM window_caption AS s JOIN caption AS c ON c.id = s.caption_id JOIN "window" AS w'
    " ON w.id = s.window_id JOIN recording AS r ON r.id = w.recording_id"
    " ORDER BY r.audio_hash, w.position, c.text",
    "given": "SELECT c.text, r.audio_hash, t.start_s, t.end_s, t.said FROM caption_target AS t"
    " JOIN caption AS c ON c.id = t.caption_id JOIN recording AS r ON r.id = t.recording_id"
    " ORDER BY c.text, r.audio_hash, t.start_s",
    "tags": "SELECT r.audio_hash, t.name FROM recording_tag AS x JOIN tag AS t ON t.id = x.tag_id"
    " JOIN recording AS r ON r.id = x.recording_id ORDER BY r.audio_hash, t.name",
    "annotations": "SELECT s.audio_hash, a.start_s, a.end_s, a.rating, a.note FROM annotation AS a"
    " JOIN annotated_sound AS s ON s.id = a.sound_id ORDER BY s.audio_hash, a.start_s",
}


@dataclass
class Store:
    """One of the two."""

    database: Database
    config: Config
    engine: SearchEngine = field(init=False)

    def __post_init__(self) -> None:
        self.engine = SearchEngine(
            database=self.database,
            bundle=model().bundle,
            decoder=model().decoder,
            tower=model().tower,
            config=SearchConfig(exhaustive_below=0, candidates=6),
        )

    def index(self, folder: Path) -> int:
        """Take in what is new or changed in a folder; how many windows were encoded."""
        return index_folder(self.database, folder, accept_missing=True).n_windows

    def caption(self, words: str, path: Path) -> int:
        """Write a person's caption of a file."""
        clip = ClipRange(os.fsencode(path), 0.0, None)
        new = NewCaption(words, clip)
        bundle, tower = model().bundle, model().tower
        source = CaptionSource.USER
        return add(self.database, [new], source=source, bundle=bundle, tower=tower).n_given

    def purge(self) -> tuple[int, int]:
        """Delete what is gone for good; how many files and sounds that were."""
        purged = Library(self.config, self.database).purge()
        return purged.n_files, purged.n_recordings

    @property
    def annotations(self) -> Annotations:
        """What a person writes."""
        return Annotations(self.database)

    def remove_captions(self, texts: Sequence[str]) -> int:
        """Remove captions by their words."""
        return remove_captions(self.database, texts, ids=(), source=None)

    def rows(self) -> dict[str, list[tuple[Any, ...]]]:
        """All that the library says."""
        with self.database.reading() as session:
            return {
                what: [tuple(row) for row in session.execute(text(query))]
                for what, query in _ROWS.items()
            }

    def answers(self, words: str, filters: Filters) -> list[tuple[object, ...]]:
        """The whole answer to a question by words: hits, scores, texts that match."""
        result = self.engine.find(TextQuery(text=words, filters=filters, limit=20, min_score=0.0))
        return [
            (hit.path, hit.start_s, hit.end_s, hit.score, hit.cross_entropy, hit.lift, hit.caption)
            for hit in result.hits
        ] + [(result.n_candidates, result.n_windows, result.n_more)]

    def similar(self, sound: int) -> list[tuple[object, ...]]:
        """The whole answer to a question by a sound."""
        query = SoundQuery(embeddings=sounds()[sound].embeddings, limit=99)
        return [(hit.path, hit.start_s, hit.similarity) for hit in self.engine.similar(query).hits]

    def named(self, name: str, filters: Filters) -> list[bytes]:
        """The files of a name."""
        return [each.path for each in list_files(self.database, filters, name=name).files]


NAMES = (
    "DOORWood_Creak-01.wav",
    "dog_bark2.WAV",
    "R&B 120bpm.wav",
    "Café au lait.wav",
    "sub/雨の音.wav",
    "sub/Dogs barking.wav",
)
WORDS = (
    "dog barks",
    "door",
    "DOORWood",
    "cafe",
    "Café",
    "雨",
    "120bpm R&B",
    "barked twice",
    "a dog barks at the door",
    "door door creaks",
    "my sound",
)


def write(folder: Path, name: str, content: int) -> None:
    """Put a sound, or no sound, under a name."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(CONTENTS[content % len(CONTENTS)].data)
