"""Single held-out sounds and what a person may type to find them.

In: a split's clips. Out: encoder frames of the clips, texts in several wordings, and which text is
about which clip. Texts of the fifty ESC-50 classes come from `phrasings`, in usual words and in
others; the rest from the grammar. Used to calibrate the score and for the figures of the card.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from audiosearch._typing import Floats
from audiosearch.training.calibrate import Trials
from audiosearch.training.checkpoints import Report
from audiosearch.training.data.dataset import SoundCache
from audiosearch.training.data.features import SceneFeatures, encode_waveforms
from audiosearch.training.data.labels import tags_of
from audiosearch.training.networks.convnext import ConvNext
from audiosearch.training.scenes.captions import PHRASES, sound_of
from audiosearch.training.scoring import PairScores
from audiosearch.training.text.esc50 import read_phrasings

CLIP_S = 5.0


@dataclass(frozen=True)
class Query:
    """A text about one label."""

    text: str
    label: str
    wording: str
    """`usual` or `other` words, their bare names `name` and `other name`, or `grammar`."""


def encode_clips(
    encoder: ConvNext, sounds: SoundCache, clips: Sequence[int], *, report: Report
) -> SceneFeatures:
    """Frames of the first five seconds of clips, shorter ones padded with silence."""
    length = int(CLIP_S * sounds.sample_rate)

    def waveform(index: int) -> Floats:
        wave = sounds.waveform(clips[index])[:length]
        return np.pad(wave, (0, length - wave.size))

    return encode_waveforms(encoder, [length] * len(clips), waveform, report=report)


def queries_for(labels: Sequence[str]) -> list[Query]:
    """All wordings of these labels; those that nobody has phrased are left out."""
    phrased = read_phrasings()
    found = []
    for label in sorted(set(labels)):
        phrasing, phrases = phrased.get(label), PHRASES.get(sound_of(label))
        if phrasing is not None:
            found += [
                Query(phrasing.usual, label, "usual"),
                Query(phrasing.other, label, "other"),
                Query(label.replace("_", " "), label, "name"),
                Query(phrasing.other_name, label, "other name"),
            ]
        elif phrases is not None:
            found += [
                Query(phrases.clauses[0], label, "grammar"),
                Query(phrases.nouns[-1], label, "grammar"),
            ]
    return found


def single_trials(scores: PairScores, labels: Sequence[str], queries: Sequence[Query]) -> Trials:
    """Clips with these labels against queries; a clip that shares a tag is neither right nor wrong.

    Args:
        scores: All clips against all queries.
        labels: Of the clips, `(n_clips,)`.
        queries: The texts, `(n_texts,)`.
    """
    right = [[sound_of(label) == sound_of(query.label) for query in queries] for label in labels]
    wrong = [
        [
            not (same or set(tags_of(label)) & set(tags_of(query.label)))
            for same, query in zip(row, queries, strict=True)
        ]
        for row, label in zip(right, labels, strict=True)
    ]
    return Trials(scores, np.array(right), np.array(wrong))
