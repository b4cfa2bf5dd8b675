"""Which scenes the benchmark has: sounds, order, sentences, twins. Pure, from a seed.

What sounds together is drawn anew for every scene, so that no set of labels stands in two scenes
but twins.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from audiosearch.errors import DatasetError
from audiosearch.evaluation.datasets import DatasetClip
from audiosearch.evaluation.scenes.grammar import SceneKind, draw_patterns, sentence

_MANY = 200_000  # combinations of labels listed in full; of more, a drawn part


@dataclass(frozen=True, kw_only=True)
class SceneSettings:
    """What is made; the same settings and clips give the same scenes.

    Attributes:
        ordered: scenes of two sounds in order, each with its twin besides.
        together: scenes of two sounds at once.
        three: scenes of three sounds in order, each with its twin besides.
        captions: sentences a scene.
    """

    seed: int = 0
    ordered: int = 100
    together: int = 100
    three: int = 50
    captions: int = 2


@dataclass(frozen=True, kw_only=True)
class PlannedScene:
    """One scene to be made.

    Attributes:
        clips: places of its clips in the list given, in order of time.
        captions: its sentences; those of a twin at the same places say the reverse.
        seed: of levels, gaps and lengths; twins share it.
        twin: place of the scene with the reversed order; None without an order.
    """

    kind: SceneKind
    clips: tuple[int, ...]
    labels: tuple[str, ...]
    captions: tuple[str, ...]
    seed: int
    twin: int | None = None

    @property
    def n_events(self) -> int:
        """How many sounds it has."""
        return len(self.clips)


def plan_scenes(clips: Sequence[DatasetClip], settings: SceneSettings) -> tuple[PlannedScene, ...]:
    """The scenes of `clips`: one of each label alone, then those that `settings` ask for.

    Each ordered scene has a twin: the same pieces of the same clips in reversed order, with the
    same sentences turned round.

    Where the labels give fewer combinations than asked for, all of them are made.

    Raises:
        DatasetError: there are fewer than two labels.
    """
    by_label: dict[str, list[int]] = defaultdict(list)
    for place, clip in enumerate(clips):
        by_label[clip.label].append(place)
    labels = sorted(by_label)
    if len(labels) < 2:
        raise DatasetError("scenes need sounds of two labels at least")
    generator = np.random.default_rng(settings.seed)
    pairs = _combinations(labels, 2, settings.ordered + settings.together, generator)
    # With fewer pairs than asked for, both kinds get a share.
    n_ordered = round(len(pairs) * settings.ordered / max(1, settings.ordered + settings.together))
    triples = _combinations(labels, 3, settings.three, generator)
    wanted = [
        *((SceneKind.SINGLE, (label,)) for label in labels),
        *((SceneKind.ORDERED, pair) for pair in pairs[:n_ordered]),
        *((SceneKind.TOGETHER, pair) for pair in pairs[n_ordered:]),
        *((SceneKind.THREE, triple) for triple in triples),
    ]
    scenes: list[PlannedScene] = []
    for kind, chosen in wanted:
        scenes += _scene_and_twin(kind, chosen, by_label, settings, generator, first=len(scenes))
    return tuple(scenes)


def _combinations(
    labels: Sequence[str], size: int, n: int, generator: np.random.Generator
) -> list[tuple[str, ...]]:
    """`n` different sets of labels, each in a drawn order."""
    possible = list(combinations(range(len(labels)), size)) if len(labels) ** size < _MANY else None
    if possible is not None:
        places = generator.choice(len(possible), min(n, len(possible)), replace=False)
        sets = [possible[place] for place in places]
    else:
        drawn: dict[tuple[int, ...], None] = {}
        while len(drawn) < n:
            one = generator.choice(len(labels), size, replace=False)
            drawn[tuple(sorted(int(place) for place in one))] = None
        sets = list(drawn)
    return [tuple(labels[i] for i in generator.permutation(one)) for one in sets]


def _scene_and_twin(
    kind: SceneKind,
    labels: tuple[str, ...],
    by_label: Mapping[str, Sequence[int]],
    settings: SceneSettings,
    generator: np.random.Generator,
    *,
    first: int,
) -> list[PlannedScene]:
    """A scene, numbered `first`, and its twin where it has an order."""
    places = tuple(int(generator.choice(by_label[label])) for label in labels)
    chosen = draw_patterns(kind, settings.captions, generator)
    seed = int(generator.integers(2**32))
    ordered = kind in (SceneKind.ORDERED, SceneKind.THREE)
    scene = PlannedScene(
        kind=kind,
        clips=places,
        labels=labels,
        captions=tuple(sentence(pattern, labels) for pattern in chosen),
        seed=seed,
        twin=first + 1 if ordered else None,
    )
    if not ordered:
        return [scene]
    twin = PlannedScene(
        kind=kind,
        clips=places[::-1],
        labels=labels[::-1],
        captions=tuple(sentence(pattern, labels[::-1]) for pattern in chosen),
        seed=seed,
        twin=first,
    )
    return [scene, twin]
