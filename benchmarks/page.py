"""The page in a real browser: from a key to hits, the first paint, the first sound and the next.

    python -m benchmarks.page DATA_FOLDER [--queries 100]

asks a library, whose folder is the one that `AUDIOSEARCH_DATA_DIR` would name, the questions of
`benchmarks.queries`.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.child import environment
from benchmarks.queries import QUERIES

ASK = """async (queries) => {
    const there = window.fetch;
    let engine = 0;
    window.fetch = async (path, init) => {
        const response = await there(path, init);
        if (path.startsWith("/api/find")) {
            const { timings } = await response.clone().json();
            engine = Object.values(timings).reduce((a, b) => a + b, 0) * 1000;
        }
        return response;
    };
    const field = document.querySelector("#q");
    const count = document.querySelector("#count");
    const rows = [];
    for (const query of queries) {
        const shown = new Promise((resolve) => {
            const observer = new MutationObserver(() => { observer.disconnect(); resolve(); });
            observer.observe(count, { childList: true });
        });
        field.value = query;
        const began = performance.now();
        field.dispatchEvent(new Event("input", { bubbles: true }));
        await shown;
        await new Promise(requestAnimationFrame);
        rows.push({ total: performance.now() - began, engine });
        await new Promise((resolve) => setTimeout(resolve, 300)); // pictures have come too
    }
    window.fetch = there;
    return rows;
}"""
LISTEN = """
window.starts = [];
const play = HTMLMediaElement.prototype.play;
HTMLMediaElement.prototype.play = function () {
    const began = performance.now();
    this.addEventListener("playing", () => window.starts.push(performance.now() - began),
        { once: true });
    return play.call(this);
};
"""
DEBOUNCE_MS = 150


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    given = parser.parse_args(arguments)
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - of the extra dev

    with serving(given.data) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=given.chromium,
            args=["--no-sandbox", "--autoplay-policy=no-user-gesture-required"],
        )
        page = browser.new_page()
        page.add_init_script(LISTEN)
        paints = []
        for _ in range(5):
            page.goto(url)
            paints.append(page.evaluate("performance.getEntriesByType('paint')[0].startTime"))
        queries = [QUERIES[n % len(QUERIES)] for n in range(given.queries)]
        page.evaluate(ASK, ["rain"])  # the model is loaded
        rows = page.evaluate(ASK, queries)
        starts = listened(page)
        browser.close()
    beyond = [row["total"] - DEBOUNCE_MS - row["engine"] for row in rows]
    told = {
        "first_paint_ms": round(statistics.median(paints)),
        "key_to_hits_ms": spread([row["total"] for row in rows]),
        "engine_ms": spread([row["engine"] for row in rows]),
        "beyond_engine_and_debounce_ms": spread(beyond),
        "first_sound_ms": round(starts[0]),
        "next_sound_ms": spread(starts[1:]),
    }
    print(json.dumps(told, indent=1))
    return 0


def listened(page: Any) -> list[float]:
    """How long each of up to 20 sounds took to begin, ms."""
    page.locator("article").first.focus()
    page.keyboard.press(" ")
    for n in range(1, 21):
        for _ in range(100):
            if page.evaluate("window.starts.length") >= n:
                break
            page.wait_for_timeout(50)
        page.wait_for_timeout(800)  # one listens, and the next is loaded
        page.keyboard.press("j")
    return [float(each) for each in page.evaluate("window.starts")]


def spread(values: Sequence[float]) -> dict[str, int]:
    """Median and the value that one in twenty exceeds."""
    ordered = sorted(values)
    return {
        "p50": round(statistics.median(ordered)),
        "p95": round(ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]),
    }


@contextmanager
def serving(data: Path) -> Iterator[str]:
    """The page of a library, on any port."""
    process = subprocess.Popen(
        [sys.executable, "-m", "audiosearch", "serve", "--port", "0"],
        stdout=subprocess.PIPE,
        env=environment(data),
        text=True,
    )
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait(timeout=30)


if __name__ == "__main__":
    sys.exit(main())
