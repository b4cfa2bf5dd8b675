"""Playing what was found, by keys and by pointing."""

from __future__ import annotations

import re
import time
from itertools import pairwise
from typing import Any

import pytest

from tests.browser.asking import ask, current_name, has_focus, line_of, shown_names, until
from tests.browser.served import Served

# What a page's audio elements do is not in its document: each that plays is kept for the tests.
KEEP_ELEMENTS = """
window.heard = [];
const play = HTMLMediaElement.prototype.play;
HTMLMediaElement.prototype.play = function () {
    if (!window.heard.includes(this)) window.heard.push(this);
    this.asked = performance.now();
    this.addEventListener('playing', () => { this.began = performance.now(); }, { once: true });
    return play.call(this);
};
window.playing = () => window.heard.filter(each => !each.paused && !each.ended);
"""


@pytest.fixture
def listening(new_page: Any, served: Served) -> Any:
    page = new_page(served)
    page.add_init_script(KEEP_ELEMENTS)
    page.reload()
    return page


def wait_until_it_plays(page: Any, beyond_s: float = 0.2) -> float:
    """Wait until sound has moved on, and give the place in its file."""
    moved = f"playing().length === 1 && playing()[0].currentTime > {beyond_s}"
    until(page, moved)
    assert page.evaluate("playing()[0].error") is None
    return float(page.evaluate("playing()[0].currentTime"))


def test_space_plays_the_stretch_and_pauses(listening: Any):
    page = listening
    ask(page, "a bell rings")
    page.keyboard.press("ArrowDown")
    page.keyboard.press(" ")
    wait_until_it_plays(page)
    assert page.locator("article.playing .name").inner_text() == "bell.wav"
    assert page.inner_text(".now-name") == "bell.wav"
    page.keyboard.press(" ")
    until(page, "playing().length === 0")
    at = page.evaluate("heard[0].currentTime")
    page.keyboard.press(" ")
    wait_until_it_plays(page, beyond_s=at)


@pytest.mark.parametrize("name", ["night_20260501_235950.flac", "beep.aiff"])
def test_it_plays_from_the_stretch(listening: Any, name: str):
    """Of a file that the browser plays, and of one that is decoded for it."""
    page = listening

    def from_second(route: Any) -> None:
        answer = route.fetch().json()
        hits = [
            {**hit, "start_s": 2.0, "end_s": 3.0} if hit["path"].endswith(name) else hit
            for hit in answer["hits"]
        ]
        route.fulfill(json={**answer, "hits": hits})

    page.route("**/api/find?*", from_second)
    page.goto(page.url + "?q=beep&min-score=0&limit=100")
    page.wait_for_selector("article")
    line = line_of(page, name)
    line.scroll_into_view_if_needed()
    line.locator('button[aria-label^="Play"]').click()
    at = wait_until_it_plays(page, beyond_s=2.0)
    assert 2.0 <= at < 3.5


def test_next_and_previous_play_on(listening: Any):
    page = listening
    page.goto(page.url + "?q=a+bell+rings&min-score=0")
    page.wait_for_selector("article")
    names = shown_names(page)
    page.locator("article").first.focus()
    page.keyboard.press(" ")
    wait_until_it_plays(page)
    waits = []
    for number, key in ((1, "j"), (2, "ArrowDown"), (1, "k"), (0, "ArrowUp")):
        page.keyboard.press(key)
        until(page, f"document.querySelector('.now-name').textContent === {names[number]!r}")
        wait_until_it_plays(page, beyond_s=0.05)
        assert current_name(page) == names[number]
        waits.append(page.evaluate("playing()[0].began - playing()[0].asked"))
    assert sorted(waits)[1] < 500, waits  # ms; far less on a machine that does nothing else


def test_a_click_on_the_waveform_plays_from_there(listening: Any):
    page = listening
    ask(page, "a telephone rings")
    wave = line_of(page, "phone.flac").locator(".wave")
    wave.wait_for()
    box = wave.bounding_box()
    page.mouse.click(box["x"] + 0.5 * box["width"], box["y"] + 20)
    at = wait_until_it_plays(page, beyond_s=4.0)
    assert 4.0 < at < 6.5  # of nine seconds
    head = line_of(page, "phone.flac").locator(".playhead")
    head.wait_for()


