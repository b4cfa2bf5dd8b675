"""The library and its model in memory, for as long as they are those that questions are about.

Loaded anew when the settings, the model's files or the database file are others; what a run of
`index` commits is noticed by the search itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

from audiosearch._memory import give_memory_back
from audiosearch.audio.clip import ClipRange
from audiosearch.config import Config
from audiosearch.errors import QueryError
from audiosearch.library import Library, open_library
from audiosearch.library.model_selection import ModelStamp, bundle_paths, bundle_stamp, find_model
from audiosearch.search.results import Description, FindResult
from audiosearch.server.messages import (
    DescribeQuestion,
    FileSeen,
    FindQuestion,
    Settings,
    SimilarQuestion,
    see,
)
from audiosearch.store.identity import read_identity

_Stamp = tuple[ModelStamp, ...]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The answer to a question by words or by sound; see `messages.FoundEnd`."""

    result: FindResult
    device: str
    remarks: tuple[str, ...]


@dataclass(kw_only=True)
class _Held:
    """An open library; `users` answers are being given from it."""

    settings: Settings
    library: Library
    stamp: _Stamp
    closing: ExitStack = field(repr=False)
    users: int = 0
    retired: bool = False


class Describing:
    """Descriptions as they are made; the library stays open until `close`."""

    def __init__(self, held: _Held, descriptions: Iterator[Description]) -> None:
        self._held = held
        self._descriptions = descriptions
        held.users += 1

    def step(self) -> Description | None:
        """The next description; None at the end."""
        return next(self._descriptions, None)

    def remarks(self) -> tuple[str, ...]:
        """What the command would have warned of."""
        return library_remarks(self._held.library)

    def close(self) -> None:
        """Let go of the library and of the file that is being read."""
        close = getattr(self._descriptions, "close", None)
        if close is not None:
            close()
        self._held.users -= 1
        _close_if_unused(self._held)


class LibraryCache:
    """Answers from memory; used by one thread."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._held: _Held | None = None

    @property
    def loaded(self) -> bool:
        """Whether a library and its model are in memory."""
        return self._held is not None

    def library(self, settings: Settings) -> Library:
        """The library with its model, loaded if what is held is something else."""
        return self._take(settings).library

    def find(self, question: FindQuestion) -> Answer:
        """Sounds for words; raises as `Library.find` does."""
        library = self.library(question.settings)
        for clip, seen in zip(question.query.like, question.seen, strict=True):
            _check_seen(clip, seen)
        result = library.answer(question.query)
        return _answer(library, result)

    def similar(self, question: SimilarQuestion) -> Answer:
        """Sounds for a sound; raises as `Library.similar` does."""
        library = self.library(question.settings)
        for clip, seen in zip(question.clips, question.seen, strict=True):
            _check_seen(clip, seen)
        result = library.similar(
            *question.clips,
            include_self=question.include_self,
            filters=question.filters,
            limit=question.limit,
            min_similarity=question.min_similarity,
            sort=question.sort,
            reverse=question.reverse,
        )
        return _answer(library, result)

    def describe(self, question: DescribeQuestion) -> Describing:
        """Captions for a sound; raises as `Library.describe` does."""
        _check_seen(question.clip, question.seen)
        return self.describing(
            question.settings,
            question.clip,
            limit=question.limit,
            normalise=question.normalise,
            explain=question.explain,
        )

    def describing(
        self,
        settings: Settings,
        clip: ClipRange,
        *,
        limit: int,
        normalise: str | None,
        explain: bool,
    ) -> Describing:
        """Captions for a sound, window by window; raises as `Library.describe` does."""
        held = self._take(settings)
        _, descriptions = held.library.describe(
            clip, limit=limit, normalise=normalise, explain=explain
        )
        return Describing(held, descriptions)

    def unload(self) -> None:
        """Give the memory back; the next question loads what it needs."""
        if self._held is not None:
            self._held.retired = True
            _close_if_unused(self._held)
            self._held = None
        give_memory_back()

    def _take(self, settings: Settings) -> _Held:
        held = self._held
        if held is not None and (
            replace(held.settings, user=settings.user) != settings  # who asks needs no other
            or held.stamp != _stamp(held.library.config)
            or not held.library.database.is_current()
        ):
            self.unload()
        if self._held is None:
            self._held = self._load(settings)
        self._held.library.database.user = settings.user.name
        return self._held

    def _load(self, settings: Settings) -> _Held:
        config = replace(
            self._config, model=settings.model, index=settings.index, search=settings.search
        )
        with ExitStack() as stack:
            # None is made for a question.
            identity = read_identity(config.database, url=config.store.url)
            library = stack.enter_context(open_library(config, expected=identity))
            return _Held(
                settings=settings,
                library=library,
                stamp=_stamp(config),
                closing=stack.pop_all(),
            )


def _answer(library: Library, result: FindResult) -> Answer:
    return Answer(
        result=result, device=library.decoder.device.name, remarks=library_remarks(library)
    )


def library_remarks(library: Library) -> tuple[str, ...]:
    """What is to be said of every answer: that another model gave it, or that it runs elsewhere."""
    notes = (library.notice, library.decoder.device.note)
    return tuple(note for note in notes if note is not None)


def _check_seen(clip: ClipRange, seen: FileSeen) -> None:
    """See that the path leads to the file that the command means: a service may see other folders.

    Raises:
        QueryError: it does not.
    """
    if see(clip.path) != seen:
        raise QueryError("the daemon does not see this file", path=clip.path)


def _stamp(config: Config) -> _Stamp:
    """What the models are, to notice when they come, go or are replaced."""
    folders = {find_model(config, config.model.bundle), *bundle_paths(config)}
    return tuple(bundle_stamp(folder) for folder in sorted(folders))


def _close_if_unused(held: _Held) -> None:
    if held.retired and held.users == 0:
        held.closing.close()
