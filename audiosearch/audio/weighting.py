"""The K-weighting of BS.1770 as products of matrices, for the power of each tenth of a second.

A recursive filter computes each sample from the last, which leaves most of a processor idle. Cut
into blocks it is two products: what a block gives by itself, and what it owes to the four numbers
that the filter remembers; these follow each other from block to block, and are products as well.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from audiosearch._typing import Doubles, Floats

PIECES = 10  # of a second: `ebur128` cuts its output so
_LONGEST, _SHORTEST = 50, 16  # of a block in samples: where products are quickest
_ORDER = 4  # of both filters together: what they remember

_Biquad = tuple[float, float, float, float, float]  # b0, b1, b2, a1, a2; a0 is 1


def block_length(sample_rate: int) -> int | None:
    """The samples of a block at a rate, so that a tenth of a second is whole blocks; None: none."""
    if sample_rate % PIECES:
        return None
    piece = sample_rate // PIECES
    fitting = (each for each in range(_LONGEST, _SHORTEST - 1, -1) if piece % each == 0)
    return next(fitting, None)


class Weighting:
    """The filter for sound of several channels that comes second by second."""

    def __init__(self, sample_rate: int, channels: int) -> None:
        self._matrices = _matrices(sample_rate)
        self._state: Doubles = np.zeros((channels, _ORDER))

    def powers(self, sound: Floats) -> Doubles:
        """The sum of squares, over all channels, of each whole tenth of `sound`, weighted.

        Args:
            sound: (channels, n) float32 in C order, at most a second, that follows the last one;
                only the last of all may have another length than whole tenths.

        Returns:
            (n // tenth,) float64.
        """
        by = self._matrices
        channels, n_samples = sound.shape
        n_tenths = n_samples // by.piece
        n_groups = n_tenths * by.groups_in_tenth
        if not n_tenths:
            return np.empty(0)
        length = len(by.direct)
        blocks = sound[:, : n_tenths * by.piece].reshape(-1, length)
        given: Doubles = (blocks @ by.kept).reshape(-1, len(by.inside)).astype(np.float64)
        ends = (given @ by.group_end).reshape(channels, -1)  # (channels, groups * order)
        n_states = n_groups * _ORDER
        starts = self._state @ by.first_groups[:, :n_states]
        starts += ends @ by.groups[:n_states, :n_states]
        last = starts[:, -_ORDER:]
        self._state = last @ by.over_group + ends[:, -_ORDER:]
        states = given @ by.inside
        states += starts.reshape(-1, _ORDER) @ by.first_inside
        weighted = blocks @ by.direct
        weighted += states.reshape(-1, _ORDER).astype(np.float32) @ by.remembered
        squares = np.einsum("bn,bn->b", weighted, weighted).astype(np.float64)
        powers: Doubles = squares.reshape(channels, n_tenths, -1).sum(axis=(0, 2))
        return powers


@dataclass(frozen=True)
class _Matrices:
    """What makes up the filter: L samples in a block, G blocks in a group, states of 4."""

    piece: int  # samples in a tenth of a second
    groups_in_tenth: int
    direct: Floats  # (L, L): a block to what it gives by itself
    remembered: Floats  # (4, L): the state before a block to what it adds
    kept: Floats  # (L, 4): a block to what of it is in the state behind it
    inside: Doubles  # (4 G, 4 G): what the blocks of a group leave to the states before each
    group_end: Doubles  # (4 G, 4): the same to the state behind the group
    first_inside: Doubles  # (4, 4 G): the state before a group to those before its blocks
    over_group: Doubles  # (4, 4): the state before a group to that behind it
    groups: Doubles  # (4 N, 4 N): what groups leave to the states before each of a second's N
    first_groups: Doubles  # (4, 4 N): the state before all to those before each


@lru_cache(maxsize=4)
def _matrices(sample_rate: int) -> _Matrices:
    length = block_length(sample_rate)
    if length is None:
        raise ValueError(f"no blocks at {sample_rate} Hz")
    piece = sample_rate // PIECES
    n_blocks = piece // length
    in_group = min(
        (each for each in range(1, n_blocks + 1) if n_blocks % each == 0),
        key=lambda each: abs(each - math.sqrt(PIECES * n_blocks)),
    )
    filters = weighting(sample_rate)
    response = np.zeros((length, length))
    kept = np.zeros((length, _ORDER))
    impulse, states = _run(filters, np.zeros(_ORDER), [1.0] + [0.0] * (length - 1))
    for at in range(length):
        response[at, at:] = impulse[: length - at]
        kept[at] = states[length - 1 - at]
    remembered = np.zeros((_ORDER, length))
    over_block = np.zeros((_ORDER, _ORDER))
    for number in range(_ORDER):
        start = np.zeros(_ORDER)
        start[number] = 1
        remembered[number], states = _run(filters, start, [0.0] * length)
        over_block[number] = states[-1]
    powers = _powers_of(over_block, in_group)
    over_group = powers[in_group]
    n_groups = PIECES * n_blocks // in_group
    group_powers = _powers_of(over_group, n_groups)
    return _Matrices(
        piece=piece,
        groups_in_tenth=n_blocks // in_group,
        direct=response.astype(np.float32),
        remembered=remembered.astype(np.float32),
        kept=kept.astype(np.float32),
        inside=_before_each(powers, in_group),
        group_end=np.concatenate(powers[in_group - 1 :: -1][:in_group]),
        first_inside=np.concatenate(powers[:in_group], axis=1),
        over_group=over_group,
        groups=_before_each(group_powers, n_groups),
        first_groups=np.concatenate(group_powers[:n_groups], axis=1),
    )


def _run(
    filters: Sequence[_Biquad], state: Doubles, samples: Sequence[float]
) -> tuple[list[float], list[Doubles]]:
    """The filters one after the other: what comes out, and what they remember after each sample."""
    remembered = [float(each) for each in state]
    out: list[float] = []
    states: list[Doubles] = []
    for sample in samples:
        value = sample
        for number, (b0, b1, b2, a1, a2) in enumerate(filters):
            first, second = remembered[2 * number : 2 * number + 2]
            made = b0 * value + first
            remembered[2 * number] = b1 * value - a1 * made + second
            remembered[2 * number + 1] = b2 * value - a2 * made
            value = made
        out.append(value)
        states.append(np.array(remembered))
    return out, states


def _powers_of(matrix: Doubles, highest: int) -> list[Doubles]:
    powers = [np.eye(len(matrix))]
    for _ in range(highest):
        powers.append(powers[-1] @ matrix)
    return powers


def _before_each(powers: Sequence[Doubles], n: int) -> Doubles:
    """(4 n, 4 n): what each of `n` steps leaves to the states before the steps that follow it."""
    whole = np.zeros((n, _ORDER, n, _ORDER))
    for source in range(n):
        for target in range(source + 1, n):
            whole[source, :, target] = powers[target - source - 1]
    return whole.reshape(n * _ORDER, n * _ORDER)


def weighting(sample_rate: int) -> tuple[_Biquad, _Biquad]:
    """The two filters at a sample rate.

    The constants are those of `ebur128`, from which the tables of BS.1770 for 48 kHz come out.
    """
    k, q = math.tan(math.pi * 1681.974450955533 / sample_rate), 0.7071752369554196
    high = 10 ** (3.999843853973347 / 20)
    band = high**0.4996667741545416
    over = 1 + k / q + k * k
    shelf = (
        (high + band * k / q + k * k) / over,
        2 * (k * k - high) / over,
        (high - band * k / q + k * k) / over,
        2 * (k * k - 1) / over,
        (1 - k / q + k * k) / over,
    )
    k, q = math.tan(math.pi * 38.13547087602444 / sample_rate), 0.5003270373238773
    over = 1 + k / q + k * k
    high_pass = (1.0, -2.0, 1.0, 2 * (k * k - 1) / over, (1 - k / q + k * k) / over)
    return high_pass, shelf
