"""The library's own panel, and what is seen while it is indexed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from tests.browser.asking import ask, shown_names, until
from tests.browser.served import Served, serving
from tests.e2e.command import Command
from tests.sounds import noise, write_audio


def test_the_panel_tells_of_folders_failures_and_the_model(
    new_page: Any, page_library: Command, page_sounds: Path, tmp_path: Path
):
    shutil.copytree(
        page_library.data_dir, tmp_path / "own", ignore=shutil.ignore_patterns("answers")
    )
    folder = tmp_path / "more"
    folder.mkdir()
    (folder / "<b>broken.wav").write_bytes(b"not a sound at all, whatever its name says")
    command = Command(data_dir=tmp_path / "own", bundle="starter")
    command("index", folder)
    with serving(command) as served:
        page = new_page(served, "/?panel=library")
        page.wait_for_selector("#panel .failed li")
        assert page.locator("#panel .root a").all_inner_texts() == [str(page_sounds), str(folder)]
        failed = page.locator("#panel .failed li")
        assert failed.locator("b").inner_text().endswith("<b>broken.wav")
        assert failed.locator("small").inner_text()
        page.wait_for_selector("#panel section[aria-label='Model'] dd:has-text('starter')")
        page.locator("#panel button:has-text('Examine')").click()
        page.wait_for_selector("#panel .finding")
        with page.expect_response("**/api/failed/retry") as told:
            page.locator("#panel button:has-text('Try again')").click()
        assert told.value.json() == {"retried": 1}
        page.wait_for_selector("#panel section[aria-label='Failed files']:has-text('None.')")
        # Nobody but a command does it, and the page sees what came of it.
        assert "audiosearch index" in page.inner_text("#notice")
        page.wait_for_selector("#panel .hint:has-text('1 file waits for')")
        other = tmp_path / "other"
        other.mkdir()
        write_audio(other / "hiss.wav", noise(seconds=1.0, rate=32_000), rate=32_000)
        command("index", folder, other)
        page.wait_for_selector("#panel .failed li:has-text('<b>broken.wav')")
        page.wait_for_selector(f"#panel .root a:has-text('{other}')")
        page.locator(f"#panel .root a:has-text('{folder}')").click()
        page.wait_for_selector(f".chip:has-text('{folder}')")
        page.context.close()


def test_indexing_is_seen_while_it_goes_on(new_page: Any, tmp_path: Path):
    folder = tmp_path / "sounds"
    folder.mkdir()
    for number in range(60):
        sound = noise(seconds=30.0, rate=32_000, seed=number)
        write_audio(folder / f"{number:02}.wav", sound * np.hanning(len(sound)), rate=32_000)
    command = Command(data_dir=tmp_path / "data", bundle="starter")
    with serving(command) as served:
        page = new_page(served, "/?panel=library")
        page.wait_for_selector("#panel dl")
        indexing = subprocess.Popen(
            [*command.program, "index", str(folder), "--quiet"],
            env=command.environment(),
            stdin=subprocess.DEVNULL,
        )
        try:
            page.wait_for_selector("#progress:visible", timeout=60_000)
            assert page.inner_text("#progress").startswith("Indexing: ")
            page.wait_for_selector("#panel .working")
        finally:
            status = indexing.wait(timeout=120)
        assert status == 0
        until(page, "document.querySelector('#progress').hidden", timeout_s=60)
        page.wait_for_selector("#panel dd:has-text('60 indexed')")
        page.context.close()


def test_a_daemons_progress_is_told_with_the_time_left(page: Any):
    watch = {"progress": {"done": 3, "files": 12, "failed": 1, "left_s": 75.0}}
    told = page.evaluate(
        "watch => import('/static/library_panel.js').then(m => m.progressOf({ watch }))", watch
    )
    assert told == {"text": "Indexing: 3 of 12 files, 1 failed, about 1 min left", "share": 0.25}
    quiet = "import('/static/library_panel.js').then(m => m.progressOf({ watch: null, files: {} }))"
    assert page.evaluate(quiet) is None


def test_a_file_that_is_away_is_shown_and_why_it_cannot_be_played(
    new_page: Any, tmp_path: Path, watched: Any
):
    folder = tmp_path / "sounds"
    folder.mkdir()
    write_audio(folder / "away.wav", noise(seconds=3.0, rate=32_000), rate=32_000)
    command = Command(data_dir=tmp_path / "data", bundle="starter")
    assert command("index", folder).status == 0
    (folder / "away.wav").rename(folder / "kept.wav")
    with serving(command) as served:
        page = new_page(served, "/?q=away+hiss&min-score=0")
        page.wait_for_selector("article .badge:has-text('offline')")
        page.locator('article button[aria-label^="Play"]').click()
        page.wait_for_selector("#notice.error")
        assert "away.wav" in page.inner_text("#notice")
        # Once it is back and plays, nothing says any more that it is away.
        (folder / "kept.wav").rename(folder / "away.wav")
        page.locator('article button[aria-label^="Play"]').click()
        page.wait_for_selector("#notice", state="hidden")
        page.context.close()
    watched.errors.clear()  # what is not there


def test_a_server_that_is_gone_is_told(new_page: Any, page_library: Command, watched: Any):
    with serving(page_library) as served:
        page = new_page(served)
        page.wait_for_selector("#q")
    page.fill("#q", "a bell rings")
    page.wait_for_selector("#notice.error")
    assert "does not answer" in page.inner_text("#notice")
    assert isinstance(served, Served)
    watched.errors.clear()  # connections that are refused


def test_a_server_that_comes_back_is_asked_what_it_did_not_answer(
    new_page: Any, page_library: Command, watched: Any
):
    with serving(page_library) as served:
        page = new_page(served)
        ask(page, "a bell rings")
        bell = shown_names(page)
    page.locator("#open-library").click()
    page.wait_for_selector("#panel .problem")
    page.fill("#q", "rain")
    page.wait_for_selector("#notice.error")
    page.wait_for_selector("#feed.stale")  # old rows do not pass for the answer
    assert shown_names(page) == bell
    assert page.inner_text("#count").startswith("No answer")
    assert not page.is_visible("#tick-all")
    with serving(page_library, "--port", str(urlsplit(served.url).port)) as again:
        assert again.url == served.url
        page.wait_for_selector("#feed:not(.stale)")  # without a key being touched
        assert page.input_value("#q") == "rain"
        assert shown_names(page)[0] == "rain.wav"
        assert page.inner_text("#count").startswith(f"{len(shown_names(page))} sound")
        assert page.is_visible("#tick-all")
        assert not page.is_visible("#notice")
        page.wait_for_selector("#panel .root")
        page.wait_for_selector("#panel .problem", state="detached")
        page.context.close()
    watched.errors.clear()  # connections that are refused
