"""Search: start reading here. `SearchEngine.find` is retrieve and rerank.

The library is only read: what is worth keeping of an answer is handed out (`take_derived`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from audiosearch._timing import Stopwatch
from audiosearch._typing import Floats
from audiosearch.config import SearchConfig
from audiosearch.model.bundle import Bundle
from audiosearch.model.decoder import Decoder
from audiosearch.model.scoring import CaptionScorer
from audiosearch.model.text_encoder import TextTower
from audiosearch.search.explain import explain, with_unheard
from audiosearch.search.filters import Filters
from audiosearch.search.negation import split_negation
from audiosearch.search.order import check_sort, in_order
from audiosearch.search.query import ExcludedText, Lexicon, ParsedQuery, parse_query, respelled
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
from audiosearch.search.text_search import AskedText, TextSearch
from audiosearch.store.database import Database
from audiosearch.store.queries.frames import window_frames
from audiosearch.store.queries.word_matches import stands_somewhere

if TYPE_CHECKING:  # from sound to text; a query of words needs nothing of it
    from sqlalchemy.orm import Session

    from audiosearch.search.describe import Derived, Describer
    from audiosearch.search.normalise import Normalise
    from audiosearch.search.zero_shot import Label

UNDETERMINED = "und"  # ISO 639-2: a language that is none of those that are understood
_SHORT = 3  # letters; words of so few are alike in many languages


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
        self._cache = SnapshotCache(
            bundle=bundle, cache_dir=database.vectors_dir, exact_below=database.exact_below
        )

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

    def find(self, query: TextQuery, *, like: Sequence[Floats] = ()) -> FindResult:
        """The recordings in which the words of `query` are heard, best first.

        Args:
            query: the words, and what else must hold.
            like: of each sound in `query.like` its windows, (m, J), or (m, E) where the bundle has
                no joint space.

        Raises:
            QueryError: there is no word in the query, or a filter or the order has no meaning here.
        """
        check_sort(query.sort)
        watch = Stopwatch()
        with watch.stage("words"):
            asked = self._read(query)
        with self._database.asking() as session:
            with watch.stage("filters"):
                snapshot = self._open(session, query.filters)
                n_without_clock = 0
                if snapshot is not None and query.recorded is not None:
                    from audiosearch.search.recorded import within_clock  # noqa: PLC0415 - seldom

                    snapshot, n_without_clock = within_clock(snapshot, query.recorded)
            if snapshot is None:
                unknown = () if asked.wanted is None else asked.wanted.unknown
                empty = _nothing(watch, unknown_words=unknown)
                return replace(empty, language=asked.language, translated=asked.translated)
            with watch.stage("spelling"):
                if asked.language is None:
                    asked = asked.respelled(lambda parsed: self._respell(session, parsed))
            search = TextSearch(snapshot, query, asked, scorer=self._scorer, config=self._config)
            result = search.run(watch, like=like)
            if asked.language is None and asked.wanted is not None:
                result = replace(result, language=self._unknown_language(session, asked.wanted))
            shown = (*result.hits, *result.weaker)
            if query.explain and shown and asked.wanted and asked.wanted.has_known:
                with watch.stage("words of hits"):
                    shown = self._explain(session, shown, asked.wanted)
                n_hits = len(result.hits)
                result = replace(result, hits=shown[:n_hits], weaker=shown[n_hits:])
            n_unknown = snapshot.n_unknown
            no_tags = () if result.hits else _unknown_tags(session, query.filters)
        return replace(
            result,
            hits=in_order(result.hits, query.sort, reverse=query.reverse),
            n_unknown=n_unknown,
            unknown_tags=no_tags,
            n_without_clock=n_without_clock,
            timings=watch.seconds,
        )

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
        with self._database.asking() as session:
            with watch.stage("filters"):
                snapshot = self._open(session, query.filters)
            if snapshot is None:
                return _nothing(watch)
            limit = query.limit or self._config.limit
            result = find_similar(snapshot, query, limit=limit, watch=watch)
            no_tags = () if result.hits else _unknown_tags(session, query.filters)
        return replace(result, unknown_tags=no_tags)

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

    def with_meanings(self, descriptions: Iterable[Description]) -> Iterator[Description]:
        """Descriptions of one sound, with numbers for those of which the model says the same."""
        from audiosearch.search.timeline import SentenceMeanings  # noqa: PLC0415 - as `describer`

        if self._tower is None:
            return iter(descriptions)
        return SentenceMeanings(self._tower.embed).numbered(descriptions)

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

    def _read(self, query: TextQuery) -> AskedText:
        """What a query wants and what it excludes.

        Raises:
            QueryError: there is no word in it.
        """
        split = split_negation(query.text)
        excluded = dict.fromkeys((*split.excluded, *query.without))
        texts = (query.text, *query.without)
        if not all(map(self._lexicon.is_english_text, texts)):
            from audiosearch.search.foreign import read_foreign  # noqa: PLC0415 - seldom needed

            is_english = self._lexicon.is_english
            asked = read_foreign(query, is_english=is_english, parse=self._parse)
            if asked is not None:
                return asked
        wanted = self._parse(split.wanted) if split.wanted or not excluded else None
        return AskedText(wanted, tuple(ExcludedText(text, self._parse(text)) for text in excluded))

    @cached_property
    def _lexicon(self) -> Lexicon:
        return Lexicon(self._scorer, self._tower)

    def _parse(self, text: str, sources: Mapping[str, str] | None = None) -> ParsedQuery:
        return parse_query(text, scorer=self._scorer, tower=self._tower, sources=sources)

    def _unknown_language(self, session: Session, parsed: ParsedQuery) -> str | None:
        """Whether a query is in no language that is understood; names of files are in none."""
        words = list(zip(parsed.telling, parsed.is_known, strict=True))
        guessed = set(parsed.corrected.values())
        known = [word.text for word, is_known in words if is_known and word.text not in guessed]
        if any(len(each) > _SHORT for each in known):
            return None
        unknown = [word for word, is_known in words if not is_known]
        if not unknown or any(stands_somewhere(session, word) for word in unknown):
            return None
        return UNDETERMINED

    def _open(self, session: Session, filters: Filters) -> LibrarySnapshot | None:
        return open_snapshot(session, filters, bundle=self._bundle, cache=self._cache)

    def _respell(self, session: Session, parsed: ParsedQuery) -> ParsedQuery:
        """The query with its misspelt words put right."""
        corrected = corrections(session, parsed, bundle=self._bundle)
        if not corrected:
            return parsed
        return replace(self._parse(respelled(parsed.typed, corrected)), corrected=corrected)

    def _explain(
        self, session: Session, hits: Sequence[Hit], parsed: ParsedQuery
    ) -> tuple[Hit, ...]:
        """Hits with how much each word of the query counted for them."""
        frames = window_frames(session, [hit.window_id for hit in hits], dim=self._bundle.frame_dim)
        memory = self._scorer.listen(frames)
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


def _unknown_tags(session: Session, filters: Filters) -> tuple[str, ...]:
    if not filters.tags:
        return ()
    from audiosearch.search.scope import unknown_tags  # noqa: PLC0415 - needs SQLAlchemy

    return unknown_tags(session, filters)
