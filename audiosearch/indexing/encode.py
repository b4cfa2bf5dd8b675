"""A batch of windows through the encoder and the captioner.

In: windows of one or several files. Out: for each its vectors and a sentence, in the same order.
Silent windows are encoded, so that every recording is complete, but nothing is said of them: a
decoder that hears nothing still makes something up. Knows no database.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from audiosearch._failpoints import failpoint
from audiosearch._timing import Stopwatch
from audiosearch.indexing.items import DecodedWindow
from audiosearch.indexing.types import Models

if TYPE_CHECKING:
    from audiosearch.model.captioner import CaptionOut
    from audiosearch.model.encoder import Encoded


@dataclass(frozen=True, eq=False)
class EncodedWindow:
    """A window with its vectors; `sentence` is None where nothing is said of it."""

    heard: DecodedWindow
    sound: Encoded
    sentence: CaptionOut | None


def encode_batch(
    heard: Sequence[DecodedWindow], *, models: Models, stopwatch: Stopwatch
) -> list[EncodedWindow]:
    """Encode and caption windows together."""
    failpoint("batch.encode")
    with stopwatch.stage("encode"):
        sounds = models.encoder.encode_many([each.window.samples for each in heard])
    failpoint("batch.caption")
    with stopwatch.stage("caption"):
        sentences = _caption(heard, sounds, models)
    return [
        EncodedWindow(each, sound, sentence)
        for each, sound, sentence in zip(heard, sounds, sentences, strict=True)
    ]


def _caption(
    heard: Sequence[DecodedWindow], sounds: Sequence[Encoded], models: Models
) -> list[CaptionOut | None]:
    said: list[CaptionOut | None] = [None] * len(heard)
    audible = [position for position, each in enumerate(heard) if not each.window.silent]
    if models.captioner is None or not audible:
        return said
    sentences = models.captioner.captions([sounds[position].frames for position in audible])
    for position, sentence in zip(audible, sentences, strict=True):
        said[position] = sentence if sentence.text else None
    return said
