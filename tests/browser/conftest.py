"""The page in the system's Chromium, against the real command on a library of generated sounds."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from audiosearch.training.synth.examples import write_examples
from tests.browser.served import Served, chromium_path, serving
from tests.e2e.command import Command
from tests.sounds import noise, tones, write_audio

HOSTILE = "<img src=x onerror=document.title='taken'>.wav"
# Chromium's own sandbox does not run for root, as which many machines that build things run; sound
# must play without a click, and the microphone is one that beeps.
ARGUMENTS = (
    "--no-sandbox",
    "--autoplay-policy=no-user-gesture-required",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip all of them where there is no browser, and say what to do."""
    missing = chromium_path() is None
    reason = "no Chromium: apt-get install chromium, or name one in AUDIOSEARCH_CHROMIUM"
    here = Path(__file__).parent
    for item in items:
        if missing and here in item.path.parents:
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def page_sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's sounds, one that no browser plays, one with a hostile name, a long one."""
    folder = tmp_path_factory.mktemp("page") / "sounds"
    write_examples(folder)
    write_audio(
        folder / "beep.aiff", tones([900, 1200, 900], seconds=1.0, rate=32_000), rate=32_000
    )
    write_audio(folder / HOSTILE, tones([500, 700], seconds=1.5, rate=32_000), rate=32_000)
    hiss = noise(seconds=90.0, rate=32_000, amplitude=0.01)
    hiss[30 * 32_000 : 32 * 32_000] += tones([1000, 1500], rate=32_000, seconds=1.0)
    write_audio(folder / "night_20260501_235950.flac", hiss, rate=32_000)
    return folder


@pytest.fixture(scope="session")
def page_library(tmp_path_factory: pytest.TempPathFactory, page_sounds: Path) -> Command:
    """The command with these sounds indexed by the bundled model; tests must not change it."""
    command = Command(data_dir=tmp_path_factory.mktemp("page-library"), bundle="starter")
    answer = command("index", page_sounds)
    assert answer.status == 0, answer.err
    return command


@pytest.fixture(scope="session")
def served(page_library: Command) -> Iterator[Served]:
    """`audiosearch serve` on that library."""
    with serving(page_library) as found:
        yield found


@pytest.fixture
def own_served(page_library: Command, tmp_path: Path, open_pages: OpenPages) -> Iterator[Served]:
    """The same on a copy of this test's own, to be written to: no other test ever sees it."""
    data_dir = tmp_path / "own-data"
    shutil.copytree(page_library.data_dir, data_dir, ignore=shutil.ignore_patterns("answers"))
    with serving(Command(data_dir=data_dir, bundle="starter")) as found:
        yield found
        open_pages.close()  # before the server goes, which they would miss


@pytest.fixture
def own_sounds(tmp_path: Path, page_sounds: Path, open_pages: OpenPages) -> Iterator[Served]:
    """A library of this test's own, of one sound in a folder that it may change."""
    folder = tmp_path / "own-sounds"
    folder.mkdir()
    shutil.copy(page_sounds / "bell.wav", folder / "bell\n2.wav")
    command = Command(data_dir=tmp_path / "own-sounds-data", bundle="starter")
    answer = command("index", folder)
    assert answer.status == 0, answer.err
    with serving(command) as found:
        yield found
        open_pages.close()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """One browser for all tests of a file.

    Not for longer: while it is there an event loop runs in this thread, and tests of other things
    could begin none.
    """
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - where one is there only

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=list(ARGUMENTS))
        yield browser
        browser.close()


@dataclass
class Watched:
    """What went wrong in a page: nothing may."""

    errors: list[str]
    abroad: list[str]


@pytest.fixture
def watched() -> Watched:
    return Watched(errors=[], abroad=[])


class OpenPages:
    """The contexts of a browser that a test has opened."""

    def __init__(self) -> None:
        self._contexts: list[Any] = []

    def add(self, context: Any) -> None:
        """Have a context closed in the end."""
        self._contexts.append(context)

    def close(self) -> None:
        """Close all that are open."""
        while self._contexts:
            context = self._contexts.pop()
            for page in context.pages:
                page.unroute_all(behavior="ignoreErrors")
            context.close()


@pytest.fixture
def open_pages() -> OpenPages:
    return OpenPages()


@pytest.fixture
def new_page(chromium: Any, watched: Watched, open_pages: OpenPages) -> Iterator[Any]:
    """A function that opens pages: `new_page(served, path="/", **context)`.

    None of them may write an error to its console or ask another origin for anything.
    """

    def opened(served: Served, path: str = "/", **options: Any) -> Any:
        context = chromium.new_context(**{"viewport": {"width": 1280, "height": 800}, **options})
        context.set_default_timeout(20_000)
        open_pages.add(context)
        page = context.new_page()

        def on_console(message: Any) -> None:
            if message.type == "error":
                watched.errors.append(f"{message.text} {message.location}")

        def on_request(request: Any) -> None:
            if not request.url.startswith((served.url, "blob:", "data:")):
                watched.abroad.append(request.url)

        page.on("console", on_console)
        page.on("pageerror", lambda error: watched.errors.append(str(error)))
        page.on("request", on_request)
        page.goto(served.url.rstrip("/") + path)
        return page

    yield opened
    open_pages.close()
    assert watched.errors == []
    assert watched.abroad == []


@pytest.fixture
def page(new_page: Any, served: Served) -> Any:
    """The page, opened and empty."""
    return new_page(served)
