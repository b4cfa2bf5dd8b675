"""Search: start reading here. `SearchEngine.find` is retrieve and rerank.

The library is only read: what is worth keeping of an answer is handed out (`take_derived`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from sqlalchemy.orm import Session

from audiosearch._timing import Stopwatch
from audiosearch.config import SearchConfig
from audiosearch.model.bundle import Bundle
from audiosearch.model.decoder import Decoder
from audiosearch.model.scoring import CaptionScorer
from audiosearch.model.text_encoder import TextTower
from audiosearch.search.candidates import Candidates, find_candidates
from audiosearch.search.explain import explain, with_unheard
from audiosearch.search.filters import Filters
from audiosearch.search.hits import best_window_per_recording, show, with_matches
from audiosearch.search.order import check_sort, in_order
from audiosearch.search.query import ParsedQuery, parse_query, respelled
from audiosearch.search.rerank import ScoredWindow, rank_windows, score_windows
from audiosearch.search.results import (
    Description,
    EncodedWindow,
    FindResult,
    Hit,
    LabelFit,
    SoundQuery,
    TextQuery,
)
from audiosearch.search.snapshot import LibrarySnapshot, SnapshotCache, open_snapshot
from audiosearch.search.spelling import corrections
from audiosearch.search.written import TextMatches, match_texts, with_unknown
from audiosearch.store.database import Database
from audiosearch.store.queries.file_list import unheard_files
from audiosearch.store.queries.search import window_frames

if TYPE_CHECKING:  # from sound to text; a query of words needs nothing of it
    from audiosearch.search.describe import Derived, Describer
    from audiosearch.search.normalise import Normalise
    from audiosearch.search.zero_shot import Label


class SearchEngine:
    """Answers queries over what one bundle has encoded in one library."""

    def __init__(
        self,
        *,
        database: Database,
        bundle: Bundle,
        decoder: Decoder,
        tower: TextTower | None,
        config: SearchConfig,
    ) -> None:
        self._database = database
        self._bundle = bundle
        self._scorer = CaptionScorer(decoder)
        self._tower = tower
        self._config = config
        self._cache = SnapshotCache(bundle=bundle, cache_dir=database.vectors_dir)

    @cached_property
    def describer(self) -> Describer:
        """The way from sound to text."""
        from audiosearch.search.describe import Describer  # noqa: PLC0415 - text queries need none

        return Describer(
            database=self._database,
            bundle=self._bundle,
            scorer=self._scorer,
            tower=self._tower,
            config=self._config,
            cache=self._cache,
        )

    def find(self, query: TextQuery) -> FindResult:
        """The recordings in which the words of `query` are heard, best first.

        Raises:
            QueryError: there is no word in the query, or a filter or the order has no meaning here.
        """
        check_sort(query.sort)
        watch = Stopwatch()
        with watch.stage("words"):
            parsed = self._parse(query.text)
        with self._database.reading() as session:
            with watch.stage("filters"):
                snapshot = self._open(session, query.filters)
            if snapshot is None:
                return _nothing(watch, unknown_words=parsed.unknown)
            with watch.stage("spelling"):
                parsed = self._respell(session, parsed)
            with watch.stage("candidates"):
                candidates = self._candidates(snapshot, parsed, query)
            with watch.stage("decoder"):
                heard = score_windows(snapshot, parsed, candidates, scorer=self._scorer)
            with watch.stage("texts"):
                matches = match_texts(session, parsed, candidates.in_order, snapshot.scope)
                ranked = rank_windows(snapshot, parsed, candidates, heard, matches)
            with watch.stage("hits"):
                result = self._answer(snapshot, query, parsed, candidates, matches, ranked)
            if query.explain and result.hits and parsed.has_known:
                with watch.stage("words of hits"):
                    result = replace(result, hits=self._explain(session, result.hits, parsed))
        hits = in_order(result.hits, query.sort, reverse=query.reverse)
        return replace(result, hits=hits, timings=watch.seconds)

    def similar(self, query: SoundQuery) -> FindResult:
        """The recordings that sound most like `query`, best first.

        Each stored window is as similar as the query's window that it is most like. A sound that
        is in the library finds itself first; near-duplicates are shown, not folded, since they
        may be what is looked for.

        Raises:
            QueryError: a filter or the order has no meaning here, or there is no sound to compare.
        """
        from audiosearch.search.similar import find_similar  # noqa: PLC0415 - text queries need none

        check_sort(query.sort)
        watch = Stopwatch()
        with self._database.reading() as session:
            with watch.stage("filters"):
                snapshot = self._open(session, query.filters)
            if snapshot is None:
                return _nothing(watch)
            limit = query.limit or self._config.limit
            return find_similar(snapshot, query, limit=limit, watch=watch)

    def describe(
        self,
        windows: Sequence[EncodedWindow],
        *,
        limit: int,
        normalise: Normalise | None = None,
        explain: bool = False,
    ) -> list[Description]:
        """Captions for windows of a sound; see `Describer.describe`."""
        return self.describer.describe(windows, limit=limit, normalise=normalise, explain=explain)

    def label(
        self,
        windows: Sequence[EncodedWindow],
        labels: Sequence[Label],
        *,
        normalise: Normalise | None = None,
    ) -> list[LabelFit]:
        """Labels for a sound given as its windows, best first, each at its best window."""
        return self.describer.label(windows, labels, normalise=normalise)

    def refresh_scales(self, *, limit: int = 50) -> None:
        """Bring up to date at most `limit` of the scales of captions that the library keeps."""
        self.describer.refresh_scales(limit=limit)

    def take_derived(self) -> Derived:
        """What was computed since the last call and is worth keeping (`Answers.keep_derived`)."""
        return self.describer.take_derived()

    def _parse(self, text: str) -> ParsedQuery:
        return parse_query(text, scorer=self._scorer, tower=self._tower)

    def _open(self, session: Session, filters: Filters) -> LibrarySnapshot | None:
        return open_snapshot(session, filters, bundle=self._bundle, cache=self._cache)

    def _respell(self, session: Session, parsed: ParsedQuery) -> ParsedQuery:
        """The query with its misspelt words put right."""
        corrected = corrections(session, parsed, bundle=self._bundle)
        if not corrected:
            return parsed
        return replace(self._parse(respelled(parsed.typed, corrected)), corrected=corrected)

    def _candidates(
        self, snapshot: LibrarySnapshot, parsed: ParsedQuery, query: TextQuery
    ) -> Candidates:
        return find_candidates(
            snapshot,
            parsed,
            limit=self._config.candidates,
            exhaustive_below=None if query.exhaustive else self._config.exhaustive_below,
        )

    def _answer(
        self,
        snapshot: LibrarySnapshot,
        query: TextQuery,
        parsed: ParsedQuery,
        candidates: Candidates,
        matches: TextMatches,
        ranked: Sequence[ScoredWindow],
    ) -> FindResult:
        """What is shown of the windows that matched, and what a reader of it must know."""
        session = snapshot.session
        best = best_window_per_recording(ranked, candidates.spans)
        good = self._good_enough(best, query)
        hits = show(
            session,
            good,
            candidates.spans,
            scope=snapshot.scope,
            limit=query.limit or self._config.limit,
            fold_above=self._config.fold_similarity,
            files=matches.files,
        )
        hits = with_matches(session, hits, parsed, matches)
        named = with_unknown(matches, parsed, candidates.in_order)
        unheard: tuple[bytes, ...] = ()
        if not hits:
            bundle_id = snapshot.bundle_id
            unheard = unheard_files(session, parsed.telling, snapshot.scope, bundle_id=bundle_id)
        return FindResult(
            hits=hits,
            unknown_words=parsed.unknown,
            n_left_out=parsed.n_left_out,
            read_as=parsed.read_as,
            corrected=parsed.corrected,
            weak=not parsed.has_meaning,
            exhaustive=candidates.exhaustive,
            n_windows=snapshot.n_windows,
            n_candidates=len(ranked),
            n_below_min_score=len(best) - len(good),
            n_more=len(good) - len(hits) - sum(hit.n_alike for hit in hits),
            n_unknown=snapshot.n_unknown,
            n_with_unknown=0 if any(x.recording_id in named for x in hits) else len(named),
            unheard=unheard,
            timings={},
        )

    def _good_enough(self, found: Sequence[ScoredWindow], query: TextQuery) -> list[ScoredWindow]:
        """Those that reach the least score."""
        least = query.min_score
        if least is None:
            setting = self._config.min_score
            least = setting if setting >= 0 else self._bundle.score.min_score
        return [each for each in found if each.score is not None and each.score >= least]

    def _explain(
        self, session: Session, hits: Sequence[Hit], parsed: ParsedQuery
    ) -> tuple[Hit, ...]:
        """Hits with how much each word of the query counted for them."""
        frames = window_frames(session, [hit.window_id for hit in hits], dim=self._bundle.frame_dim)
        memory = self._scorer.decoder.memory(frames)
        texts = [parsed.text] * len(hits)
        found = explain(texts, memory, sounds=range(len(hits)), scorer=self._scorer)
        return tuple(
            replace(hit, words=with_unheard(words, parsed.asked[: self._scorer.max_words]))
            for hit, words in zip(hits, found, strict=True)
        )


def _nothing(watch: Stopwatch, *, unknown_words: tuple[str, ...] = ()) -> FindResult:
    """The answer of a library in which this bundle has encoded nothing."""
    return FindResult(
        hits=(),
        unknown_words=unknown_words,
        exhaustive=True,
        n_windows=0,
        n_candidates=0,
        timings=watch.seconds,
    )
