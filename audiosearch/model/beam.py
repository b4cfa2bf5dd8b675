"""Beam search over a step function, many clips at once.

Knows no network, cache or word: tests drive it with tables.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from audiosearch._typing import Bools, Floats, Ints

_NONE = -1  # no token


@dataclass(frozen=True, kw_only=True)
class BeamOptions:
    """How wide and how long a beam searches.

    Attributes:
        width: hypotheses of a clip; 1 is greedy search.
        min_tokens: tokens before EOS may come.
        max_tokens: most tokens, EOS included; a hypothesis may end there without EOS.
        forbid_unknown: whether the unknown word, which no reader can read, is never taken; the
            published models may take it.
    """

    width: int = 3
    min_tokens: int = 3
    max_tokens: int = 20
    forbid_unknown: bool = False

    def __post_init__(self) -> None:
        if self.width < 1 or self.max_tokens < 1 or self.min_tokens < 0:
            raise ValueError("a beam needs width >= 1, max_tokens >= 1 and min_tokens >= 0")


@dataclass(frozen=True)
class Hypothesis:
    """A finished sentence: its ids without the start token, EOS included where it was taken."""

    ids: tuple[int, ...]
    mean_log_prob: float  # nats a token, of what the search allowed
    log_prob: float  # nats in all, as the step function has them


class StepFunction(Protocol):
    """Gives the next-token log-probabilities of a set of rows.

    Called with the last token of each row (R,) and, for each row, the row of the call before
    that it continues (R,). In the first call row i starts clip `parents[i]`. Returns (R, V).
    """

    def __call__(self, tokens: Ints, parents: Ints) -> Floats:
        """One step: (R,) tokens and (R,) parents to (R, V) log-probabilities."""
        ...


@dataclass
class _Beams:
    """The live hypotheses of all clips, one a row; the rows of a clip stand together."""

    clip: Ints  # (R,) the clip of each row
    last: Ints  # (R,) last token
    parent: Ints  # (R,) row of the step before
    total: Floats  # (R,) cumulative log-probability
    heard: list[float]  # the same of what the step function gave
    used: Ints  # (R, S) tokens that this hypothesis may not take again; _NONE for others
    ids: list[tuple[int, ...]]  # tokens without the start token


@dataclass
class _Taken:
    """Rows that go on to the next step, in the making."""

    clip: list[int] = field(default_factory=list)
    parent: list[int] = field(default_factory=list)
    token: list[int] = field(default_factory=list)
    total: list[np.float32] = field(default_factory=list)
    heard: list[float] = field(default_factory=list)


def beam_search(
    step: StepFunction,
    *,
    starts: Iterable[int],
    eos: int,
    vocabulary_size: int,
    options: BeamOptions,
    repeatable: Bools | None,
    unknown: int | None = None,
) -> list[list[Hypothesis]]:
    """The hypotheses of each clip, best mean log-probability first.

    This is the search of Labbé et al. 2023 (https://arxiv.org/abs/2308.15090), which is no textbook
    beam of fixed width:

    1. At step t, EOS is forbidden while t < min_tokens, and so is each token that the hypothesis
       already holds (its start token too) unless repeatable; what is left is renormalised.
    2. The cumulative log-probability of the hypothesis is added, and the k best of the clip's
       hypotheses x vocabulary table are taken, the first in table order on ties.
    3. A hypothesis that took EOS is final, with the score sum / (t + 1), EOS counted; at the last
       step all are. It leaves and k shrinks by one, so no later hypothesis can displace it.
    4. A clip ends when none of its hypotheses is left. The best mean log-probability wins, the
       first on ties.

    Args:
        step: the next-token log-probabilities.
        starts: the start token of each clip (BOS, or the token of a task).
        eos: id of the token that ends a sentence.
        vocabulary_size: V.
        options: width and lengths.
        repeatable: (V,) True where a token may stand twice; None lets all.
        unknown: id of the unknown word, if there is one.

    Raises:
        ValueError: the step function gave NaN.
    """
    tokens = np.asarray(list(starts), dtype=np.int64)
    n_clips = len(tokens)
    finished: list[list[Hypothesis]] = [[] for _ in range(n_clips)]
    if n_clips == 0:
        return finished
    blocked = np.zeros(vocabulary_size, bool) if repeatable is None else ~repeatable
    never = [unknown] if unknown is not None and options.forbid_unknown else []
    beams = _start(tokens, blocked, never)
    for t in range(options.max_tokens):
        log_probs = step(beams.last, beams.parent)
        counts = [options.width - len(slots) for slots in finished]
        early = eos if t < options.min_tokens else None
        tokens, totals = _best(log_probs, beams, eos=early, most=max(counts))
        chosen = _chosen(tokens, totals, beams.clip, counts)
        final_step = t == options.max_tokens - 1
        taken = _take(beams, log_probs, chosen, finished, eos=eos, final=final_step)
        if not taken.clip:
            break
        beams = _advance(beams, taken, blocked)
    return [sorted(slots, key=lambda h: -h.mean_log_prob) for slots in finished]


def _start(tokens: Ints, blocked: Bools, never: Sequence[int]) -> _Beams:
    rows = np.arange(len(tokens), dtype=np.int64)
    started = np.where(blocked[tokens], tokens, _NONE)
    return _Beams(
        clip=rows,
        last=tokens,
        parent=rows,
        total=np.zeros(len(tokens), dtype=np.float32),
        heard=[0.0] * len(tokens),
        used=np.column_stack([started, *(np.full_like(tokens, each) for each in never)]),
        ids=[()] * len(tokens),
    )


def _best(log_probs: Floats, beams: _Beams, *, eos: int | None, most: int) -> tuple[Ints, Floats]:
    """The `most` best tokens of each row (R, most), best first, and the totals that they give.

    Of `log_probs` (R, V) without what a hypothesis may not take, renormalised: masking them and
    renormalising equals masking logits before the log-softmax. Of equal ones the first token comes
    first. A row that may take fewer has totals of minus infinity.
    """
    if np.isnan(log_probs.max()):
        raise ValueError("the step function gave NaN")
    left = log_probs.copy()
    rows, places = np.nonzero(beams.used != _NONE)
    left[rows, beams.used[rows, places]] = -np.inf
    if eos is not None:
        left[:, eos] = -np.inf
    norm = _log_sum(left)
    each = np.arange(len(left))
    tokens = np.empty((len(left), min(most, left.shape[1])), dtype=np.int64)
    totals = np.empty(tokens.shape, dtype=np.float32)
    for place in range(tokens.shape[1]):  # a beam is so narrow that sorting would take longer
        best = tokens[:, place] = left.argmax(axis=1)
        totals[:, place] = left[each, best]
        left[each, best] = -np.inf
    totals -= norm
    totals += beams.total[:, None]
    return tokens, totals


def _log_sum(log_probs: Floats) -> Floats:
    """The logarithm (R, 1) of the sum of a row's probabilities; 0 where all are minus infinity."""
    peak = log_probs.max(axis=1, keepdims=True)
    peak[np.isneginf(peak)] = 0.0
    shares = log_probs - peak
    np.exp(shares, out=shares)
    with np.errstate(divide="ignore"):
        norm: Floats = np.log(shares.sum(axis=1, keepdims=True)) + peak
    norm[np.isneginf(norm)] = 0.0
    return norm


def _chosen(
    tokens: Ints, totals: Floats, clip: Ints, counts: Sequence[int]
) -> list[tuple[int, int, np.float32]]:
    """Row, token and total of each clip's `counts` best, of those of its rows, clip by clip.

    The greatest come first, and of equal ones the first row; never minus infinity.
    """
    rows, places = np.nonzero(totals > -np.inf)
    found: list[tuple[int, int, np.float32]] = []
    n_left = list(counts)
    order = np.lexsort((-totals[rows, places], clip[rows]))  # stable
    for row, place in zip(rows[order].tolist(), places[order].tolist(), strict=True):
        of_clip = clip[row]
        if n_left[of_clip] > 0:
            n_left[of_clip] -= 1
            found.append((row, int(tokens[row, place]), totals[row, place]))
    return found


def _take(
    beams: _Beams,
    log_probs: Floats,
    chosen: Sequence[tuple[int, int, np.float32]],
    finished: list[list[Hypothesis]],
    *,
    eos: int,
    final: bool,
) -> _Taken:
    """What is `chosen`, row, token and total: finished ones to `finished`, others on."""
    taken = _Taken()
    clips = beams.clip.tolist()
    for row, token, total in chosen:
        heard = beams.heard[row] + float(log_probs[row, token])
        if final or token == eos:
            ids = (*beams.ids[row], token)
            finished[clips[row]].append(Hypothesis(ids, float(total) / len(ids), heard))
        else:
            taken.clip.append(clips[row])
            taken.parent.append(row)
            taken.token.append(token)
            taken.total.append(total)
            taken.heard.append(heard)
    # A vocabulary so small that every token is used up.
    for clip in set(clips) - {clips[row] for row, _, _ in chosen}:
        finished[clip] += [
            Hypothesis(
                beams.ids[row],
                float(beams.total[row]) / max(len(beams.ids[row]), 1),
                beams.heard[row],
            )
            for row, of_clip in enumerate(clips)
            if of_clip == clip
        ]
    return taken


def _advance(beams: _Beams, taken: _Taken, blocked: Bools) -> _Beams:
    parent = np.asarray(taken.parent, dtype=np.int64)
    last = np.asarray(taken.token, dtype=np.int64)
    return _Beams(
        clip=np.asarray(taken.clip, dtype=np.int64),
        last=last,
        parent=parent,
        total=np.asarray(taken.total, dtype=np.float32),
        heard=taken.heard,
        used=np.column_stack([beams.used[parent], np.where(blocked[last], last, _NONE)]),
        ids=[(*beams.ids[row], token) for row, token in zip(parent, taken.token, strict=True)],
    )
