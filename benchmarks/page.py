"""The page in a real browser, its server under load, and the command, side by side.

    python -m benchmarks.page DATA [--queries 100] [--part keys] [--against OTHER_CHECKOUT]
    python -m benchmarks.page --windows 100000 [--keep FOLDER]

asks a library, whose folder is the one that `AUDIOSEARCH_DATA_DIR` would name, or one of generated
rows (`generated_library`; without any sounds), the questions of `benchmarks.queries`. What one part
cannot measure is told, and the others go on.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import page_load
from benchmarks.child import environment
from benchmarks.page_load import spread
from benchmarks.queries import QUERIES

# What one question takes, from the key on. A frame comes every 16.7 ms: until then nothing is seen,
# however early the lines are there.
ASK = """async (query) => {
    const there = window.fetch;
    const source = await (await there("/static/search.js")).text();
    const at = { debounce: Number(/\\bDELAY_MS = (\\d+)/.exec(source)[1]) };
    window.fetch = async (path, init) => {
        const isQuestion = String(path).startsWith("/api/find");
        if (isQuestion) at.asked = performance.now();
        const response = await there(path, init);
        if (isQuestion) {
            const read = response.json.bind(response);
            response.json = async () => {
                const answer = await read();
                at.parsed = performance.now();
                at.engine = Object.values(answer.timings).reduce((a, b) => a + b, 0) * 1000;
                return answer;
            };
        }
        return response;
    };
    const field = document.querySelector("#q");
    const count = document.querySelector("#count");
    const shown = new Promise((resolve, reject) => {
        const observer = new MutationObserver(() => {
            if (at.parsed === undefined) return; // of a question before
            observer.disconnect();
            resolve();
        });
        observer.observe(count, { childList: true });
        setTimeout(() => reject(new Error(`no answer to ${query}: ${count.textContent}`)), 120_000);
    });
    field.value = query;
    const began = performance.now();
    field.dispatchEvent(new Event("input", { bubbles: true }));
    await shown;
    at.shown = performance.now();
    await new Promise(requestAnimationFrame);
    at.frame = performance.now();
    await new Promise((resolve) => {
        const channel = new MessageChannel();
        channel.port1.onmessage = resolve;
        channel.port2.postMessage(0);
    });
    at.painted = performance.now();
    await new Promise((resolve) => setTimeout(resolve, 300)); // pictures have come too
    window.fetch = there;
    const late = at.asked - began - at.debounce;
    const carried = at.parsed - at.asked - at.engine;
    return {
        total: at.frame - began,
        engine: at.engine,
        debounce_late: late,
        server_and_transport: carried,
        lines_made: at.shown - at.parsed,
        wait_for_frame: at.frame - at.shown,
        beyond: late + carried + at.frame - at.parsed,
        beyond_without_frame: late + carried + at.shown - at.parsed,
        beyond_to_painted: late + carried + at.painted - at.parsed,
    };
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
# As many lines as an answer may have, made of those of a real one.
SCROLL = """async (n) => {
    const there = window.fetch;
    window.fetch = async (path, init) => {
        if (!String(path).startsWith("/api/find")) return there(path, init);
        const answer = await (await there(path, init)).json();
        const some = answer.hits;
        const line = (_, i) => ({ ...some[i % some.length], rank: i + 1 });
        const hits = Array.from({ length: n }, line);
        return Response.json({ ...answer, hits, weaker: [], more: null });
    };
    const field = document.querySelector("#q");
    const results = document.querySelector("#results");
    const lines = document.querySelector("#feed");
    field.value = "rain falls";
    const began = performance.now();
    field.dispatchEvent(new Event("input", { bubbles: true }));
    const isShown = () => lines.querySelector(`[aria-setsize="${n}"]`) !== null;
    while (!isShown()) await new Promise((f) => setTimeout(f, 5));
    await new Promise(requestAnimationFrame);
    const shown = performance.now() - began;
    const scrolled = async (place) => {
        const frames = [];
        await new Promise(requestAnimationFrame);
        let last = performance.now();
        for (let i = 1; i <= 300; i += 1) {
            results.scrollTop = place(i);
            await new Promise(requestAnimationFrame);
            const now = performance.now();
            frames.push(now - last);
            last = now;
        }
        return frames;
    };
    const wheel = await scrolled((i) => 60 * i);  // as a wheel goes
    const jumps = await scrolled((i) => (results.scrollHeight * i) / 300);  // as the bar is dragged
    window.fetch = there;
    return { shown, wheel, jumps, lines: lines.querySelectorAll("article").length };
}"""
PARTS = ("paint", "keys", "scroll", "sound", "memory", "listeners", "command")
# The page may be loaded before it is painted: then its entry comes later.
FIRST_PAINT = """() => new Promise((resolve) =>
    new PerformanceObserver((seen) => resolve(seen.getEntries()[0].startTime)).observe({
        type: "paint",
        buffered: true,
    }))"""
LINES = 100_000


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; 1 where a part could not be measured."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--windows", type=int, help="make a library of so many windows")
    parser.add_argument("--keep", type=Path, help="keep that library here, or use it")
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--part", action="append", choices=PARTS, help="only this; several may be")
    parser.add_argument(
        "--against", type=Path, help="another checkout, whose page takes turns with this one's"
    )
    parser.add_argument("--asked", type=int, default=1000, help="questions, for the memory")
    parser.add_argument("--plays", type=int, default=1000, help="plays, for the memory")
    parser.add_argument("--listeners", type=int, default=50)
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    given = parser.parse_args(arguments)
    if (given.data is None) == (given.windows is None):
        parser.error("give a data folder, or --windows")
    with ExitStack() as stack:
        data = given.data or page_load.made(
            given.keep or Path(stack.enter_context(tempfile.TemporaryDirectory())), given.windows
        )
        return measure(given, data)