def test_a_stretch_that_is_dragged_is_played_in_a_loop_and_asked_about(listening: Any):
    page = listening
    ask(page, "a telephone rings")
    line = line_of(page, "phone.flac")
    box = line.locator(".wave").bounding_box()
    page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.35 * box["width"], box["y"] + 24)
    page.mouse.move(box["x"] + 0.4 * box["width"], box["y"] + 24)
    page.mouse.up()
    page.locator("#loop").click()
    assert page.get_attribute("#loop", "aria-pressed") == "true"
    wait_until_it_plays(page, beyond_s=2.6)
    times = []
    deadline = time.monotonic() + 2.5
    while time.monotonic() < deadline:
        times.append(page.evaluate("playing()[0]?.currentTime ?? null"))
    times = [each for each in times if each is not None]
    assert max(times) < 4.6  # it never goes far beyond the stretch, which ends at 3.6
    assert any(b < a for a, b in pairwise(times)), "it went back"
    with page.expect_request(re.compile(r"/api/similar\?")) as asked:
        line.locator(".chosen button:has-text('Sounds like this')").click()
    found = re.search(r"start=([\d.]+)&end=([\d.]+)", asked.value.url)
    assert found
    assert float(found[1]) == pytest.approx(2.7, abs=0.2)
    assert float(found[2]) == pytest.approx(3.6, abs=0.2)
    page.wait_for_selector(".chip:has-text('phone.flac')")


def test_space_stops_what_plays_though_something_else_was_asked(listening: Any):
    page = listening
    ask(page, "a bell rings")
    page.keyboard.press("ArrowDown")
    page.keyboard.press(" ")
    wait_until_it_plays(page)
    ask(page, "a telephone rings")
    assert page.inner_text(".now-name") == "bell.wav"
    page.keyboard.press("ArrowDown")
    page.keyboard.press(" ")
    until(page, "playing().length === 0")
    page.keyboard.press(" ")
    wait_until_it_plays(page)
    assert page.inner_text(".now-name") == "phone.flac"


def test_stretches_of_one_recording_play_one_after_the_other(listening: Any, served: Served):
    """As those of a collection, where what is loaded ahead is what plays."""
    page = listening
    [hit] = served.command("find", "a telephone rings", "--json", "--name", "phone").rows
    hits = [{**hit, "rank": n, "start_s": 3.0 * n, "end_s": 3.0 * n + 1} for n in range(3)]
    page.route("**/api/find?*", lambda route: route.fulfill(json={"hits": hits}))
    ask(page, "a telephone")
    page.keyboard.press("ArrowDown")
    page.keyboard.press(" ")
    at = wait_until_it_plays(page, beyond_s=0.3)
    assert at < 3
    page.keyboard.press("j")
    at = wait_until_it_plays(page, beyond_s=3.1)
    assert at < 6
    assert page.locator("article.playing").count() == 1
    page.keyboard.press(" ")
    until(page, "playing().length === 0")
    page.keyboard.press("k")
    page.keyboard.press(" ")  # the line of the keys, not the one that played
    at = wait_until_it_plays(page, beyond_s=0.1)
    assert at < 3


def test_a_loop_goes_on_in_a_tab_that_is_not_seen(listening: Any):
    page = listening
    ask(page, "a telephone rings")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("l")
    box = line_of(page, "phone.flac").locator(".wave").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.1, box["y"] + 10)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.2, box["y"] + 10, steps=4)
    page.evaluate("window.requestAnimationFrame = () => 0")  # as there
    page.mouse.up()
    until(page, "playing().length === 1")
    page.evaluate(
        "(window.back = 0, playing()[0].addEventListener('seeked', () => { window.back += 1; }))"
    )
    until(page, "window.back >= 2")


def test_speed_loudness_and_loop_have_keys(listening: Any):
    page = listening
    ask(page, "a bell rings")
    page.keyboard.press("ArrowDown")
    page.keyboard.press(" ")
    wait_until_it_plays(page)
    page.keyboard.press(".")
    assert page.evaluate("playing()[0].playbackRate") == 1.25
    page.keyboard.press(",")
    page.keyboard.press(",")
    assert page.evaluate("playing()[0].playbackRate") == 0.75
    assert page.get_attribute("#level", "aria-pressed") == "true"
    page.keyboard.press("g")
    assert page.get_attribute("#level", "aria-pressed") == "false"
    page.keyboard.press("l")
    assert page.get_attribute("#loop", "aria-pressed") == "true"


def test_the_keyboard_alone_reaches_everything(page: Any):
    page.keyboard.press("Tab")
    page.keyboard.press("/")
    assert has_focus(page, "#q")
    page.keyboard.type("a bell rings")
    page.wait_for_selector("article")
    page.keyboard.press("ArrowDown")
    assert has_focus(page, "article")
    first = current_name(page)
    page.keyboard.press("x")
    page.wait_for_selector("#basket:visible")
    page.keyboard.press("Enter")
    page.wait_for_selector("#panel h2")
    assert page.inner_text("#panel h2") == first
    assert has_focus(page, "#panel")
    page.keyboard.press("Escape")
    page.wait_for_selector("#panel", state="hidden")
    assert has_focus(page, "article")
    page.keyboard.press("?")
    page.wait_for_selector("#keys[open]")
    page.keyboard.press("Escape")
    page.wait_for_selector("#keys", state="hidden")
    page.keyboard.press("s")
    page.wait_for_selector(".chip:has-text('Sounds like')")
