"""The recordings of several manifests as one, and which of them the breadth benchmark is asked on.

A group that is held out in one manifest is held out in all. What `held_out_breadth.txt` names is
neither trained nor tuned on, whatever fold is held out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from pathlib import Path

from audiosearch.training.data.dataset import (
    ManifestClip,
    Split,
    SplitRule,
    read_manifest,
    synthetic_clips,
)
from audiosearch.training.synth.instruments import render_instruments


@dataclass(frozen=True)
class HeldOutBreadth:
    """Whole sources and groups that are kept for the breadth benchmark."""

    sources: frozenset[str]
    groups: frozenset[str]

    def groups_in(self, clips: Sequence[ManifestClip]) -> frozenset[str]:
        """All groups among `clips` that are kept, those of whole sources among them."""
        of_sources = {clip.group for clip in clips if clip.source in self.sources}
        return frozenset(of_sources | (self.groups & {clip.group for clip in clips}))


@dataclass(frozen=True)
class Corpus:
    """Clips in a fixed order."""

    clips: tuple[ManifestClip, ...]
    breadth: frozenset[int]
    """Places of the clips that are kept for the breadth benchmark."""

    def training(self) -> list[int]:
        """Places of the clips to train on."""
        return [place for place, clip in enumerate(self.clips) if clip.split is Split.TRAIN]


@cache
def held_out_breadth() -> HeldOutBreadth:
    """What the package's list names.

    Raises:
        ValueError: a line of it is neither a source nor a group.
    """
    text = files(__package__).joinpath("held_out_breadth.txt").read_text(encoding="utf-8")
    named: dict[str, set[str]] = {"source": set(), "group": set()}
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            kind, _, name = line.strip().partition(" ")
            if kind not in named or not name:
                raise ValueError(f"no source or group: {line!r}")
            named[kind].add(name)
    return HeldOutBreadth(frozenset(named["source"]), frozenset(named["group"]))


def read_corpus(
    manifests: Sequence[Path],
    *,
    rule: SplitRule,
    breadth: HeldOutBreadth,
    instruments: Path | None = None,
    sound_font: Path | None = None,
    synthetic_per_label: int = 60,
) -> Corpus:
    """All clips with their splits; of a group in several manifests, the strictest one.

    Args:
        manifests: CSV files beside their sounds; the order is that of the clips.
        rule: which groups are held out beside those of the breadth benchmark.
        breadth: what is kept for that.
        instruments: the folder for clips rendered from `sound_font`; None: no instruments.
        sound_font: a General MIDI font.
        synthetic_per_label: how many made sounds of each kind.

    Raises:
        AudiosearchError: a manifest is missing or lacks a column.
    """
    clips = [clip for manifest in manifests for clip in read_manifest(manifest, rule=rule)]
    kept = breadth.groups_in(clips)
    strictest: dict[str, Split] = {}
    for clip in clips:
        split = Split.BREADTH if clip.group in kept else clip.split
        strictest[clip.group] = max(split, strictest.get(clip.group, split), key=_strictness)
    clips = [replace(clip, split=strictest[clip.group]) for clip in clips]
    if instruments is not None and sound_font is not None:
        rendered = render_instruments(instruments, font=sound_font, seed=rule.seed)
        clips += read_manifest(rendered, rule=rule)
    clips += synthetic_clips(per_label=synthetic_per_label, rule=rule)
    places = frozenset(place for place, clip in enumerate(clips) if clip.group in kept)
    return Corpus(tuple(clips), places)


def _strictness(split: Split) -> int:
    return (Split.TRAIN, Split.VALIDATION, Split.TEST, Split.BREADTH).index(split)
