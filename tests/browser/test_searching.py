"""Asking by words, filters and links."""

from __future__ import annotations

import contextlib
import re
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.browser.asking import ask, has_focus, line_of, settled, shown_names, until
from tests.browser.conftest import HOSTILE
from tests.browser.served import Served

QUESTION = "someone knocks on a door before a bell rings"


def state_of(page: Any) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.url).query)


def test_hits_are_those_of_the_command_in_their_order(page: Any, served: Served):
    told = served.command("find", QUESTION, "--json", "-n", "60").rows
    ask(page, QUESTION)
    assert page.locator("article .name").all_inner_texts() == [
        each["path"].rpartition("/")[2] for each in told
    ]
    n_weak = len([each for each in told if each.get("weak")])
    assert page.locator("article.weak").count() == n_weak < len(told)
    scores = page.locator("article .score b").all_inner_texts()
    assert scores == [f"{each['score']:.2f}" for each in told]
    assert page.locator("article .caption").first.inner_text() == told[0]["caption"]


def test_it_answers_while_one_types_and_drops_stale_answers(page: Any):
    held: list[Any] = []
    asked: list[str] = []

    def on_find(route: Any) -> None:
        query = parse_qs(urlsplit(route.request.url).query)["q"][0]
        asked.append(query)
        if query == "rain" and not held:
            held.append(route)  # the first answer comes after the second, if at all
        else:
            route.continue_()

    page.route("**/api/find?*", on_find)
    page.locator("#q").press_sequentially("rain", delay=20)
    page.wait_for_timeout(600)
    assert asked == ["rain"]  # one question for four letters
    page.fill("#q", "a bell rings")
    page.wait_for_selector("article")
    assert shown_names(page)[0] == "bell.wav"
    rows = [{"rank": 1, "path": "/stale.wav", "start_s": 0, "end_s": 1, "duration_s": 1,
             "recording_id": 1, "score": 1}]  # fmt: skip
    # The page has called it off, or drops it.
    with contextlib.suppress(Exception):
        held[0].fulfill(json={"hits": rows})
    page.wait_for_timeout(300)
    assert "stale.wav" not in shown_names(page)


def test_every_state_is_a_link_and_back_and_forward_work(page: Any, new_page: Any, served: Served):
    ask(page, "a bell rings")
    first = shown_names(page)
    page.fill("#q", "")
    page.wait_for_selector("#start:visible")
    ask(page, "rain")
    page.locator("#open-filters").click()
    page.fill('[name="format"]', "wav; flac")
    page.locator("#filters button.primary").click()
    page.wait_for_selector('.chip-text:has-text("Format: flac")')
    settled(page)
    assert state_of(page) == {"q": ["rain"], "format": ["wav", "flac"]}
    filtered = shown_names(page)
    other = new_page(served, f"/?{urlsplit(page.url).query}")
    other.wait_for_selector("article")
    assert shown_names(other) == filtered
    assert other.input_value("#q") == "rain"
    page.go_back()
    until(page, "!location.search.includes('format')")
    page.goto(f"{served.url}?q=a+bell+rings")
    page.wait_for_selector("article")
    assert shown_names(page) == first
    page.locator('article button[aria-label^="Sounds like"]').first.click()
    page.wait_for_selector(".chip:has-text('Sounds like')")
    page.go_back()
    until(page, "document.querySelector('#q').value === 'a bell rings'")
    page.go_forward()
    page.wait_for_selector(".chip:has-text('Sounds like')")
    assert page.input_value("#q") == ""


def test_a_chip_takes_its_filter_away(new_page: Any, served: Served):
    page = new_page(served, "/?q=birds&format=ogg&max-duration=30")
    page.wait_for_selector("article")
    assert all(name.endswith(".ogg") for name in shown_names(page))
    page.locator('.chip button[aria-label="Remove Format: ogg"]').click()
    until(page, "!location.search.includes('format')")
    assert state_of(page) == {"q": ["birds"], "max-duration": ["30"]}


def test_matched_words_are_marked_and_the_rest_explained(page: Any):
    ask(page, "knocks on a door")
    assert "knocks" in line_of(page, "knocks.wav").locator("mark").all_inner_texts()
    why = line_of(page, "knocks.wav").locator(".lift.for")
    why.first.wait_for()
    assert "door" in why.all_inner_texts() or "knocks" in why.all_inner_texts()


def test_what_is_wrong_with_a_question_is_said(new_page: Any, served: Served, watched: Any):
    page = new_page(served, "/?q=rain&sort=loudest")
    page.wait_for_selector("#notice:visible")
    assert "loudest" in page.inner_text("#notice")
    assert page.get_attribute("#feed", "aria-busy") == "false"
    # A stretch that is none does not become all of the sound, and what is no panel opens none.
    page = new_page(served, "/?like=1@5-2&panel=nonsense")
    page.wait_for_selector("#notice:visible")
    assert "ends before it begins" in page.inner_text("#notice")
    assert not page.is_visible("#panel")
    # The browser itself writes refused requests to its console.
    assert [each for each in watched.errors if "400" not in each] == []
    watched.errors.clear()


def test_moments_of_a_recording_stand_on_one_line(new_page: Any, served: Served):
    told = served.command("find", "a beep", "--moments", "--json", "--name", "night").rows
    page = new_page(served, "/?q=a+beep&moments=true&name=night")
    page.wait_for_selector("article") if told else page.wait_for_selector("#remarks:visible")
    assert page.locator("article").count() == min(1, len(told))
    assert page.locator("article .mark").count() == len(told)


