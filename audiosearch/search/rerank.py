"""The second step of a query: the decoder listens to each candidate, and what it hears is ranked.

It listens to stored frames, a block at a time: no audio is opened, and a whole library needs no
more memory than a few windows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from audiosearch._typing import Doubles, Floats, Ids
from audiosearch.model.scoring import CaptionScorer, TokenIds
from audiosearch.search.candidates import Candidates
from audiosearch.search.query import ParsedQuery
from audiosearch.search.snapshot import LibrarySnapshot
from audiosearch.search.written import TextMatches
from audiosearch.store.queries.frames import window_frames

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

BLOCK = 64  # windows whose keys and values are in memory together
_BLOCK_FRAMES = 256  # of those whose frames alone are: fewer runs of the graph, none of them short


@dataclass(frozen=True)
class RerankScores:
    """What the decoder says of windows, all (n,), in the order of `window_ids`."""

    window_ids: Ids
    cross_entropies: Floats  # nats a word
    lifts: Floats  # nats a word


@dataclass(frozen=True)
class SoundScores:
    """What the model says of windows, in their order."""

    reranked: RerankScores | None  # None where the decoder knows none of the words
    scores: Doubles  # (n,) in 0..1, greater is better


@dataclass(frozen=True, kw_only=True)
class ScoredWindow:
    """A window that matched, with what was computed of it."""

    window_id: int
    score: float | None = None
    cross_entropy: float | None = None
    lift: float | None = None
    similarity: float | None = None


def rerank(
    session: Session, window_ids: Ids, *, tokens: TokenIds, scorer: CaptionScorer
) -> RerankScores:
    """Cross-entropy of a query given each window, and how much the sound adds to it."""
    parts = [np.zeros(0, np.float32)]
    dim = scorer.decoder.bundle.frame_dim
    block = BLOCK if scorer.decoder.scoring is None else _BLOCK_FRAMES
    for start in range(0, len(window_ids), block):
        some = window_ids[start : start + block].tolist()
        memory = scorer.listen(window_frames(session, some, dim=dim))
        parts.append(scorer.cross_entropy([tokens] * len(some), memory))
    cross_entropies: Floats = np.concatenate(parts)
    [alone] = scorer.without_sound([tokens])
    lifts: Floats = alone - cross_entropies
    return RerankScores(window_ids, cross_entropies, lifts)


def score_windows(
    snapshot: LibrarySnapshot,
    parsed: ParsedQuery,
    candidates: Candidates,
    *,
    scorer: CaptionScorer,
) -> SoundScores | None:
    """What the model says of the candidates; None where the words mean nothing to it.

    Where the decoder knows none of the words, the joint space alone counts.
    """
    if not parsed.has_meaning:
        return None
    window_ids = candidates.window_ids
    reranked = None
    if parsed.has_known:
        reranked = rerank(snapshot.session, window_ids, tokens=parsed.tokens, scorer=scorer)
    cosines = None
    if parsed.vector is not None:
        cosines = snapshot.joint_cosines(parsed.vector, window_ids)
    lifts = np.zeros(len(window_ids), np.float32) if reranked is None else reranked.lifts
    lift_weight = scorer.lift_weight(parsed.tokens)
    scores = snapshot.bundle.score(lift=lifts, cosine=cosines, lift_weight=lift_weight)
    return SoundScores(reranked, scores)


def rank_windows(
    snapshot: LibrarySnapshot,
    parsed: ParsedQuery,
    candidates: Candidates,
    heard: SoundScores | None,
    matches: TextMatches,
) -> list[ScoredWindow]:
    """The candidates by what is heard in them and written of them, best first.

    Of equals, the likeliest come first. Those that a person captioned with the query come before
    all others, with the full score.

    Args:
        snapshot: the bundle that puts both together.
        parsed: the query.
        candidates: the windows.
        heard: what the model says of them; None where the words mean nothing to it. Those of which
            no word is written are then left out.
        matches: the words that are written of them.
    """
    window_ids = candidates.window_ids
    scores = snapshot.bundle.score.with_texts(
        np.zeros(len(window_ids)) if heard is None else heard.scores,
        matched=matches.matched,
        is_known=np.array(parsed.is_known, np.bool_) & (heard is not None),
    )
    reranked = None if heard is None else heard.reranked
    ranked = [
        ScoredWindow(
            window_id=int(window_ids[row]),
            score=float(scores[row]),
            cross_entropy=None if reranked is None else float(reranked.cross_entropies[row]),
            lift=None if reranked is None else float(reranked.lifts[row]),
        )
        for row in np.lexsort((_positions(window_ids, candidates.likeliest), -scores)).tolist()
        if heard is not None or matches.matched[row].any()
    ]
    return boost_exact_captions(ranked, candidates.captioned)


def boost_exact_captions(ranked: Sequence[ScoredWindow], captioned: Ids) -> list[ScoredWindow]:
    """The windows that matched, those of `captioned` in front and with the full score."""
    exact = set(captioned.tolist())
    ahead = [replace(each, score=1.0) for each in ranked if each.window_id in exact]
    return ahead + [each for each in ranked if each.window_id not in exact]


def _positions(window_ids: Ids, order: Ids) -> Ids:
    """Where each window (n,) stands in `order`; those that are not in it come last, by id."""
    places = {window_id: place for place, window_id in enumerate(order.tolist())}
    found = [places.get(each, len(places) + row) for row, each in enumerate(window_ids.tolist())]
    return np.array(found, np.int64)
