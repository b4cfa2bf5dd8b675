"""What a query by words means: to the model, and to names and texts of files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from audiosearch._typing import Floats
from audiosearch.errors import QueryError
from audiosearch.model.scoring import CaptionScorer, TokenIds
from audiosearch.model.text_encoder import TextTower
from audiosearch.model.tokenizer import split_words
from audiosearch.store.names import TypedWord, normal_form, typed_words, words_of
from audiosearch.store.queries.fulltext import STOP_WORDS, telling_words

_RUN = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_WORD = re.compile(r"[^\W_]+")
_POSSESSIVE = re.compile(r"['’]s\b")
_ENDINGS = ("s", "es", "ing", "ed", "er", "ers", "ly")
LONGEST = 10_000  # characters of a query that are listened for: more words than any model takes
_LEAST_STEM = 3  # letters that a word without its ending must have
# Words of other languages that text towers hold as names: they are no English words.
_FOREIGN = frozenset((
    "arco", "arroyo", "bahn", "bala", "bambino", "berceuse", "berg", "boca", "bois", "cade",
    "cai", "campana", "campane", "campo", "campos", "casa", "chanter", "cicala", "ciudad",
    "crapaud", "crier", "dauphin", "deux", "dos", "eco", "estadio", "estrada", "femme",
    "fiesta", "fontaine", "fuss", "gallina", "gallo", "gaul", "guerra", "guerre", "guerrero",
    "hahn", "halle", "hautbois", "hirsch", "homme", "jung", "kahn", "klein", "lac", "laguna",
    "lapin", "leer", "leone", "lok", "madeira", "maison", "mani", "mann", "mar", "marche",
    "marcher", "mer", "merle", "mouton", "musica", "musik", "musique", "nah", "neue",
    "nouvelle", "nueva", "nuevo", "pas", "paso", "petit", "pianoforte", "plage", "plastique",
    "porc", "porte", "porto", "puerto", "rana", "riant", "rios", "roche", "rue", "salle",
    "sino", "stade", "stadion", "tambour", "teatro", "terre", "toilette", "tor", "toro", "tre",
    "tres", "trois", "veau", "ville", "vin", "vogel", "wal", "wetter",
))  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class ParsedQuery:
    """A query by words, read.

    Attributes:
        typed: what a person typed, misspelt words put right.
        asked: the words as they were typed, normalised.
        text: those that the model listens for, no more than the decoder has positions for.
        tokens: their ids.
        telling: the words that are looked for in names and texts, each once; of another language,
            each as it was typed with the English word that it was read as beside it.
        is_known: for each of them, whether it means something to the model.
        read_as: words that the decoder never learned -> the words that it reads in their place.
        n_left_out: words beyond those.
        vector: (J,) in the joint space; None where the bundle has none, zero where no word is
            known.
        has_known: the decoder knows at least one of the words of `text`.
        corrected: words that nothing knows -> the nearest known ones, which are read instead.
    """

    typed: str
    asked: tuple[str, ...]
    text: str
    tokens: TokenIds
    telling: tuple[TypedWord, ...]
    is_known: tuple[bool, ...]
    read_as: Mapping[str, str]
    n_left_out: int
    vector: Floats | None
    has_known: bool
    corrected: Mapping[str, str] = field(default_factory=dict)

    @property
    def unknown(self) -> tuple[str, ...]:
        """Telling words that the model never learned."""
        return tuple(
            word.shown for word, known in zip(self.telling, self.is_known, strict=True) if not known
        )

    @property
    def has_meaning(self) -> bool:
        """Whether some telling word says something to the model, so that it can listen for it."""
        return any(self.is_known) and (
            self.has_known or (self.vector is not None and bool(self.vector.any()))
        )


@dataclass(frozen=True)
class ExcludedText:
    """A text that must not be heard, as it was typed and as it is read."""

    text: str
    parsed: ParsedQuery


def parse_query(
    text: str,
    *,
    scorer: CaptionScorer,
    tower: TextTower | None,
    sources: Mapping[str, str] | None = None,
) -> ParsedQuery:
    """What `text` means to the model, and which of its words must be matched as they stand.

    Args:
        text: in English.
        scorer: of the model.
        tower: of the model, None where it has no space that words and sounds share.
        sources: words of it in normal form -> what was typed in another language for them, which is
            looked for in names and texts too.

    Raises:
        QueryError: there is no word in it.
    """
    # What a terminal passed on that is no Unicode could not be handed to the database.
    clean = text.encode("utf-8", "replace").decode("utf-8")
    asked = split_words(clean)
    if not asked:
        raise QueryError("there is no word to search for", remedy="say what is heard")
    lexicon = Lexicon(scorer, tower)
    telling = telling_words(_POSSESSIVE.sub("", clean))
    is_known = [lexicon.knows(word) for word in telling]
    heard, n_beyond = asked, 0
    if any(is_known):
        head = clean[:LONGEST]
        heard = split_words(lexicon.audible(head))
        n_beyond = len(asked) - len(split_words(head))
    kept = " ".join(heard[: scorer.max_words])
    vocabulary = scorer.decoder.bundle.vocabulary
    tokens = scorer.encode(kept)
    return ParsedQuery(
        typed=text,
        asked=tuple(asked),
        text=kept,
        tokens=tokens,
        telling=tuple(_with_source(word, sources or {}) for word in telling),
        is_known=tuple(is_known),
        read_as=vocabulary.bridged_words(kept),
        n_left_out=max(0, len(heard) + n_beyond - scorer.max_words),
        vector=None if tower is None else tower.embed([kept])[0],
        has_known=any(token != vocabulary.unk for token in tokens),
    )


def _with_source(word: TypedWord, sources: Mapping[str, str]) -> TypedWord:
    """A word that is found where it is written, or where what it was translated from is."""
    source = sources.get(word.text)
    return word if source is None else TypedWord(" ".join(words_of(source)), source, word.parts)


class Lexicon:
    """The words that a model knows: its decoder's, and those that its text tower holds whole."""

    def __init__(self, scorer: CaptionScorer, tower: TextTower | None) -> None:
        self._vocabulary = scorer.decoder.bundle.vocabulary
        self._tower = tower

    def knows(self, word: TypedWord) -> bool:
        """Whether a word, or each of the parts that it is glued from, is known."""
        return self._holds(word.text) or (
            word.parts != (word.text,) and all(map(self._holds, word.parts))
        )

    def is_english(self, word: str) -> bool:
        """Whether a word, as it was typed, is one that the model can know from English."""
        if normal_form(word) in STOP_WORDS:
            return word.isascii()  # "à" is no "a"
        typed = typed_words(word)
        if not word.isascii() and not all(map(self._is_said, (each.text for each in typed))):
            return False
        return all(each.text not in _FOREIGN and self.knows(each) for each in typed)

    def is_english_text(self, text: str) -> bool:
        """Whether all the words of a text, as it was typed, are ones of English."""
        return all(map(self.is_english, _WORD.findall(_POSSESSIVE.sub("", text[:LONGEST]))))

    def audible(self, text: str) -> str:
        """`text` without the words that only names can match, glued words parted.

        Of a word that is not known the parts that are stay. Words that tell nothing are kept.
        """
        return _RUN.sub(lambda run: " ".join(self._audible(run[0])), text)

    def _audible(self, run: str) -> Iterator[str]:
        for word in typed_words(_POSSESSIVE.sub("", run)):
            if word.text in STOP_WORDS or self._holds(word.text):
                yield run
                return
            yield from (part for part in word.parts if self._holds(part))

    def _holds(self, word: str) -> bool:
        return self._is_entry(word) or any(map(self._is_base, base_forms(word)))

    def _is_base(self, word: str) -> bool:
        """Whether a word whose form was asked for is known.

        The tower holds many names of three letters, which slips end like forms of (wta: wtaer),
        and some of them are read as words that the decoder learned.
        """
        if len(word) > _LEAST_STEM:
            return self._is_entry(word)
        return self._is_said(word) and not self._vocabulary.bridged_words(word)

    def _is_entry(self, word: str) -> bool:
        return self._is_said(word) or (self._tower is not None and self._tower.knows(word))

    def _is_said(self, word: str) -> bool:
        """Whether the decoder learned a word, from captions or as one of their near ones."""
        return not self._vocabulary.unknown_words(word)


def base_forms(word: str) -> list[str]:
    """What an English word may be a form of: barks, barking, barked and barker of bark."""
    found: list[str] = []
    for ending in _ENDINGS:
        stem = word.removesuffix(ending)
        if stem == word or len(stem) < _LEAST_STEM:
            continue
        found.append(stem)
        if ending[0] in "ei":
            found.append(stem + "e")
            if stem[-1] == stem[-2]:
                found.append(stem[:-1])
        if ending == "es" and stem.endswith("i"):
            found.append(stem[:-1] + "y")
    return found


def respelled(text: str, corrections: Mapping[str, str]) -> str:
    """`text` with words (in normal form) replaced, which are glued to no other."""

    def replace(run: re.Match[str]) -> str:
        return corrections.get(normal_form(run[0]), run[0])

    return _RUN.sub(replace, text)