def test_the_time_by_the_clock_is_shown(new_page: Any, served: Served):
    [told] = served.command("find", "a beep", "--json", "--name", "night", "--min-score", "0").rows
    page = new_page(served, "/?q=a+beep&min-score=0&name=night")
    began = datetime(2026, 5, 1, 23, 59, 50) + timedelta(seconds=told["start_s"])
    page.wait_for_selector(f"article time:has-text('{began:%Y-%m-%d %H:%M:%S}')")


def test_names_from_outside_are_text(new_page: Any, served: Served):
    page = new_page(served, "/?q=img+onerror&min-score=0")
    page.wait_for_selector("article")
    line = line_of(page, HOSTILE)
    assert line.locator(".name").inner_text() == HOSTILE
    line.locator(".name").click()
    page.wait_for_selector("#panel h2")
    assert page.locator("#panel h2").inner_text() == HOSTILE
    assert page.locator("img[src=x]").count() == 0
    assert "taken" not in page.title()


def frames_of_scrolling(page: Any, n: int) -> list[float]:
    """How long each frame takes, ms, while one goes through an answer of `n` lines."""
    page.evaluate(
        """n => {
            const hits = Array.from({ length: n }, (_, i) => ({
                rank: i + 1, path: `/s/${i}.wav`, start_s: 0, end_s: 5, duration_s: 5,
                recording_id: 1e9 + i, score: 0.5, offline: true }));
            window.there ??= window.fetch;
            window.fetch = async (path, init) => {
                if (path.startsWith("/api/find")) return Response.json({ hits });
                if (path.startsWith("/api/recordings")) return Response.json({ recordings: [] });
                return window.there(path, init);
            };
        }""",
        n,
    )
    page.fill("#q", f"{n} sounds")
    page.wait_for_selector(f"article[aria-setsize='{n}']")
    assert page.locator("article").count() < 40
    frames: list[float] = page.evaluate(
        """async () => {
            const results = document.querySelector("#results");
            const frames = [];
            let last = performance.now();
            for (let i = 1; i <= 90; i += 1) {
                results.scrollTop = (results.scrollHeight * i) / 90;
                await new Promise(requestAnimationFrame);
                const now = performance.now();
                frames.push(now - last);
                last = now;
            }
            return frames;
        }"""
    )
    page.wait_for_selector(f"text={n - 1}.wav")
    assert page.locator("article").count() < 60
    return sorted(frames)


def test_a_hundred_thousand_lines_scroll(new_page: Any, served: Served):
    n = 100_000
    page = new_page(served)
    few, many = frames_of_scrolling(page, n // 100), frames_of_scrolling(page, n)
    # As if there were few, on however busy a machine.
    assert many[len(many) // 2] < max(100, 3 * few[len(few) // 2])
    page.locator(f"article[aria-posinset='{n}']").focus()
    page.keyboard.press("Home")
    page.wait_for_selector("article[aria-posinset='1']")


def test_the_keys_stay_in_the_list_when_its_lines_are_replaced(page: Any):
    ask(page, "a bell rings")
    page.keyboard.press("ArrowDown")
    first = shown_names(page)
    page.keyboard.press("s")
    page.wait_for_selector(".chip:has-text('Sounds like')")
    until(page, f"document.querySelector('article .name').textContent !== {first[0]!r}")
    assert has_focus(page, "article")
    page.keyboard.press("j")
    assert page.locator("article.current").get_attribute("aria-posinset") == "2"


def test_words_on_the_way_are_one_step_back(page: Any):
    page.locator("#q").press_sequentially("rain", delay=200)
    page.wait_for_selector("article")
    page.go_back()
    page.wait_for_selector("#start:visible")
    assert page.input_value("#q") == ""


@pytest.mark.parametrize("key", ["ArrowDown"])
def test_the_arrow_leads_from_the_question_to_its_answers(page: Any, key: str):
    ask(page, "a bell rings")
    page.keyboard.press(key)
    assert has_focus(page, "article")
    assert re.search(r"\bcurrent\b", page.locator("article").first.get_attribute("class"))


def test_a_filter_that_has_no_say_is_marked(new_page: Any, own_served: Served):
    command = own_served.command
    path = command("find", "a bell rings", "--json").rows[0]["path"]
    assert command("collection", "create", "one; two").status == 0
    assert command("collection", "add", "one; two", path).status == 0
    page = new_page(own_served, "/?show=one%3B+two&format=flac")
    page.wait_for_selector("article")
    assert page.locator(".chip.idle").all_inner_texts() == ["Format: flac (not here)"]
    page = new_page(own_served, "/?like=1&moments=true&format=wav")
    page.wait_for_selector("article")
    assert page.locator(".chip.idle").all_inner_texts() == ["Every moment (not here)"]
    assert " sound" in page.inner_text("#count")
    # In words both count; and a name with a semicolon is still one when filters are looked at.
    page = new_page(own_served, "/?q=a+bell&moments=true&min-score=0&collection=one%3B+two")
    page.wait_for_selector("article")
    assert page.locator(".chip.idle").count() == 0
    page.locator("#open-filters").click()
    page.fill('#filters input[name="format"]', "wav; flac")
    page.keyboard.press("Enter")
    page.wait_for_selector(".chip:has-text('Format: flac')")
    assert page.locator(".chip:has-text('Collection: one; two')").count() == 1
