"""One query by words, answered: candidates, what the decoder says, what is excluded, what is shown.

`SearchEngine` reads the query and opens the library; the steps that it takes stand here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from audiosearch._timing import Stopwatch
from audiosearch._typing import Floats
from audiosearch.config import SearchConfig
from audiosearch.model.scoring import CaptionScorer
from audiosearch.search.candidates import Candidates, find_candidates
from audiosearch.search.hits import best_window_per_recording, show, with_matches
from audiosearch.search.query import ExcludedText, ParsedQuery
from audiosearch.search.rerank import ScoredWindow, rank_windows, score_windows
from audiosearch.search.results import FindResult, Hit, TextQuery
from audiosearch.search.snapshot import LibrarySnapshot
from audiosearch.search.written import TextMatches, match_texts, with_unknown
from audiosearch.store.queries.search import WindowSpan
from audiosearch.store.queries.word_matches import unheard_files
from audiosearch.store.vectors import top_positions

if TYPE_CHECKING:  # loaded where it is needed: most queries exclude nothing
    from audiosearch.search.exclusion import ExclusionJudge, Penalties
    from audiosearch.search.moments import Moment


MOST_WEAK = 5  # weak matches that are shown


@dataclass(frozen=True)
class AskedText:
    """A query by words, read.

    Attributes:
        wanted: what is to be heard; None where nothing is.
        excluded: what is not.
        language: the language that it was read in; None for English.
        translated: what it was read as; None for English.
    """

    wanted: ParsedQuery | None
    excluded: tuple[ExcludedText, ...]
    language: str | None = None
    translated: str | None = None

    def respelled(self, put_right: Callable[[ParsedQuery], ParsedQuery]) -> AskedText:
        """The same with misspelt words put right."""
        return replace(
            self,
            wanted=None if self.wanted is None else put_right(self.wanted),
            excluded=tuple(replace(x, parsed=put_right(x.parsed)) for x in self.excluded),
        )


@dataclass(frozen=True)
class _Alike:
    """How like windows are to the sounds that were given with the words, by window id."""

    likeness: dict[int, float]
    most: tuple[int, ...]  # the likest, best first


class TextSearch:
    """The answer to one query from one state of a library."""

    def __init__(
        self,
        snapshot: LibrarySnapshot,
        query: TextQuery,
        asked: AskedText,
        *,
        scorer: CaptionScorer,
        config: SearchConfig,
    ) -> None:
        self._snapshot = snapshot
        self._query = query
        self._asked = asked
        self._scorer = scorer
        self._config = config

    def run(self, watch: Stopwatch, *, like: Sequence[Floats]) -> FindResult:
        """What is found; its `timings` are for whoever holds `watch`."""
        if self._asked.wanted is None:
            with watch.stage("decoder"):
                result = self._others(like=like)
        elif self._query.moments is not None:
            with watch.stage("moments"):
                result = self._moments(self._asked.wanted, like=like)
        else:
            result = self._recordings(self._asked.wanted, watch, like=like)
        put_right = {
            word: meant
            for each in self._asked.excluded
            for word, meant in each.parsed.corrected.items()
        }
        return replace(
            result,
            excluded=tuple(each.text for each in self._asked.excluded),
            corrected=put_right | dict(result.corrected),
            language=self._asked.language,
            translated=self._asked.translated,
            moments=self._query.moments is not None,
        )

    def _judge(self) -> ExclusionJudge:
        from audiosearch.search.exclusion import ExclusionJudge  # noqa: PLC0415 - seldom needed
        from audiosearch.search.moments import MomentListener  # noqa: PLC0415

        return ExclusionJudge(MomentListener(self._scorer))

    @property
    def _limit(self) -> int:
        return self._query.limit or self._config.limit

    @property
    def _least(self) -> float:
        """The least score that is shown."""
        if self._query.min_score is not None or not self._query.like:
            return self._least_by_words
        return _both(self._least_by_words, self._snapshot.bundle.score.like, self._query)

    @property
    def _least_by_words(self) -> float:
        """The least score of what is heard alone, before any likeness counts."""
        if self._query.min_score is not None:
            return self._query.min_score
        setting = self._config.min_score
        return setting if setting >= 0 else self._snapshot.bundle.score.min_score

    @property
    def _least_weak(self) -> float:
        """The least score that is shown as a weak match; `_least` where there are to be none."""
        if self._query.min_score is not None or self._config.min_score >= 0:
            return self._least
        score, query = self._snapshot.bundle.score, self._query
        return _both(score.least_weak, score.weakly_like, query) if query.like else score.least_weak

    @property
    def _floors(self) -> tuple[float, float]:
        """The model's least scores of good and weak matches by words, whatever is asked for."""
        score = self._snapshot.bundle.score
        return score.min_score, score.least_weak

    def _recordings(
        self, parsed: ParsedQuery, watch: Stopwatch, *, like: Sequence[Floats]
    ) -> FindResult:
        """The best stretch of each recording."""
        snapshot, query = self._snapshot, self._query
        with watch.stage("candidates"):
            alike = self._alike(like) if like else None
            candidates = find_candidates(
                snapshot,
                parsed,
                limit=self._config.candidates,
                exhaustive_below=None if query.exhaustive else self._config.exhaustive_below,
                alike=None if alike is None else np.array(alike.most, np.int64),
            )
        with watch.stage("decoder"):
            heard = score_windows(snapshot, parsed, candidates, scorer=self._scorer)
        with watch.stage("texts"):
            matches = match_texts(snapshot.session, parsed, candidates.in_order, snapshot.scope)
            ranked = rank_windows(snapshot, parsed, candidates, heard, matches)
        if alike is not None:
            ranked = _with_likeness(ranked, alike, query)
        n_ranked = len(ranked)
        best = best_window_per_recording(ranked, candidates.spans)
        good = self._good_enough(best)
        n_heard, n_weak, penalties = len(good), len(best) - len(good), None
        if self._asked.excluded:
            with watch.stage("excluded"):
                left, penalties = self._penalised(self._good_enough(ranked))
                good = self._good_enough(best_window_per_recording(left, candidates.spans))
        with watch.stage("hits"):
            result = self._answer(parsed, candidates, matches, good, penalties)
            weaker = self._weaker(best, candidates.spans, matches, n_hits=len(result.hits))
        return replace(
            result,
            weaker=with_matches(snapshot.session, weaker, parsed, matches),
            n_candidates=n_ranked,
            n_below_min_score=n_weak,
            n_excluded=n_heard - len(good),
        )

    def _good_enough(self, found: Sequence[ScoredWindow]) -> list[ScoredWindow]:
        """Those that reach the least score."""
        return [each for each in found if each.score is not None and each.score >= self._least]

    def _weaker(
        self,
        best: Sequence[ScoredWindow],
        spans: Mapping[int, WindowSpan],
        matches: TextMatches,
        *,
        n_hits: int,
    ) -> tuple[Hit, ...]:
        """The weak matches that are shown after so many hits."""
        n_most = min(MOST_WEAK, self._limit - n_hits)
        weak = [
            x for x in best if x.score is not None and self._least_weak <= x.score < self._least
        ]
        if n_most <= 0 or not weak:
            return ()
        penalties = None
        if self._asked.excluded:
            left, penalties = self._penalised(weak[: self._limit])
            weak = [each for each in left if (each.score or 0.0) >= self._least_weak]
        hits = _with_fits(self._shown(weak, spans, matches, limit=n_most), penalties)
        return tuple(replace(hit, rank=hit.rank + n_hits, weak=True) for hit in hits)

    def _penalised(self, found: Sequence[ScoredWindow]) -> tuple[list[ScoredWindow], Penalties]:
        """Windows best first with what is left of their scores."""
        from audiosearch.search.exclusion import penalised  # noqa: PLC0415 - seldom needed

        ids = [each.window_id for each in found]
        good, weak = self._floors
        if self._query.like:
            score = self._snapshot.bundle.score
            good = _both(good, score.like, self._query)
            weak = _both(weak, score.weakly_like, self._query)
        penalties = self._judge().judge(
            self._snapshot, self._asked.excluded, ids, floors=(good, weak)
        )
        return penalised(found, penalties), penalties

    def _answer(
        self,
        parsed: ParsedQuery,
        candidates: Candidates,
        matches: TextMatches,
        good: Sequence[ScoredWindow],
        penalties: Penalties | None,
    ) -> FindResult:
        """What is shown of the windows that matched, and what a reader of it must know."""
        snapshot, session = self._snapshot, self._snapshot.session
        hits = self._shown(good, candidates.spans, matches)
        hits = with_matches(session, hits, parsed, matches)
        named = with_unknown(matches, parsed, candidates.in_order)
        unheard: tuple[bytes, ...] = ()
        if not hits:
            bundle_id = snapshot.bundle_id
            unheard = unheard_files(session, parsed.telling, snapshot.scope, bundle_id=bundle_id)
        return FindResult(
            hits=_with_fits(hits, penalties),
            unknown_words=parsed.unknown,
            n_left_out=parsed.n_left_out,
            read_as=parsed.read_as,
            corrected=parsed.corrected,
            weak=not parsed.has_meaning,
            exhaustive=candidates.exhaustive,
            n_windows=snapshot.n_windows,
            n_candidates=0,
            n_more=_not_shown(good, hits),
            n_with_unknown=0 if any(x.recording_id in named for x in hits) else len(named),
            unheard=unheard,
            timings={},
        )

    def _shown(
        self,
        good: Sequence[ScoredWindow],
        spans: Mapping[int, WindowSpan],
        matches: TextMatches | None = None,
        limit: int | None = None,
    ) -> tuple[Hit, ...]:
        return show(
            self._snapshot.session,
            good,
            spans,
            scope=self._snapshot.scope,
            limit=self._limit if limit is None else limit,
            fold_above=self._config.fold_similarity,
            files={} if matches is None else matches.files,
        )

    def _moments(self, parsed: ParsedQuery, *, like: Sequence[Floats]) -> FindResult:
        """Every stretch in which the words are heard."""
        snapshot, query = self._snapshot, self._query
        assert query.moments is not None
        from audiosearch.search.exclusion import penalised_moments  # noqa: PLC0415 - seldom needed
        from audiosearch.search.moment_hits import (  # noqa: PLC0415
            per_file,
            show_moments,
            with_written,
        )
        from audiosearch.search.moments import MomentListener  # noqa: PLC0415

        listener = MomentListener(self._scorer)
        least = self._least_by_words
        heard = listener.find(snapshot, parsed, least=least, every=query.exhaustive)
        found = with_written(snapshot, parsed, heard, least=least)
        moments, penalties, n_excluded = self._when_wanted(found.moments), None, 0
        if self._asked.excluded and moments:
            ids = sorted({each.window_id for each in moments})
            penalties = self._judge().judge(
                snapshot, self._asked.excluded, ids, floors=self._floors
            )
            left = penalised_moments(moments, penalties)
            moments = [each for each in left if each.score >= least]
            n_excluded = len(left) - len(moments)
        likeness: Mapping[int, float] = {}
        if like:
            likeness = self._alike(like).likeness
            moments = _moments_with_likeness(moments, likeness, query)
            moments = [each for each in moments if each.score >= self._least]
        kept = per_file(moments, query.moments.per_file)
        hits = show_moments(
            snapshot, parsed, kept, found.matches, options=query.moments, limit=query.limit
        )
        return FindResult(
            hits=_with_fits(_with_similarity(hits, likeness), penalties),
            unknown_words=parsed.unknown,
            n_left_out=parsed.n_left_out,
            read_as=parsed.read_as,
            corrected=parsed.corrected,
            weak=not parsed.has_meaning,
            exhaustive=not heard.n_unheard,
            n_windows=snapshot.n_windows,
            n_candidates=heard.n_candidates,
            n_more=len(kept) - len(hits),
            n_excluded=n_excluded,
            n_unheard=heard.n_unheard,
            timings={},
        )

    def _when_wanted(self, moments: list[Moment]) -> list[Moment]:
        if self._query.recorded is None:
            return moments
        from audiosearch.search.recorded import moments_within  # noqa: PLC0415 - seldom needed

        return moments_within(self._snapshot.session, moments, self._query.recorded)

    def _others(self, *, like: Sequence[Floats]) -> FindResult:
        """All that is not excluded, where no words are asked for; the likest first, if any are."""
        from audiosearch.search.exclusion import (  # noqa: PLC0415 - seldom needed
            HEARD,
            moments_of_others,
            share_left,
        )
        from audiosearch.search.moment_hits import per_file, show_moments  # noqa: PLC0415

        snapshot, query = self._snapshot, self._query
        found, penalties, spans = self._judge().others(snapshot, self._asked.excluded)
        n_found = len(found)
        least = share_left(np.array([HEARD])) if query.min_score is None else query.min_score
        alike = self._alike(like) if like else None
        likeness = {} if alike is None else alike.likeness
        # Of what is left, what is like the sounds.
        like_at = snapshot.bundle.score.like
        least_like = least if query.min_score is not None else _both(least, like_at, query)
        if query.moments is not None:
            moments = self._when_wanted(moments_of_others(found, spans, least=least))
            if like:
                moments = _moments_with_likeness(moments, likeness, query)
                moments = [each for each in moments if each.score >= least_like]
            kept = per_file(moments, query.moments.per_file)
            hits = _with_similarity(
                show_moments(snapshot, None, kept, None, options=query.moments, limit=query.limit),
                likeness,
            )
            n_more, n_excluded = len(kept) - len(hits), 0
        else:
            n_all = len({spans[each.window_id].recording_id for each in found})
            found = [each for each in found if (each.score or 0.0) >= least]
            if alike is not None:
                found = _with_likeness(found, alike, query)
                found = [each for each in found if (each.score or 0.0) >= least_like]
            good = best_window_per_recording(found, spans)
            hits, n_excluded = self._shown(good, spans), n_all - len(good)
            n_more = _not_shown(good, hits)
        return FindResult(
            hits=_with_fits(hits, penalties),
            only_excluded=not like,
            exhaustive=n_found == len(snapshot.every_window()),
            n_windows=snapshot.n_windows,
            n_candidates=n_found,
            n_more=n_more,
            n_excluded=n_excluded,
            timings={},
        )

    def _alike(self, like: Sequence[Floats]) -> _Alike:
        from audiosearch.search.similar import likeness_to_examples  # noqa: PLC0415 - seldom needed

        kind = self._snapshot.any_kind
        ids, likeness = likeness_to_examples(self._snapshot, like, kind=kind)
        best = ids[top_positions(likeness, self._config.candidates)]
        by_window = dict(zip(ids.tolist(), likeness.tolist(), strict=True))
        return _Alike(by_window, tuple(best.tolist()))


