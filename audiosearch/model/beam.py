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
        table = _allowed(log_probs, beams, eos=eos if t < options.min_tokens else None)
        table += beams.total[:, None]
        final_step = t == options.max_tokens - 1
        chosen = _chosen(table, beams.clip, [options.width - len(slots) for slots in finished])
        taken = _take(beams, table, log_probs, chosen, finished, eos=eos, final=final_step)
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


def _allowed(log_probs: Floats, beams: _Beams, *, eos: int | None) -> Floats:
    """`log_probs` (R, V) without what a hypothesis may not take, renormalised.

    Masking log-probabilities and renormalising equals masking logits before the log-softmax.
    A row that may take nothing at all stays at minus infinity.
    """
    if np.isnan(log_probs).any():
        raise ValueError("the step function gave NaN")
    table = log_probs.copy()
    rows, places = np.nonzero(beams.used != _NONE)
    table[rows, beams.used[rows, places]] = -np.inf
    if eos is not None:
        table[:, eos] = -np.inf
    peak = table.max(axis=1, keepdims=True)
    peak[np.isneginf(peak)] = 0.0
    with np.errstate(divide="ignore"):
        norm = np.log(np.exp(table - peak).sum(axis=1, keepdims=True)) + peak
    norm[np.isneginf(norm)] = 0.0
    table -= norm
    return table


def _chosen(table: Floats, clip: Ints, counts: Sequence[int]) -> list[tuple[int, int]]:
    """Row and token of each clip's `counts` greatest entries of `table` (R, V), clip by clip.

    The greatest come first, and of equal ones the first in table order; never minus infinity.
    """
    n_tokens = table.shape[1]
    most = min(max(counts), n_tokens)
    least = np.partition(table, n_tokens - most, axis=1)[:, n_tokens - most, None]
    rows, tokens = np.nonzero((table >= least) & (table > -np.inf))
    clips = clip[rows]
    order = np.lexsort((-table[rows, tokens], clips))  # stable
    found: list[tuple[int, int]] = []
    n_left = list(counts)
    for of_clip, row, token in zip(
        clips[order].tolist(), rows[order].tolist(), tokens[order].tolist(), strict=True
    ):
        if n_left[of_clip] > 0:
            n_left[of_clip] -= 1
            found.append((row, token))
    return found


def _take(
    beams: _Beams,
    table: Floats,
    log_probs: Floats,
    chosen: Sequence[tuple[int, int]],
    finished: list[list[Hypothesis]],
    *,
    eos: int,
    final: bool,
) -> _Taken:
    """The entries `chosen` of `table` (R, V): finished ones to `finished`, others on."""
    taken = _Taken()
    clips = beams.clip.tolist()
    for row, token in chosen:
        total, heard = table[row, token], beams.heard[row] + float(log_probs[row, token])
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
    for clip in set(clips) - {clips[row] for row, _ in chosen}:
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
