"""Scales of captions over a library that changes in every way: maintained = computed from nothing.

A state machine adds, edits and removes windows and captions, changes the size of the sample, asks
for scales, and breaks off in the middle. Real SQLite; losses are a hash of the words and the sound.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from sqlalchemy import delete, text

from audiosearch.library.answers import keep
from audiosearch.search.caption_stats import CaptionStats
from audiosearch.search.describe import Derived
from audiosearch.search.normalise import Scale
from audiosearch.store.database import Database, open_database
from audiosearch.store.integrity.verify import verify
from audiosearch.store.queries import captions, encodings, generations, recordings, windows
from audiosearch.store.queries.search import StoredText
from audiosearch.store.sampling import sample_key
from audiosearch.store.schema import CaptionSource, Recording
from tests.dying import dying_at

WORDS = ("a dog", "a cat", "rain", "a bell rings", "wind")
FINGERPRINT = "f" * 64


class Crash(Exception):
    """The process ends here."""


def loss(words: str, audio_hash: bytes, start_s: float, end_s: float) -> float:
    """What the decoder would say: anything, but always the same for the same words and sound."""
    content = f"{words} {audio_hash.hex()} {start_s} {end_s}".encode()
    return int.from_bytes(hashlib.blake2b(content, digest_size=4).digest(), "little") / 1e9


class HashListener:
    """Losses by hash; counts pairs, and may break off."""

    style = 7

    def __init__(self) -> None:
        self.n_pairs = 0
        self.crash = False

    def losses(self, session, texts, window_ids, *, wanted):  # type: ignore[no-untyped-def]
        if self.crash:
            raise Crash
        self.n_pairs += int(wanted.sum())
        rows = session.execute(
            text(
                "SELECT w.id, r.audio_hash, w.start_s, w.end_s FROM window AS w"
                " JOIN recording AS r ON r.id = w.recording_id"
            )
        )
        places = {row[0]: tuple(row[1:]) for row in rows}
        found = np.full(wanted.shape, 99.0, np.float32)
        for row, column in zip(*np.nonzero(wanted), strict=True):
            found[row, column] = loss(texts[row], *places[int(window_ids[column])])
        return found


class LibraryMachine(RuleBasedStateMachine):
    """A library and what it should say."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory()))
        self.database = self.stack.enter_context(open_database(folder / "library.sqlite3"))
        with self.database.session() as session:
            self.bundle_id = encodings.ensure_bundle(
                session, name="fake", version="1", fingerprint=FINGERPRINT
            )
        self.size: int | None = 3
        self.sounds: dict[int, tuple[bytes, list[tuple[float, float, bool]]]] = {}
        self.n_sounds = 0
        self.forget()

    def teardown(self) -> None:
        assert verify(self.database) == []
        self.stack.close()

    def forget(self) -> None:
        """A new process: nothing is in memory."""
        self.listener = HashListener()
        self.scales = CaptionStats(listener=self.listener, size=self.size)

    def store(self, recording_id: int, *, n: int, hop_s: float, silent: int) -> None:
        places = [(i * hop_s, i * hop_s + 2.0, i == silent) for i in range(n)]
        with self.database.session() as session:
            encodings.begin_encodings(
                session, [recording_id], bundle_id=self.bundle_id, hop_s=hop_s
            )
            new = [
                windows.new_window(
                    recording_id=recording_id,
                    position=position,
                    start_s=start_s,
                    end_s=end_s,
                    silent=is_silent,
                    frames=np.zeros((1, 2), np.float32),
                    embedding=np.zeros(2, np.float32),
                    joint=None,
                )
                for position, (start_s, end_s, is_silent) in enumerate(places)
            ]
            windows.insert_windows(session, new, bundle_id=self.bundle_id)
            facts = encodings.SoundFacts(duration_s=99.0, peak_db=None, loudness_lufs=None)
            complete = encodings.CompleteRecording(recording_id, n, facts)
            encodings.complete_encodings(session, [complete], bundle_id=self.bundle_id)
        audio_hash, _ = self.sounds[recording_id]
        self.sounds[recording_id] = audio_hash, places

    @rule(n=st.integers(1, 4), silent=st.integers(0, 8), again=st.booleans())
    def add_sound(self, n: int, silent: int, again: bool) -> None:
        """A new sound; or one that was here once and was removed."""
        if not again:
            self.n_sounds += 1
        audio_hash = hashlib.sha256(str(self.n_sounds).encode()).digest()
        if audio_hash in {known for known, _ in self.sounds.values()}:
            return
        new = recordings.NewRecording(audio_hash, 8000, 1, 16, "pcm_s16le", "wav")
        with self.database.session() as session:
            [recording_id] = recordings.ensure_recordings(session, [new]).values()
        self.sounds[recording_id] = audio_hash, []
        self.store(recording_id, n=n, hop_s=1.0, silent=silent)

    @rule(which=st.integers(0, 99), hop_s=st.sampled_from([0.5, 1.0, 2.0]))
    def encode_anew(self, which: int, hop_s: float) -> None:
        if self.sounds:
            recording_id = sorted(self.sounds)[which % len(self.sounds)]
            self.store(recording_id, n=3, hop_s=hop_s, silent=9)

    @rule(which=st.integers(0, 99))
    def remove_sound(self, which: int) -> None:
        if self.sounds:
            recording_id = sorted(self.sounds)[which % len(self.sounds)]
            with self.database.session() as session:
                session.execute(delete(Recording).where(Recording.id == recording_id))
                generations.windows_removed(session)
            del self.sounds[recording_id]

    @rule(words=st.sampled_from(WORDS))
    def add_caption(self, words: str) -> None:
        with self.database.session() as session:
            captions.add_captions(session, [words], source=CaptionSource.USER)

    @rule(which=st.integers(0, 99))
    def remove_caption(self, which: int) -> None:
        """The id of the last one is free again, for another text."""
        stored = self.captions()
        if stored:
            with self.database.session() as session:
                captions.remove_captions(session, [stored[which % len(stored)].caption_id])

    @rule(size=st.sampled_from([2, 3, 5, None]))
    def change_size(self, size: int | None) -> None:
        self.size = size
        self.forget()

    @rule()
    def end_process(self) -> None:
        self.forget()

    @rule(which=st.sets(st.integers(0, 4)), where=st.sampled_from(["measure", "commit", "done"]))
    def crash(self, which: set[int], where: str) -> None:
        """Ask, and die on the way; what was not committed is gone."""
        self.listener.crash = where == "measure"
        with dying_at(f"scale.{where}", 1):
            try:
                self.ask(which)
            except Crash:
                pass
            finally:
                self.forget()

    @rule(which=st.sets(st.integers(0, 4)))
    def some_are_needed(self, which: set[int]) -> None:
        self.ask(which)

    @rule()
    def refresh(self) -> None:
        n_kept = 1
        while n_kept:
            with self.database.reading() as session:
                self.scales.refresh(session, bundle_id=self.bundle_id, limit=2)
            n_kept = self.keep(self.database)

    @rule(busy=st.booleans())
    def a_reader_asks(self, busy: bool) -> None:
        """A command that only reads, while another process writes or none does."""
        held = self.database
        held._lock.release()  # type: ignore[union-attr]
        with ExitStack() as stack:
            if busy:
                held._lock.acquire()  # type: ignore[union-attr]
            reader = stack.enter_context(open_database(held.path, read_only=True))
            self.scales = CaptionStats(listener=self.listener, size=self.size)
            self.check(reader)
        if not busy:
            held._lock.acquire()  # type: ignore[union-attr]
        self.forget()

    def captions(self) -> list[StoredText]:
        with self.database.reading() as session:
            return [
                StoredText(each.caption_id, each.text, str(each.source))
                for each in captions.list_captions(session)
            ]

    def ask(self, which: set[int]) -> None:
        stored = self.captions()
        some = [each for place, each in enumerate(stored) if place in which]
        with self.database.reading() as session:
            self.scales.of(session, some, bundle_id=self.bundle_id)
        self.keep(self.database)

    def keep(self, database: Database) -> int:
        return keep(database, Derived(scales=self.scales.take_pending(), vectors={}))

    def expected(self, words: str) -> Scale | None:
        """From nothing: every window's lot by hand, the least ones, their losses."""
        lots = []
        for audio_hash, places in self.sounds.values():
            for position, (start_s, end_s, silent) in enumerate(places):
                lot = sample_key(
                    audio_hash=audio_hash,
                    fingerprint=FINGERPRINT,
                    position=position,
                    start_s=start_s,
                    end_s=end_s,
                )
                if not silent:
                    lots.append((lot, loss(words, audio_hash, start_s, end_s)))
        losses = [value for _, value in sorted(lots)[: self.size]]
        return Scale.of(np.array(losses, np.float32)) if losses else None

    def check(self, database: Database) -> None:
        stored = self.captions()
        with database.reading() as session:
            found = self.scales.of(session, stored, bundle_id=self.bundle_id)
        assert_equal(found, [self.expected(each.text) for each in stored])
        self.keep(database)

    @invariant()
    def scales_are_those_computed_from_nothing(self) -> None:
        """By what is in the database, without this check adding to it or to the memory."""
        stored = self.captions()
        fresh = CaptionStats(listener=HashListener(), size=self.size)
        with self.database.reading() as session:
            found = fresh.of(session, stored, bundle_id=self.bundle_id)
        assert_equal(found, [self.expected(each.text) for each in stored])


def assert_equal(found: Sequence[Scale | None], wanted: Sequence[Scale | None]) -> None:
    for one, other in zip(found, wanted, strict=True):
        assert (one is None) == (other is None)
        if one is not None and other is not None:
            assert one.n == other.n
            for name in ("minimum", "maximum", "mean", "deviation"):
                assert abs(getattr(one, name) - getattr(other, name)) < 1e-5


LibraryMachine.TestCase.settings = settings(max_examples=12, stateful_step_count=20, deadline=None)
TestScales = LibraryMachine.TestCase
