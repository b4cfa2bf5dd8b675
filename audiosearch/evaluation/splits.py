"""Whether a model has heard the recordings that it is tested on.

Clips of one group come from one original recording or person, so a group in common is as bad as
the very clip.
"""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from audiosearch._files import read_bounded
from audiosearch._wording import counted
from audiosearch.errors import DatasetError
from audiosearch.evaluation.datasets import Dataset, DatasetClip

# Beside the graphs of a bundle that lists its clips: a column `group` and perhaps `split` (`train`;
# `tuned` or `validation`; `test`); without it, all were trained on.
_MOST_BYTES = 256 << 20  # of such a list
TRAINED_ON = "clips.csv"
TUNED = ("tuned", "validation")


@dataclass(frozen=True)
class SplitFacts:
    """What is known of the groups of a benchmark.

    Attributes:
        listed: whether the bundle says what it was trained on.
        n_groups: groups in the benchmark; 0 where its clips name none.
        trained: those that the bundle was trained on.
        tuned: those that choices were made on (the score's calibration, when to stop).
    """

    listed: bool
    n_groups: int
    trained: tuple[str, ...] = ()
    tuned: tuple[str, ...] = ()

    @property
    def remark(self) -> str:
        """What a reader of the figures should know, in a sentence."""
        if not self.n_groups:
            return "the data set names no groups: whether the model was trained on it is unknown"
        if not self.listed:
            return "the bundle does not list what it was trained on: overlap is unknown"
        if self.trained:
            return (
                f"WARNING: the model was trained on {len(self.trained)} of these "
                f"{counted(self.n_groups, 'group')} ({', '.join(self.trained[:3])} ...): "
                "its figures mean nothing"
            )
        tuned = f"; it was tuned on {len(self.tuned)} of them" if self.tuned else ""
        return f"none of the {counted(self.n_groups, 'group')} was trained on{tuned}"


def held_out(clips: Iterable[DatasetClip], *, bundle: Path) -> SplitFacts:
    """What the bundle in folder `bundle` says of the groups of `clips`.

    Raises:
        DatasetError: the bundle's list cannot be read.
    """
    groups = {clip.group for clip in clips} - {""}
    listed = _listed(bundle)
    if listed is None:
        return SplitFacts(listed=False, n_groups=len(groups))
    return SplitFacts(
        listed=True,
        n_groups=len(groups),
        trained=tuple(sorted(groups & listed.get("train", set()))),
        tuned=tuple(sorted(groups & set().union(*(listed.get(name, set()) for name in TUNED)))),
    )


def only_held_out(dataset: Dataset, *, bundle: Path) -> Dataset:
    """The clips whose groups were used for nothing but testing, as far as the bundle lists them.

    Raises:
        DatasetError: the bundle has no list, or no clip is left.
    """
    listed = _listed(bundle)
    if listed is None:
        raise DatasetError(f"has no {TRAINED_ON} to tell what was held out", path=bundle)
    used = {group for split, groups in listed.items() if split != "test" for group in groups}
    clips = tuple(clip for clip in dataset.clips if clip.group and clip.group not in used)
    if not clips:
        raise DatasetError(f"{dataset.name} has no clip that the bundle was not trained on")
    return replace(dataset, clips=clips)


def _listed(bundle: Path) -> dict[str, set[str]] | None:
    """The groups of each split that the bundle lists; None where it has no list.

    Raises:
        DatasetError: the list cannot be read.
    """
    file = bundle / TRAINED_ON
    try:
        content = read_bounded(file, _MOST_BYTES).decode("utf-8-sig")
        rows = list(csv.DictReader(io.StringIO(content, newline="")))
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"cannot be read: {error}", path=file) from error
    if rows and "group" not in rows[0]:
        raise DatasetError("lacks the column group", path=file)
    splits: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        splits[row.get("split", "train")].add(row["group"])
    return dict(splits)


def refuse_trained(found: SplitFacts) -> None:
    """Refuse to test a model on what it was trained on.

    Raises:
        DatasetError: it was.
    """
    if found.trained:
        raise DatasetError(
            f"the model was trained on {len(found.trained)} of the "
            f"{counted(found.n_groups, 'group')} of this data set "
            f"({', '.join(found.trained[:3])} ...)",
            remedy="choose held-out parts with --folds, or --allow-trained to see figures that "
            "say nothing about new sounds",
        )
