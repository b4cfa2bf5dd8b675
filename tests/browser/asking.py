"""What tests of the page do over and over: ask, and read what is shown."""

from __future__ import annotations

import re
import time
from typing import Any


def ask(page: Any, text: str) -> None:
    """Type a question, and wait for its answer."""
    with page.expect_response(re.compile(r"/api/(find|similar)\?")):
        page.fill("#q", text)
    page.wait_for_selector("article")
    settled(page)


def settled(page: Any) -> None:
    """Wait until no answer is on its way."""
    page.wait_for_selector('#feed[aria-busy="false"]', state="attached")


def shown_names(page: Any) -> list[str]:
    """The names of the lines that are made, from above; not those of weaker matches."""
    return [str(each) for each in page.locator("article:not(.weak) .name").all_inner_texts()]


def has_focus(page: Any, selector: str) -> bool:
    """Whether what has the focus is, or lies in, such an element."""
    return bool(page.evaluate("s => document.activeElement.closest(s) !== null", selector))


def current_name(page: Any) -> str:
    """The name of the line that keys are for."""
    return str(page.locator("article.current .name").inner_text())


def line_of(page: Any, name: str) -> Any:
    """The line of a file."""
    return page.locator("article", has=page.locator(".name", has_text=name)).first


def until(page: Any, expression: str, *, timeout_s: float = 20.0) -> Any:
    """Wait for an expression to be true, and give it.

    Playwright's own way evaluates strings within the page, which its policy forbids.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        found = page.evaluate(expression)
        if found:
            return found
        assert time.monotonic() < deadline, f"not within {timeout_s:g} s: {expression}"
        page.wait_for_timeout(20)
