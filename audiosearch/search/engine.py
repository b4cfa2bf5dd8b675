"""Search: start reading here.

`SearchEngine.find` answers words with sounds: cheap candidates first, then the decoder listens to
each of them (Labbé et al. 2023, https://arxiv.org/abs/2308.15090). `similar` answers a sound with
sounds, `describe` a sound with captions. In go queries, out come results; the database is only
read. It knows neither audio nor how results are shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from sqlalchemy.orm import Session

from audiosearch._timing import Stopwatch
from audiosearch._typing import Doubles, Ids
from audiosearch.config import SearchConfig
from audiosearch.model.bundle import Bundle
from audiosearch.model.captioner import Captioner
from audiosearch.model.decoder import Decoder
from audiosearch.model.scoring import CaptionScorer
from audiosearch.model.text_encoder import TextTower
from audiosearch.search.audio_to_text import embed_captions
from audiosearch.search.candidates import candidates
from audiosearch.search.caption_stats import CaptionStats, DecoderListener
from audiosearch.search.describe import Describer
from audiosearch.search.exact_captions import boost_exact_captions, windows_captioned
from audiosearch.search.explain import explain, with_unheard
from audiosearch.search.hits import ScoredWindow, best_window_per_recording, show, with_matches
from audiosearch.search.normalise import Normalise
from audiosearch.search.query import ParsedQuery, parse_query, respelled
from audiosearch.search.rerank import RerankScores, rerank
from audiosearch.search.results import (
    Description,
    EncodedWindow,
    FindResult,
    Hit,
    LabelFit,
    SoundQuery,
    TextQuery,
)
from audiosearch.search.similar import rank_by_sound
from audiosearch.search.snapshot import LibrarySnapshot, SnapshotCache, open_snapshot
from audiosearch.search.spelling import corrections
from audiosearch.search.written import Written, find_written, with_unknown
from audiosearch.search.zero_shot import Label, Labeller
from audiosearch.store.database import Database
from audiosearch.store.queries.encodings import find_bundle_id
from audiosearch.store.queries.search import window_frames, window_places
from audiosearch.store.queries.unheard import unheard_files
from audiosearch.store.sqlite import commit_token
from audiosearch.store.vector_cache import VectorKind
from audiosearch.store.vectors import unit_rows


@dataclass(frozen=True)
class SoundScores:
    """What the model says of windows, in their order."""

    judged: RerankScores | None  # None where the decoder knows none of the words
    scores: Doubles  # (n,) in 0..1, greater is better


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
        self._tables = SnapshotCache(bundle=bundle, cache_dir=database.vectors_dir)
        self._scales = CaptionStats(
            database=database, listener=DecoderListener(self._scorer), size=config.scale_size
        )
        self._placed: tuple[int, int, int] | None = None  # all captions were, as of this mark
        self._describer = Describer(
            scorer=self._scorer, captioner=Captioner(decoder), tower=tower, scales=self._scales
        )
        self._labeller = Labeller(scorer=self._scorer, tower=tower, scales=self._scales)

    def find(self, query: TextQuery) -> FindResult:
        """The recordings in which the words of `query` are heard, best first.

        Raises:
            QueryError: there is no word in the query, or a filter has no meaning here.
        """
        watch = Stopwatch()
        with watch.stage("words"):
            words = parse_query(query.text, scorer=self._scorer, tower=self._tower)
        with self._database.reading() as session:
            with watch.stage("filters"):
                view = open_snapshot(
                    session, query.filters, bundle=self._bundle, tables=self._tables
                )
            if view is None:
                return _nothing(watch, unknown_words=words.unknown)
            with watch.stage("spelling"):
                corrected = corrections(session, words, bundle=self._bundle)
                text = respelled(query.text, corrected)
                if corrected:
                    words = parse_query(text, scorer=self._scorer, tower=self._tower)
            with watch.stage("candidates"):
                likely, exhaustive = self._windows_to_hear(view, words, query)
                captioned = windows_captioned(view, text)
                window_ids = np.union1d(likely, captioned)  # sorted, as vector tables are
                places = window_places(session, window_ids.tolist())
            with watch.stage("decoder"):
                heard = self._hear(view, words, window_ids)
            with watch.stage("texts"):
                in_order = [places[each] for each in window_ids.tolist()]
                written = find_written(session, words, in_order, view.scope)
                ranked = self._rank(window_ids, heard, words, written, likely=likely)
                found = boost_exact_captions(ranked, captioned)
            with watch.stage("hits"):
                best = best_window_per_recording(found, places)
                good = self._good_enough(best, query)
                hits = show(
                    session,
                    good,
                    places,
                    scope=view.scope,
                    limit=query.limit or self._config.limit,
                    fold_above=self._config.fold_similarity,
                    files=written.files,
                )
                hits = with_matches(session, hits, words, written)
                named = with_unknown(written, words, in_order)
                unheard = (
                    ()
                    if hits
                    else unheard_files(session, words.telling, view.scope, bundle_id=view.bundle_id)
                )
            if query.explain and hits and words.has_known:
                with watch.stage("words of hits"):
                    hits = self._explain(session, hits, words)
        return FindResult(
            hits=hits,
            unknown_words=words.unknown,
            n_left_out=words.n_left_out,
            read_as=words.read_as,
            corrected=corrected,
            weak=not words.has_meaning,
            exhaustive=exhaustive,
            n_windows=view.n_windows,
            n_candidates=len(found),
            n_below_min_score=len(best) - len(good),
            n_with_unknown=0 if any(x.recording_id in named for x in hits) else len(named),
            unheard=unheard,
            timings=watch.seconds,
        )

    def similar(self, query: SoundQuery) -> FindResult:
        """The recordings that sound most like `query`, best first.

        Each stored window is as similar as the query's window that it is most like. A sound that
        is in the library finds itself first; near-duplicates are shown, not folded, since they
        may be what is looked for.

        Raises:
            QueryError: a filter has no meaning here, or there is no sound to compare.
        """
        watch = Stopwatch()
        with self._database.reading() as session:
            with watch.stage("filters"):
                view = open_snapshot(
                    session, query.filters, bundle=self._bundle, tables=self._tables
                )
            if view is None:
                return _nothing(watch)
            limit = query.limit or self._config.limit
            with watch.stage("likeness"):
                best, places = rank_by_sound(view, query.embeddings, limit=limit)
                least = query.min_similarity
                good = [x for x in best if least is None or (x.similarity or 0.0) >= least]
            with watch.stage("hits"):
                hits = show(session, good, places, scope=view.scope, limit=limit, fold_above=None)
        return FindResult(
            hits=hits,
            exhaustive=True,
            n_windows=view.n_windows,
            n_candidates=len(view.every_window()),
            n_below_min_score=len(best) - len(good),
            timings=watch.seconds,
        )

    def describe(
        self,
        windows: Sequence[EncodedWindow],
        *,
        limit: int,
        normalise: Normalise | None = None,
        explain: bool = False,
    ) -> list[Description]:
        """Captions for windows of a sound, in the order of the windows.

        For each the model's own sentence, then at most `limit` stored captions, best first by
        `normalise` (None: as configured); with `explain`, the words of each.
        """
        self._embed_captions()
        with self._database.reading() as session:
            return self._describer.describe(
                session,
                windows,
                limit=limit,
                how=normalise or Normalise(self._config.normalise),
                explained=explain,
                bundle=self._bundle,
                tables=self._tables,
            )

    def label(
        self,
        windows: Sequence[EncodedWindow],
        labels: Sequence[Label],
        *,
        normalise: Normalise | None = None,
    ) -> list[LabelFit]:
        """Labels for a sound given as its windows, best first, each at its best window."""
        with self._database.reading() as session:
            return self._labeller.label(
                session,
                windows,
                labels,
                how=normalise or Normalise(self._config.normalise),
                bundle_id=find_bundle_id(session, fingerprint=self._bundle.fingerprint),
            )

    def refresh_scales(self, *, limit: int = 50) -> int:
        """Bring up to date at most `limit` scales of captions; returns how many it did.

        For a process that has time to spare; see `CaptionStats.refresh`.
        """
        with self._database.reading() as session:
            bundle_id = find_bundle_id(session, fingerprint=self._bundle.fingerprint)
        return 0 if bundle_id is None else self._scales.refresh(bundle_id=bundle_id, limit=limit)

    def _embed_captions(self) -> None:
        """See that every caption can be a candidate; asked again once somebody has committed."""
        if self._tower is None:
            return
        with self._database.reading() as session:
            mark = commit_token(session)
            bundle_id = find_bundle_id(session, fingerprint=self._bundle.fingerprint)
        if bundle_id is not None and mark != self._placed:
            embed_captions(self._database, self._tower, bundle_id=bundle_id)
            self._placed = mark

    def _explain(
        self, session: Session, hits: Sequence[Hit], words: ParsedQuery
    ) -> tuple[Hit, ...]:
        """Hits with how much each word of the query counted for them."""
        frames = window_frames(session, [hit.window_id for hit in hits], dim=self._bundle.frame_dim)
        memory = self._scorer.decoder.memory(frames)
        texts = [words.text] * len(hits)
        found = explain(texts, memory, sounds=range(len(hits)), scorer=self._scorer)
        return tuple(
            replace(hit, words=with_unheard(own, words.asked[: self._scorer.max_words]))
            for hit, own in zip(hits, found, strict=True)
        )

    def _windows_to_hear(
        self, view: LibrarySnapshot, words: ParsedQuery, query: TextQuery
    ) -> tuple[Ids, bool]:
        """The windows that the decoder shall judge, and whether these are all."""
        if words.has_meaning:
            every = view.every_window()
            if query.exhaustive or len(every) < self._config.exhaustive_below:
                return every, True
        return candidates(view, words, limit=self._config.candidates), False

    def _hear(
        self, view: LibrarySnapshot, words: ParsedQuery, window_ids: Ids
    ) -> SoundScores | None:
        """What the model says of windows (ascending); None where the words mean nothing to it.

        Where the decoder knows none of the words, the joint space speaks alone.
        """
        if not words.has_meaning:
            return None
        judged = None
        if words.has_known:
            judged = rerank(view.session, window_ids, tokens=words.tokens, scorer=self._scorer)
        cosines = None
        if words.vector is not None:
            table = view.vectors(VectorKind.JOINT)
            cosines = table.matrix[table.rows_of(window_ids)] @ unit_rows(words.vector[None])[0]
        lifts = np.zeros(len(window_ids), np.float32) if judged is None else judged.lifts
        lift_weight = self._scorer.lift_weight(words.tokens)
        return SoundScores(
            judged, self._bundle.score(lift=lifts, cosine=cosines, lift_weight=lift_weight)
        )

    def _rank(
        self,
        window_ids: Ids,
        heard: SoundScores | None,
        words: ParsedQuery,
        written: Written,
        *,
        likely: Ids,
    ) -> list[ScoredWindow]:
        """The windows by what is heard in them and written of them, best first.

        Of equals, the `likely` come in their order.
        """
        scores = self._bundle.score.with_texts(
            np.zeros(len(window_ids)) if heard is None else heard.scores,
            matched=written.matched,
            is_known=np.array(words.is_known, np.bool_) & (heard is not None),
        )
        judged = None if heard is None else heard.judged
        return [
            ScoredWindow(
                window_id=int(window_ids[row]),
                score=float(scores[row]),
                cross_entropy=None if judged is None else float(judged.cross_entropies[row]),
                lift=None if judged is None else float(judged.lifts[row]),
            )
            for row in np.lexsort((_positions(window_ids, likely), -scores)).tolist()
            if heard is not None or written.matched[row].any()
        ]

    def _good_enough(self, found: Sequence[ScoredWindow], query: TextQuery) -> list[ScoredWindow]:
        """Those that reach the least score."""
        least = query.min_score
        if least is None:
            own = self._config.min_score
            least = own if own >= 0 else self._bundle.score.min_score
        return [each for each in found if each.score is not None and each.score >= least]


def _positions(window_ids: Ids, order: Ids) -> Ids:
    """Where each window (n,) stands in `order`; those that are not in it come last, by id."""
    places = {window_id: place for place, window_id in enumerate(order.tolist())}
    found = [places.get(each, len(places) + row) for row, each in enumerate(window_ids.tolist())]
    return np.array(found, np.int64)


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
