"""What the API gives out, with paths as `pathlib.Path`.

A path that is no valid text in this locale is kept byte for byte: `os.fsencode(hit.path)` is the
file's name as the system has it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import overload

from audiosearch._urls import any_path
from audiosearch.errors import path_fields
from audiosearch.indexing.types import IndexReport
from audiosearch.search.clock import by_hour
from audiosearch.search.results import ExcludedFit, FieldMatch, FindResult, Hit, Word


def as_path(path: bytes) -> Path:
    """A path of the library as Python programs hold it; a URL as a `Path` whose text is the URL."""
    return any_path(os.fsdecode(path))


@dataclass(frozen=True, kw_only=True)
class SearchHit:
    """The best stretch of one recording, as `find` and `similar` give it.

    Attributes:
        rank: 1 is best.
        path: absolute; the first of the recording's files by name, or the one whose texts match.
        start_s: where the stretch begins, in seconds from the start of the recording.
        end_s: where it ends.
        duration_s: length of the whole recording, in seconds.
        score: 0 to 1, greater is better; None for queries by sound.
        similarity: cosine to the sound asked for, -1 to 1; None for queries by words.
        cross_entropy: of the query given the sound, nats a word, less is better; None where the
            model knows none of the words.
        lift: how much likelier the sound makes the words than silence would, nats a word.
        caption: a person's for this stretch where it matched, otherwise the model's; None where
            there is none.
        matched: the texts (name, folder, tags, metadata ...) that hold words of the query.
        words: how much each word counted; None unless `explain` was asked for.
        n_alike: recordings that are near-duplicates of this one and are not listed.
        also: absolute paths of the recording's other files, and of those near-duplicates' files.
        recording_id: the recording in this library.
        window_id: the stretch in this library; see `SoundLibrary.embeddings`.
        clock_start: when the stretch begins by the recorder's clock, with an offset from UTC only
            where one is known; None where no clock is, and for hits that are no moments.
        excluded: what must not be heard, with the score that it has all the same.
    """

    rank: int
    path: Path
    start_s: float
    end_s: float
    duration_s: float
    score: float | None
    similarity: float | None
    cross_entropy: float | None
    lift: float | None
    caption: str | None
    matched: tuple[FieldMatch, ...]
    words: tuple[Word, ...] | None
    n_alike: int
    also: tuple[Path, ...]
    recording_id: int
    window_id: int
    clock_start: datetime | None = None
    excluded: tuple[ExcludedFit, ...] = ()
    weak: bool = False

    @classmethod
    def of(cls, hit: Hit) -> SearchHit:
        """A hit of the engine."""
        return cls(
            rank=hit.rank,
            path=as_path(hit.path),
            start_s=hit.start_s,
            end_s=hit.end_s,
            duration_s=hit.duration_s,
            score=hit.score,
            similarity=hit.similarity,
            cross_entropy=hit.cross_entropy,
            lift=hit.lift,
            caption=hit.caption,
            matched=hit.matched,
            words=hit.words,
            n_alike=hit.n_alike,
            also=tuple(map(as_path, hit.also)),
            recording_id=hit.recording_id,
            window_id=hit.window_id,
            clock_start=(
                None if hit.clock_start is None else datetime.fromisoformat(hit.clock_start)
            ),
            excluded=hit.excluded,
            weak=hit.weak,
        )

    def row(self) -> dict[str, object]:
        """As a row of a table: plain values, those that there are none of left out.

        `pandas.DataFrame([hit.row() for hit in hits])` is a table. Paths are texts; one that is no
        valid text has its bytes as `path_b64` (base64).
        """
        told = {
            field: getattr(self, field)
            for field in (
                *("rank", "start_s", "end_s", "score", "similarity", "cross_entropy", "lift"),
                *("caption", "duration_s", "n_alike", "recording_id", "window_id"),
            )
        }
        return {
            **path_fields(os.fsencode(self.path)),
            **{field: value for field, value in told.items() if value is not None},
            "matched": [{"field": each.field, "words": list(each.words)} for each in self.matched],
            **({} if self.clock_start is None else {"clock_start": self.clock_start.isoformat()}),
            **({"excluded": [asdict(each) for each in self.excluded]} if self.excluded else {}),
            **({"weak": True} if self.weak else {}),
        }


@dataclass(frozen=True, kw_only=True)
class SearchHits(Sequence[SearchHit]):
    """Hits, best first, with what there is to be said of the answer; a sequence of its hits.

    Attributes:
        hits: best first, or as they were asked to be sorted.
        weaker: a few that come next and are no good match, best first; none where a least score was
            given.
        unknown_words: words of the query that the model never learned; looked for in texts only.
        read_as: words that the model never learned -> the near ones that it read in their place.
        corrected: words that nothing knows -> the nearest known ones, which were searched for.
        language: the language that the query was read in, by its code (`de`, `fr`, `es`, `it`,
            `pt`); `und` where it is in none that is understood; None for English.
        translated: what it was read as in English; None where it was not translated.
        n_left_out: words at the end of the query that were left out since it was too long.
        n_below_min_score: recordings left out since they match too weakly.
        n_more: recordings that match well enough and are not listed, at least.
        n_unknown: what filters ask (`loudness`, ...) -> recordings left out since it is not known
            of them.
        unknown_tags: where there are no hits, tags that were asked for and that no sound has.
        n_windows: stretches of sound in the library, before filters.
        excluded: what must not be heard, as the query was understood.
        n_excluded: hits left out since it is heard in them.
    """

    hits: tuple[SearchHit, ...]
    unknown_words: tuple[str, ...]
    read_as: Mapping[str, str]
    corrected: Mapping[str, str]
    n_left_out: int
    n_below_min_score: int
    n_more: int
    n_unknown: Mapping[str, int]
    n_windows: int
    excluded: tuple[str, ...] = ()
    n_excluded: int = 0
    weaker: tuple[SearchHit, ...] = ()
    language: str | None = None
    translated: str | None = None
    unknown_tags: tuple[str, ...] = ()

    @classmethod
    def of(cls, result: FindResult) -> SearchHits:
        """An answer of the engine."""
        return cls(
            hits=tuple(map(SearchHit.of, result.hits)),
            unknown_words=result.unknown_words,
            read_as=dict(result.read_as),
            corrected=dict(result.corrected),
            n_left_out=result.n_left_out,
            n_below_min_score=result.n_below_min_score,
            n_more=result.n_more,
            n_unknown=dict(result.n_unknown),
            n_windows=result.n_windows,
            excluded=result.excluded,
            n_excluded=result.n_excluded,
            weaker=tuple(map(SearchHit.of, result.weaker)),
            language=result.language,
            translated=result.translated,
            unknown_tags=result.unknown_tags,
        )

    def by_hour(self) -> list[tuple[int, int]]:
        """How many hits begin in each hour of the day, by the recorders' clocks: (hour, count).

        All 24 hours, a night in one piece: they begin after the longest pause. Hits of which no
        clock is known (`SearchHit.clock_start`; only moments have one) are not counted.
        """
        return by_hour([hit.clock_start for hit in self.hits if hit.clock_start is not None])

    def rows(self) -> list[dict[str, object]]:
        """The hits as rows of a table, see `SearchHit.row`: `pandas.DataFrame(hits.rows())`."""
        return [hit.row() for hit in self.hits]

    def __len__(self) -> int:
        return len(self.hits)

    def __iter__(self) -> Iterator[SearchHit]:
        return iter(self.hits)

    @overload
    def __getitem__(self, place: int) -> SearchHit: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[SearchHit, ...]: ...
    def __getitem__(self, place: int | slice) -> SearchHit | tuple[SearchHit, ...]:
        return self.hits[place]


@dataclass(frozen=True, kw_only=True)
class LibraryWindow:
    """A stretch of a recording that the model has heard.

    Attributes:
        window_id: as `SoundLibrary.embeddings` gives it.
        recording_id: the recording in this library.
        path: absolute, the first of the recording's files by name; None where none is there now.
        start_s: where it begins, in seconds from the start of the recording.
        end_s: where it ends.
        duration_s: length of the whole recording, in seconds.
        caption: what the model, or a person, says of it; None where nobody was asked.
    """

    window_id: int
    recording_id: int
    path: Path | None
    start_s: float
    end_s: float
    duration_s: float
    caption: str | None


@dataclass(frozen=True, kw_only=True)
class IndexSummary:
    """What a run of `SoundLibrary.index` found and did.

    Attributes:
        n_files: sound files found.
        n_new: of these, not known before.
        n_changed: of these, different from last time.
        n_missing: files newly marked as missing, moved ones included.
        n_failed: files that could not be read.
        n_encoded: files that the model has listened to in this run.
        n_windows: stretches of sound that it has listened to.
        sound_s: seconds of sound encoded.
        wall_s: seconds the run took.
        offline: folders that were absent or empty, so that nothing was concluded about them.
        guarded: folders where more than half was gone, so that nothing was marked as missing.
        problems: files and folders that could not be looked at, as texts.
    """

    n_files: int
    n_new: int
    n_changed: int
    n_missing: int
    n_failed: int
    n_encoded: int
    n_windows: int
    sound_s: float
    wall_s: float
    offline: tuple[Path, ...]
    guarded: tuple[Path, ...]
    problems: tuple[str, ...]

    @classmethod
    def of(cls, report: IndexReport) -> IndexSummary:
        """The report of a run."""
        return cls(
            n_files=report.n_files,
            n_new=report.n_new,
            n_changed=report.n_changed,
            n_missing=report.n_missing,
            n_failed=report.n_failed,
            n_encoded=report.n_encoded,
            n_windows=report.n_windows,
            sound_s=report.sound_s,
            wall_s=report.wall_s,
            offline=tuple(map(as_path, report.offline)),
            guarded=tuple(as_path(place.path) for place in report.guarded),
            problems=report.problems,
        )
