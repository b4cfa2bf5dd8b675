"""A library against a plain dict: a state machine of what may happen to one in years.

Files are created, edited, copied, renamed and deleted, the drive is taken away and brought back,
people write captions, the process is restarted, or killed in the middle of indexing; then it is
indexed, and asked. Real sound files, decoding (in this process), model (the toy bundle) and
SQLite. What must then be true follows from the dict alone: which file is in which state, how many
windows were encoded, who answers a query. Used by a test, and by `benchmarks/histories.py` for long
runs.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule
from sqlalchemy import text

from audiosearch.config import IndexConfig, SearchConfig
from audiosearch.indexing.interfaces import Models
from audiosearch.indexing.pipeline import index
from audiosearch.model.caption import Captioner
from audiosearch.search.clip import ClipRange
from audiosearch.search.collection import NewCaption, add
from audiosearch.search.engine import SearchEngine
from audiosearch.search.results import SoundQuery, TextQuery
from audiosearch.store import faults
from audiosearch.store.database import open_database
from audiosearch.store.queries import captions, roots
from audiosearch.store.schema import CaptionSource
from audiosearch.store.verify import verify
from tests.library_sounds import CONTENTS, DirectReader, empty_library, model, sounds

NAMES = ("a.wav", "b.wav", "deep/c.wav", "deep/d.wav", "deep/er/e.wav", "f.flac")
POINTS = tuple(
    point for point in faults.POINTS if point.startswith(("scan.", "batch.", "missing.", "trans"))
)


class Killed(BaseException):
    """The process ends here; nobody may catch this."""


class LibraryMachine(RuleBasedStateMachine):
    """See the head. `disk` and `library` are the dicts that everything is held to."""

    def __init__(self) -> None:
        super().__init__()
        self.place = Path(tempfile.mkdtemp(prefix="audiosearch-machine-"))
        self.root, self.away = self.place / "sounds", self.place / "away"
        self.root.mkdir()
        self.disk: dict[str, int | None] = {}  # name -> sound, None: no sound
        self.library: dict[str, tuple[str, int | None]] = {}  # name -> state, sound
        self.own: dict[str, int] = {}  # captions of people -> sound
        self.ever: set[str] = set()
        self.online = True
        self.certain = True  # whether `library` is known: not after a kill, until the next scan
        path = self.place / "data" / "library.sqlite3"
        path.parent.mkdir()
        path.write_bytes(empty_library())
        self.path = path
        self.database = open_database(path)

    def teardown(self) -> None:
        try:
            self.check_invariants_of_the_store()
        finally:
            self.database.close()
            shutil.rmtree(self.place)

    # what happens on the disk

    @property
    def folder(self) -> Path:
        return self.root if self.online else self.away

    def name_on_disk(self, which: int) -> str:
        return sorted(self.disk)[which % len(self.disk)]

    @rule(name=st.sampled_from(NAMES), which=st.integers(0, len(CONTENTS) - 1))
    def create_or_edit(self, name: str, which: int) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(CONTENTS[which].data)
        self.disk[name] = CONTENTS[which].sound
        self.ever.add(name)

    @precondition(lambda self: self.disk)
    @rule(which=st.integers(0, 99), name=st.sampled_from(NAMES), keep=st.booleans())
    def rename_or_copy(self, which: int, name: str, keep: bool) -> None:
        source = self.name_on_disk(which)
        if source == name:
            return
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copyfile if keep else os.replace)(self.folder / source, path)
        self.disk[name] = self.disk[source] if keep else self.disk.pop(source)
        self.ever.add(name)

    @precondition(lambda self: self.disk)
    @rule(which=st.integers(0, 99))
    def delete(self, which: int) -> None:
        name = self.name_on_disk(which)
        (self.folder / name).unlink()
        del self.disk[name]
        if not any((self.folder / "deep").glob("**/*.*")):
            shutil.rmtree(self.folder / "deep", ignore_errors=True)

    @precondition(lambda self: self.online)
    @rule(mount_point=st.booleans())
    def unmount(self, mount_point: bool) -> None:
        self.root.rename(self.away)
        self.online = False
        if mount_point:
            self.root.mkdir()

    @precondition(lambda self: not self.online)
    @rule()
    def mount(self) -> None:
        if self.root.exists():
            self.root.rmdir()
        self.away.rename(self.root)
        self.online = True

    # what happens to the process

    @rule()
    def restart(self) -> None:
        self.database.close()
        self.database = open_database(self.path)

    @rule(point=st.sampled_from(POINTS), passage=st.integers(1, 6), accept=st.booleans())
    def kill(self, point: str, passage: int, accept: bool) -> None:
        """Index, and die on the way, if the way leads past that point so many times."""
        real, left = faults.reach, [passage]

        def reach(reached: str) -> None:
            left[0] -= reached == point
            if left[0] == 0:
                raise Killed

        faults.reach = reach
        try:
            self.scan(accept)
        except Killed:
            self.certain = False
        finally:
            faults.reach = real
        self.restart()
        self.check_invariants_of_the_store()

    @rule(accept=st.booleans())
    def scan(self, accept: bool) -> None:
        """Index, and compare with what must come of it."""
        accept = accept or not self.certain
        heard = self.heard()
        n_encoded = self.index(accept)
        if not self.online or not self.disk:  # nothing may be concluded
            assert n_encoded == 0
        else:
            due = {each for each in self.disk.values() if each is not None} - heard
            n_due = sum(sounds()[each].n_windows for each in due)
            assert n_encoded == n_due if self.certain else n_encoded <= n_due
            assert due <= self.heard()
            self.expect_scan(accept)
            self.certain = True
        if self.certain:
            self.compare()
            assert self.index(accept=False) == 0

    def index(self, accept: bool) -> int:
        """Run the real thing; returns how many windows were encoded."""
        with self.database.session() as session:
            place = roots.add_root(session, os.fsencode(self.root))
        report = index(
            self.database,
            places=[place],
            bundle=model().bundle,
            load_models=lambda: Models(
                encoder=model().encoder,
                captioner=Captioner(model().decoder),
                embed_texts=model().tower.embed,  # type: ignore[union-attr]
            ),
            config=IndexConfig(workers=1, batch_windows=2),
            accept_missing=accept,
            open_reader=DirectReader,
        )
        assert bool(report.offline) == (not self.online or not self.disk)
        return report.n_windows

    def expect_scan(self, accept: bool) -> None:
        """What the dict says after a scan of a folder that is there and not empty."""
        known = {name for name, (state, _) in self.library.items() if state != "missing"}
        for name, sound in self.disk.items():
            self.library[name] = ("failed" if sound is None else "indexed", sound)
        gone = known - set(self.disk)
        alive = {self.disk[name] for name in self.disk if self.disk[name] is not None}
        lost = {name for name in gone if self.library[name][1] not in alive}
        held = lost if not accept and 2 * len(lost) > len(known) else set()
        for name in gone - held:
            self.library[name] = ("missing", self.library[name][1])

    # what must be true

    def compare(self) -> None:
        with self.database.reading() as session:
            rows = session.execute(text("SELECT path, state FROM sound_file")).all()
            own = captions.list_captions(session, source=CaptionSource.USER)
        found = {os.fsdecode(path): state for path, state in rows}
        # a run that was killed may have known files that were gone before the next one
        for name in found.keys() - self.library.keys():
            assert name in self.ever
            assert found[name] == "missing"
            self.library[name] = ("missing", None)
        assert found == {name: state for name, (state, _) in self.library.items()}
        assert {each.text: each.n_targets for each in own} == dict.fromkeys(self.own, 1)

    def check_invariants_of_the_store(self) -> None:
        assert verify(self.database) == []

    def heard(self) -> set[int]:
        """The sounds that are complete in the library."""
        with self.database.reading() as session:
            rows = session.execute(
                text(
                    "SELECT r.audio_hash FROM recording AS r JOIN encoding AS e"
                    " ON e.recording_id = r.id WHERE e.n_windows IS NOT NULL"
                )
            )
            complete = {row[0] for row in rows}
        return {each for each, sound in sounds().items() if sound.audio_hash in complete}

    def indexed(self) -> dict[str, int]:
        """Name and sound of the files that answer."""
        return {
            name: sound
            for name, (state, sound) in self.library.items()
            if state == "indexed" and sound is not None
        }

    @precondition(lambda self: self.certain and self.indexed())
    @rule(which=st.integers(0, 99))
    def write_caption(self, which: int) -> None:
        """A person says something of a file that is indexed, also while the drive is away."""
        name = sorted(self.indexed())[which % len(self.indexed())]
        words = f"my sound number {len(self.own)}"
        added = add(
            self.database,
            [NewCaption(words, ClipRange(os.fsencode(self.root / name), 0.0, None))],
            source=CaptionSource.USER,
            bundle=model().bundle,
            tower=model().tower,
        )
        assert added.n_given == 1
        self.own[words] = self.indexed()[name]

    @precondition(lambda self: self.certain)
    @rule(words=st.sampled_from(("a dog barks", "rain", "zzyzx", "my sound number 0")))
    def ask_by_words(self, words: str) -> None:
        """Every sound that has an indexed file answers, once; a person's own words lead to it."""
        query = TextQuery(text=words, limit=99, min_score=0.0, exhaustive=True)
        answered = [self.name_of(hit.path) for hit in self.engine().find(query).hits]
        there = self.indexed()
        if words == "zzyzx":
            assert answered == []
            return
        assert sorted(there[name] for name in answered) == sorted(set(there.values()))
        if self.own.get(words) in there.values():
            assert there[answered[0]] == self.own[words]

    @precondition(lambda self: self.certain)
    @rule(sound=st.sampled_from((0, 1, 2)))
    def ask_by_sound(self, sound: int) -> None:
        """A sound that is there is most like itself."""
        query = SoundQuery(embeddings=sounds()[sound].embeddings, limit=99)
        hits = self.engine().similar(query).hits
        there = self.indexed()
        assert len(hits) == len(set(there.values()))
        if sound in there.values():
            assert there[self.name_of(hits[0].path)] == sound
            assert hits[0].similarity is not None
            assert hits[0].similarity > 0.99

    def name_of(self, path: bytes) -> str:
        return os.fsdecode(path.removeprefix(os.fsencode(self.root) + b"/"))

    def engine(self) -> SearchEngine:
        return SearchEngine(
            database=self.database,
            bundle=model().bundle,
            decoder=model().decoder,
            tower=model().tower,
            config=SearchConfig(fold_similarity=2.0),
        )
