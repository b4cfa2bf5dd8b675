"""Plans of scenes composed in time from single clips of one split and of different groups.

A scene of two events in a row has a twin in which they come the other way round, one of two events
at once has one in which they come in a row: only time tells twins apart.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from audiosearch.training.scenes.clip_pool import BACKGROUND_SOUNDS, COUNTABLE_SOUNDS, ClipPool
from audiosearch.training.text.captions import Relation, SceneDescription, sound_of
from audiosearch.training.text.labels import tags_of

SCENE_S = 10.0
BACKGROUND_DB = (-18.0, -3.0)
"""How loud what lies under an event is, before the event's own gain of up to 6 dB either way."""


@dataclass(frozen=True)
class Placed:
    """A stretch of a clip at its place in a scene; all counts in samples."""

    clip: int
    start: int
    """Where the stretch starts in its clip."""
    count: int
    """How long it lasts in the scene; a shorter stretch of the clip is repeated to fill it."""
    at: int
    """Where it starts in the scene."""
    gain_db: float


@dataclass(frozen=True)
class SceneLayout:
    """A planned scene."""

    length: int
    """In samples."""
    placed: tuple[Placed, ...]
    """Events in order of time, then the background if there is one."""
    description: SceneDescription
    twin: int | None
    """The index of the scene with the same events at other times, or without what lies under
    them, if there is one."""
    seed: int
    """Of its level, bandwidth and noise."""

    def with_twin(self, twin: int) -> SceneLayout:
        """The same scene beside its twin."""
        return replace(self, twin=twin)

    def cut(self, *, before: int, after: int) -> SceneLayout:
        """The scene as a short recording: it begins and ends so many samples beside its events."""
        under = self.description.background is not None
        events = self.placed[:-1] if under else self.placed
        begin = max(0, min(event.at for event in events) - before)
        end = min(self.length, max(event.at + event.count for event in events) + after)
        placed = [replace(event, at=event.at - begin) for event in events]
        if under:
            placed.append(replace(self.placed[-1], count=end - begin))
        return replace(self, length=end - begin, placed=tuple(placed))


