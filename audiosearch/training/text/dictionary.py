"""What English words mean, read from WordNet 3's own files (https://wordnet.princeton.edu).

Their form is that of the manual page wndb(5); base forms of words are found as morphy(7) does.
Nothing of it is shipped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from audiosearch.errors import AudiosearchError

COMMENT = "  "  # begins the lines of the licence
SENSES = {"noun": 3, "verb": 3, "adj": 1}  # the commonest of each part of speech that are told
SYNONYMS = 3
ENDINGS = {
    "noun": (
        *(("s", ""), ("ses", "s"), ("xes", "x"), ("zes", "z"), ("ches", "ch"), ("shes", "sh")),
        *(("men", "man"), ("ies", "y")),
    ),
    "verb": (
        *(("s", ""), ("ies", "y"), ("es", "e"), ("es", ""), ("ed", "e"), ("ed", "")),
        *(("ing", "e"), ("ing", "")),
    ),
    "adj": (("er", ""), ("est", ""), ("er", "e"), ("est", "e")),
}


@dataclass(frozen=True)
class Sense:
    """One meaning of a word."""

    synonyms: tuple[str, ...]
    """The word itself among them; several words are joined with `_`, names are capitalised."""
    definition: str


@dataclass(frozen=True)
class PartOfSpeech:
    """The words of one part of speech."""

    senses: Mapping[str, tuple[int, ...]]
    """Base form to its senses, the commonest first."""
    meanings: Mapping[int, Sense]
    exceptions: Mapping[str, str]
    """Irregular form to base form."""

    def base(self, word: str, endings: tuple[tuple[str, str], ...]) -> str | None:
        """The base form of a word, None where it is none of these."""
        forms = [word, self.exceptions.get(word, word)]
        forms += [word[: -len(end)] + new for end, new in endings if word.endswith(end)]
        return next((form for form in forms if form in self.senses), None)


class Dictionary:
    """WordNet in memory; its licence asks for its copyright notice only."""

    def __init__(self, folder: Path) -> None:
        """Read `folder`.

        Raises:
            AudiosearchError: it holds no WordNet.
        """
        try:
            self._parts = {part: _read_part(folder, part) for part in SENSES}
        except OSError as error:
            raise AudiosearchError(
                f"{folder} holds no WordNet: {error.strerror} ({error.filename})",
                remedy="apt-get install wordnet-base, or name its folder with --dictionary",
            ) from error

    def words(self) -> list[str]:
        """Every base form that is one plain word, in alphabetical order; no proper names."""
        plain = {w for part in self._parts.values() for w in part.senses if w.isascii()}
        return sorted(word for word in plain if word.isalpha() and self.explain(word))

    def explain(self, word: str) -> tuple[str, ...]:
        """What a word's base forms mean, a text a sense: `klaxon, claxon: a kind of loud horn`."""
        return tuple(text for part in SENSES for text in self._explain(word, part))

    def _explain(self, word: str, name: str) -> Iterator[str]:
        part = self._parts[name]
        base = part.base(word, ENDINGS[name])
        if base is None:
            return
        senses = [part.meanings[place] for place in part.senses[base]]
        common = [sense for sense in senses if base in sense.synonyms]  # Ewe is a name, ewe is not
        for sense in common[: SENSES[name]]:
            others = [each.replace("_", " ") for each in sense.synonyms if each != base]
            yield f"{', '.join((base, *others[:SYNONYMS]))}: {sense.definition}"


def _read_part(folder: Path, name: str) -> PartOfSpeech:
    meanings = {}
    for line in _lines(folder / f"data.{name}"):
        facts, _, gloss = line.partition(" | ")
        place, _, _, count, *rest = facts.split()
        words = rest[: 2 * int(count, 16) : 2]
        synonyms = tuple(word.partition("(")[0] for word in words)
        meanings[int(place)] = Sense(synonyms, gloss.strip().partition('; "')[0])
    senses = {}
    for line in _lines(folder / f"index.{name}"):
        fields = line.split()
        senses[fields[0]] = tuple(int(place) for place in fields[-int(fields[2]) :])
    pairs = (line.split()[:2] for line in _lines(folder / f"{name}.exc"))
    return PartOfSpeech(senses, meanings, dict(pairs))


def _lines(path: Path) -> list[str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if not line.startswith(COMMENT)]
