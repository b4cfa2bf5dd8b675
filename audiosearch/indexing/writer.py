"""Write batches down: one transaction for all that became of their files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from sqlalchemy.orm import Session

from audiosearch._failpoints import failpoint
from audiosearch._typing import Floats
from audiosearch._urls import is_url
from audiosearch.audio.metadata.tags import tags_of
from audiosearch.audio.sandbox.protocol import OpenedFile
from audiosearch.errors import DecodeCode
from audiosearch.indexing.claims import InFlightHashes
from audiosearch.indexing.storing import store_captions, store_windows
from audiosearch.indexing.types import (
    AlreadyEncoded,
    CaptionedWindow,
    DecodedWindow,
    EncodedBatch,
    Failed,
    Finished,
    InFlightDuplicate,
    Item,
    Started,
)
from audiosearch.indexing.walk import is_absent_or_empty, is_gone
from audiosearch.store.database import Database
from audiosearch.store.queries import (
    encodings,
    file_texts,
    files,
    fulltext,
    recordings,
    uncaptioned,
)
from audiosearch.store.queries.failed import set_failed
from audiosearch.store.queries.files import ReadFile
from audiosearch.store.queries.pending import PendingFile
from audiosearch.store.queries.places import join

ATTEMPTS = 3  # at a file that changes while it is read, in one run
_NEARLY = 0.99  # of a file under way, at most: headers may tell of less than there is
UNFIT = "encoding"  # error code of a sound whose vectors cannot be stored


@dataclass
class Tally:
    """What a run did so far."""

    n_recognised: int = 0
    n_encoded: int = 0
    n_failed: int = 0
    n_away: int = 0  # files left pending, since all of their folder went away meanwhile
    n_remarked: int = 0
    n_windows: int = 0
    sound_s: float = 0.0
    unsettled: list[bytes] = field(default_factory=list)  # absolute paths
    vanished: list[PendingFile] = field(default_factory=list)  # gone when they were to be read
    away: set[bytes] = field(default_factory=set)  # roots that went away while they were read

    @property
    def n_done(self) -> int:
        """Files that need nothing more in this run."""
        n_read = self.n_recognised + self.n_encoded + self.n_failed
        return n_read + self.n_unsettled + self.n_away + len(self.vanished)

    @property
    def n_unsettled(self) -> int:
        """Files that kept changing while they were read."""
        return len(self.unsettled)


@dataclass
class _UnderWay:
    """A file some windows of which are stored."""

    recording_id: int
    opened: OpenedFile
    heard_until_s: float = 0.0

    @property
    def share(self) -> float:
        """How much of it is done, as far as its headers tell how long it is; below 1."""
        expected_s = self.opened.expected_s
        if expected_s is None or expected_s <= 0:
            return 0.0
        return min(self.heard_until_s / expected_s, _NEARLY)


class Committer:
    """Writes batches; used by the main thread only.

    Items of one file come in order, so a file is marked as indexed in the transaction that stores
    its last window, or a later one. Remembers from batch to batch the files under way, those that
    wait for the sound of another file, and those to be read once more.
    """

    def __init__(
        self,
        database: Database,
        *,
        bundle_id: int,
        hop_s: float,
        in_flight: InFlightHashes,
        captions: bool,
        embed_texts: Callable[[], Callable[[Sequence[str]], Floats] | None],
    ) -> None:
        self.tally = Tally()
        self._database = database
        self._bundle_id = bundle_id
        self._hop_s = hop_s
        self._in_flight = in_flight
        self._captions = captions
        self._embed_texts = embed_texts
        self._under_way: dict[int, _UnderWay] = {}
        self._given_up: set[int] = set()  # files that failed here while their reader goes on
        self._duplicates: dict[bytes, list[InFlightDuplicate]] = {}
        self._retries: list[PendingFile] = []
        self._attempts: Counter[int] = Counter()

    @property
    def under_way(self) -> float:
        """How much of the files under way is done, added up; 1.0 is a whole file."""
        return sum(each.share for each in self._under_way.values())

    def take_retries(self) -> list[PendingFile]:
        """Files to be read once more, now that the others are done; forgets them."""
        retries, self._retries = self._retries, []
        self._given_up.clear()
        return retries

    def windows_to_encode(self, items: Sequence[Item]) -> list[DecodedWindow]:
        """The windows of a batch that are worth encoding: not those of files that failed."""
        failed = {item.file.file_id for item in items if isinstance(item, Failed)}
        failed |= self._given_up
        return [
            item
            for item in items
            if isinstance(item, DecodedWindow) and item.file.file_id not in failed
        ]

    def commit(self, batches: Sequence[EncodedBatch]) -> None:
        """Write batches in one transaction.

        Raises:
            StoreError: it cannot be written; nothing of it is, then.
        """
        items = [item for batch in batches for item in batch.items]
        failpoint("batch.store")
        with self._database.session() as session:
            self._start(session, [each for each in items if isinstance(each, Started)])
            unfit = self._store(session, [batch.encoded for batch in batches])
            failpoint("batch.windows")
            finished = [each for each in items if isinstance(each, Finished)]
            known = [each for each in items if isinstance(each, AlreadyEncoded | InFlightDuplicate)]
            free = self._finish(session, finished, known)
            for failed in [*unfit, *(each for each in items if isinstance(each, Failed))]:
                free += self._fail(session, failed)
            self._recognise(session, known, released=set(free))
            # Names of files never change here, but what they say of themselves may.
            fulltext.refresh_files(
                session,
                [
                    each.file.file_id
                    for each in items
                    if isinstance(each, Started | AlreadyEncoded | InFlightDuplicate)
                ],
            )
            failpoint("batch.commit")
        for audio_hash in free:
            self._in_flight.release(audio_hash)
        failpoint("batch.done")

    def _start(self, session: Session, items: Sequence[Started]) -> None:
        """Write down files whose windows follow."""
        ids = recordings.ensure_recordings(session, [_new_recording(i.opened) for i in items])
        fresh = [_id(ids, item) for item in items if not item.resumed]
        encodings.begin_encodings(session, fresh, bundle_id=self._bundle_id, hop_s=self._hop_s)
        taken_up = {item.file.file_id: _id(ids, item) for item in items}
        begun = recordings.remember_former(session, taken_up)
        files.set_recording(
            session,
            [
                _read_file(item.file, item.opened, _id(ids, item), item.opened.remark)
                for item in items
            ],
        )
        encodings.drop_begun(session, begun, bundle_id=self._bundle_id)
        file_texts.set_texts(session, [_texts(item) for item in items])
        for item in items:
            # Of a file whose reader died, and that another one goes on with.
            before = self._under_way.get(item.file.file_id) if item.resumed else None
            self._under_way[item.file.file_id] = _UnderWay(
                _id(ids, item), item.opened, before.heard_until_s if before else 0.0
            )

    def _store(
        self, session: Session, encoded: Sequence[Sequence[CaptionedWindow]]
    ) -> list[Failed]:
        """Store windows and what is said of them; returns the files whose vectors do not fit."""
        recording_of = {
            file_id: under_way.recording_id for file_id, under_way in self._under_way.items()
        }
        stored = store_windows(
            session, encoded, recording_of=recording_of, bundle_id=self._bundle_id
        )
        self._store_captions(session, stored.windows)
        for each in stored.windows.values():
            self._count(each.decoded)
        return [self._unfit(file, reason) for file, reason in stored.unfit.values()]

    def _store_captions(self, session: Session, stored: Mapping[int, CaptionedWindow]) -> None:
        if not self._captions:
            audible = [each for each, window in stored.items() if not window.decoded.window.silent]
            uncaptioned.note_uncaptioned(session, audible, bundle_id=self._bundle_id)
            return
        said = {each: window.sentence for each, window in stored.items() if window.sentence}
        store_captions(session, said, bundle_id=self._bundle_id, embed_texts=self._embed_texts)

    def _unfit(self, file: PendingFile, reason: str) -> Failed:
        self._given_up.add(file.file_id)
        audio_hash = self._under_way[file.file_id].opened.fingerprint.audio_hash
        return Failed(file, code=UNFIT, reason=reason, vanished=False, audio_hash=audio_hash)

    def _count(self, decoded: DecodedWindow) -> None:
        under_way = self._under_way[decoded.file.file_id]
        self.tally.n_windows += 1
        fresh_s = decoded.window.end_s - max(decoded.window.start_s, under_way.heard_until_s)
        self.tally.sound_s += max(0.0, fresh_s)
        under_way.heard_until_s = decoded.window.end_s

    def _finish(
        self,
        session: Session,
        items: Sequence[Finished],
        known: list[AlreadyEncoded | InFlightDuplicate],
    ) -> list[bytes]:
        """Complete recordings; adds the twins that waited for them to `known`; returns claims."""
        read: list[ReadFile] = []
        complete: list[encodings.CompleteRecording] = []
        free: list[bytes] = []
        for item in items:
            if item.file.file_id in self._given_up:
                continue
            under_way = self._under_way.pop(item.file.file_id)
            facts = encodings.SoundFacts(
                duration_s=item.facts.duration_s,
                peak_db=item.facts.peak_db,
                loudness_lufs=item.facts.loudness_lufs,
            )
            complete.append(
                encodings.CompleteRecording(under_way.recording_id, item.n_windows, facts)
            )
            remark = _joined(under_way.opened.remark, item.facts.remark)
            read.append(_read_file(item.file, under_way.opened, under_way.recording_id, remark))
            audio_hash = under_way.opened.fingerprint.audio_hash
            free.append(audio_hash)
            known += self._duplicates.pop(audio_hash, [])
        encodings.complete_encodings(session, complete, bundle_id=self._bundle_id)
        self._set_indexed(session, read)
        self.tally.n_encoded += len(read)
        return free

    def _recognise(
        self,
        session: Session,
        items: Sequence[AlreadyEncoded | InFlightDuplicate],
        *,
        released: set[bytes],
    ) -> None:
        """Files that need no decoding: indexed now, made to wait, or read once more.

        A reader told that their sound is stored, or that another file's is being decoded. By now
        that may have changed, since items wait in the queue: the other file may be complete in
        this very batch, or have failed. So the database is asked again, in this transaction.
        `released` are the sounds that this batch ended with: `_in_flight` still holds them, since
        others may claim them only once this is committed; but nobody is left to wait for.
        """
        hashes = [item.opened.fingerprint.audio_hash for item in items]
        complete = encodings.find_complete(
            session, hashes, bundle_id=self._bundle_id, hop_s=self._hop_s
        )
        found: list[AlreadyEncoded | InFlightDuplicate] = []
        for item, audio_hash in zip(items, hashes, strict=True):
            if audio_hash in complete:
                found.append(item)
            elif audio_hash in self._in_flight and audio_hash not in released:
                self._duplicates.setdefault(audio_hash, []).append(
                    InFlightDuplicate(item.file, item.opened)
                )
            else:
                self._retries.append(item.file)
        ids = recordings.ensure_recordings(session, [_new_recording(i.opened) for i in found])
        self._set_indexed(
            session,
            [
                _read_file(item.file, item.opened, _id(ids, item), item.opened.remark)
                for item in found
            ],
        )
        file_texts.set_texts(session, [_texts(item) for item in found])
        self.tally.n_recognised += len(found)

    def _set_indexed(self, session: Session, read: Sequence[ReadFile]) -> None:
        """Files whose recordings are complete, which leave the ones that they held before."""
        begun = recordings.remember_former(
            session, {each.file_id: each.recording_id for each in read}
        )
        files.set_indexed(session, read)
        encodings.drop_begun(session, begun, bundle_id=self._bundle_id)
        recordings.drop_outgrown(
            session, [each.file_id for each in read], bundle_id=self._bundle_id
        )
        self.tally.n_remarked += sum(each.remark is not None for each in read)

    def _fail(self, session: Session, item: Failed) -> list[bytes]:
        file = item.file
        if file.file_id in self._given_up and item.code != UNFIT:
            return []  # its reader failed after we did
        under_way = self._under_way.pop(file.file_id, None)
        if item.code == DecodeCode.AWAY or (
            item.code != UNFIT and _tells_of_its_root(item) and is_absent_or_empty(file.root_path)
        ):
            # Whatever it failed with: nothing may be concluded, and what is stored of it is good.
            self.tally.away.add(file.root_path)
            self.tally.n_away += 1
            return self._freed(item)
        if item.vanished and is_gone(join(file.root_path, file.path)):
            self.tally.vanished.append(file)
        elif item.vanished or item.code == DecodeCode.CHANGED:  # it is back, or another by now
            self._attempts[file.file_id] += 1
            if self._attempts[file.file_id] < ATTEMPTS:
                self._retries.append(replace(file, recording_id=None))  # nothing to go on from
            else:
                self.tally.unsettled.append(join(file.root_path, file.path))
        else:
            begun = recordings.remember_former(session, {file.file_id: None})
            set_failed(session, [(file.file_id, item.code, item.reason)])
            encodings.drop_begun(session, begun, bundle_id=self._bundle_id)
            self.tally.n_failed += 1
        if under_way is not None:
            encodings.drop_unfinished(
                session,
                under_way.recording_id,
                bundle_id=self._bundle_id,
                file_id=file.file_id,
            )
        return self._freed(item)

    def _freed(self, item: Failed) -> list[bytes]:
        """The sound that was claimed for a file, now that others may have it."""
        if item.audio_hash is None:
            return []
        self._retries += [each.file for each in self._duplicates.pop(item.audio_hash, [])]
        return [item.audio_hash]


def _tells_of_its_root(item: Failed) -> bool:
    """Whether all files of its root may have failed like this one.

    A file that was fetched from a store, and cannot be decoded, shows that the store is there.
    """
    remote = is_url(item.file.root_path)
    return not remote or item.vanished or item.code == DecodeCode.UNREADABLE


def _id(ids: Mapping[bytes, int], item: Started | AlreadyEncoded | InFlightDuplicate) -> int:
    return ids[item.opened.fingerprint.audio_hash]


def _texts(item: Started | AlreadyEncoded | InFlightDuplicate) -> file_texts.FileTexts:
    metadata = item.opened.metadata
    return file_texts.FileTexts(item.file.file_id, metadata, tags_of(metadata))


def _new_recording(opened: OpenedFile) -> recordings.NewRecording:
    sound = opened.fingerprint
    return recordings.NewRecording(
        audio_hash=sound.audio_hash,
        sample_rate=sound.sample_rate,
        channels=sound.channels,
        bit_depth=sound.bit_depth,
        codec=sound.codec,
        container=sound.container,
    )


def _joined(*remarks: str | None) -> str | None:
    return "; ".join(filter(None, remarks)) or None


def _read_file(
    file: PendingFile, opened: OpenedFile, recording_id: int, remark: str | None
) -> ReadFile:
    return ReadFile(
        file_id=file.file_id,
        recording_id=recording_id,
        size=opened.size,
        mtime_ns=opened.mtime_ns,
        ctime_ns=opened.ctime_ns,
        remark=remark,
    )
