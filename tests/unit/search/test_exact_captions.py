"""Whether a person's caption holds the words of a query."""

import pytest

from audiosearch.search.candidates import holds


@pytest.mark.parametrize(
    ("caption", "query", "expected"),
    [
        ("a dog barks in the yard", "the dog barks", True),
        ("a man speaks after a dog barks", "a dog barks after a man speaks", False),
        ("grandmother's old clock", "old clock", True),
        ("grandmother's old clock", "the", False),
        ("rain", "rain then wind", False),
        ("Großer Öresund, close", "the grosser oresund", True),
    ],
)
def test_holds(caption: str, query: str, expected: bool) -> None:
    assert holds(caption, query) is expected
