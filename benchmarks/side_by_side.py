"""Times contenders on one task against a reference, run by run, and prints a table.

In: rows of the table, each with the functions to time. Out: medians, ratios, and shares of the
machine's float32 peak, which is measured between the runs. It knows no models.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from audiosearch._typing import Floats

PEAK_SIZE = 1536
REST_S = 0.2  # before each run, since torch's threads keep on spinning for a while


@dataclass(frozen=True)
class Row:
    """A line of the table: contenders on one task, the reference first."""

    task: str
    flop: float  # of multiplying matrices, for one run of the reference
    reference: Callable[[], Floats]
    ours: dict[str, Callable[[], Floats]]
    agreement: Callable[[Floats, Floats], str]


def timed(run: Callable[[], Floats]) -> float:
    """Seconds of wall time that one run takes, after a rest."""
    time.sleep(REST_S)
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def measure(rows: list[Row], *, rounds: int, threads: int) -> None:
    """Time the rows, and print them."""
    one, other = torch.randn(2, PEAK_SIZE, PEAK_SIZE)

    def multiply() -> Floats:
        product: Floats = (one @ other).numpy()
        return product

    print(f"{threads} threads, medians of {rounds} rounds; ratios are taken within a round,")
    print("and between the least times of both")
    print(
        f"{'':33} {'torch ms':>9} {'ours ms':>8} {'faster':>7} {'least':>6} {'of peak':>8}"
        f" {'torch':>6}"
    )
    for row in rows:
        runs = {"torch": row.reference, **row.ours, "peak": multiply}
        answers = {name: run() for name, run in runs.items()}
        times: dict[str, list[float]] = {name: [] for name in runs}
        for _ in range(rounds):
            for name, run in runs.items():
                times[name].append(timed(run))
        peak = 2 * PEAK_SIZE**3 / min(times["peak"])  # operations a second
        torch_s = statistics.median(times["torch"])
        for name in row.ours:
            ours_s = statistics.median(times[name])
            pairs = zip(times["torch"], times[name], strict=True)
            ratio = statistics.median(theirs / mine for theirs, mine in pairs)
            least = min(times["torch"]) / min(times[name])
            print(
                f"{row.task + ', ' + name:33} {1e3 * torch_s:>9.0f} {1e3 * ours_s:>8.0f}"
                f" {ratio:>6.2f}x {least:>5.2f}x {row.flop / ours_s / peak:>8.0%}"
                f" {row.flop / torch_s / peak:>6.0%}"
                f"  {row.agreement(answers[name], answers['torch'])}"
            )
    print("of peak: the reference's matrix operations over the machine's float32 peak, measured")
    print("between the runs; more than all of it means that 8 bits or caches do with fewer")
