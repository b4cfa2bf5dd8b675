"""What a hundred million and a thousand million windows would take, reckoned from measurements.

    python -m benchmarks.scaling_model              # prints the tables of docs/scaling.md
    python -m benchmarks.scaling_model --write      # puts them there

Every number of that page is made here, from `MEASURED` (each with the command that measures it;
those of both stores are kept by `store_figures`) and `ASSUMED` (prices, sizes of machines). Times
that grow with the library are taken to grow in proportion beyond the two sizes at which they were
measured; those of an index as `postgresql` says.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import click

from benchmarks.growth_figures import read_figures as read_growth
from benchmarks.made_pages import MadePart
from benchmarks.store_figures import Figures, read_figures

PART = MadePart("scaling.md", "scaling_model.py")
SIZES = (1_000_000, 100_000_000, 1_000_000_000)  # windows
HOUR_S, DAY_S = 3600.0, 86_400.0
GB, TB = 1e9, 1e12
Sizes = tuple[float, float]  # windows of two libraries that were measured
MOST = 1e13  # windows; what ends beyond that is left out
IN_MEMORY = {"SQLite": "coarse vectors in memory", "PostgreSQL": "index in memory"}
NEAREST = {
    "SQLite": "candidates of a question, exact",
    "PostgreSQL": "nearest windows of a question, by the index",
}
MEMORY_ENDS = {
    "SQLite": "coarse vectors no longer fit into a machine's memory: questions read the disk",
    "PostgreSQL": "the index no longer fits into a machine's memory: questions read the disk",
}
NEAREST_ENDS = {
    "SQLite": "candidates take longer than a person waits: each question reads every window",
    "PostgreSQL": "the nearest windows take longer than a person waits",
}


@dataclass(frozen=True)
class Given:
    """A number that goes in: what it is, its unit, and where it comes from."""

    value: float
    unit: str
    what: str
    source: str


def _of_stores() -> dict[str, Given]:
    """What the two largest libraries gave that `benchmarks.postgresql` has filled."""
    figures = read_figures()
    small, large = sorted(figures)[-2:]
    source = "benchmarks.postgresql"

    def both(name: str, unit: str, what: str, of: Callable[[Figures], float], store: str) -> None:
        for size, n in (("small", small), ("large", large)):
            told = what if size == "small" else "the same"
            value = of(figures[n][store])
            found[f"{name}_{size}"] = Given(value, unit, f"{told}, {n:,} windows", source)

    def seconds(name: str) -> Callable[[Figures], float]:
        return lambda stored: float(stored[name]["p50_ms"]) / 1000

    found = {
        "pg_small": Given(small, "windows", "the smaller library of the rows below", source),
        "pg_large": Given(large, "windows", "the larger one", source),
        "pg_store_s": Given(
            figures[large]["PostgreSQL"]["filled, processor s"] / large,
            "s",
            "committing a window to PostgreSQL, both sides",
            source,
        ),
        "pg_index_bytes": Given(
            1e6 * sum(figures[large]["PostgreSQL"]["index, MB"].values()) / large,
            "bytes",
            "a window in its index, 256 numbers",
            source,
        ),
    }
    words, near = seconds("words, no filter"), seconds("nearest, by the server, no filter, far")
    both("words_s", "s", "ranking by words in SQLite", words, "SQLite")
    both("pg_words_s", "s", "ranking by words in PostgreSQL", words, "PostgreSQL")
    both("pg_near_s", "s", "the nearest by its index", near, "PostgreSQL")
    both(
        "pg_build_s",
        "core s",
        "building that index",
        lambda stored: float(stored["index built, processor s"]),
        "PostgreSQL",
    )
    return found


def _of_growth() -> dict[str, Given]:
    """What the two largest generated libraries gave that `benchmarks.growth` has asked."""
    figures = read_growth()["windows"]
    small, large = sorted(figures)[-2:]
    source = "benchmarks.growth"

    def seconds(size: int, name: str) -> float:
        return figures[size][name]["p50_ms"] / 1000

    return {
        "row_bytes": Given(
            1e6 * figures[large]["database"]["mb"] / large,
            "bytes",
            "a window in SQLite, frames and indexes with it",
            source,
        ),
        "searched_small": Given(small, "windows", "the smaller library of the rows below", source),
        "searched_large": Given(large, "windows", "the larger one", source),
        "small_s": Given(
            seconds(small, "candidates"),
            "s",
            f"candidates of a question among {small:,} windows",
            source,
        ),
        "large_s": Given(seconds(large, "candidates"), "s", f"the same among {large:,}", source),
        "rerank_s": Given(seconds(large, "rerank"), "s", "reranking 200 of them", source),
    }


MEASURED: Mapping[str, Given] = MappingProxyType(
    {
        "cpu_s": Given(
            0.047 / 3, "core s", "hearing a window, plain command", "benchmarks.cluster"
        ),
        "engine_share": Given(0.134, "", "of a worker's time that Ray takes", "benchmarks.cluster"),
        "store_s": Given(
            1.9 / 3742, "s", "committing a window to SQLite", "benchmarks.indexing: stage store"
        ),
        **_of_growth(),
        "vector_bytes": Given(
            (320 + 8) + (128 + 8.0),  # codes of eight bits, and two numbers of four bytes
            "bytes",
            "vectors of a window in their coarse form, which questions read",
            "the model",
        ),
        "sent_bytes": Given(
            34_347, "bytes", "a window from worker to driver", "benchmarks.cluster"
        ),
        "pg_row_bytes": Given(
            (312.6e6 - 7.7e6) / 100_000,
            "bytes",
            "a window in PostgreSQL, without the index of vectors",
            "migrate-store of that library",
        ),
        "pg_build_bytes": Given(
            2 * 256 + 1200,
            "bytes",
            "a window in the server's memory while its index is built, 256 numbers",
            "store.postgresql.nearest",
        ),
        **_of_stores(),
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
    """What a library of so many windows takes, whatever keeps it."""

    n_windows: int
    sound_h: float
    core_h: float
    machines: float
    network_share: float
    hearing_usd: float


@dataclass(frozen=True)
class StoreReckoned:
    """What one store takes for so many windows."""

    driver_share: float  # of the driver's time, to commit at the rate of those machines
    driver_days: float  # for one driver, however many machines
    disk_bytes: float
    disk_usd: float  # a month
    memory_bytes: float  # of vectors, that questions read
    build_core_h: float  # of the index of vectors; 0: there is none
    nearest_s: float  # of a question; in SQLite all that gives candidates
    words_s: float


def line(at: Sizes, small: float, large: float) -> tuple[float, float]:
    """What a time has without any window, and more for each: by those of two sizes."""
    growth = (large - small) / (at[1] - at[0])
    return small - growth * at[0], growth


def curve(at: Sizes, small: float, large: float) -> tuple[float, float]:
    """The same of what grows with the windows' logarithm: of one window, and more each tenfold."""
    growth = (large - small) / math.log10(at[1] / at[0])
    return small - growth * math.log10(at[0]), growth


