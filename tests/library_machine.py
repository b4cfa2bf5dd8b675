"""A library against a plain dict: a state machine of what may happen to one in years.

Files are created, edited, copied, renamed and deleted, the drive is taken away and brought back,
people write captions and purge what is missing, the process is restarted, or killed in the middle
of indexing or purging; then it is indexed, and asked. Real sound files, decoding (in this process),
model (the toy bundle) and SQLite. What must then be true follows from the dict alone: which file is
in which state, how many windows were encoded, who answers a query. Used by a test, and by
`benchmarks/histories.py` for long runs.
"""

from __future__ import annotations

import os

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule
from sqlalchemy import text

from audiosearch import _failpoints
from audiosearch.audio.clip import ClipRange
from audiosearch.config import Config, SearchConfig
from audiosearch.library import Library
from audiosearch.library.captions import NewCaption, add
from audiosearch.search.engine import SearchEngine
from audiosearch.search.results import SoundQuery, TextQuery
from audiosearch.store.database import open_database
from audiosearch.store.integrity.verify import verify
from audiosearch.store.queries import captions
from audiosearch.store.schema import CaptionSource
from tests.dying import dying_at
from tests.library_disk import NAMES, SoundsOnDisk
from tests.library_sounds import CONTENTS, empty_library, index_folder, model, sounds

POINTS = tuple(
    point
    for point in _failpoints.POINTS
    if point.startswith(("scan.", "batch.", "missing.", "trans"))
)


class LibraryMachine(SoundsOnDisk):
    """See the head. `disk` and `library` are the dicts that everything is held to."""

    def __init__(self) -> None:
        super().__init__()
        self.library: dict[str, tuple[str, int | None]] = {}  # name -> state, sound
        self.own: dict[str, int] = {}  # captions of people -> sound
        self.waiting: set[str] = set()  # those whose sound was purged, for it to come back
        self.hold: int | None = None  # how many files there were when too many were gone
        self.certain = True  # whether `library` is known: not after a kill, until the next scan
        self.config = Config(data_dir=self.place / "data", config_file=self.place / "config.toml")
        self.config.data_dir.mkdir()
        self.config.database.write_bytes(empty_library())
        self.database = open_database(self.config.database)

    @initialize(
        names=st.sets(st.sampled_from(NAMES), min_size=2),
        which=st.integers(0, len(CONTENTS) ** len(NAMES) - 1),
        indexed=st.booleans(),
    )
    def begin(self, names: set[str], which: int, indexed: bool) -> None:
        """Most histories are about a few files that are known; left to chance, few would be."""
        for number, name in enumerate(sorted(names)):
            self.create_or_edit(name, which // len(CONTENTS) ** number % len(CONTENTS))
        if indexed:
            self.scan(accept=False)

    def teardown(self) -> None:
        try:
            self.check_invariants_of_the_store()
        finally:
            self.database.close()
            super().teardown()

    # what happens to the process

    @rule()
    def restart(self) -> None:
        self.database.close()
        self.database = open_database(self.config.database)

    @rule(point=st.sampled_from(POINTS), passage=st.integers(1, 6), accept=st.booleans())
    def kill(self, point: str, passage: int, accept: bool) -> None:
        """Index, and die on the way, if the way leads past that point so many times."""
        with dying_at(point, passage) as death:
            self.scan(accept)
        self.certain = self.certain and not death
        self.restart()
        self.check_invariants_of_the_store()

    @precondition(lambda self: self.certain)
    @rule(
        end=st.sampled_from((None, "transaction.commit", "transaction.done")),
        which=st.none() | st.integers(0, 99),
    )
    def purge(self, end: str | None, which: int | None) -> None:
        """Delete what is missing; killed before its only commit, nothing is, and after it, all.

        Now and then a file is made missing for it, since by chance few are.
        """
        if which is not None and self.disk:
            self.delete(which)
            self.scan(accept=True)
        told = self.purged(dry_run=True)
        assert self.gone_for_good() == told
        self.compare()
        with dying_at(end or "", 1) as death:
            assert self.purged(dry_run=False) == told
        assert bool(death) == (end is not None)
        self.restart()
        if end != "transaction.commit":
            self.expect_purge()
        assert self.gone_for_good() == ((0, 0) if end != "transaction.commit" else told)
        self.compare()
        self.check_invariants_of_the_store()

    def purged(self, *, dry_run: bool) -> tuple[int, int]:
        """Purge; returns how many files and sounds went, or would go."""
        purged = Library(self.config, self.database).purge(dry_run=dry_run)
        return purged.n_files, purged.n_recordings

    def gone_for_good(self) -> tuple[int, int]:
        """How many files are missing, and how many sounds have no file, as the dict has it."""
        n_missing = sum(state == "missing" for state, _ in self.library.values())
        return n_missing, len(self.recorded() - set(self.indexed().values()))

    def expect_purge(self) -> None:
        """What the dict says after a purge."""
        there = set(self.indexed().values())
        self.library = {
            name: known for name, known in self.library.items() if known[0] != "missing"
        }
        self.waiting |= {words for words, sound in self.own.items() if sound not in there}

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
        report = index_folder(self.database, self.root, accept_missing=accept)
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
        n_known = len(known) if self.hold is None else min(self.hold, len(known))
        held = lost if not accept and 2 * len(lost) > n_known else set()
        self.hold = n_known if held else None
        for name in gone - held:
            self.library[name] = ("missing", self.library[name][1])
        # A run that was killed may have heard a sound that was gone again by now.
        heard = self.heard()
        self.waiting -= {words for words, sound in self.own.items() if sound in heard}

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
        said = {words: int(words not in self.waiting) for words in self.own}
        assert {each.text: each.n_targets for each in own} == said

    def check_invariants_of_the_store(self) -> None:
        assert verify(self.database) == []

    def heard(self) -> set[int]:
        """The sounds that are complete in the library."""
        return self._sounds_of(
            "SELECT r.audio_hash FROM recording AS r JOIN encoding AS e"
            " ON e.recording_id = r.id WHERE e.n_windows IS NOT NULL"
        )

    def recorded(self) -> set[int]:
        """The sounds that the library knows, those too that a killed run has only begun."""
        return self._sounds_of("SELECT audio_hash FROM recording")

    def _sounds_of(self, query: str) -> set[int]:
        with self.database.reading() as session:
            found = {row[0] for row in session.execute(text(query))}
        return {each for each, sound in sounds().items() if sound.audio_hash in found}

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
