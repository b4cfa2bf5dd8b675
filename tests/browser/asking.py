"""What tests of the page do over and over: ask, and read what is shown."""

from __future__ import annotations

import re
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
    """The names of the lines that are made, from above."""
    return [str(each) for each in page.locator("article .name").all_inner_texts()]


def has_focus(page: Any, selector: str) -> bool:
    """Whether what has the focus is, or lies in, such an element."""
    return bool(page.evaluate("s => document.activeElement.closest(s) !== null", selector))


def current_name(page: Any) -> str:
    """The name of the line that keys are for."""
    return str(page.locator("article.current .name").inner_text())


def line_of(page: Any, name: str) -> Any:
    """The line of a file."""
    return page.locator("article", has=page.locator(".name", has_text=name)).first
