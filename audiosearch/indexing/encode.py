"""Windows through the encoder and the captioner: new ones, and those stored without captions."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from audiosearch._failpoints import failpoint
from audiosearch._timing import Stopwatch
from audiosearch._wording import counted
from audiosearch.indexing.storing import store_captions
from audiosearch.indexing.types import (
    CaptionedWindow,
    DecodedWindow,
    Hearing,
    Models,
    Progress,
    WindowEncoder,
)
from audiosearch.model.runtime.parallel import pausing
from audiosearch.model.shared_frames import SoundParts
from audiosearch.store.database import Database
from audiosearch.store.queries import uncaptioned
from audiosearch.store.queries.uncaptioned import StoredFrames

if TYPE_CHECKING:
    from audiosearch._typing import Floats
    from audiosearch.audio.windows import Window
    from audiosearch.model.captioner import CaptionOut
    from audiosearch.model.encoder import Encoded


def encode_batch(
    heard: Sequence[DecodedWindow], *, models: Models, stopwatch: Stopwatch
) -> list[CaptionedWindow]:
    """Encode and caption windows together; the results are in their order.

    Silent windows are encoded, so that every recording is complete, but nothing is said of them:
    a decoder that hears nothing still makes something up.
    """
    failpoint("batch.encode")
    with stopwatch.stage("encode"):
        sounds = _encode(heard, models.encoder)
    failpoint("batch.caption")
    with stopwatch.stage("caption"):
        sentences = _caption(heard, sounds, models)
    return [
        CaptionedWindow(each, sound, sentence)
        for each, sound, sentence in zip(heard, sounds, sentences, strict=True)
    ]


def _encode(heard: Sequence[DecodedWindow], encoder: WindowEncoder) -> list[Encoded]:
    """Windows of one stretch together, all others as if they were alone."""
    alone = [place for place, each in enumerate(heard) if each.window.stretch is None]
    groups: dict[int, list[int]] = {}
    for place, each in enumerate(heard):
        if each.window.stretch is not None:
            groups.setdefault(id(each.window.stretch), []).append(place)
    found: dict[int, Encoded] = {}
    if alone:
        sounds = encoder.encode_many([heard[place].window.samples for place in alone])
        found.update(zip(alone, sounds, strict=True))
    if groups:
        parts = [_parts([heard[place].window for place in places]) for places in groups.values()]
        for places, sounds in zip(groups.values(), encoder.encode_parts(parts), strict=True):
            found.update(zip(places, sounds, strict=True))
    return [found[place] for place in range(len(heard))]


def _parts(windows: Sequence[Window]) -> SoundParts:
    stretch = windows[0].stretch
    assert stretch is not None
    return SoundParts(
        samples=stretch.samples,
        starts=tuple(each.start - stretch.start for each in windows),
        length=len(windows[0].samples),
    )


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


def caption_stored(
    database: Database,
    *,
    bundle_id: int,
    load_models: Callable[[], Models],
    batch_windows: int,
    progress: Progress,
    stop: threading.Event,
    stopwatch: Stopwatch,
    hearing: Hearing | None = None,
    pause: Callable[[], None] = lambda: None,
) -> int:
    """Caption the windows that were stored without; returns of how many something was said.

    From their stored frames, a batch a transaction, so that it can be stopped at any time.

    Args:
        database: opened for writing.
        bundle_id: the bundle whose windows they are, and which writes the captions.
        load_models: gives its parts; called only when there is something to caption.
        batch_windows: windows captioned together.
        progress: is told how many there are.
        stop: ends it between two batches.
        stopwatch: is told how long it took.
        hearing: writes them in place of this process.
        pause: called before each run of a graph, wherever it may wait.
    """
    with database.reading() as session:
        n_windows = uncaptioned.count_uncaptioned(session, bundle_id=bundle_id)
    if n_windows:
        progress.warn(
            f"{counted(n_windows, 'window')} stored without captions: they are written now"
        )
    if not n_windows or stop.is_set():
        return 0
    captioner = load_models().captioner
    if captioner is None:
        return 0
    waiting: deque[list[StoredFrames]] = deque()

    def frames() -> Iterator[Sequence[Floats]]:
        last = 0
        while not stop.is_set():
            with database.reading() as session:
                batch = uncaptioned.uncaptioned_windows(
                    session, bundle_id=bundle_id, limit=batch_windows, after=last
                )
            if not batch:
                return
            last = batch[-1].window_id
            waiting.append(batch)
            yield [each.frames for each in batch]

    written = (
        map(captioner.captions, frames())
        if hearing is None
        else hearing.captions(frames(), progress=progress, stop=stop)
    )
    n_captioned = 0
    while not stop.is_set():
        with pausing(pause), stopwatch.stage("caption"):
            sentences = next(written, None)
        if sentences is None:
            break
        batch = waiting.popleft()
        said = {
            each.window_id: sentence
            for each, sentence in zip(batch, sentences, strict=True)
            if sentence.text
        }
        with stopwatch.stage("store"), database.session() as session:
            store_captions(
                session, said, bundle_id=bundle_id, embed_texts=lambda: load_models().embed_texts
            )
            uncaptioned.uncaptioned_done(session, bundle_id=bundle_id, up_to=batch[-1].window_id)
        n_captioned += len(said)
    return n_captioned