def power(at: Sizes, small: float, large: float) -> tuple[float, float]:
    """The same of what every tenfold multiplies by the same: of one window, and the exponent."""
    exponent = math.log(large / small) / math.log(at[1] / at[0])
    return small / at[0] ** exponent, exponent


def of_stores(given: Mapping[str, float]) -> Sizes:
    """The windows of the libraries that both stores were measured with."""
    return given["pg_small"], given["pg_large"]


def reckon(n_windows: int, given: Mapping[str, float]) -> Reckoned:
    """What so many windows take."""
    core_s = n_windows * given["cpu_s"] / (1 - given["engine_share"])
    rate = n_windows / (given["days"] * DAY_S)
    return Reckoned(
        n_windows=n_windows,
        sound_h=n_windows / given["windows_an_hour"],
        core_h=core_s / HOUR_S,
        machines=core_s / (given["days"] * DAY_S) / given["cores"],
        network_share=rate * given["sent_bytes"] / given["network"],
        hearing_usd=core_s / HOUR_S * given["core_hour"],
    )


def sqlite(n_windows: float, given: Mapping[str, float]) -> StoreReckoned:
    """What so many windows take in SQLite: questions compare all, by coarse vectors in memory."""
    searched = given["searched_small"], given["searched_large"]
    base_s, growth = line(searched, given["small_s"], given["large_s"])
    at = of_stores(given)
    words_s, words_growth = line(at, given["words_s_small"], given["words_s_large"])
    return StoreReckoned(
        driver_share=n_windows * given["store_s"] / (given["days"] * DAY_S),
        driver_days=n_windows * given["store_s"] / DAY_S,
        disk_bytes=n_windows * given["row_bytes"],
        disk_usd=n_windows * given["row_bytes"] / GB * given["gb_month"],
        memory_bytes=n_windows * given["vector_bytes"],
        build_core_h=0.0,
        nearest_s=base_s + growth * n_windows,
        words_s=words_s + words_growth * n_windows,
    )


def postgresql(n_windows: float, given: Mapping[str, float]) -> StoreReckoned:
    """What so many windows take in PostgreSQL.

    Building its index takes as long for a window as the windows' logarithm says. To find as much
    of ten times the windows, more of the index is read (see `postgresql.nearest`): by a power.
    """
    at = of_stores(given)
    near_s, near_exponent = power(at, given["pg_near_s_small"], given["pg_near_s_large"])
    build_s, build_growth = curve(
        at, given["pg_build_s_small"] / at[0], given["pg_build_s_large"] / at[1]
    )
    words_s, words_growth = line(at, given["pg_words_s_small"], given["pg_words_s_large"])
    height = math.log10(n_windows)
    disk_bytes = n_windows * (given["pg_row_bytes"] + given["pg_index_bytes"])
    return StoreReckoned(
        driver_share=n_windows * given["pg_store_s"] / (given["days"] * DAY_S),
        driver_days=n_windows * given["pg_store_s"] / DAY_S,
        disk_bytes=disk_bytes,
        disk_usd=disk_bytes / GB * given["gb_month"],
        memory_bytes=n_windows * given["pg_index_bytes"],
        build_core_h=n_windows * (build_s + build_growth * height) / HOUR_S,
        nearest_s=near_s * n_windows**near_exponent,
        words_s=words_s + words_growth * n_windows,
    )


