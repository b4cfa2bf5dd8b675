"""Captions against references, by the packages that the field uses, so that figures compare.

pycocoevalcap (extra `eval`; METEOR and its tokenizer run on Java) and aac-metrics with the models
that its user has downloaded. Nothing is downloaded from here.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audiosearch.model.tokenizer import split_words

INSTALL = "pip install 'audiosearch[eval]'"
COCO = ("bleu_1", "bleu_2", "bleu_3", "bleu_4", "rouge_l", "meteor", "cider_d")
WITH_MODELS = ("spice", "spider", "spider_fl", "fense")


@dataclass(frozen=True)
class Measured:
    """A figure, or why there is none."""

    name: str
    value: float | None
    why_not: str = ""


@dataclass(frozen=True)
class WordUse:
    """What words a set of sentences is made of."""

    n_sentences: int
    n_distinct: int  # different sentences
    n_words: int  # different words
    mean_length: float  # words a sentence


def word_use(sentences: Sequence[str]) -> WordUse:
    """The words of sentences, normalised."""
    words = [split_words(sentence) for sentence in sentences]
    return WordUse(
        n_sentences=len(sentences),
        n_distinct=len({" ".join(each) for each in words}),
        n_words=len({word for each in words for word in each}),
        mean_length=sum(map(len, words)) / max(1, len(words)),
    )


def measure(candidates: Sequence[str], references: Sequence[Sequence[str]]) -> list[Measured]:
    """Every figure that can be had here, and for the others why not.

    Args:
        candidates: one sentence for each sound; CIDEr-D needs two sounds at least.
        references: sentences of people for each sound.

    Raises:
        ValueError: they do not pair up, or a sound has no reference.
    """
    if len(candidates) != len(references) or not all(references):
        raise ValueError("each candidate needs references")
    return [*_coco(candidates, references), *_with_models(candidates, references)]


def _coco(candidates: Sequence[str], references: Sequence[Sequence[str]]) -> list[Measured]:
    """The figures of pycocoevalcap."""
    try:
        tokenizer = importlib.import_module("pycocoevalcap.tokenizer.ptbtokenizer")
    except ImportError:
        return [Measured(name, None, f"needs pycocoevalcap: {INSTALL}") for name in COCO]
    if shutil.which("java") is None:
        return [Measured(name, None, "needs Java, for its tokenizer") for name in COCO]
    try:
        with _silent():
            ptb = tokenizer.PTBTokenizer()
            found, wanted = (
                ptb.tokenize(
                    {i: [{"caption": text} for text in texts] for i, texts in enumerate(side)}
                )
                for side in ([[candidate] for candidate in candidates], references)
            )
    except Exception as error:  # noqa: BLE001  # it writes beside itself, and starts Java
        why = f"its tokenizer failed: {_first_line(error)}"
        return [Measured(name, None, why) for name in COCO]
    return [
        *_scored(COCO[:4], "bleu.bleu", "Bleu", wanted, found),
        *_scored(COCO[4:5], "rouge.rouge", "Rouge", wanted, found),
        *_scored(COCO[5:6], "meteor.meteor", "Meteor", wanted, found),
        # Its `Cider` is CIDEr-D: clipped counts and a penalty on length.
        *_scored(COCO[6:7], "cider.cider", "Cider", wanted, found),
    ]


def _scored(
    names: Sequence[str], module: str, scorer: str, references: Any, candidates: Any
) -> list[Measured]:
    """What a class of pycocoevalcap says."""
    try:
        with _silent():
            made = getattr(importlib.import_module(f"pycocoevalcap.{module}"), scorer)()
            try:
                score, _ = made.compute_score(references, candidates)
            finally:
                _let_go(made)
    except Exception as error:  # noqa: BLE001  # Java processes and jars fail in many ways
        return [Measured(name, None, f"failed: {_first_line(error)}") for name in names]
    values = list(score) if isinstance(score, (list, tuple)) else [score]
    return [Measured(name, float(v)) for name, v in zip(names, values, strict=True)]


def _let_go(scorer: Any) -> None:
    """Close what a scorer with a Java process leaves open.

    Its destructor waits for a lock that is still held if scoring failed, which would be for ever.
    """
    lock = getattr(scorer, "lock", None)
    if lock is not None and lock.locked():
        lock.release()
    java = getattr(scorer, "meteor_p", None)
    if java is not None:
        java.stdout.close()
        java.stderr.close()


def _with_models(candidates: Sequence[str], references: Sequence[Sequence[str]]) -> list[Measured]:
    """The figures of aac-metrics that need jars and weights."""
    try:
        evaluate = importlib.import_module("aac_metrics").evaluate
    except Exception as error:  # noqa: BLE001  # torch's own libraries may be broken, too
        why = "needs aac-metrics, and the models that aac-metrics-download fetches"
        if not (isinstance(error, ImportError) and error.name == "aac_metrics"):
            why = f"aac-metrics cannot be loaded: {_first_line(error)}"
        return [Measured(name, None, why) for name in WITH_MODELS]
    found = []
    for name in WITH_MODELS:
        try:
            with _silent():
                scores, _ = evaluate(
                    list(candidates), [list(each) for each in references], metrics=[name]
                )
            found.append(Measured(name, float(scores[name])))
        except Exception as error:  # noqa: BLE001  # absent models, Java versions, ...
            found.append(Measured(name, None, f"aac-metrics: {_first_line(error)}"))
    return found


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """These packages print, and so does their Java: stdout belongs to results, stderr to us."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with (
            contextlib.redirect_stdout(io.StringIO()),
            Path(os.devnull).open("wb") as nowhere,
        ):
            os.dup2(nowhere.fileno(), 2)
            yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
