"""Beam search against a slow, literal reading of its rules, over small random tables."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosearch._typing import Bools, Floats, Ints
from audiosearch.model.beam import BeamOptions, Hypothesis, beam_search

BOS, EOS = 1, 2
Logits = Callable[[int, tuple[int, ...]], np.ndarray]  # clip, prefix with start -> (V,)


def log_softmax(logits: np.ndarray) -> np.ndarray:
    peak = logits.max()
    return logits - peak - np.log(np.exp(logits - peak).sum())


class TableSteps:
    """A step function that keeps whole prefixes, as a decoder keeps caches."""

    def __init__(self, logits: Logits) -> None:
        self.logits = logits
        self.rows: list[tuple[int, tuple[int, ...]]] | None = None

    def __call__(self, tokens: Ints, parents: Ints) -> Floats:
        if self.rows is None:
            self.rows = [(int(clip), ()) for clip in parents]
            parents = np.arange(len(parents))
        self.rows = [
            (self.rows[parent][0], (*self.rows[parent][1], int(token)))
            for token, parent in zip(tokens, parents, strict=True)
        ]
        return np.stack([log_softmax(self.logits(clip, ids)) for clip, ids in self.rows]).astype(
            np.float32
        )


def slow_beam(
    logits: Logits, *, clip: int, start: int, options: BeamOptions, repeatable: Bools | None
) -> list[tuple[tuple[int, ...], float]]:
    """One clip, one rule after the other, in double precision. Returns the slots as they end."""
    k = options.width
    live = [((start,), 0.0)]
    done: list[tuple[tuple[int, ...], float]] = []
    for t in range(options.max_tokens):
        entries = []
        for place, (ids, total) in enumerate(live):
            row = np.array(logits(clip, ids), dtype=np.float64)
            if t < options.min_tokens:
                row[EOS] = -math.inf
            if repeatable is not None:
                row[[token for token in ids if not repeatable[token]]] = -math.inf
            row = log_softmax(row)
            entries += [(-(total + row[v]), place, v) for v in range(len(row))]
        entries.sort()
        following = []
        for negative, place, token in entries[:k]:
            if math.isinf(negative):
                continue
            ids = (*live[place][0], token)
            if token == EOS or t == options.max_tokens - 1:
                done.append((ids[1:], -negative / (t + 1)))
            else:
                following.append((ids, -negative))
        k = options.width - len(done)
        live = following
        if not live:
            break
    return done


def random_logits(seed: int, n_tokens: int, *, spread: float = 2.0) -> Logits:
    def logits(clip: int, ids: tuple[int, ...]) -> np.ndarray:
        generator = np.random.default_rng([seed, clip, *ids])
        return generator.normal(0, spread, n_tokens)

    return logits


def search(
    logits: Logits,
    *,
    starts: Sequence[int],
    n_tokens: int,
    options: BeamOptions,
    repeatable: Bools | None,
) -> list[list[Hypothesis]]:
    return beam_search(
        TableSteps(logits),
        starts=starts,
        eos=EOS,
        vocabulary_size=n_tokens,
        options=options,
        repeatable=repeatable,
    )


@given(
    seed=st.integers(0, 2**32),
    n_tokens=st.integers(14, 24),
    width=st.integers(1, 5),
    min_tokens=st.integers(0, 4),
    max_tokens=st.integers(1, 7),
    n_clips=st.integers(1, 4),
    mask=st.sampled_from(["none", "some", "all"]),
)
def test_equals_the_slow_reading(
    seed: int,
    n_tokens: int,
    width: int,
    min_tokens: int,
    max_tokens: int,
    n_clips: int,
    mask: str,
) -> None:
    generator = np.random.default_rng(seed)
    repeatable = {
        "none": None,
        "some": generator.random(n_tokens) < 0.3,
        "all": np.zeros(n_tokens, bool),
    }[mask]
    options = BeamOptions(width=width, min_tokens=min_tokens, max_tokens=max_tokens)
    logits = random_logits(seed, n_tokens)
    starts = generator.integers(0, n_tokens, n_clips).tolist()
    found = search(logits, starts=starts, n_tokens=n_tokens, options=options, repeatable=repeatable)
    for clip, (start, slots) in enumerate(zip(starts, found, strict=True)):
        expected = slow_beam(logits, clip=clip, start=start, options=options, repeatable=repeatable)
        expected.sort(key=lambda slot: -slot[1])
        assert [slot.ids for slot in slots] == [ids for ids, _ in expected]
        np.testing.assert_allclose(
            [slot.mean_log_prob for slot in slots], [score for _, score in expected], atol=1e-5
        )
        for slot in slots:  # as it was given, whatever is masked
            said = [
                log_softmax(logits(clip, (start, *slot.ids[:place])))[token]
                for place, token in enumerate(slot.ids)
            ]
            assert slot.log_prob == pytest.approx(sum(said), abs=1e-4)


@given(seed=st.integers(0, 2**32), min_tokens=st.integers(0, 5))
def test_beam_1_is_greedy(seed: int, min_tokens: int) -> None:
    n_tokens, max_tokens = 15, 8
    repeatable = np.random.default_rng(seed).random(n_tokens) < 0.2
    logits = random_logits(seed, n_tokens)
    ids: tuple[int, ...] = (BOS,)
    while len(ids) <= max_tokens and ids[-1] != EOS:
        row = logits(0, ids)
        row[[token for token in ids if not repeatable[token]]] = -np.inf
        if len(ids) - 1 < min_tokens:
            row[EOS] = -np.inf
        ids = (*ids, int(row.argmax()))
    options = BeamOptions(width=1, min_tokens=min_tokens, max_tokens=max_tokens)
    [[best]] = search(
        logits, starts=[BOS], n_tokens=n_tokens, options=options, repeatable=repeatable
    )
    assert best.ids == ids[1:]


def test_a_finished_hypothesis_is_never_displaced_and_its_slot_is_gone() -> None:
    # EOS is second best at once; afterwards one slot only is left to go on.
    def logits(clip: int, ids: tuple[int, ...]) -> np.ndarray:
        row = np.full(6, -20.0)
        row[[3, 4, 5]] = [0.0, -0.1, -0.2]
        row[EOS] = -0.05 if len(ids) == 1 else -30.0
        return row

    options = BeamOptions(width=2, min_tokens=0, max_tokens=3)
    [slots] = search(logits, starts=[BOS], n_tokens=6, options=options, repeatable=None)
    assert {slot.ids for slot in slots} == {(EOS,), (3, 3, 3)}


def test_a_short_sentence_with_a_lower_mean_loses() -> None:
    def logits(clip: int, ids: tuple[int, ...]) -> np.ndarray:
        row = np.full(5, -50.0)
        row[3], row[EOS] = (0.0, -1.0) if len(ids) < 3 else (-1.0, 5.0)
        return row

    options = BeamOptions(width=2, min_tokens=0, max_tokens=5)
    [slots] = search(logits, starts=[BOS], n_tokens=5, options=options, repeatable=None)
    assert slots[0].ids == (3, 3, EOS)
    assert slots[0].mean_log_prob > slots[1].mean_log_prob


def test_masked_probability_goes_to_the_rest() -> None:
    # Of three tokens of equal weight one is used up: each of the others has one half.
    def logits(clip: int, ids: tuple[int, ...]) -> np.ndarray:
        return np.array([-np.inf, -np.inf, 0.0, 0.0, 0.0])

    options = BeamOptions(width=1, min_tokens=0, max_tokens=1)
    [[best]] = search(logits, starts=[3], n_tokens=5, options=options, repeatable=np.zeros(5, bool))
    assert best.ids == (2,)
    assert best.mean_log_prob == pytest.approx(math.log(0.5))


def test_the_unknown_word_is_taken_only_where_that_is_allowed() -> None:
    # The unknown word (3) is likeliest everywhere; without it, its weight goes to the rest.
    def logits(clip: int, ids: tuple[int, ...]) -> np.ndarray:
        return np.array([-np.inf, -np.inf, 0.0, math.log(8.0), 0.0])

    def best(*, forbid: bool) -> Hypothesis:
        [slots] = beam_search(
            TableSteps(logits),
            starts=[BOS],
            eos=EOS,
            vocabulary_size=5,
            options=BeamOptions(width=1, min_tokens=1, max_tokens=3, forbid_unknown=forbid),
            repeatable=None,
            unknown=3,
        )
        return slots[0]

    assert best(forbid=False).ids == (3, 3, 3)
    assert best(forbid=True).ids == (4, EOS)
    assert best(forbid=True).mean_log_prob == pytest.approx(math.log(0.5) / 2)


def test_the_first_wins_ties() -> None:
    def logits(clip: int, ids: tuple[int, ...]) -> np.ndarray:
        return np.zeros(6)

    options = BeamOptions(width=3, min_tokens=1, max_tokens=1)
    [slots] = search(logits, starts=[BOS], n_tokens=6, options=options, repeatable=None)
    assert [slot.ids for slot in slots] == [(0,), (1,), (3,)]


def test_a_used_up_vocabulary_ends_the_sentence() -> None:
    def logits(clip: int, ids: tuple[int, ...]) -> np.ndarray:
        return np.array([-np.inf, 0.0, -np.inf, 0.0])

    options = BeamOptions(width=2, min_tokens=5, max_tokens=9)
    [slots] = search(
        logits, starts=[BOS], n_tokens=4, options=options, repeatable=np.zeros(4, bool)
    )
    assert [slot.ids for slot in slots] == [(3,)]


def test_nan_is_refused() -> None:
    def logits(clip: int, ids: tuple[int, ...]) -> np.ndarray:
        return np.full(5, np.nan)

    with pytest.raises(ValueError, match="NaN"):
        search(logits, starts=[BOS], n_tokens=5, options=BeamOptions(), repeatable=None)


def test_no_clips() -> None:
    assert (
        search(random_logits(0, 5), starts=[], n_tokens=5, options=BeamOptions(), repeatable=None)
        == []
    )


@pytest.mark.parametrize("change", [{"width": 0}, {"max_tokens": 0}, {"min_tokens": -1}])
def test_senseless_options_are_refused(change: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="beam"):
        BeamOptions(**change)