STORES: Mapping[str, Callable[[float, Mapping[str, float]], StoreReckoned]] = MappingProxyType(
    {"SQLite": sqlite, "PostgreSQL": postgresql}
)


def reached(amount: Callable[[float], float], limit: float) -> float:
    """At how many windows a growing amount reaches a limit; infinite beyond all that is."""
    low, high = 1.0, MOST
    if amount(high) < limit:
        return math.inf
    while high / low > 1 + 1e-12:
        middle = math.sqrt(low * high)
        low, high = (middle, high) if amount(middle) < limit else (low, middle)
    return high


def limits(given: Mapping[str, float]) -> list[tuple[float, str, str]]:
    """What ends first as a library grows: at how many windows, in which store, and what it is."""
    patience, memory, days = given["patience_s"], given["memory"], given["days"]
    found = [
        (
            given["days"] * DAY_S * given["network"] / given["sent_bytes"],
            "either",
            "the driver's network is full",
        ),
        (
            memory / given["pg_build_bytes"],
            "PostgreSQL",
            "the index no longer fits into a machine's memory while it is built: far slower",
        ),
    ]
    for name, of in STORES.items():
        amounts: tuple[tuple[Callable[[StoreReckoned], float], float, str], ...] = (
            (lambda each: each.nearest_s, patience, NEAREST_ENDS[name]),
            (
                lambda each: each.words_s,
                patience,
                "ranking by words that each stand in a tenth of all files takes longer",
            ),
            (lambda each: each.memory_bytes, memory, MEMORY_ENDS[name]),
            (
                lambda each: each.driver_days,
                days,
                "one driver cannot commit all in the time, however many machines hear",
            ),
            (
                lambda each: each.build_core_h,
                days * 24 * given["cores"],
                "building the index takes a machine longer than that time",
            ),
        )
        for amount, limit, what in amounts:
            at = reached(lambda n, of=of, amount=amount: amount(of(n, given)), limit)  # type: ignore[misc]
            found.append((at, name, what))
    return sorted(each for each in found if math.isfinite(each[0]))


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
        "of the driver's network, at that rate": [f"{each.network_share:.2%}" for each in found],
        "hearing them, USD": [number(each.hearing_usd) for each in found],
        "hearing an hour of sound, US cents": [
            number(100 * each.hearing_usd / each.sound_h) for each in found
        ],
    }
    for name, of in STORES.items():
        stored = [of(n_windows, given) for n_windows in SIZES]
        rows |= {
            f"**{name}**: of the driver's time, to commit at that rate": [
                f"{each.driver_share:.2%}" for each in stored
            ],
            f"{name}: days that one driver needs to commit, at least": [
                number(each.driver_days) for each in stored
            ],
            f"{name}: disk, TB": [number(each.disk_bytes / TB) for each in stored],
            f"{name}: disk, USD a month": [number(each.disk_usd) for each in stored],
            f"{name}: {IN_MEMORY[name]}, GB": [number(each.memory_bytes / GB) for each in stored],
        }
        if any(each.build_core_h for each in stored):
            rows[f"{name}: core hours to build the index"] = [
                number(each.build_core_h) for each in stored
            ]
        rows |= {
            f"{name}: {NEAREST[name]}, s": [number(each.nearest_s) for each in stored],
            f"{name}: ranking by such words, s": [number(each.words_s) for each in stored],
            f"{name}: a whole question without such words, reranked, s": [
                number(each.nearest_s + given["rerank_s"]) for each in stored
            ],
        }
    head = " | ".join(f"{size:,} windows" for size in SIZES)
    lines += ["", f"| comes out | {head} |", "|---|" + "---|" * len(SIZES)]
    lines += [f"| {name} | {' | '.join(cells)} |" for name, cells in rows.items()]
    lines += ["", "| what ends, the first first | store | at windows |", "|---|---|---|"]
    lines += [f"| {what} | {store} | {number(at)} |" for at, store, what in limits(given)]
    worker_s = given["cpu_s"] / (1 - given["engine_share"])
    kept_up = " (SQLite) or ".join(
        number(worker_s / given[each]) for each in ("store_s", "pg_store_s")
    )
    lines += ["", f"One driver keeps up with {kept_up} (PostgreSQL) processors of workers."]
    return "\n".join(lines)


@click.command()
@click.option("--write", is_flag=True, help="Put the tables into docs/scaling.md.")
def main(write: bool) -> None:
    """Print the tables."""
    made = tables()
    click.echo(made)
    if write:
        PART.write(made)


if __name__ == "__main__":
    main()
