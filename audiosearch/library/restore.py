"""What people wrote taken out of a backup into a library: all of it or nothing.

The file is read twice: checked to its end, then written in one transaction. Lines of sounds that
the library does not hold yet are kept until it does.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO, Final

from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import Session

from audiosearch.errors import QueryError
from audiosearch.library.stretches import known_sound
from audiosearch.model.tokenizer import normalise
from audiosearch.store.backup_lines import (
    END,
    KIND_OF,
    MOST_BYTES_A_LINE,
    BackupLine,
    BadBackupLine,
    CaptionLine,
    CollectionLine,
    FavouriteLine,
    ImportLine,
    ItemLine,
    NoteLine,
    RatingLine,
    SearchLine,
    TagLine,
    check_head,
    line_of,
    read_row,
)
from audiosearch.store.database import Database
from audiosearch.store.dialects import upsert
from audiosearch.store.queries import annotate, caption_imports, captions, collections
from audiosearch.store.queries._bulk import chunks
from audiosearch.store.queries.annotate import SoundStretch
from audiosearch.store.queries.captions import Target
from audiosearch.store.schema import (
    Annotation,
    Caption,
    CaptionSource,
    Recording,
    WaitingCaption,
)

_BATCH: Final = 500  # lines written together


@dataclass(frozen=True)
class Restored:
    """What became of the lines of a backup.

    Attributes:
        n_lines: in the backup, by kind (`tag`, `note` ...).
        n_new: of these, those that the library did not have.
        n_newer: those in whose place the library has something newer, which stays.
        n_waiting: sounds that the library does not hold; theirs is kept until it does.
        made_at: when the backup was made, as it says itself.
    """

    n_lines: Mapping[str, int]
    n_new: int
    n_newer: int
    n_waiting: int
    made_at: str


def restore(database: Database, file: Path, *, by_path: bool = False) -> Restored:
    """Take in a backup. Doing it again changes nothing.

    What is there stays, and what is not is added: tags, favourites, captions, collections and what
    is in them. Of two ratings or notes of one sound, or searches of one name, the later one stays.

    Args:
        database: open for writing.
        file: the backup.
        by_path: what is of a sound that the library does not hold goes to the sound that it holds
            at the same path, as of a file that was edited or encoded anew since.

    Raises:
        QueryError: it is no backup, cut short, or has a line that is none, which is named; nothing
            was changed.
        StoreError: the library cannot be written to; nothing was changed.
    """
    try:
        with file.open("rb") as content:
            made_at, n_lines = _check(content, file)
            content.seek(0)
            with database.session() as session:
                restoring = _Restoring(session, file=file, by_path=by_path)
                lines = _lines(content, file)
                while some := list(itertools.islice(lines, _BATCH)):
                    restoring.take(some)
                restoring.finish()
                return Restored(
                    n_lines=n_lines,
                    n_new=restoring.n_new,
                    n_newer=restoring.n_newer,
                    n_waiting=restoring.count_waiting(),
                    made_at=made_at,
                )
    except OSError as error:
        raise QueryError(error.strerror or str(error), path=file) from error


def _check(content: BinaryIO, file: Path) -> tuple[str, dict[str, int]]:
    """When the backup was made, and its lines by kind; reads all of it."""
    counts = Counter(KIND_OF[type(line)] for _, line in _lines(content, file))
    content.seek(0)
    head = read_row(content.readline(MOST_BYTES_A_LINE + 1))
    return str(head.get("made_at", "")), dict(counts)


def _lines(content: BinaryIO, file: Path) -> Iterator[tuple[int, BackupLine]]:
    """The lines between the first and the last, with their numbers."""
    number, n_lines = 1, 0
    try:
        check_head(read_row(content.readline(MOST_BYTES_A_LINE + 1)))
        while text := content.readline(MOST_BYTES_A_LINE + 1):
            number += 1
            row = read_row(text)
            if row.get("kind") == END:
                if row.get("lines") != n_lines:
                    raise BadBackupLine(
                        f"{row.get('lines')!r} lines should come before this, not {n_lines}"
                    )
                break
            yield number, line_of(row)
            n_lines += 1
        else:
            number += 1
            raise BadBackupLine("the backup is cut short: its last line is missing")
        if content.read(1):
            number += 1
            raise BadBackupLine("something follows the last line")
    except BadBackupLine as error:
        raise _bad(file, number, str(error)) from error


def _bad(file: Path, number: int, why: str) -> QueryError:
    return QueryError(
        f"line {number}: {why}", path=file, remedy="nothing was restored; is there another backup?"
    )


@dataclass
class _Restoring:
    session: Session
    file: Path
    by_path: bool
    n_new: int = 0
    n_newer: int = 0
    _hashes: set[bytes] = field(default_factory=set)
    _captioned: set[bytes] = field(default_factory=set)
    _moved: dict[bytes, SoundStretch] = field(default_factory=dict)  # by hash; where it is today
    _imports: dict[int, int] = field(default_factory=dict)  # by number in the backup, the id here
    _new_imports: list[int] = field(default_factory=list)

    def take(self, numbered: Sequence[tuple[int, BackupLine]]) -> None:
        """Write some lines down."""
        held = self._recordings(
            {sound.audio_hash for _, line in numbered if (sound := _sound_of(line)) is not None}
        )
        lines = [self._placed(number, line, held) for number, line in numbered]
        stretches: dict[str, list[SoundStretch]] = {}  # by whose it is
        for line in lines:
            if isinstance(line, (TagLine, RatingLine, FavouriteLine, NoteLine, ItemLine)):
                stretches.setdefault(line.user, []).append(line.sound)
        self._hashes |= {each.audio_hash for some in stretches.values() for each in some}
        ids = {
            (user, *key): annotation_id
            for user, some in stretches.items()
            for key, annotation_id in annotate.ensure_annotations(
                self.session, some, user=user
            ).items()
        }
        self._take_tags([line for line in lines if isinstance(line, TagLine)], ids)
        self._take_marks(lines, ids)
        self._take_collections(lines, ids)
        self._take_searches([line for line in lines if isinstance(line, SearchLine)])
        self._take_imports([line for line in lines if isinstance(line, ImportLine)])
        self._take_captions([line for line in lines if isinstance(line, CaptionLine)])

    def _recordings(self, hashes: set[bytes]) -> dict[bytes, int]:
        found: dict[bytes, int] = {}
        for some in chunks(sorted(hashes)):
            rows = self.session.execute(
                select(Recording.audio_hash, Recording.id).where(Recording.audio_hash.in_(some))
            )
            found |= {row.audio_hash: row.id for row in rows}
        return found

    def _placed(self, number: int, line: BackupLine, held: Mapping[bytes, int]) -> BackupLine:
        """The line, of the sound that its path has today where that is wanted."""
        sound = _sound_of(line)
        if sound is None or sound.audio_hash in held:
            return line
        if sound.audio_hash and not self.by_path:
            return line
        today = known_sound(self.session, sound.path)
        if today is None or not today.audio_hash:
            if not sound.audio_hash:
                raise _bad(self.file, number, "no file of the library is at its path")
            return line
        # Of a sound that is shorter now, what lies beyond its end is said of the whole.
        start_s, end_s = sound.start_s, sound.end_s
        if end_s is not None and today.duration_s is not None and end_s > today.duration_s:
            start_s, end_s = 0.0, today.duration_s if isinstance(line, CaptionLine) else None
        moved = SoundStretch(today.audio_hash, today.path, start_s, end_s)
        return replace(line, sound=moved)  # type: ignore[arg-type]  # it is one that has a sound

    def _take_tags(self, lines: Sequence[TagLine], ids: Mapping[_Key, int]) -> None:
        tags = [(ids[_key(line)], line.tag, line.at) for line in lines]
        self.n_new += annotate.add_tags(self.session, tags)

    def _take_marks(self, lines: Sequence[BackupLine], ids: Mapping[_Key, int]) -> None:
        """Ratings, favourites and notes: the later ones."""
        marks = [line for line in lines if isinstance(line, (RatingLine, FavouriteLine, NoteLine))]
        rows: dict[int, Annotation] = {}
        for some in chunks(sorted({ids[_key(line)] for line in marks})):
            found = self.session.scalars(select(Annotation).where(Annotation.id.in_(some)))
            rows |= {row.id: row for row in found}
        for line in marks:
            row = rows[ids[_key(line)]]
            if isinstance(line, RatingLine):
                if self._is_later(line.at, row.rated_at, differs=line.stars != row.rating):
                    row.rating, row.rated_at = line.stars, line.at
            elif isinstance(line, NoteLine):
                if self._is_later(line.at, row.noted_at, differs=line.note != row.note):
                    row.note, row.noted_at = line.note, line.at
            elif row.favourite_at is None:
                row.favourite_at = line.at
                self.n_new += 1
        self.session.flush()

    def _is_later(self, at: float, here: float | None, *, differs: bool) -> bool:
        if not differs:
            return False
        if here is not None and here >= at:
            self.n_newer += 1
            return False
        self.n_new += 1
        return True

    def _take_collections(self, lines: Sequence[BackupLine], ids: Mapping[_Key, int]) -> None:
        for line in lines:
            if isinstance(line, CollectionLine):
                self._collection(line.collection, line.at, user=line.user)
        items = [line for line in lines if isinstance(line, ItemLine)]
        for (name, user), some in itertools.groupby(
            items, key=lambda line: (line.collection, line.user)
        ):
            collection_id = self._collection(name, None, user=user)
            times = {ids[_key(line)]: line.at for line in some}
            self.n_new += collections.add_items(
                self.session, collection_id, list(times), added_at=times
            )

    def _collection(self, name: str, at: float | None, *, user: str) -> int:
        found = collections.find_collection(self.session, name, user=user)
        if found is not None:
            return found
        self.n_new += 1
        return collections.create_collection(self.session, name, user=user, created_at=at)

    def _take_searches(self, lines: Sequence[SearchLine]) -> None:
        for line in lines:
            here = collections.find_search(self.session, line.search)
            if self._is_later(
                line.at,
                None if here is None else here.saved_at,
                differs=here is None or here.arguments != line.arguments,
            ):
                collections.save_search(self.session, line.search, line.arguments, saved_at=line.at)

    def _take_imports(self, lines: Sequence[ImportLine]) -> None:
        for line in lines:
            import_id, is_new = caption_imports.restore_import(
                self.session,
                number=line.number,
                source=line.file,
                kind=line.format,
                digest=line.digest,
                added_at=line.at,
            )
            self._imports[line.number] = import_id
            self._new_imports += [import_id] if is_new else []

    def _take_captions(self, lines: Sequence[CaptionLine]) -> None:
        typed = {text: line for line in lines if (text := normalise(line.caption))}
        known = captions.find_captions(self.session, sorted(typed))
        before = caption_imports.caption_sources(self.session, known.values())
        ids: dict[str, int] = {}
        for source in ("user", "import"):
            texts = [text for text, line in typed.items() if line.source == source]
            ids |= captions.add_captions(self.session, texts, source=CaptionSource(source))
        new = {text: line for text, line in typed.items() if text not in known}
        captions.keep_typed(self.session, {ids[text]: line.caption for text, line in new.items()})
        times = [{"caption": ids[text], "when": line.at} for text, line in new.items()]
        if times:
            self.session.connection().execute(
                update(Caption)
                .where(Caption.id == bindparam("caption"))
                .values(added_at=bindparam("when")),
                times,
            )
        self.n_new += len(new)
        brought: dict[int, set[int]] = {}
        for line in lines:
            if line.sound is None and (text := normalise(line.caption)):
                for import_id in self._imports_of(line):
                    brought.setdefault(import_id, set()).add(ids[text])
        for import_id, some in brought.items():
            caption_imports.link_import(
                self.session, import_id, captions=some, before=before, targets={}, given={}
            )
        self._give_captions(lines, ids)

    def _imports_of(self, line: CaptionLine) -> list[int]:
        """The imports here that brought a line."""
        return [self._imports[number] for number in line.imports if number in self._imports]

    def _give_captions(self, lines: Sequence[CaptionLine], ids: Mapping[str, int]) -> None:
        placed = [line for line in lines if line.sound is not None and normalise(line.caption)]
        sounds = {line.sound.audio_hash: line.sound.path for line in placed if line.sound}
        held = self._recordings(set(sounds))
        waiting = annotate.ensure_sounds(
            self.session, {each: path for each, path in sounds.items() if each not in held}
        )
        self._captioned |= set(waiting)
        targets: dict[Target, CaptionLine] = {}
        for line in placed:
            assert line.sound is not None
            caption_id, start_s = ids[normalise(line.caption)], line.sound.start_s
            assert line.sound.end_s is not None
            if line.sound.audio_hash in held:
                recording_id, end_s = held[line.sound.audio_hash], line.sound.end_s
                target = Target(caption_id, recording_id, start_s, end_s, line.caption)
                targets.setdefault(target, line)
                continue
            where = {
                "caption_id": caption_id,
                "sound_id": waiting[line.sound.audio_hash],
                "start_s": start_s,
                "end_s": line.sound.end_s,
            }
            row = upsert(self.session, WaitingCaption).values(**where, said=line.caption)
            done = self.session.connection().execute(row.on_conflict_do_nothing())
            if done.rowcount > 0:
                self.n_new += 1
                if came_with := self._imports_of(line):
                    caption_imports.link_waiting(self.session, came_with, where)
        self._give_to_recordings(targets)

    def _give_to_recordings(self, targets: Mapping[Target, CaptionLine]) -> None:
        given = captions.add_targets(self.session, list(targets), retype=False)
        self.n_new += len(given.now) - len(given.before)
        brought: dict[int, list[Target]] = {}
        for target, line in targets.items():
            for import_id in self._imports_of(line):
                brought.setdefault(import_id, []).append(target)
        for import_id, some in brought.items():
            caption_imports.link_import(
                self.session,
                import_id,
                captions=(),
                before={},
                targets={each: given.now[each] for each in some},
                given={each: given.before[each] for each in some if each in given.before},
            )

    def finish(self) -> None:
        """Bring in step what is derived, and forget imports of which nothing is here."""
        annotate.settle(self.session, self._hashes)
        for import_id in self._new_imports:
            if not caption_imports.drop_empty_import(self.session, import_id):
                self.n_new += 1

    def count_waiting(self) -> int:
        """Sounds with lines that the library does not hold."""
        hashes = self._hashes | self._captioned
        return len(hashes) - len(self._recordings(hashes))


_Key = tuple[str, bytes, float, float]


def _key(line: TagLine | RatingLine | FavouriteLine | NoteLine | ItemLine) -> _Key:
    """Whose annotation of which stretch it is about."""
    return (line.user, *line.sound.key)


def _sound_of(line: BackupLine) -> SoundStretch | None:
    if isinstance(line, (CollectionLine, SearchLine, ImportLine)):
        return None
    return line.sound
