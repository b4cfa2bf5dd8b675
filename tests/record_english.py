"""Writes down how spaCy parts English, for tests that need not have it installed.

python -m tests.record_english            # where spaCy is installed: writes english_words.json
python -m tests.record_english --check    # compares its rules with ours on fifty times as much

Texts are exceptions of the rules, wild chunks of what the rules are about, and wild Latin text,
each as it stands after normalisation. Of longer runs of apostrophes spaCy makes now this, now that.
"""

from __future__ import annotations

import json
import random
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

from audiosearch.model.english import split_english
from audiosearch.model.tokenizer import normalise

FILE = Path(__file__).with_name("english_words.json")
N_WILD = 1_500
PIECES = (
    *("'", "'s", "'d", "''", "n't", "'ve", "nt", "ve", "'em", "em", "&", "%", "$", "€"),
    *("=", "<", ">", "<3", "=3", "—", "–", "«", "»", "♪", "°", "^", "|", "³", "£", "§"),
    *("5", "10", "12", "3", "km", "m", "t", "g", "pm", "am", "kmh", "oz", "in", "²"),
    *("a", "he", "they", "man", "dogs", "can", "not", "gonna", "do", "goin", "é", "naïve"),
    *("let", "who", "it", "well", "'cause", "o'clock", "y'", "all", "犬", "дом", "µm"),
)
LATIN = [chr(point) for point in range(0x20, 0x250) if chr(point).isprintable()]


def wild_texts(count: int, *, seed: int = 0) -> Iterator[str]:
    """Texts that try the rules, `count` of each kind."""
    rng = random.Random(seed)
    for _ in range(count):
        yield "".join(rng.choice(PIECES) for _ in range(rng.randint(1, 5)))
        yield "".join(rng.choice([*LATIN, " ", "'", "e", "s"]) for _ in range(rng.randint(1, 12)))


def spacy_words(texts: Iterator[str]) -> dict[str, list[str]]:
    """Each text, normalised, and the words that spaCy's rules make of it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its dependencies, at import
        import spacy  # noqa: PLC0415 - only this script needs it

        tokenizer = spacy.blank("en").tokenizer
    found: dict[str, list[str]] = {}
    exceptions = [text for text in tokenizer.rules if normalise(text) == text]
    for text in (*exceptions, *texts):
        clean = normalise(text)
        if clean and "'''" not in clean:
            found[clean] = [token.text for token in tokenizer(clean) if not token.is_space]
    return found


def main() -> int:
    """Write the file, or compare."""
    if "--check" not in sys.argv:
        found = {text: " ".join(words) for text, words in spacy_words(wild_texts(N_WILD)).items()}
        lines = [
            json.dumps({text: words}, ensure_ascii=False)[1:-1] for text, words in found.items()
        ]
        FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
        return 0
    found = spacy_words(wild_texts(50 * N_WILD, seed=1))
    wrong = [text for text, words in found.items() if split_english(text) != words]
    print(f"{len(found)} texts, {len(wrong)} parted otherwise: {wrong[:10]}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
