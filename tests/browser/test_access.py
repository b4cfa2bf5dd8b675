"""A page that asks for the token, and names that are not what they seem."""

from __future__ import annotations

import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest

from audiosearch.server.access_token import AccessToken
from tests.browser.asking import ask, line_of, settled, until
from tests.browser.conftest import Watched
from tests.browser.served import Served, serving
from tests.e2e.command import Command


@pytest.fixture(scope="module")
def locked(
    page_library: Command, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Served, str]]:
    """A library of its own whose page asks for a token, and the token."""
    data_dir = tmp_path_factory.mktemp("page-locked") / "data"
    shutil.copytree(page_library.data_dir, data_dir, ignore=shutil.ignore_patterns("answers"))
    command = replace(
        page_library, data_dir=data_dir, environ={"AUDIOSEARCH_SERVE_ACCESS": "token"}
    )
    _, token = AccessToken.made(data_dir)
    with serving(command) as found:
        yield found, token


def without_refusals(watched: Watched) -> None:
    """A refusal is an error in a browser's console, and is what is tried here."""
    watched.errors[:] = [each for each in watched.errors if "401 (Unauthorized)" not in each]


def test_the_token_is_asked_for_and_kept(
    new_page: Any, locked: tuple[Served, str], watched: Watched
):
    served, token = locked
    page = new_page(served, "/?q=a+bell+rings")
    field = page.get_by_label("Token", exact=True)
    field.fill(token[:-1])
    page.keyboard.press("Enter")
    page.wait_for_selector(".problem:has-text('not the token')")
    field.fill("ключ")
    page.keyboard.press("Enter")
    until(page, "document.activeElement.id === 'token'")
    field.fill(f" {token} ")
    page.keyboard.press("Enter")
    page.wait_for_selector("article")  # what the address asked for
    assert token not in page.url
    assert page.evaluate("document.cookie") == ""
    [cookie] = [each for each in page.context.cookies() if token in each["value"]]
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
    page.reload()
    page.wait_for_selector("article")
    without_refusals(watched)


def test_another_token_is_asked_for_where_one_works(
    new_page: Any, locked: tuple[Served, str], watched: Watched
):
    served, token = locked
    page = new_page(served, f"/?token={token}")
    ask(page, "a bell rings")
    served.command("serve", "--port", served.url.rstrip("/").rpartition(":")[2], "--new-token")
    _, token = AccessToken.made(served.command.data_dir)
    page.fill("#q", "someone knocks")
    page.wait_for_selector("dialog#locked[open]")
    page.get_by_label("Token", exact=True).fill(token)
    with page.expect_response(re.compile("/api/find")):
        page.keyboard.press("Enter")
    settled(page)
    assert page.locator("dialog[open]").count() == 0
    assert page.input_value("#q") == "someone knocks"
    assert page.locator("article").count()
    without_refusals(watched)


def test_the_order_of_letters_is_not_turned(new_page: Any, own_served: Served):
    tag = "\u202egpj.live\u2066"  # is refused today, but may be there from before
    path = own_served.command("find", "a bell rings", "--json").rows[0]["path"]
    assert own_served.command("tag", "add", "plain", path).status == 0
    database = own_served.command.data_dir / "library.sqlite3"
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE tag SET name = ? WHERE name = 'plain'", (tag,))
    page = new_page(own_served)
    ask(page, "a bell rings")
    page.locator("article").first.focus()
    page.keyboard.press("t")
    shown = ".tag.own:has-text('gpj')"  # other tests may have tagged it too
    page.wait_for_selector(f"#panel {shown}")
    name = page.locator("article .name").first.inner_text()
    for place in ("#panel", "article"):
        text = page.locator(f"{place} {shown}").first.inner_text()
        assert text.strip() == r"\u202egpj.live\u2066"
    assert "\u202e" not in page.inner_text("body")
    # It is what was typed all the same.
    assert own_served.command("find", "--tag", tag, "a bell", "--min-score", "0").status == 0
    close = page.locator(f"#panel {shown} button")
    assert close.get_attribute("aria-label") == r"Take the tag \u202egpj.live\u2066 away"
    close.click()
    page.wait_for_selector(f"#panel {shown}", state="detached")
    assert line_of(page, name).locator(shown).count() == 0
