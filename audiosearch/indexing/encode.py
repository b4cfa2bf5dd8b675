"""Windows through the encoder and the captioner: new ones, and those stored without captions."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from audiosearch._failpoints import failpoint
from audiosearch._timing import Stopwatch
from audiosearch._wording import counted
from audiosearch.indexing.batching import GivingWay
from audiosearch.indexing.storing import store_captions
from audiosearch.indexing.types import (
    CaptionedWindow,
    DecodedWindow,
    Hearing,
    Models,
    Progress,
    WindowEncoder,
)
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
    heard: Sequence[DecodedWindow],
    *,
    models: Models,
    stopwatch: Stopwatch,
    giving_way: GivingWay | None = None,
) -> list[CaptionedWindow]:
    """Encode and caption windows together; the results are in their order.

    Silent windows are encoded, so that every recording is complete, but nothing is said of them:
    a decoder that hears nothing still makes something up.
    """
    giving_way = giving_way or GivingWay()
    failpoint("batch.encode")
    sounds: dict[int, Encoded] = {}
    for together in giving_way.pieces(_groups(heard)):
        with stopwatch.stage("encode"):
            sounds |= _encode(heard, together, models.encoder)
    failpoint("batch.caption")
    sentences: dict[int, CaptionOut] = {}
    for some in giving_way.pieces([place for place, each in enumerate(heard) if _audible(each)]):
        with stopwatch.stage("caption"):
            sentences |= _caption(some, sounds, models)
    return [
        CaptionedWindow(each, sounds[place], sentences.get(place))
        for place, each in enumerate(heard)
    ]


def _audible(heard: DecodedWindow) -> bool:
    """Whether there is anything to be said of a window."""
    return not heard.window.silent


def _groups(heard: Sequence[DecodedWindow]) -> list[list[int]]:
    """Places of the windows of one stretch together, all others alone."""
    groups: dict[int, list[int]] = {}
    for place, each in enumerate(heard):
        stretch = each.window.stretch
        groups.setdefault(place if stretch is None else -id(stretch), []).append(place)
    return list(groups.values())


def _encode(
    heard: Sequence[DecodedWindow], groups: Sequence[Sequence[int]], encoder: WindowEncoder
) -> dict[int, Encoded]:
    """Windows of one stretch together, all others as if they were alone; by their places."""
    alone = [places[0] for places in groups if heard[places[0]].window.stretch is None]
    stretches = [places for places in groups if heard[places[0]].window.stretch is not None]
    found: dict[int, Encoded] = {}
    if alone:
        sounds = encoder.encode_many([heard[place].window.samples for place in alone])
        found.update(zip(alone, sounds, strict=True))
    if stretches:
        parts = [_parts([heard[place].window for place in places]) for places in stretches]
        for places, sounds in zip(stretches, encoder.encode_parts(parts), strict=True):
            found.update(zip(places, sounds, strict=True))
    return found


def _parts(windows: Sequence[Window]) -> SoundParts:
    stretch = windows[0].stretch
    assert stretch is not None
    return SoundParts(
        samples=stretch.samples,
        starts=tuple(each.start - stretch.start for each in windows),
        length=len(windows[0].samples),
    )


def _caption(
    places: Sequence[int], sounds: Mapping[int, Encoded], models: Models
) -> dict[int, CaptionOut]:
    """What is said of windows, where anything is; by their places."""
    if models.captioner is None:
        return {}
    sentences = models.captioner.captions([sounds[place].frames for place in places])
    return {
        place: sentence for place, sentence in zip(places, sentences, strict=True) if sentence.text
    }


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
    giving_way: GivingWay | None = None,
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
        giving_way: lets questions go first.
    """
    giving_way = giving_way or GivingWay()
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
        giving_way.turn()
        with stopwatch.stage("caption"):
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