def _not_shown(good: Sequence[ScoredWindow], hits: Sequence[Hit]) -> int:
    """How many recordings match, but are neither shown nor folded into those that are."""
    return len(good) - len(hits) - sum(hit.n_alike for hit in hits)


def _with_likeness(
    found: Sequence[ScoredWindow], alike: _Alike, query: TextQuery
) -> list[ScoredWindow]:
    """Windows best first by words and likeness together."""
    together = [
        replace(
            each,
            score=_together(each.score or 0.0, alike.likeness, each.window_id, query),
            similarity=alike.likeness.get(each.window_id, 0.0),
        )
        for each in found
    ]
    return sorted(together, key=lambda each: -(each.score or 0.0))


def _moments_with_likeness(
    moments: Sequence[Moment], likeness: Mapping[int, float], query: TextQuery
) -> list[Moment]:
    return [
        replace(each, score=_together(each.score, likeness, each.window_id, query))
        for each in moments
    ]


def _with_similarity(hits: Sequence[Hit], likeness: Mapping[int, float]) -> tuple[Hit, ...]:
    """Hits of moments with how like their windows are to the sounds that were given."""
    if not likeness:
        return tuple(hits)
    return tuple(replace(hit, similarity=likeness.get(hit.window_id, 0.0)) for hit in hits)


def _together(
    score: float, likeness: Mapping[int, float], window_id: int, query: TextQuery
) -> float:
    """The weighted geometric mean of a score by words and a likeness.

    Either may rule a window out, as "in the rain" and "like this bark" should.
    """
    return _both(score, max(likeness.get(window_id, 0.0), 0.0), query)


def _both(score: float, likeness: float, query: TextQuery) -> float:
    weight = query.like_weight
    return float(score ** (1 - weight) * likeness**weight)


def _with_fits(hits: Sequence[Hit], penalties: Penalties | None) -> tuple[Hit, ...]:
    """Hits with how well each excluded text fits them."""
    if penalties is None:
        return tuple(hits)
    return tuple(replace(hit, excluded=penalties.fits[hit.window_id]) for hit in hits)
