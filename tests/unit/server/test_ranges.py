"""Ranges, conditions and names of files, as the RFCs have them."""

from __future__ import annotations

import re
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosearch.server.media.ranges import (
    RangeNotSatisfiable,
    Version,
    disposition,
    http_date,
    parse_range,
)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-", (0, 100)),
        ("bytes=0-0", (0, 1)),
        ("bytes=99-", (99, 100)),
        ("bytes=10-19", (10, 20)),
        ("BYTES=10-19", (10, 20)),
        ("bytes=50-5000", (50, 100)),
        ("bytes=-1", (99, 100)),
        ("bytes=-5000", (0, 100)),
        (None, None),
        ("", None),
        ("bytes", None),
        ("bytes=", None),
        ("bytes=-", None),
        ("bytes=5-4", None),
        ("bytes=1-2,5-6", None),
        ("bytes=a-b", None),
        ("bytes=1.5-2", None),
        ("bytes=+1-2", None),
        ("items=1-2", None),
        ("bytes=٣-٤٤", None),
        (f"bytes={'9' * 50}-", None),
    ],
)
def test_ranges(header: str | None, expected: tuple[int, int] | None) -> None:
    found = parse_range(header, 100)
    assert (None if found is None else (found.start, found.end)) == expected


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=100-200", "bytes=-0"])
def test_ranges_that_hold_nothing(header: str) -> None:
    with pytest.raises(RangeNotSatisfiable):
        parse_range(header, 100)
    with pytest.raises(RangeNotSatisfiable):
        parse_range(header, 0)


@given(st.text(max_size=30))
def test_no_header_is_an_error(header: str) -> None:
    try:
        found = parse_range(f"bytes={header}", 1000)
    except RangeNotSatisfiable:
        return
    assert found is None or 0 <= found.start < found.end <= 1000


def test_versions() -> None:
    version = Version("abc", 1_700_000_000.7)
    assert version.headers() == {
        "etag": '"abc"',
        "last-modified": "Tue, 14 Nov 2023 22:13:20 GMT",
    }
    for tags in ('"abc"', 'W/"abc"', '"x", "abc"', "*"):
        assert version.is_known_by({"if-none-match": tags})
    for tags in ('"abcd"', "abc", ""):
        assert not version.is_known_by({"if-none-match": tags})
    same, later, earlier = (http_date(1_700_000_000 + each) for each in (0, 60, -60))
    assert version.is_known_by({"if-modified-since": same})
    assert version.is_known_by({"if-modified-since": later})
    assert not version.is_known_by({"if-modified-since": earlier})
    assert not version.is_known_by({"if-modified-since": later, "if-none-match": '"x"'})
    assert version.allows_range({})
    assert version.allows_range({"if-range": '"abc"'})
    assert version.allows_range({"if-range": same})
    for other in ('W/"abc"', '"x"', later, earlier, "nonsense", "Tue, 99 Nov 2023 22:13:20 GMT"):
        assert not version.allows_range({"if-range": other})
        assert not version.is_known_by({"if-modified-since": "nonsense"})


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("a.wav", 'filename="a.wav"'),
        ("<img src=x onerror=alert(1)>.wav", 'filename="<img src=x onerror=alert(1)>.wav"'),
        ('a"b.wav', 'filename="a_b.wav"'),
        ("a\r\nSet-Cookie: x=1.wav", 'filename="a__Set-Cookie: x=1.wav"'),
        ("../../etc/passwd", 'filename="_.._etc_passwd"'),
        ("ünïcode.wav", "filename=\"unicode.wav\"; filename*=UTF-8''%C3%BCn%C3%AFcode.wav"),
        ("雨.wav", "filename=\"sound.wav\"; filename*=UTF-8''%E9%9B%A8.wav"),
        ("\u202egnp.exe.wav", 'filename="_gnp.exe.wav"'),
        ("", 'filename="sound"'),
        ("\udcff.wav", 'filename="_.wav"'),
    ],
)
def test_names_stay_names(name: str, plain: str) -> None:
    assert disposition(name, attachment=True) == f"attachment; {plain}"


@given(st.text(max_size=300), st.booleans())
def test_no_name_breaks_out_of_the_header(name: str, attachment: bool) -> None:
    header = disposition(name, attachment=attachment)
    found = re.fullmatch(
        r"(inline|attachment); filename=\"([^\"\\]+)\"(?:; filename\*=UTF-8''([^;\s]+))?", header
    )
    assert found is not None
    assert header.isascii()
    assert header.isprintable()
    for told in (found[2], unquote(found[3] or "x")):
        assert not set(told) & set("/\\")
        assert not told.startswith(".")
    assert len(header) < 3000
