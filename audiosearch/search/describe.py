"""From sound to text: the model's own sentence, the stored captions that fit best, and labels.

The library is only read: what is worth keeping of an answer is handed out (`take_derived`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy.orm import Session

from audiosearch.config import SearchConfig
from audiosearch.model.bundle import Bundle
from audiosearch.model.captioner import Captioner
from audiosearch.model.encoder import Encoded
from audiosearch.model.scoring import CaptionScorer, Heard
from audiosearch.model.text_encoder import TextTower
from audiosearch.search.audio_to_text import (
    CaptionScores,
    NewVector,
    UnplacedCaptions,
    caption_candidates,
    rank_captions,
    score_captions,
)
from audiosearch.search.caption_stats import CaptionStats, DecoderListener, NewScale
from audiosearch.search.explain import explain
from audiosearch.search.filters import Filters
from audiosearch.search.normalise import Normalise
from audiosearch.search.results import CaptionFit, Description, EncodedWindow, LabelFit
from audiosearch.search.snapshot import LibrarySnapshot, SnapshotCache, open_snapshot
from audiosearch.search.zero_shot import Label, Labeller
from audiosearch.store.database import Database
from audiosearch.store.queries.bundles import find_bundle_id
from audiosearch.store.queries.search import StoredText, newest_captions
from audiosearch.store.schema import CaptionSource
from audiosearch.store.vectors import VectorTable

TRIED = 200  # captions that the decoder compares with one window
MODEL = "model"  # the source of the model's own sentence


@dataclass(frozen=True)
class Derived:
    """What answers took time to compute, by bundle id; anybody could compute it again."""

    scales: Mapping[int, Sequence[NewScale]]
    vectors: Mapping[int, Sequence[NewVector]]  # of captions that had none


class Describer:
    """Says what is heard in windows, by what one bundle has encoded in one library."""

    def __init__(
        self,
        *,
        database: Database,
        bundle: Bundle,
        scorer: CaptionScorer,
        tower: TextTower | None,
        config: SearchConfig,
        cache: SnapshotCache,
    ) -> None:
        self._database = database
        self._bundle = bundle
        self._scorer = scorer
        self._tower = tower
        self._config = config
        self._cache = cache
        self._captioner = Captioner(scorer.decoder)
        self._unplaced = None if tower is None else UnplacedCaptions(tower)
        self._caption_stats = CaptionStats(listener=DecoderListener(scorer), size=config.scale_size)
        self._labeller = Labeller(scorer=scorer, tower=tower, caption_stats=self._caption_stats)

    def describe(
        self,
        windows: Sequence[EncodedWindow],
        *,
        limit: int,
        normalise: Normalise | None = None,
        explain: bool = False,
    ) -> list[Description]:
        """Captions for windows of a sound, in the order of the windows; silent ones have none.

        For each the model's own sentence, then at most `limit` stored captions, best first by
        `normalise` (None: as configured); with `explain`, the words of each.
        """
        with self._database.reading() as session:
            return self._describe(
                session, windows, limit=limit, how=self._how(normalise), explained=explain
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
                how=self._how(normalise),
                bundle_id=self._bundle_id(session),
            )

    def refresh_scales(self, *, limit: int) -> None:
        """Bring up to date at most `limit` of the scales of captions that the library keeps."""
        with self._database.reading() as session:
            bundle_id = self._bundle_id(session)
            if bundle_id is not None:
                self._caption_stats.refresh(session, bundle_id=bundle_id, limit=limit)

    def take_derived(self) -> Derived:
        """What was computed since the last call and is worth keeping."""
        return Derived(
            scales=self._caption_stats.take_pending(),
            vectors={} if self._unplaced is None else self._unplaced.take_pending(),
        )

    def _how(self, normalise: Normalise | None) -> Normalise:
        return normalise or Normalise(self._config.normalise)

    def _bundle_id(self, session: Session) -> int | None:
        return find_bundle_id(session, fingerprint=self._bundle.fingerprint)

    def _describe(
        self,
        session: Session,
        windows: Sequence[EncodedWindow],
        *,
        limit: int,
        how: Normalise,
        explained: bool,
    ) -> list[Description]:
        bundle_id = self._bundle_id(session)
        unplaced = None
        if self._unplaced is not None and bundle_id is not None:
            unplaced = self._unplaced.table(session, bundle_id=bundle_id)
        snapshot = open_snapshot(session, Filters(), bundle=self._bundle, cache=self._cache)
        encoded = [window.encoded for window in windows if window.encoded is not None]
        sentences = iter(self._captioner.captions([each.frames for each in encoded]))
        descriptions = []
        for window in windows:
            fits: tuple[CaptionFit, ...] = ()
            if window.encoded is not None:
                memory = self._scorer.listen([window.encoded.frames])
                sentence = next(sentences).text
                captions = (
                    self._candidates(
                        session, snapshot, window.encoded, own=sentence, unplaced=unplaced
                    )
                    if limit
                    else []
                )
                fits = (
                    *self._own_sentence(sentence, memory, window.encoded),
                    *self._stored(
                        session, snapshot, captions, window.encoded, memory, limit=limit, how=how
                    ),
                )
                fits = self._explained(fits, memory) if explained else fits
            descriptions.append(
                Description(start_s=window.start_s, end_s=window.end_s, captions=fits)
            )
        return descriptions

    def _candidates(
        self,
        session: Session,
        snapshot: LibrarySnapshot | None,
        encoded: Encoded,
        *,
        own: str,
        unplaced: VectorTable | None,
    ) -> list[StoredText]:
        captions = (
            newest_captions(session, limit=TRIED)
            if snapshot is None
            else caption_candidates(snapshot, encoded, limit=TRIED, unplaced=unplaced)
        )
        # The same sentence, if the model said it before, would be no other answer.
        return [
            caption
            for caption in captions
            if caption.text != own or caption.source != CaptionSource.AUTO
        ]

    def _own_sentence(self, text: str, memory: Heard, encoded: Encoded) -> list[CaptionFit]:
        """The model's own sentence. It has no scale: it competes with nothing."""
        if not text:
            return []
        mine = StoredText(caption_id=0, text=text, source=MODEL)
        return [_fit(mine, self._score([mine], memory, encoded), 0, rank=0, scaled=None)]

    def _stored(
        self,
        session: Session,
        snapshot: LibrarySnapshot | None,
        captions: Sequence[StoredText],
        encoded: Encoded,
        memory: Heard,
        *,
        limit: int,
        how: Normalise,
    ) -> list[CaptionFit]:
        """The captions that fit best, ranks from 1."""
        if not captions:
            return []
        scores = self._score(captions, memory, encoded)
        order = rank_captions(
            session,
            captions,
            scores,
            how=how,
            caption_stats=self._caption_stats,
            bundle_id=None if snapshot is None else snapshot.bundle_id,
            limit=limit,
        )
        return [
            _fit(captions[each.place], scores, each.place, rank=rank, scaled=each.scaled)
            for rank, each in enumerate(order, start=1)
        ]

    def _score(
        self, captions: Sequence[StoredText], memory: Heard, encoded: Encoded
    ) -> CaptionScores:
        texts = [caption.text for caption in captions]
        tokens = [self._scorer.encode(text) for text in texts]
        return score_captions(
            texts, tokens, memory, encoded.joint, scorer=self._scorer, tower=self._tower
        )

    def _explained(self, fits: Sequence[CaptionFit], memory: Heard) -> tuple[CaptionFit, ...]:
        words = explain(
            [fit.text for fit in fits], memory, sounds=[0] * len(fits), scorer=self._scorer
        )
        return tuple(replace(fit, words=own) for fit, own in zip(fits, words, strict=True))


def _fit(
    caption: StoredText, scores: CaptionScores, place: int, *, rank: int, scaled: float | None
) -> CaptionFit:
    return CaptionFit(
        rank=rank,
        text=caption.text,
        score=float(scores.scores[place]),
        cross_entropy=float(scores.cross_entropies[place]),
        lift=float(scores.lifts[place]),
        scaled=scaled,
        source=caption.source,
    )
