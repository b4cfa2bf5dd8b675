"""File names as words, so that `DogBark_03.wav` is found by "dog bark".

Names glue words together with capitals, digits and punctuation. What comes out goes into the full
text beside the name itself. Knows nothing of the database.
"""

from __future__ import annotations

import re
import unicodedata

# "fooBar" | "HTTPServer" before its last capital | a letter beside a digit
_SEAM = re.compile(
    r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])"
)
_WORD = re.compile(r"[^\W_]+")


def words_of(text: str) -> list[str]:
    """The words of a query or a sentence: runs of letters and digits, nothing else."""
    return _WORD.findall(unicodedata.normalize("NFKC", text))


def name_words(path: bytes) -> str:
    """What a relative path is searched by: each part's words, and where they split, their parts.

    `Foley/DogBark03.wav` gives "Foley DogBark03 Dog Bark 03 wav". Bytes that are no UTF-8 part
    words like a space does.
    """
    found: list[str] = []
    for word in words_of(path.decode("utf-8", "replace")):
        found.append(word)
        parts = _SEAM.sub(" ", word)
        if parts != word:
            found.append(parts)
    return " ".join(found)
