"""What a composed scene is: stretches of clips at their places in time, and what to say of it.

Nothing here knows about sound files, captions or chance.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from audiosearch.training.scenes.captions import Description

SCENE_S = 10.0


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
class Scene:
    """A planned scene."""

    length: int
    """In samples."""
    placed: tuple[Placed, ...]
    """Events in order of time, then the background if there is one."""
    description: Description
    twin: int | None
    """The index of the scene with the same two events at other times, if there is one."""
    seed: int
    """Of its level, bandwidth and noise."""

    def with_twin(self, twin: int) -> Scene:
        """The same scene beside its twin."""
        return replace(self, twin=twin)

    def cut(self, *, before: int, after: int) -> Scene:
        """The scene as a short recording: it begins and ends so many samples beside its events."""
        under = self.description.background is not None
        events = self.placed[:-1] if under else self.placed
        begin = max(0, min(event.at for event in events) - before)
        end = min(self.length, max(event.at + event.count for event in events) + after)
        placed = [replace(event, at=event.at - begin) for event in events]
        if under:
            placed.append(replace(self.placed[-1], count=end - begin))
        return replace(self, length=end - begin, placed=tuple(placed))