def measure(given: argparse.Namespace, data: Path) -> int:
    """All parts that are wanted, each printed as soon as it is known."""
    queries = [QUERIES[n % len(QUERIES)] for n in range(given.queries)]
    with serving(data) as server:
        steps: dict[str, Callable[[], object]] = {
            "paint": lambda: with_page(given, server, first_paint),
            "keys": lambda: keys(given, server, data, queries),
            "scroll": lambda: with_page(given, server, scrolling),
            "sound": lambda: with_page(given, server, sounds),
            "memory": lambda: page_load.memory(
                server.url, server.pid, asked=given.asked, plays=given.plays
            ),
            "listeners": lambda: page_load.listeners(server.url, given.listeners),
            "command": lambda: page_load.command(data, queries[:20]),
        }
        wanted = [name for name in PARTS if name in (given.part or PARTS)]
        status = measured({name: steps[name] for name in wanted})
    if "command" in wanted:
        cold = {"command_without_server": lambda: page_load.command(data, queries[:10])}
        status = max(status, measured(cold))
    return status


def measured(steps: Mapping[str, Callable[[], object]]) -> int:
    """Take the steps, print what each gives or why it gives nothing; 1 where one gives nothing."""
    status = 0
    for name, step in steps.items():
        try:
            found = step()
        except Exception as error:  # noqa: BLE001 - the other parts are measured all the same
            found, status = {"not measured": f"{type(error).__name__}: {error}"}, 1
        print(json.dumps({name: found}, indent=1), flush=True)
    return status


@dataclass(frozen=True)
class Server:
    """`audiosearch serve`, running."""

    url: str
    pid: int


