"""What the page's server holds and how it bears many at once, over HTTP; and the command beside it.

Parts of `benchmarks.page`.
"""

from __future__ import annotations

import http.client
import json
import os
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from audiosearch.config import Config, ModelConfig
from benchmarks.child import run
from benchmarks.generated_library import Maker
from benchmarks.queries import QUERIES

SETTLED_S = 2.0  # after which what an answer needed is given back
MOST_SOUNDS = 100  # that are played again and again


def made(data_dir: Path, windows: int) -> Path:
    """A folder with a library of generated rows, made where there is none."""
    config = Config(
        data_dir=data_dir, config_file=data_dir / "none", model=ModelConfig(device="cpu")
    )
    if not config.database.exists():
        Maker(config).make(windows, frames=1.0)
    return data_dir


class PageClient:
    """One connection to the page, kept, as a browser keeps it."""

    def __init__(self, url: str) -> None:
        place = urlsplit(url)
        assert place.hostname is not None
        self._connection = http.client.HTTPConnection(place.hostname, place.port, timeout=120)

    def get(self, path: str, **headers: str) -> tuple[int, bytes]:
        """Status and body."""
        self._connection.request("GET", path, headers=headers)
        with closing(self._connection.getresponse()) as reply:
            return reply.status, reply.read()

    def hits(self, query: str, **more: object) -> list[dict[str, object]]:
        """The hits of a question."""
        status, body = self.get(f"/api/find?{urlencode({'q': query, 'limit': 60, **more})}")
        if status != http.client.OK:
            raise RuntimeError(f"{status}: {body.decode()}")
        hits: list[dict[str, object]] = json.loads(body)["hits"]
        return hits

    def close(self) -> None:
        """End the connection."""
        self._connection.close()


def memory(url: str, pid: int, *, asked: int, plays: int) -> dict[str, object]:
    """Resident memory of the server, MB (files that are mapped left out), as it is used more."""
    found: dict[str, object] = {"idle": resident_mb(pid)}
    with closing(PageClient(url)) as client:
        client.hits(QUERIES[0])
        found["after_1_question"] = resident_mb(pid)

        def question(number: int) -> None:
            # Each is another, so that no answer is the one before.
            words = f"{QUERIES[number % len(QUERIES)]} {QUERIES[number // 10 % len(QUERIES)]}"
            client.hits(words, explain="true")

        _grown(found, pid, "questions", asked, question)
        urls = audible(client)

        def play(number: int) -> None:
            # Every fourth is decoded, as what no browser plays; the others are read as they are.
            path = urls[number % len(urls)] + ("?start=0.5" if number % 4 == 0 else "")
            status, _ = client.get(path, **({} if number % 4 == 0 else {"Range": "bytes=0-"}))
            if status not in (http.client.OK, http.client.PARTIAL_CONTENT):
                raise RuntimeError(f"{path}: {status}")

        if urls:
            _grown(found, pid, "plays", plays, play)
        else:
            found["plays"] = "not measured: no file of a hit is there"
    return found


def _grown(
    found: dict[str, object], pid: int, name: str, times: int, do: Callable[[int], None]
) -> None:
    """Do it, and note what is held on the way and at the end."""
    for number in range(1, times + 1):
        do(number)
        if number in (times // 5, times // 2, times):
            time.sleep(SETTLED_S)
            found[f"after_{number}_{name}"] = resident_mb(pid)


def audible(client: PageClient) -> list[str]:
    """Where the sounds are of some hits whose files are there, unchanged."""
    hits = [hit for query in QUERIES for hit in client.hits(query)]
    paths = [f"/api/recordings/{hit['recording_id']}/audio" for hit in hits if not hit["offline"]]
    found: list[str] = []
    for path in dict.fromkeys(paths):
        if len(found) == MOST_SOUNDS:
            break
        if client.get(path, Range="bytes=0-0")[0] == http.client.PARTIAL_CONTENT:
            found.append(path)
    return found


def listeners(url: str, n: int) -> dict[str, object]:
    """First byte and whole sound for so many at once, ms: files as they are, and decoded ones."""
    with closing(PageClient(url)) as client:
        urls = audible(client)
    if not urls:
        raise RuntimeError("no file of a hit is there")
    found: dict[str, object] = {"listeners": n}
    for name, query in (("file", ""), ("decoded", "?start=0.1&format=wav")):
        alone = _listened(url, [urls[0] + query])
        together = _listened(url, [urls[k % len(urls)] + query for k in range(n)])
        found[name] = {
            "alone_first_byte_ms": round(alone[0][0], 1),
            "first_byte_ms": spread([first for first, _ in together]),
            "all_of_it_ms": spread([whole for _, whole in together]),
        }
    return found


def _listened(url: str, paths: Sequence[str]) -> list[tuple[float, float]]:
    """To all of these at once: until the first byte and the last, ms."""
    place = urlsplit(url)
    ready = threading.Barrier(len(paths))

    def listen(path: str) -> tuple[float, float]:
        with closing(
            http.client.HTTPConnection(str(place.hostname), place.port, timeout=120)
        ) as connection:
            connection.connect()
            ready.wait()
            began = time.perf_counter()
            connection.request("GET", path)
            reply = connection.getresponse()
            reply.read(1)
            first = time.perf_counter() - began
            reply.read()
            if reply.status != http.client.OK:
                raise RuntimeError(f"{path}: {reply.status}")
            return 1e3 * first, 1e3 * (time.perf_counter() - began)

    with ThreadPoolExecutor(len(paths)) as pool:
        return list(pool.map(listen, paths))


def command(data: Path, queries: Sequence[str]) -> dict[str, object]:
    """`audiosearch find` as a whole process: ms and MB of its own, and who answered."""
    runs = [run("find", query, "--json", "-v", data_dir=data) for query in queries]
    wrong = next((each.err for each in runs if each.status), None)
    if wrong is not None:
        raise RuntimeError(wrong.strip().splitlines()[-1])
    return {
        "find_ms": spread([1e3 * each.wall_s for each in runs]),
        "memory_mb": round(max(each.peak_mb for each in runs)),
        "by_the_server": sum("by the daemon" in each.err for each in runs),
        "times": len(runs),
    }


def processor_ms(pid: int) -> float:
    """Used by a process and its threads, without its children; in Linux's ticks, else nan."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    except OSError:
        return float("nan")
    return 1e3 * (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mb(pid: int) -> float:
    """Of the process itself, on Linux; nan elsewhere."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return float("nan")
    return round(
        next(int(line.split()[1]) / 1024 for line in lines if line.startswith("RssAnon:")), 1
    )


def spread(values: Sequence[float]) -> dict[str, float]:
    """The least, the median and the value that one in twenty exceeds; nothing of no values."""
    if not values:
        return {}
    ordered = sorted(values)
    return {
        "least": round(ordered[0], 1),
        "p50": round(statistics.median(ordered), 1),
        "p95": round(ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))], 1),
    }
