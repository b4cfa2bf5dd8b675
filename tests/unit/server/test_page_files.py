"""The files of the page: nothing from elsewhere, no markup made of texts, nothing inline."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[3] / "audiosearch" / "server" / "page"
MODULES = sorted(PAGE.glob("*.js"))
# What would take a name, a caption or a tag for markup or code, or run against the page's policy.
FORBIDDEN = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|createContextualFragment|DOMParser"
    r"|\beval\(|new Function|setTimeout\(['\"`]|cssText|setAttribute\(['\"]style|importScripts"
)
# Of other places on the network, but for the name of SVG's elements.
ELSEWHERE = re.compile(r"(?:https?:)?//(?!www\.w3\.org/2000/svg)[a-z0-9-]+\.[a-z]", re.IGNORECASE)


def code_of(path: Path) -> str:
    """A module without its comments."""
    text = re.sub(r"/\*.*?\*/", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    return re.sub(r"(?m)(^|\s)//.*$", "", text)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_modules_make_no_markup_and_ask_nobody_else(path: Path):
    assert FORBIDDEN.findall(code_of(path)) == []
    assert ELSEWHERE.findall(path.read_text(encoding="utf-8")) == []
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 500


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_modules_import_what_is_there(path: Path):
    names = re.findall(r'from "\./([\w.]+)"', path.read_text(encoding="utf-8"))
    assert [name for name in names if not (PAGE / name).is_file()] == []


def test_the_markup_holds_no_script_and_no_style():
    text = (PAGE / "index.html").read_text(encoding="utf-8")
    assert re.findall(r"<script(?![^>]*\bsrc=)[^>]*>", text) == []
    assert re.findall(r"<style|\sstyle=|\son\w+=|javascript:", text) == []
    assert ELSEWHERE.findall(text) == []
    files = re.findall(r'(?:src|href)="/static/([\w.]+)"', text)
    assert files
    assert [name for name in files if not (PAGE / name).is_file()] == []
    ids = re.findall(r'\sid="([\w-]+)"', text)
    assert len(ids) == len(set(ids))


def test_the_style_fetches_nothing():
    text = (PAGE / "style.css").read_text(encoding="utf-8")
    assert re.findall(r"@import|url\(", text) == []
    assert text.count("{") == text.count("}")


def test_what_modules_look_for_stands_in_the_markup():
    ids = set(re.findall(r'\sid="([\w-]+)"', (PAGE / "index.html").read_text(encoding="utf-8")))
    wanted = {
        name
        for path in MODULES
        for name in re.findall(r'\b(?:byId|wire)\("([\w-]+)"', code_of(path))
    }
    assert wanted - ids == set()
