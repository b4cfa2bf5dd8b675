"""Sounds of the library as a person names them: files, known or gone, and stretches of these.

No sound is opened: a file stands for the sound that the library knows it by.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from audiosearch.audio.clip import ClipRange, absolute, parse_clip
from audiosearch.errors import AudiosearchError, QueryError
from audiosearch.store.queries.annotate import SoundStretch
from audiosearch.store.queries.roots import find_place
from audiosearch.store.schema import AnnotatedSound, Recording, SoundFile

NEAR_S = 0.001  # of the end of a sound; so exactly are ends of stretches given out
_INDEX_IT = "audiosearch index its folder"


@dataclass(frozen=True)
class FoundStretches:
    """Stretches that were named, each once, and why others are none.

    `n_cut` went on past the end of their sounds, and end there.
    """

    stretches: tuple[SoundStretch, ...]
    problems: tuple[AudiosearchError, ...]
    n_cut: int = 0


def find_stretches(
    session: Session, clips: Iterable[str | ClipRange], *, all_or_none: bool = False
) -> FoundStretches:
    """What clips stand for; `FILE`, or `FILE@START-END`.

    A stretch that is all of its sound is the sound.

    Raises:
        QueryError: of the only clip, why it stands for nothing; with `all_or_none`, of any.
    """
    found: dict[tuple[bytes, float, float], SoundStretch] = {}
    problems: list[AudiosearchError] = []
    cut: set[tuple[bytes, float, float]] = set()
    for clip in clips:
        try:
            stretch, is_cut = _stretch(session, clip)
        except QueryError as error:
            problems.append(error)
        else:
            found.setdefault(stretch.key, stretch)
            if is_cut:
                cut.add(stretch.key)
    if problems and (all_or_none or (len(problems) == 1 and not found)):
        raise problems[0]
    return FoundStretches(tuple(found.values()), tuple(problems), n_cut=len(cut))


@dataclass(frozen=True)
class NamedSound:
    """A sound that a file holds, or held; `duration_s` None where the library has it no more."""

    audio_hash: bytes
    path: bytes
    duration_s: float | None


def _stretch(session: Session, clip: str | ClipRange) -> tuple[SoundStretch, bool]:
    """What a clip stands for, and whether it went on past the end of its sound."""
    known: dict[str, NamedSound | None] = {}

    def is_file(name: str) -> bool:
        known[name] = _known(session, name)
        return known[name] is not None or os.path.isfile(name)  # noqa: PTH113 - may be no name

    if isinstance(clip, str):
        part = parse_clip(clip, is_file=is_file)
        sound = known[os.fsdecode(part.path)]
    else:
        part, sound = clip, _known(session, os.fsdecode(clip.path))
    if sound is None:
        raise QueryError(_why_unknown(session, part.path), path=part.path, remedy=_INDEX_IT)
    length = sound.duration_s
    is_cut = None not in (length, part.end_s) and part.end_s > length + NEAR_S  # type: ignore[operator]
    return _within(part, sound), is_cut


def known_sound(session: Session, path: bytes) -> NamedSound | None:
    """The sound that the library knows a file by, of an absolute path; None where it knows none."""
    place = find_place(session, path)
    if place is None:
        return None
    row = session.execute(
        select(Recording.audio_hash, Recording.duration_s)
        .join(SoundFile, SoundFile.recording_id == Recording.id)
        .where(SoundFile.root_id == place.root.root_id, SoundFile.path == place.relative)
    ).first()
    return None if row is None else NamedSound(row.audio_hash, path, row.duration_s or None)


def _known(session: Session, name: str) -> NamedSound | None:
    """The sound that a file of the library holds, or held before it was forgotten."""
    # As the person wrote it first: a root may itself be a link to somewhere else.
    paths = dict.fromkeys((absolute(name), os.fsencode(os.path.realpath(name))))
    for path in paths:
        sound = known_sound(session, path)
        if sound is not None:
            return sound
    for path in paths:
        audio_hash = session.scalar(
            select(AnnotatedSound.audio_hash).where(AnnotatedSound.path == path)
        )
        if audio_hash is not None:
            return NamedSound(audio_hash, path, None)
    return None


def _why_unknown(session: Session, path: bytes) -> str:
    place = find_place(session, absolute(os.fsdecode(path)))
    return "not in the library" if place is None else "not heard by the library yet"


def _within(part: ClipRange, sound: NamedSound) -> SoundStretch:
    start_s, end_s = round(part.start_s, 6), part.end_s
    length = sound.duration_s
    if length is not None:
        if start_s >= length:
            raise QueryError(f"the sound ends before {start_s:g} s", path=part.path)
        end_s = length if end_s is None else min(end_s, length)
        if start_s < NEAR_S and end_s > length - NEAR_S:
            start_s, end_s = 0.0, None
    elif start_s > 0 and end_s is None:
        raise QueryError(
            "its length is not known here; give the end of the stretch too", path=part.path
        )
    return SoundStretch(
        sound.audio_hash, sound.path, start_s, None if end_s is None else round(end_s, 6)
    )
