"""The second step of a query: the decoder listens to each candidate.

In go a query's tokens and windows, out come cross-entropy and lift of each, from the stored
frames: no audio is opened. Frames are read and scored in blocks, so that listening to a whole
library needs no more memory than listening to a few windows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sqlalchemy.orm import Session

from audiosearch._typing import Floats, Ids
from audiosearch.model.scoring import CaptionScorer, TokenIds
from audiosearch.store.queries.search import window_frames

BLOCK = 64  # windows whose keys and values are in memory together


@dataclass(frozen=True)
class RerankScores:
    """What the decoder says of windows, all (n,), in the order of `window_ids`."""

    window_ids: Ids
    cross_entropies: Floats  # nats a word
    lifts: Floats  # nats a word


def rerank(
    session: Session, window_ids: Ids, *, tokens: TokenIds, scorer: CaptionScorer
) -> RerankScores:
    """Cross-entropy of a query given each window, and how much the sound adds to it."""
    parts = [np.zeros(0, np.float32)]
    dim = scorer.decoder.bundle.frame_dim
    for start in range(0, len(window_ids), BLOCK):
        some = window_ids[start : start + BLOCK].tolist()
        memory = scorer.decoder.memory(window_frames(session, some, dim=dim))
        parts.append(scorer.cross_entropy([tokens] * len(some), memory))
    cross_entropies: Floats = np.concatenate(parts)
    [alone] = scorer.without_sound([tokens])
    lifts: Floats = alone - cross_entropies
    return RerankScores(window_ids, cross_entropies, lifts)
