"""What a hundred million and a thousand million windows would take, reckoned from measurements.

    python -m benchmarks.scaling_model              # prints the tables of docs/scaling.md
    python -m benchmarks.scaling_model --write      # puts them there

Every number of that page is made here, from `MEASURED` (each with the command that measures it) and
`ASSUMED` (prices, sizes of machines). Times that grow with the library are taken to grow in
proportion beyond the two sizes at which they were measured.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import click

PAGE = Path(__file__).parents[1] / "docs" / "scaling.md"
BEGIN, END = "<!-- made by benchmarks/scaling_model.py -->", "<!-- end of what is made -->"
SIZES = (1_000_000, 100_000_000, 1_000_000_000)  # windows
HOUR_S, DAY_S = 3600.0, 86_400.0
GB, TB = 1e9, 1e12


@dataclass(frozen=True)
class Given:
    """A number that goes in: what it is, its unit, and where it comes from."""

    value: float
    unit: str
    what: str
    source: str


MEASURED: Mapping[str, Given] = MappingProxyType(
    {
        "cpu_s": Given(
            0.0573 / 3, "core s", "hearing a window, plain command", "benchmarks.cluster"
        ),
        "engine_share": Given(0.125, "", "of a worker's time that Ray takes", "benchmarks.cluster"),
        "store_s": Given(
            1.9 / 3742, "s", "committing a window to SQLite", "benchmarks.indexing: stage store"
        ),
        "row_bytes": Given(
            1.8 * GB / 100_000,
            "bytes",
            "a window in the database, frames and indexes with it",
            "benchmarks.search_speed --windows 100000",
        ),
        "small_s": Given(
            0.031, "s", "candidates of a question among 100,000 windows", "benchmarks.search_speed"
        ),
        "large_s": Given(
            0.162, "s", "the same among 1,000,000", "benchmarks.search_speed --windows 1000000"
        ),
        "rerank_s": Given(0.22, "s", "reranking 200 of them", "benchmarks.search_speed"),
        "vector_bytes": Given(
            (320 + 8) + (128 + 8.0),  # codes of eight bits, and two numbers of four bytes
            "bytes",
            "vectors of a window in their coarse form, which questions read",
            "the model",
        ),
        "sent_bytes": Given(
            34_326, "bytes", "a window from worker to driver", "benchmarks.cluster"
        ),
    }
)
ASSUMED: Mapping[str, Given] = MappingProxyType(
    {
        "windows_an_hour": Given(720, "", "windows an hour of sound", "10 s, half-overlapping"),
        "cores": Given(16, "", "processors of a machine", "chosen"),
        "memory": Given(64 * GB, "bytes", "memory of a machine", "chosen"),
        "days": Given(30, "days", "in which all is to be heard", "chosen"),
        "core_hour": Given(0.04, "USD", "a processor for an hour", "typical of a cloud in 2026"),
        "gb_month": Given(0.08, "USD", "a gigabyte of SSD for a month", "typical of a cloud"),
        "patience_s": Given(1.0, "s", "candidates are waited for", "chosen"),
        "network": Given(1.25e9, "bytes/s", "what a driver's network takes", "10 Gbit/s"),
    }
)
GIVEN: Mapping[str, Given] = MappingProxyType({**MEASURED, **ASSUMED})


@dataclass(frozen=True)
class Reckoned:
    """What a library of so many windows takes."""

    n_windows: int
    sound_h: float
    core_h: float
    machines: float
    driver_share: float  # of the driver's time, to commit at the rate of those machines
    driver_days: float  # for one driver, however many machines
    network_share: float
    disk_bytes: float
    vector_bytes: float
    candidates_s: float
    hearing_usd: float
    disk_usd: float


def candidate_times(given: Mapping[str, float]) -> tuple[float, float]:
    """Seconds that candidates take without any window, and more for each: the line of two sizes."""
    growth = (given["large_s"] - given["small_s"]) / 900_000
    return given["small_s"] - growth * 100_000, growth


def reckon(n_windows: int, given: Mapping[str, float]) -> Reckoned:
    """What so many windows take."""
    sound_h = n_windows / given["windows_an_hour"]
    core_s = n_windows * given["cpu_s"] / (1 - given["engine_share"])
    rate = n_windows / (given["days"] * DAY_S)
    base_s, growth = candidate_times(given)
    return Reckoned(
        n_windows=n_windows,
        sound_h=sound_h,
        core_h=core_s / HOUR_S,
        machines=core_s / (given["days"] * DAY_S) / given["cores"],
        driver_share=rate * given["store_s"],
        driver_days=n_windows * given["store_s"] / DAY_S,
        network_share=rate * given["sent_bytes"] / given["network"],
        disk_bytes=n_windows * given["row_bytes"],
        vector_bytes=n_windows * given["vector_bytes"],
        candidates_s=base_s + growth * n_windows,
        hearing_usd=core_s / HOUR_S * given["core_hour"],
        disk_usd=n_windows * given["row_bytes"] / GB * given["gb_month"],
    )


def limits(given: Mapping[str, float]) -> list[tuple[float, str]]:
    """What ends first as a library grows: at how many windows, and what it is."""
    base_s, growth = candidate_times(given)
    return sorted(
        [
            (
                (given["patience_s"] - base_s) / growth,
                "candidates take longer than a person waits: each question reads every window",
            ),
            (
                given["memory"] / given["vector_bytes"],
                "coarse vectors no longer fit into a machine's memory: questions read the disk",
            ),
            (
                given["days"] * DAY_S / given["store_s"],
                "one driver cannot commit all in the time, however many machines hear",
            ),
            (
                given["days"] * DAY_S * given["network"] / given["sent_bytes"],
                "the driver's network is full",
            ),
        ]
    )


def values() -> dict[str, float]:
    """All that goes in, by name."""
    return {name: each.value for name, each in GIVEN.items()}


def number(value: float) -> str:
    """A number of three digits that mean something."""
    if value == 0:
        return "0"
    if abs(value) >= 1000:
        return f"{float(f'{value:.3g}'):,.0f}"
    return f"{float(f'{value:.3g}'):g}"


def tables() -> str:
    """The tables of the page, as Markdown."""
    given = values()
    lines = ["| goes in | | unit | from |", "|---|---|---|---|"]
    lines += [
        f"| {each.what} | {number(each.value)} | {each.unit} | {each.source} |"
        for each in GIVEN.values()
    ]
    found = [reckon(n_windows, given) for n_windows in SIZES]
    days, cores = number(given["days"]), number(given["cores"])
    rows = {
        "hours of sound": [number(each.sound_h) for each in found],
        "core hours to hear them": [number(each.core_h) for each in found],
        f"machines of {cores} processors, to hear them in {days} days": [
            number(each.machines) for each in found
        ],
        "of the driver's time, to commit at that rate": [
            f"{each.driver_share:.2%}" for each in found
        ],
        "days that one driver needs to commit, at least": [
            number(each.driver_days) for each in found
        ],
        "of the driver's network, at that rate": [f"{each.network_share:.2%}" for each in found],
        "disk, TB": [number(each.disk_bytes / TB) for each in found],
        "coarse vectors, GB": [number(each.vector_bytes / GB) for each in found],
        "candidates of a question, exact, s": [number(each.candidates_s) for each in found],
        "a whole question, reranked, s": [
            number(each.candidates_s + given["rerank_s"]) for each in found
        ],
        "hearing them, USD": [number(each.hearing_usd) for each in found],
        "hearing an hour of sound, US cents": [
            number(100 * each.hearing_usd / each.sound_h) for each in found
        ],
        "disk, USD a month": [number(each.disk_usd) for each in found],
    }
    head = " | ".join(f"{size:,} windows" for size in SIZES)
    lines += ["", f"| comes out | {head} |", "|---|" + "---|" * len(SIZES)]
    lines += [f"| {name} | {' | '.join(cells)} |" for name, cells in rows.items()]
    lines += ["", "| what ends, the first first | at windows |", "|---|---|"]
    lines += [f"| {what} | {number(n_windows)} |" for n_windows, what in limits(given)]
    kept_up = given["cpu_s"] / (1 - given["engine_share"]) / given["store_s"]
    lines += ["", f"One driver keeps up with {number(kept_up)} processors of workers."]
    return "\n".join(lines)


def page_with(text: str, made: str) -> str:
    """The page, with what is made in its place."""
    pattern = re.compile(re.escape(BEGIN) + ".*?" + re.escape(END), re.DOTALL)
    return pattern.sub(lambda _: f"{BEGIN}\n\n{made}\n\n{END}", text)


@click.command()
@click.option("--write", is_flag=True, help="Put the tables into docs/scaling.md.")
def main(write: bool) -> None:
    """Print the tables."""
    made = tables()
    click.echo(made)
    if write:
        PAGE.write_text(page_with(PAGE.read_text("utf-8"), made), "utf-8")


if __name__ == "__main__":
    main()