class Planner:
    """Draws scenes of every kind from one split's clips."""

    def __init__(self, pool: ClipPool, *, seed: int) -> None:
        self.pool = pool
        self.rng = np.random.default_rng([seed, 0x5CE7E5])
        self.rate = pool.sounds.sample_rate
        self.names = sorted(pool.clips_of)
        self.weights = np.array([pool.chances[name] for name in self.names])

    def plan(self, count: int) -> list[SceneLayout]:
        """About `count` scenes of all kinds; twins stand next to each other."""
        kinds: list[tuple[float, Callable[[], list[SceneLayout]]]] = [
            (0.28, self._single),
            (0.14, self.long_single),
            (0.12, self.pair),  # makes two
            (0.18, self._together),  # makes two
            (0.08, self._triple),
            (0.08, self._over_background),  # makes two
            (0.03, self._pair_over_background),  # makes two
            (0.06, self._repeated),
        ]
        makers = [maker for _, maker in kinds]
        shares = np.array([share for share, _ in kinds])
        scenes: list[SceneLayout] = []
        while len(scenes) < count:
            made = makers[int(self.rng.choice(len(makers), p=shares / shares.sum()))]()
            if self.rng.random() < 0.5:
                made = [self._cut(scene) for scene in made]
            if len(made) == 2:
                made = [
                    made[0].with_twin(len(scenes) + 1),
                    made[1].with_twin(len(scenes)),
                ]
            scenes += made
        return scenes

    def plan_pairs(self, count: int) -> list[SceneLayout]:
        """`count` scenes of two events in a row, each beside its twin."""
        scenes: list[SceneLayout] = []
        while len(scenes) < count:
            first, second = self.pair()
            at = len(scenes)
            scenes += [first.with_twin(at + 1), second.with_twin(at)]
        return scenes

    def _draw(self, count: int, allowed: frozenset[str] | None = None) -> list[int]:
        """`count` clips of different sounds, groups and tags; of the allowed sounds first."""
        chosen: list[int] = []
        while len(chosen) < count:
            names, weights = self.names, self.weights
            if allowed is not None and not chosen:
                keep = [i for i, name in enumerate(names) if name in allowed]
                names, weights = [names[i] for i in keep], weights[keep]
            name = names[int(self.rng.choice(len(names), p=weights / weights.sum()))]
            clips = self.pool.clips_of[name]
            clip = clips[int(self.rng.integers(len(clips)))]
            if name != "silence" and all(self._differ(clip, other) for other in chosen):
                chosen.append(clip)
        return chosen

    def _differ(self, one: int, other: int) -> bool:
        first, second = self.pool.sounds.clips[one], self.pool.sounds.clips[other]
        shared = set(tags_of(first.label)) & set(tags_of(second.label))
        return (
            first.group != second.group
            and sound_of(first.label) != sound_of(second.label)
            and not shared
        )

    def _names(self, clips: list[int]) -> tuple[str, ...]:
        return tuple(sound_of(self.pool.sounds.clips[clip].label) for clip in clips)

    def _scene(
        self, placed: list[Placed], description: SceneDescription, seconds: float = SCENE_S
    ) -> SceneLayout:
        return SceneLayout(
            length=int(seconds * self.rate),
            placed=tuple(placed),
            description=description,
            twin=None,
            seed=int(self.rng.integers(2**31)),
        )

    def _cut(self, scene: SceneLayout) -> SceneLayout:
        """A scene of several sounds without most of the silence around them.

        Were there none such, a window of less than ten seconds would always hold a single sound.
        """
        if len(scene.placed) == 1:
            return scene
        before, after = (int(seconds * self.rate) for seconds in self.rng.uniform(0, 0.5, 2))
        return scene.cut(before=before, after=after)

    def _stretch(self, clip: int, *, low_s: float, high_s: float) -> tuple[int, int]:
        """Where a stretch of the clip's loud part starts, and how long it is."""
        first, _ = self.pool.active[clip]
        available = self.pool.length(clip)
        count = min(available, int(self.rng.uniform(low_s, high_s) * self.rate))
        # Mostly from the start of the event: a bark cut in its middle is no bark.
        slack = available - count
        offset = int(self.rng.integers(slack + 1)) if self.rng.random() < 0.5 else 0
        return first + offset, count

    def _gain(self) -> float:
        return float(self.rng.uniform(-6, 6))

    def _single(self) -> list[SceneLayout]:
        name = self.names[int(self.rng.choice(len(self.names), p=self.weights))]
        clips = self.pool.clips_of[name]
        clip = clips[int(self.rng.integers(len(clips)))]
        seconds = float(self.rng.choice([3.0, 5.0, 5.0, 7.5, 10.0, 10.0]))
        start, count = self._stretch(clip, low_s=min(seconds, 3.0), high_s=seconds)
        count = min(count, int(seconds * self.rate))
        at = int(self.rng.integers(int(seconds * self.rate) - count + 1))
        if count < self.rate and self.rng.random() < 0.5:
            at = 0
        placed = Placed(clip=clip, start=start, count=count, at=at, gain_db=self._gain())
        return [self._scene([placed], SceneDescription(Relation.SINGLE, (name,)), seconds)]

    def long_single(self) -> list[SceneLayout]:
        """One sound for most of a whole window, repeated where its clip is too short for that.

        Most windows that people have are like this; without them ten seconds would always mean
        that several things are to be said.
        """
        name = self.names[int(self.rng.choice(len(self.names), p=self.weights))]
        clips = self.pool.clips_of[name]
        clip = clips[int(self.rng.integers(len(clips)))]
        first, _ = self.pool.active[clip]
        total = int(SCENE_S * self.rate)
        count = int(self.rng.uniform(4.0, SCENE_S) * self.rate)
        if name in BACKGROUND_SOUNDS and self.rng.random() < 0.6:
            count = total
        at = int(self.rng.integers(total - count + 1))
        placed = Placed(clip=clip, start=first, count=count, at=at, gain_db=self._gain())
        return [self._scene([placed], SceneDescription(Relation.SINGLE, (name,)))]

    def _sequence(self, clips: list[int], *, high_s: float) -> list[list[Placed]]:
        """The clips one after the other; with two clips, the other way round as well."""
        parts = [self._stretch(clip, low_s=1.2, high_s=high_s) for clip in clips]
        gaps = [int(self.rng.uniform(0, 0.7) * self.rate) for _ in clips[1:]] + [0]
        used = sum(count for _, count in parts) + sum(gaps)
        room = max(0, int(SCENE_S * self.rate) - used)
        begin = int(self.rng.integers(room + 1))
        gains = [self._gain() for _ in clips]
        orders = [range(len(clips))]
        if len(clips) == 2:
            orders.append(range(1, -1, -1))
        layouts = []
        for order in orders:
            at, layout = begin, []
            for gap, index in zip(gaps, order, strict=True):
                start, count = parts[index]
                layout.append(Placed(clips[index], start, count, at, gains[index]))
                at += count + gap
            layouts.append(layout)
        return layouts

    def pair(self) -> list[SceneLayout]:
        """Two events in a row, and the same two the other way round."""
        clips = self._draw(2)
        layouts = self._sequence(clips, high_s=4.5)
        names = self._names(clips)
        return [
            self._scene(layout, SceneDescription(Relation.SEQUENCE, order))
            for layout, order in zip(layouts, (names, names[::-1]), strict=True)
        ]

    def _triple(self) -> list[SceneLayout]:
        clips = self._draw(3)
        (layout,) = self._sequence(clips, high_s=2.9)
        return [self._scene(layout, SceneDescription(Relation.SEQUENCE, self._names(clips)))]

    def _together(self) -> list[SceneLayout]:
        """Two events at once, and the same two in a row."""
        clips = self._draw(2)
        placed = self._side_by_side(clips) if self.rng.random() < 0.5 else self._within(clips)
        names = self._names(clips)
        layout, _ = self._sequence(clips, high_s=4.5)
        return [
            self._scene(placed, SceneDescription(Relation.TOGETHER, names)),
            self._scene(layout, SceneDescription(Relation.SEQUENCE, names)),
        ]

    def _side_by_side(self, clips: list[int]) -> list[Placed]:
        """Both for some seconds, repeated where a clip is too short, begun at nearly one time."""
        total = int(SCENE_S * self.rate)
        lead = int(self.rng.integers(self.rate))
        placed = []
        for clip in clips:
            start, count = self._stretch(clip, low_s=4.0, high_s=9.0)
            count = max(count, min(total, int(self.rng.uniform(3.0, 6.0) * self.rate)))
            at = min(lead + int(self.rng.uniform(0, 0.6) * self.rate), total - count)
            placed.append(Placed(clip, start, count, max(0, at), self._gain()))
        return placed

    def _within(self, clips: list[int]) -> list[Placed]:
        """Each once, the shorter somewhere within the longer: a bark while a car drives by."""
        parts = [self._stretch(clip, low_s=1.5, high_s=8.0) for clip in clips]
        longest = max(count for _, count in parts)
        lead = int(self.rng.integers(int(SCENE_S * self.rate) - longest + 1))
        return [
            Placed(
                clip, start, count, lead + int(self.rng.integers(longest - count + 1)), self._gain()
            )
            for clip, (start, count) in zip(clips, parts, strict=True)
        ]

    def _background(self, clip: int) -> Placed:
        start, _ = self.pool.active[clip]
        gain_db = float(self.rng.uniform(*BACKGROUND_DB))
        return Placed(clip, start, int(SCENE_S * self.rate), 0, gain_db)

    def _over_background(self) -> list[SceneLayout]:
        """One event over what lasts, and the same event alone, of which that is wrong."""
        back, front = self._draw(2, BACKGROUND_SOUNDS)
        (layout,) = self._sequence([front], high_s=5.0)
        what = SceneDescription(
            Relation.SINGLE, self._names([front]), background=self._names([back])[0]
        )
        alone = replace(what, background=None)
        return [
            self._scene([*layout, self._background(back)], what),
            self._scene(layout, alone),
        ]

    def _pair_over_background(self) -> list[SceneLayout]:
        back, *fronts = self._draw(3, BACKGROUND_SOUNDS)
        under = self._background(back)
        layouts = self._sequence(fronts, high_s=4.5)
        names, back_name = self._names(fronts), self._names([back])[0]
        return [
            self._scene([*layout, under], SceneDescription(Relation.SEQUENCE, order, back_name))
            for layout, order in zip(layouts, (names, names[::-1]), strict=True)
        ]

    def _repeated(self) -> list[SceneLayout]:
        """One short event, two to four times."""
        names = [name for name in self.names if name in COUNTABLE_SOUNDS]
        short = [
            clip
            for name in names
            for clip in self.pool.clips_of[name]
            if self.pool.length(clip) < 1.6 * self.rate
        ]
        if not short:
            return self._single()
        clip = short[int(self.rng.integers(len(short)))]
        times = int(self.rng.integers(2, 5))
        first, _ = self.pool.active[clip]
        count = self.pool.length(clip)
        gain_db, at = self._gain(), int(self.rng.uniform(0, 1.0) * self.rate)
        pace = count + int(self.rng.uniform(0.35, 0.8) * self.rate)
        placed = [Placed(clip, first, count, at + i * pace, gain_db) for i in range(times)]
        what = SceneDescription(Relation.REPEATED, self._names([clip]), count=times)
        return [self._scene(placed, what)]
