"""Write a batch down: one transaction for all that became of its files.

In: a batch's items in order, and its encoded windows. Each file's items come in order, so a file is
marked as indexed in the transaction that stores its last window, or a later one. What must be
remembered between batches is here: files under way, twins waiting for the sound of another file,
files to be read once more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from audiosearch.errors import DecodeCode
from audiosearch.indexing.encoding import EncodedWindow
from audiosearch.indexing.interfaces import Floats, OpenedSound
from audiosearch.indexing.reading import (
    Claims,
    Failed,
    Finished,
    Heard,
    Item,
    Known,
    Started,
    Twin,
)
from audiosearch.store import faults
from audiosearch.store.database import Database
from audiosearch.store.queries import captions, files, fulltext, recordings, windows
from audiosearch.store.queries.files import PendingFile, ReadFile
from audiosearch.store.schema import CaptionSource

ATTEMPTS = 3  # at a file that changes while it is read, in one run
UNFIT = "encoding"  # error code of a sound whose vectors cannot be stored


@dataclass
class Tally:
    """What a run did so far."""

    n_recognised: int = 0
    n_encoded: int = 0
    n_failed: int = 0
    n_vanished: int = 0
    n_unsettled: int = 0
    n_windows: int = 0
    sound_s: float = 0.0

    @property
    def n_done(self) -> int:
        """Files that need nothing more in this run."""
        return (
            self.n_recognised + self.n_encoded + self.n_failed + self.n_vanished + self.n_unsettled
        )


@dataclass
class _UnderWay:
    """A file some windows of which are stored."""

    recording_id: int
    opened: OpenedSound
    heard_until_s: float = 0.0


class Committer:
    """Writes batches; used by the main thread only."""

    def __init__(
        self,
        database: Database,
        *,
        bundle_id: int,
        hop_s: float,
        claims: Claims,
        embed_texts: Callable[[], Callable[[Sequence[str]], Floats] | None],
    ) -> None:
        self.tally = Tally()
        self._database = database
        self._bundle_id = bundle_id
        self._hop_s = hop_s
        self._claims = claims
        self._embed_texts = embed_texts
        self._under_way: dict[int, _UnderWay] = {}
        self._given_up: set[int] = set()  # files that failed here while their reader goes on
        self._twins: dict[bytes, list[Twin]] = {}
        self._again: list[PendingFile] = []
        self._attempts: Counter[int] = Counter()

    def take_again(self) -> list[PendingFile]:
        """Files to be read once more, now that the others are done; forgets them."""
        again, self._again = self._again, []
        self._given_up.clear()
        return again

    def wanted(self, items: Sequence[Item]) -> list[Heard]:
        """The windows of a batch that are worth encoding: not those of files that failed."""
        failed = {item.file.file_id for item in items if isinstance(item, Failed)}
        failed |= self._given_up
        return [
            item for item in items if isinstance(item, Heard) and item.file.file_id not in failed
        ]

    def commit(self, items: Sequence[Item], encoded: Sequence[EncodedWindow]) -> None:
        """Write a batch in one transaction.

        Raises:
            StoreError: it cannot be written; nothing of it is, then.
        """
        faults.reach("batch.store")
        free: list[bytes] = []
        with self._database.session() as session:
            touched: set[int] = set()
            for item in items:
                if isinstance(item, Started):
                    self._start(session, item, touched)
            failed = self._store(session, encoded)
            faults.reach("batch.windows")
            for item in (*items, *failed):
                free += self._end(session, item, touched)
            fulltext.refresh_recordings(session, touched)
            faults.reach("batch.commit")
        for audio_hash in free:
            self._claims.give_back(audio_hash)
        faults.reach("batch.done")

    def _start(self, session: Session, item: Started, touched: set[int]) -> None:
        recording_id = recordings.ensure_recording(session, _new_recording(item.opened))
        if not item.resumed:
            recordings.begin_encoding(
                session, recording_id, bundle_id=self._bundle_id, hop_s=self._hop_s
            )
        files.set_recording(session, [_read_file(item.file, item.opened, recording_id)])
        self._under_way[item.file.file_id] = _UnderWay(recording_id, item.opened)
        touched |= _held(item.file) | {recording_id}

    def _store(self, session: Session, encoded: Sequence[EncodedWindow]) -> list[Failed]:
        """Store windows and what is said of them; returns the files whose vectors do not fit."""
        new: list[windows.NewWindow] = []
        kept: list[EncodedWindow] = []
        failed: dict[int, Failed] = {}
        for each in encoded:
            file = each.heard.file
            if file.file_id in failed:
                continue
            try:
                new.append(self._new_window(each))
                kept.append(each)
            except ValueError as error:
                failed[file.file_id] = self._unfit(file, str(error))
        ids = windows.insert_windows(session, new, bundle_id=self._bundle_id)
        self._say(session, dict(zip(ids, kept, strict=True)))
        for each in kept:
            self._count(each.heard)
        return list(failed.values())

    def _new_window(self, encoded: EncodedWindow) -> windows.NewWindow:
        window = encoded.heard.window
        return windows.new_window(
            recording_id=self._under_way[encoded.heard.file.file_id].recording_id,
            position=window.position,
            start_s=window.start_s,
            end_s=window.end_s,
            silent=window.silent,
            frames=encoded.sound.frames,
            embedding=encoded.sound.embedding,
            joint=encoded.sound.joint,
        )

    def _unfit(self, file: PendingFile, reason: str) -> Failed:
        self._given_up.add(file.file_id)
        audio_hash = self._under_way[file.file_id].opened.fingerprint.audio_hash
        return Failed(file, code=UNFIT, reason=reason, vanished=False, audio_hash=audio_hash)

    def _say(self, session: Session, stored: Mapping[int, EncodedWindow]) -> None:
        """Store sentences, their links and, for new ones, their places in the joint space."""
        said = {window_id: each.sentence for window_id, each in stored.items() if each.sentence}
        if not said:
            return
        ids = captions.ensure_captions(
            session, [each.text for each in said.values()], source=CaptionSource.AUTO
        )
        captions.link_captions(
            session,
            [
                captions.CaptionLink(window_id, ids[each.text], each.cross_entropy)
                for window_id, each in said.items()
            ],
        )
        embed = self._embed_texts()
        if embed is not None:
            new = captions.captions_without_vector(
                session, bundle_id=self._bundle_id, among=list(ids.values())
            )
            if new:
                captions.insert_caption_vectors(
                    session,
                    [caption_id for caption_id, _ in new],
                    embed([text for _, text in new]),
                    bundle_id=self._bundle_id,
                )

    def _count(self, heard: Heard) -> None:
        under_way = self._under_way[heard.file.file_id]
        self.tally.n_windows += 1
        fresh_s = heard.window.end_s - max(heard.window.start_s, under_way.heard_until_s)
        self.tally.sound_s += max(0.0, fresh_s)
        under_way.heard_until_s = heard.window.end_s

    def _end(self, session: Session, item: Item, touched: set[int]) -> list[bytes]:
        """What an item means for its file; returns claims to be given back."""
        match item:
            case Finished() if item.file.file_id not in self._given_up:
                return self._finish(session, item, touched)
            case Failed() if item.code == UNFIT or item.file.file_id not in self._given_up:
                return self._fail(session, item, touched)
            case Known() | Twin():
                self._recognise(session, item, touched)
            case _:
                pass
        return []

    def _finish(self, session: Session, item: Finished, touched: set[int]) -> list[bytes]:
        under_way = self._under_way.pop(item.file.file_id)
        recordings.complete_encoding(
            session,
            under_way.recording_id,
            bundle_id=self._bundle_id,
            n_windows=item.n_windows,
            facts=recordings.SoundFacts(
                duration_s=item.facts.duration_s,
                peak_db=item.facts.peak_db,
                loudness_lufs=item.facts.loudness_lufs,
            ),
        )
        files.set_indexed(
            session, [_read_file(item.file, under_way.opened, under_way.recording_id)]
        )
        self.tally.n_encoded += 1
        audio_hash = under_way.opened.fingerprint.audio_hash
        for twin in self._twins.pop(audio_hash, []):
            self._recognise(session, twin, touched)
        return [audio_hash]

    def _recognise(self, session: Session, item: Known | Twin, touched: set[int]) -> None:
        """A file whose sound is known, or is about to be, or was to be and failed."""
        audio_hash = item.opened.fingerprint.audio_hash
        progress = recordings.find_progress(session, audio_hash, bundle_id=self._bundle_id)
        if progress is not None and progress.complete(hop_s=self._hop_s):
            recording_id = recordings.ensure_recording(session, _new_recording(item.opened))
            files.set_indexed(session, [_read_file(item.file, item.opened, recording_id)])
            touched |= _held(item.file) | {recording_id}
            self.tally.n_recognised += 1
        elif self._claims.held(audio_hash):
            self._twins.setdefault(audio_hash, []).append(Twin(item.file, item.opened))
        else:
            self._again.append(item.file)

    def _fail(self, session: Session, item: Failed, touched: set[int]) -> list[bytes]:
        file = item.file
        under_way = self._under_way.pop(file.file_id, None)
        if item.vanished:
            files.set_missing(session, [file.file_id])
            self.tally.n_vanished += 1
        elif item.code == DecodeCode.CHANGED:
            self._attempts[file.file_id] += 1
            if self._attempts[file.file_id] < ATTEMPTS:
                self._again.append(file)
            else:
                self.tally.n_unsettled += 1
        else:
            files.set_failed(session, [(file.file_id, item.code, item.reason)])
            self.tally.n_failed += 1
            touched |= _held(file)
        if under_way is not None:
            recordings.drop_unfinished(session, under_way.recording_id, bundle_id=self._bundle_id)
        if item.audio_hash is None:
            return []
        self._again += [twin.file for twin in self._twins.pop(item.audio_hash, [])]
        return [item.audio_hash]


def _held(file: PendingFile) -> set[int]:
    """The recording that a file held when it was last read, which may lose its name now."""
    return set() if file.recording_id is None else {file.recording_id}


def _new_recording(opened: OpenedSound) -> recordings.NewRecording:
    sound = opened.fingerprint
    return recordings.NewRecording(
        audio_hash=sound.audio_hash,
        sample_rate=sound.sample_rate,
        channels=sound.channels,
        bit_depth=sound.bit_depth,
        codec=sound.codec,
        container=sound.container,
        metadata=opened.metadata,
    )


def _read_file(file: PendingFile, opened: OpenedSound, recording_id: int) -> ReadFile:
    return ReadFile(
        file_id=file.file_id,
        recording_id=recording_id,
        size=opened.size,
        mtime_ns=opened.mtime_ns,
        ctime_ns=opened.ctime_ns,
    )
