"""Stored captions for a sound: those near it in the joint space, ranked by the decoder.

The cross-entropies of the best are made comparable by each caption's own scale (Labbé et al. 2023,
https://arxiv.org/abs/2308.15090, section on scaling). Only the choice of candidates takes longer
the more captions there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy.orm import Session

from audiosearch._typing import Doubles, Floats
from audiosearch.model.encoder import Encoded
from audiosearch.model.scoring import CaptionScorer, Heard, TokenIds
from audiosearch.model.text_encoder import TextTower
from audiosearch.search.caption_stats import CaptionStats
from audiosearch.search.normalise import Likeness, Normalise, Scale, ScaleTable, costs, ranked
from audiosearch.search.snapshot import LibrarySnapshot
from audiosearch.store.dialects import commit_token
from audiosearch.store.queries.captions import captions_without_vector
from audiosearch.store.queries.search import (
    StoredText,
    captions_of_windows,
    newest_captions,
    stored_texts,
)
from audiosearch.store.vector_cache import VectorKind
from audiosearch.store.vectors import VectorTable, nearest_ids, stack_blobs, to_blob, unit_rows

# Captions whose own scales are looked up for a window: those that score best without. On held-out
# scenes R@1 is the same as with the scales of all (`benchmarks.caption_ranking`).
SCALED = 40


NewVector = tuple[int, str, Floats]  # of a caption: its id, its text, its vector (J,)


@dataclass(frozen=True)
class CaptionScores:
    """What the model says of captions and one window, all (n,) but `vectors`.

    Attributes:
        cosines: likeness in the joint space; None where there is none.
        vectors: (n, J) of the captions there.
    """

    cross_entropies: Floats  # nats a word
    lifts: Floats  # nats a word
    scores: Doubles  # 0..1
    known: Doubles  # share of the content words that the decoder knows
    cosines: Floats | None = None
    vectors: Floats | None = None


def score_captions(
    texts: Sequence[str],
    tokens: Sequence[TokenIds],
    memory: Heard,
    joint: Floats | None,
    *,
    scorer: CaptionScorer,
    tower: TextTower | None,
) -> CaptionScores:
    """Captions against the one sound of `memory`, whose joint vector (J,) is `joint`."""
    cross_entropies = scorer.cross_entropy(tokens, memory, sounds=[0] * len(tokens))
    lifts: Floats = scorer.without_sound(tokens) - cross_entropies
    cosines = vectors = None
    if tower is not None and joint is not None:
        vectors = unit_rows(tower.embed(texts))
        cosines = vectors @ unit_rows(joint[None])[0]
    lift_weight = np.array([scorer.lift_weight(ids) for ids in tokens])
    scores = scorer.decoder.bundle.score(lift=lifts, cosine=cosines, lift_weight=lift_weight)
    known = np.array([scorer.known(ids) for ids in tokens])
    return CaptionScores(cross_entropies, lifts, scores, known, cosines, vectors)


def caption_candidates(
    snapshot: LibrarySnapshot, encoded: Encoded, *, limit: int, unplaced: VectorTable | None = None
) -> list[StoredText]:
    """The stored captions worth trying on a window: all if they are no more than `limit`.

    Args:
        snapshot: the library.
        encoded: the window.
        limit: how many at most.
        unplaced: vectors of captions of which the library has none (`UnplacedCaptions`).
    """
    few = newest_captions(snapshot.session, limit=limit + 1)
    if len(few) <= limit:
        return few
    if encoded.joint is not None:
        tables = [snapshot.vectors(VectorKind.CAPTION)]
        if unplaced is not None:
            tables.append(unplaced)
        nearest = nearest_ids(tables, encoded.joint, limit)
        if len(nearest):
            return stored_texts(snapshot.session, nearest.tolist())
    # Without a space shared with text: what is said of the windows that sound alike.
    table = snapshot.vectors(VectorKind.EMBEDDING)
    alike, _ = table.top_k(encoded.embedding, 4 * limit)  # many may say the same
    return captions_of_windows(snapshot.session, alike.tolist())[:limit]


class UnplacedCaptions:
    """Captions that have no vector in the library yet: those of other bundles, for the most part.

    They are embedded here, so that they can be candidates as the others are.
    """

    def __init__(self, tower: TextTower) -> None:
        self._tower = tower
        self._made: dict[tuple[int, str], Floats] = {}  # by id and text
        self._table: tuple[tuple[object, ...], VectorTable] | None = None
        self._pending: dict[int, list[NewVector]] = {}  # by bundle

    def table(self, session: Session, *, bundle_id: int) -> VectorTable:
        """Their vectors, of ten thousand of them at most; asked for anew once somebody commits."""
        now = commit_token(session), bundle_id
        if self._table is None or self._table[0] != now:
            self._table = now, self._embed(session, bundle_id)
        return self._table[1]

    def take_pending(self) -> dict[int, list[NewVector]]:
        """By bundle, the vectors embedded since the last call, for whoever may keep them."""
        pending, self._pending = self._pending, {}
        return pending

    def _embed(self, session: Session, bundle_id: int) -> VectorTable:
        wanted = captions_without_vector(session, bundle_id=bundle_id)
        made = {each: self._made[each] for each in wanted if each in self._made}
        new = [each for each in wanted if each not in made]
        if new:
            made |= dict(zip(new, self._tower.embed([text for _, text in new]), strict=True))
        self._made = made
        self._pending[bundle_id] = [(*each, made[each]) for each in wanted]
        # As the library would give them back, so that it makes no difference which it is.
        vectors = [to_blob(made[each]) for each in wanted]
        ids = np.array([caption_id for caption_id, _ in wanted], np.int64)
        return VectorTable(ids=ids, matrix=unit_rows(stack_blobs(vectors)))


@dataclass(frozen=True)
class RankedCaption:
    """A caption at its place in a ranking; `place` counts from 0 in the list that was ranked."""

    place: int
    scaled: float | None


def rank_captions(
    session: Session,
    captions: Sequence[StoredText],
    scores: CaptionScores,
    *,
    how: Normalise,
    caption_stats: CaptionStats | None,
    bundle_id: int | None,
    limit: int,
) -> list[RankedCaption]:
    """The `limit` captions that fit best, best first.

    Where `how` needs scales, a caption's cross-entropy is made comparable by the caption's own
    scale (Labbé et al. 2023, https://arxiv.org/abs/2308.15090, section on scaling).

    Args:
        session: any session.
        captions: those tried.
        scores: what the decoder says of them.
        how: what they are ranked by. Where it needs scales, the best by score are looked at.
        caption_stats: the scales of captions; None where nothing is in the library.
        bundle_id: the bundle in the library; None where nothing is.
        limit: how many at most.
    """
    ids = np.array([each.caption_id for each in captions], dtype=np.int64)
    rows = list(range(len(captions)))
    if how.needs_scale:
        best = np.lexsort((ids, scores.cross_entropies, -scores.scores))
        rows = sorted(best[: max(SCALED, limit)].tolist())
    found: list[Scale | None] = [None] * len(rows)
    if how.needs_scale and caption_stats is not None and bundle_id is not None:
        found = caption_stats.of(session, [captions[row] for row in rows], bundle_id=bundle_id)
    likeness = None
    if how is Normalise.MEAN and caption_stats is not None and bundle_id is not None:
        likeness = likeness_of(
            session, scores, rows, caption_stats=caption_stats, bundle_id=bundle_id
        )
    cost = costs(
        how,
        cross_entropies=scores.cross_entropies[rows],
        lifts=scores.lifts[rows],
        scales=table_of(found),
        likeness=likeness,
    )
    order = ranked(cost, cross_entropies=scores.cross_entropies[rows], ids=ids[rows])[:limit]
    if not how.needs_scale and caption_stats is not None and bundle_id is not None and order:
        shown = [captions[rows[each]] for each in order]
        of_shown = caption_stats.of(session, shown, bundle_id=bundle_id)
        for place, scale in zip(order, of_shown, strict=True):
            found[place] = scale
    return [
        RankedCaption(rows[each], _scaled(found[each], scores.cross_entropies[rows[each]]))
        for each in order
    ]


def likeness_of(
    session: Session,
    scores: CaptionScores,
    rows: Sequence[int],
    *,
    caption_stats: CaptionStats,
    bundle_id: int,
) -> Likeness | None:
    """The likeness of the captions at `rows` with the window, and its scales in the library."""
    if scores.cosines is None or scores.vectors is None:
        return None
    return Likeness(
        cosines=scores.cosines[list(rows)],
        scales=caption_stats.of_likeness(session, scores.vectors[list(rows)], bundle_id=bundle_id),
        known=scores.known[list(rows)],
    )


def table_of(scales: Sequence[Scale | None]) -> ScaleTable | None:
    """The scales of captions as a table; None unless all are known."""
    known = [scale for scale in scales if scale is not None]
    return ScaleTable.stack(known) if known and len(known) == len(scales) else None


def _scaled(scale: Scale | None, cross_entropy: np.float32) -> float | None:
    return None if scale is None else scale.scaled(float(cross_entropy))