@contextmanager
def serving(data: Path, checkout: Path | None = None) -> Iterator[Server]:
    """The page of a library, on any port; by the program of another checkout, if one is named."""
    there = {} if checkout is None else {"PYTHONPATH": str(checkout.resolve())}
    process = subprocess.Popen(
        [sys.executable, "-m", "audiosearch", "serve", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment(data) | there,
        cwd=checkout,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield Server(process.stdout.readline().strip(), process.pid)
    finally:
        process.terminate()
        process.wait(timeout=30)


@contextmanager
def browser(given: argparse.Namespace) -> Iterator[Any]:
    """Chromium that plays without a click."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - of the extra dev

    with sync_playwright() as playwright:
        found = playwright.chromium.launch(
            executable_path=given.chromium,
            args=["--no-sandbox", "--autoplay-policy=no-user-gesture-required"],
        )
        try:
            yield found
        finally:
            found.close()


def with_page(
    given: argparse.Namespace, server: Server, measure_it: Callable[[Any], object]
) -> object:
    """What is measured of a page that is just opened."""
    with browser(given) as found:
        page = found.new_page()
        page.add_init_script(LISTEN)
        page.goto(server.url)
        return measure_it(page)


def first_paint(page: Any) -> object:
    """Until something is seen, from the start of loading on, ms."""
    paints = []
    for _ in range(20):
        page.reload()
        paints.append(page.evaluate(FIRST_PAINT))
    return {"first_paint_ms": spread(paints)}


def keys(
    given: argparse.Namespace, server: Server, data: Path, queries: Sequence[str]
) -> dict[str, object]:
    """From a key to hits; beside it, question by question, the page of another checkout."""
    with ExitStack() as stack:
        servers = {"page": server}
        if given.against is not None:
            servers = {"against": stack.enter_context(serving(data, given.against)), **servers}
        found = stack.enter_context(browser(given))
        pages, clocks = {}, {}
        for name, each in servers.items():
            pages[name] = found.new_context().new_page()
            pages[name].goto(each.url)
            for warming in QUERIES[:3]:  # the model is loaded, and the first lines are made
                ask(pages[name], warming)
            clocks[name] = processor_clock(pages[name])
        rows: dict[str, list[dict[str, float]]] = {name: [] for name in pages}
        for query in queries:
            for name, page in pages.items():
                before = clocks[name](), page_load.processor_ms(servers[name].pid)
                row = ask(page, query)
                row["processor_of_page"] = clocks[name]() - before[0]
                row["processor_of_server"] = page_load.processor_ms(servers[name].pid) - before[1]
                rows[name].append(row)
        return {
            name: {f"{key}_ms": spread([row[key] for row in some]) for key in some[0]}
            for name, some in rows.items()
        }


def processor_clock(page: Any) -> Callable[[], float]:
    """What tells the processor time of a page's thread, ms: it hardly depends on what else runs."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def now() -> float:
        metrics = session.send("Performance.getMetrics")["metrics"]
        return 1e3 * float(next(x["value"] for x in metrics if x["name"] == "ThreadTime"))

    return now


def ask(page: Any, query: str) -> dict[str, float]:
    """Type a question; what its answer took, ms."""
    page.bring_to_front()
    taken: dict[str, float] = page.evaluate(ASK, query)
    return taken


def scrolling(page: Any) -> object:
    """How long frames take, ms, while one goes through `LINES` lines."""
    ask(page, "rain")
    told = page.evaluate(SCROLL, LINES)
    return {
        "lines": LINES,
        "lines_made": told["lines"],
        "key_to_lines_ms": round(told["shown"]),
        "frame_ms_by_wheel": spread(told["wheel"]) | {"most": round(max(told["wheel"]))},
        "frame_ms_by_bar": spread(told["jumps"]) | {"most": round(max(told["jumps"]))},
    }


def sounds(page: Any) -> object:
    """How long up to 20 sounds took to begin, ms.

    Raises:
        RuntimeError: none did; what the page says of that.
    """
    ask(page, "rain falling on a roof")
    page.locator("article").first.focus()
    page.keyboard.press(" ")
    for n in range(1, 21):
        for _ in range(100):
            if page.evaluate("window.starts.length") >= n:
                break
            page.wait_for_timeout(50)
        else:
            break
        page.wait_for_timeout(800)  # one listens, and the next is loaded
        page.keyboard.press("j")
    starts = [float(each) for each in page.evaluate("window.starts")]
    if not starts:
        said = page.locator("#notice").inner_text() or page.locator("article").first.inner_text()
        raise RuntimeError(f"nothing was heard; the page says: {' '.join(said.split())}")
    return {"first_sound_ms": round(starts[0]), "next_sound_ms": spread(starts[1:])}


if __name__ == "__main__":
    sys.exit(main())
