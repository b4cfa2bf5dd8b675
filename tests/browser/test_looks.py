"""How the page looks and reads: dark and light, narrow and wide, by ear."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.browser.asking import ask, until
from tests.browser.served import Served

QUESTION = "/?q=someone+knocks+on+a+door&min-score=0"


def brightness(page: Any, selector: str) -> float:
    """Of the ground of an element, 0 to 1."""
    told = page.locator(selector).evaluate("e => getComputedStyle(e).backgroundColor")
    red, green, blue = map(int, re.findall(r"\d+", told)[:3])
    return (0.3 * red + 0.59 * green + 0.11 * blue) / 255


def test_it_is_dark_where_the_system_is_and_the_switch_is_kept(new_page: Any, served: Served):
    page = new_page(served, color_scheme="dark")
    assert brightness(page, "body") < 0.2
    light = new_page(served, color_scheme="light")
    assert brightness(light, "body") > 0.8
    light.locator("#theme").click()
    assert light.get_attribute("#theme", "aria-label") == "Theme: dark"
    assert brightness(light, "body") < 0.2
    light.reload()
    assert brightness(light, "body") < 0.2
    light.locator("#theme").click()
    assert brightness(light, "body") > 0.8
    light.locator("#theme").click()
    assert light.get_attribute("#theme", "aria-label") == "Theme: auto"


def test_nothing_is_wider_than_the_window(new_page: Any, served: Served):
    page = new_page(served, QUESTION)
    page.wait_for_selector("article")
    page.locator("article input").first.check()
    for width in (360, 760, 1280, 3840):
        page.set_viewport_size({"width": width, "height": 720})
        fits(page, width)


def fits(page: Any, width: int) -> None:
    """Whatever is open, it needs no sideways scrolling."""
    for panel in ("", "#open-library", "#open-saved"):
        if panel:
            page.locator(panel).click()
            page.wait_for_selector("#panel h2")
        wide = page.evaluate(
            """() => [...document.querySelectorAll('body *')].filter(
                e => e.checkVisibility() && e.getBoundingClientRect().right > innerWidth + 1
                    && !e.closest('.spoken, .skip, .heading, .saying, .numbers, .chip, .now')
            ).map(e => e.tagName + '.' + e.className + '#' + e.id)"""
        )
        assert wide == []
        scrolls = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert scrolls <= 0
        assert page.evaluate("document.querySelector('#results').scrollWidth") <= width
    page.locator("#close-panel").click()
    page.locator("article .name").first.click()
    page.wait_for_selector("#panel .wave")
    assert page.evaluate("document.querySelector('#panel').scrollWidth") <= width
    page.locator("#close-panel").click()


def test_texts_of_a_line_lie_in_its_column(new_page: Any, served: Served):
    page = new_page(served, QUESTION)
    page.wait_for_selector("article")
    page.locator("article .name").first.click()  # the panel makes the columns narrow
    page.wait_for_selector("#panel h2")
    over = page.evaluate(
        """() => [...document.querySelectorAll('article')].filter(row => {
            const right = row.querySelector('.text').getBoundingClientRect().right + 1;
            return [...row.querySelectorAll('.text > *, .saying > *')].some(
                e => e.getBoundingClientRect().right > right);
        }).length"""
    )
    assert over == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(new_page: Any, served: Served, scheme: str):
    from axe_playwright_python.sync_playwright import Axe  # noqa: PLC0415 - where a browser is

    page = new_page(served, color_scheme=scheme)

    def examine() -> None:
        found = Axe().run(page).response["violations"]
        serious = [each for each in found if each["impact"] in ("serious", "critical")]
        told = [
            (each["id"], [node["html"][:200] for node in each["nodes"][:3]]) for each in serious
        ]
        assert told == []

    examine()
    page.goto(served.url + QUESTION[1:])
    page.wait_for_selector("article")
    page.wait_for_selector("article .lift")
    page.locator("article input").first.check()
    page.locator("article .name").first.click()
    page.wait_for_selector("#panel .timeline")
    examine()
    if scheme == "light":
        return  # of the rest, one is enough
    page.locator("#open-library").click()
    page.wait_for_selector("#panel section dl")
    examine()
    page.locator("#open-filters").click()
    page.wait_for_selector("#filters[open]")
    examine()
    page.keyboard.press("Escape")
    page.locator("#open-keys").click()
    page.wait_for_selector("#keys[open]")
    examine()


def test_a_screen_reader_hears_how_many_there_are(page: Any):
    ask(page, "a bell rings")
    until(page, "document.querySelector('#status').textContent !== ''")
    count = page.locator("article").count()
    told = page.inner_text("#status")  # such as "3 sounds, 2 weaker"
    assert "sound" in told
    assert sum(map(int, re.findall(r"\d+", told))) == count
    first = page.locator("article").first
    assert first.get_attribute("aria-posinset") == "1"
    assert first.get_attribute("aria-setsize") == str(count)
    assert page.locator("article .wave").first.get_attribute("aria-label").startswith("Sound of ")
    unnamed = page.evaluate(
        """() => [...document.querySelectorAll('button, a, input, select, textarea')].filter(
            e => !(e.getAttribute('aria-label') || e.textContent.trim() || e.labels?.length)
        ).map(e => e.outerHTML.slice(0, 200))"""
    )
    assert unnamed == []


def test_weak_matches_stand_below_a_line(page: Any, served: Served):
    rows = served.command("find", "a bell rings", "--json", "-n", "60", "--min-score", "0").rows
    answer = {"hits": rows[:2], "weaker": rows[2:], "more": None, "remarks": []}
    page.route("**/api/find?*", lambda route: route.fulfill(json=answer))
    ask(page, "a bell rings")
    divider = page.locator(".divider")
    assert divider.inner_text() == "weaker matches"
    place = divider.bounding_box()
    second, third = (page.locator("article").nth(n).bounding_box() for n in (1, 2))
    assert second["y"] + second["height"] <= place["y"] + 1
    assert place["y"] + place["height"] <= third["y"] + 2
    assert page.locator("article.weak").count() == page.locator("article").count() - 2
