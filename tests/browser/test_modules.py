"""The pure modules of the page, in the browser that runs them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.served import Served


@pytest.fixture(scope="module")
def page(chromium: Any, served: Served) -> Iterator[Any]:
    """One for all: nothing here changes it."""
    page = chromium.new_page()
    page.goto(served.url)
    yield page
    page.close()


def called(page: Any, module: str, expression: str) -> Any:
    """What an expression over a module's names gives."""
    return page.evaluate(f"import('/static/{module}.js').then(m => ({expression}))")


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0:00"), (3.5, "0:03.5"), (59.96, "1:00"), (61.2, "1:01"), (3723, "1:02:03")],
)
def test_times_are_shown_as_by_the_command(page: Any, seconds: float, shown: str):
    from audiosearch.cli.output import clock  # noqa: PLC0415

    assert called(page, "format", f"m.clock({seconds})") == shown == clock(seconds)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/a/b c.wav", "b c.wav"),
        ("/a/back\\slash.wav", "back\\slash.wav"),
        ("C:\\a\\b.wav", "b.wav"),
        ("\\\\nas\\a/b.wav", "b.wav"),
        ("b.wav", "b.wav"),
    ],
)
def test_a_name_is_what_follows_the_last_folder(page: Any, path: str, name: str):
    parts = page.evaluate("path => import('/static/format.js').then(m => m.pathParts(path))", path)
    assert parts == {"folder": path[: len(path) - len(name)], "name": name}


@pytest.mark.parametrize(
    ("text", "words", "marked"),
    [
        ("DOORWood_Creak03.wav", ["wood"], ["Wood"]),
        ("Été à la plage.wav", ["ete"], ["Été"]),
        ("barking dogs.wav", ["barks", "dog"], ["bark", "dog"]),
        ("a+b (c).*", ["(c).*"], ["(c).*"]),
        ("İstanbul ﬁne", ["fine"], []),
        ("", ["x"], []),
        ("aaa", ["a"], ["aaa"]),
    ],
)
def test_words_are_marked_where_they_stand(
    page: Any, text: str, words: list[str], marked: list[str]
):
    pieces = page.evaluate(
        "([text, words]) => import('/static/format.js').then(m => m.markWords(text, words))",
        [text, words],
    )
    assert "".join(piece["text"] for piece in pieces) == text
    assert [piece["text"] for piece in pieces if piece["marked"]] == marked


@pytest.mark.parametrize(
    ("begin", "seconds", "then"),
    [
        ("2026-05-01T23:59:50.000", 12.5, "2026-05-02T00:00:02.500"),
        ("2026-03-29T01:59:59.250+01:00", 1, "2026-03-29T02:00:00.250+01:00"),
        ("2024-02-28T23:00:00", 3600, "2024-02-29T00:00:00.000"),
    ],
)
def test_a_clock_goes_on(page: Any, begin: str, seconds: float, then: str):
    assert called(page, "format", f"m.clockAfter({begin!r}, {seconds})") == then


def test_a_state_survives_its_address(page: Any):
    state = {
        "q": "a & b = c?  d",
        "options": {"tag": ["x;y", "ö"], "in": ["/a b/*"]},
        "like": "12@3-5.5",
        "show": "",
        "panel": "12",
    }
    again = page.evaluate(
        "s => import('/static/state.js').then(m => m.readState(m.writeState(s)))", state
    )
    assert again == state


@pytest.mark.parametrize(
    ("loudness", "peak", "gain_db"),
    [(-20, -3, 0), (-30, -20, 10), (-30, -3, 2), (-10, -1, -10), (-70, -60, 24), (-40, 0, 0)],
)
def test_gain_brings_to_one_loudness_and_never_clips(
    page: Any, loudness: float, peak: float, gain_db: float
):
    gain = called(page, "player", f"m.gainFor({loudness}, {peak})")
    assert gain == pytest.approx(10 ** (gain_db / 20))
    assert called(page, "player", "m.gainFor(null, null)") == 1


def test_a_view_holds_what_was_found(page: Any):
    def view(start: float, end: float, duration: float, *, whole: bool = False) -> Any:
        found = f"{{start_s: {start}, end_s: {end}}}, {duration}, {str(whole).lower()}"
        return called(page, "wave", f"m.viewOf({found})")

    assert view(2, 5, 30) == {"start_s": 0, "end_s": 30}
    assert view(0, 10, 7200, whole=True) == {"start_s": 0, "end_s": 7200}
    for start, end in ((0, 10), (3600, 3610), (7190, 7200), (100, 3000)):
        seen = view(start, end, 7200)
        assert 0 <= seen["start_s"] <= start
        assert end <= seen["end_s"] <= 7200


def test_windows_in_a_row_that_say_the_same_are_one(page: Any):
    windows = [
        {"start_s": 0, "end_s": 10, "silent": False, "caption": "rain"},
        {"start_s": 5, "end_s": 15, "silent": False, "caption": "rain"},
        {"start_s": 10, "end_s": 20, "silent": True, "caption": None},
        {"start_s": 15, "end_s": 25, "silent": False, "caption": "rain"},
        {"start_s": 90, "end_s": 99, "silent": False, "caption": "rain"},
    ]
    told = page.evaluate("w => import('/static/details.js').then(m => m.folded(w))", windows)
    assert [(each["start_s"], each["end_s"]) for each in told] == [
        *((0, 15), (10, 20)),
        *((15, 25), (90, 99)),
    ]


def test_names_of_cuts_are_good_on_every_system(page: Any):
    name = page.evaluate(
        """path => import('/static/format.js').then(
            m => m.cutName(path, {start_s: 1.25, end_s: 3}, 'wav'))""",
        '/a/<img src="x">:\n?.flac',
    )
    assert name == "_img src=_x_____ 1.3-3.0.wav"


def test_elements_take_no_markup(page: Any):
    text = called(page, "dom", "m.h('b', {title: '\"<i>'}, '<script>1</script>').innerHTML")
    assert text == "&lt;script&gt;1&lt;/script&gt;"
    assert (
        called(page, "dom", "(() => { try { m.h('b', {onclick: 'x()'}) } catch { return 1 } })()")
        == 1
    )


@pytest.mark.parametrize(
    "text",
    [
        "two\nlines\tand\rmore.wav",
        "bell\x07 esc\x1b[31m del\x7f c1\x9b.wav",
        "no\xa0break, zero\u200bwidth, \u2028line, \ufeffmark",
        "turned \u202egpj.live\u2066",
        "plain é ü 犬 \U0001f415",
        "half \udcff a pair",
        "a\u200db, \u0915\u094d\u200d\u0937, \U0001f469\u200d\U0001f52c, \u200d",
        "tag \U000e0041 private \ue000",
    ],
)
def test_texts_are_escaped_as_by_the_command(page: Any, text: str):
    from audiosearch.errors import display_text  # noqa: PLC0415

    call = "text => import('/static/dom.js').then(m => m.visible(JSON.parse(text)))"
    assert page.evaluate(call, json.dumps(text)) == display_text(text)
