"""Full text over captions, names, metadata and tags, in the real FTS5."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from audiosearch.errors import LibraryCorrupt
from audiosearch.store.database import Database, open_database
from audiosearch.store.dialects import full_text
from audiosearch.store.full_text import Match, TextKind
from audiosearch.store.integrity.verify import verify
from audiosearch.store.queries import (
    captions,
    encodings,
    file_texts,
    files,
    fulltext,
    recordings,
    roots,
    windows,
)
from audiosearch.store.queries.files import FileStat, ReadFile
from audiosearch.store.schema import CaptionSource

BUNDLE = "f" * 64


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    path: Path = tmp_path_factory.mktemp("library") / "library.sqlite3"
    with open_database(path) as database:
        with database.session() as session:
            fill(session)
        yield database


def fill(session: Session) -> None:
    add(session, b"Foley/DogBark03.wav", caption="an animal makes noise")
    add(session, b"b/rain.wav", caption="rain falls on a roof", metadata={"comment": ["Zürich"]})
    add(
        session,
        b"c/x.wav",
        caption="dogs are barking",
        metadata={"genre": ["Animals"]},
        tags=["Farm"],
    )
    add(session, b"d/quiet.wav", caption=None, silent=True)
    add(session, b"e/long.wav", caption="a dog barks", n_windows=3)


def add(
    session: Session,
    path: bytes,
    *,
    caption: str | None,
    metadata: dict[str, list[str]] | None = None,
    tags: Sequence[str] = (),
    silent: bool = False,
    n_windows: int = 1,
) -> int:
    """A file with its recording, windows and the same caption for each."""
    bundle_id = encodings.ensure_bundle(session, name="t", version="1", fingerprint=BUNDLE)
    root = roots.add_root(session, b"/sounds").root
    files.add_files(session, root.root_id, [FileStat(path, 1, 1, 1)])
    known = next(k for k in files.known_files(session, root.root_id) if k.path == path)
    sound = recordings.NewRecording(
        audio_hash=hashlib.sha256(path).digest(),
        sample_rate=8000,
        channels=1,
        bit_depth=16,
        codec="pcm_s16le",
        container="wav",
    )
    [recording_id] = recordings.ensure_recordings(session, [sound]).values()
    encodings.begin_encodings(session, [recording_id], bundle_id=bundle_id, hop_s=0.5)
    new = [
        windows.new_window(
            recording_id=recording_id,
            position=position,
            start_s=position * 0.5,
            end_s=position * 0.5 + 1,
            silent=silent,
            frames=np.ones((2, 3), np.float32),
            embedding=np.ones(4, np.float32),
            joint=None,
        )
        for position in range(n_windows)
    ]
    ids = windows.insert_windows(session, new, bundle_id=bundle_id)
    if caption is not None:
        caption_ids = captions.ensure_captions(session, [caption], source=CaptionSource.AUTO)
        captions.link_captions(
            session, [captions.CaptionLink(each, caption_ids[caption], 1.0) for each in ids]
        )
    facts = encodings.SoundFacts(duration_s=n_windows / 2 + 0.5, peak_db=-3, loudness_lufs=None)
    encodings.complete_encodings(
        session,
        [encodings.CompleteRecording(recording_id, n_windows, facts)],
        bundle_id=bundle_id,
    )
    files.set_indexed(session, [ReadFile(known.file_id, recording_id, 1, 1, 1)])
    texts = file_texts.FileTexts(known.file_id, metadata or {}, tags)
    file_texts.set_texts(session, [texts])
    fulltext.refresh_files(session, [known.file_id])
    return recording_id


def search(database: Database, query: str, *, limit: int = 10, allowed=None) -> list[int]:
    with database.reading() as session:
        bundle_id = encodings.find_bundle_id(session, fingerprint=BUNDLE)
        assert bundle_id is not None
        found = fulltext.search_windows(
            session,
            fulltext.telling_words(query),
            bundle_id=bundle_id,
            limit=limit,
            allowed=None if allowed is None else np.array(sorted(allowed), np.int64),
        )
    scores = [score for _, score in found]
    assert scores == sorted(scores)  # best first: SQLite's bm25 is lower for better
    return [window_id for window_id, _ in found]


def test_the_library_is_sound(database: Database) -> None:
    assert verify(database) == []


def test_captions_names_metadata_and_tags_are_searched(database: Database) -> None:
    assert search(database, "roof") == [2]
    assert search(database, "zurich") == [2]  # accents do not matter
    assert search(database, "foley") == [1]  # a folder's name
    assert search(database, "farm") == [3]  # a tag from the metadata
    assert set(search(database, "sounds")) == {1, 2, 3, 5, 6, 7}  # the root's own name


def test_word_forms_and_glued_names_match(database: Database) -> None:
    assert set(search(database, "Dog barked")) == {1, 3, 5, 6, 7}


def test_silent_windows_are_left_out(database: Database) -> None:
    assert search(database, "quiet") == []


def test_filters_come_before_the_limit(database: Database) -> None:
    best = search(database, "dog barks", limit=1)
    others = {1, 3, 5, 6, 7} - set(best)
    assert search(database, "dog barks", limit=1, allowed=others)[0] in others
    assert search(database, "dog barks", allowed=set()) == []


@pytest.mark.parametrize("given", [False, True])
def test_texts_read_in_part_are_those_of_the_whole(tmp_path: Path, given: bool) -> None:
    with open_database(tmp_path / "library.sqlite3") as database, database.session() as session:
        n_texts = 30
        texts = {" ".join(["dog"] * (1 + n % 3) + ["cat"] * (n % 5)): n for n in range(1, n_texts)}
        add(session, b"a.wav", caption="nothing")
        fulltext.add_captions(session, {f"{text} {n}": 100 + n for text, n in texts.items()})
        ranker = full_text(session)
        match = Match((("dog", ()), ("cat", ())), every=False)
        whole = list(ranker.ranked(TextKind.CAPTION, match, given=given))
        assert bool(whole) is not given  # no person gave any of them
        for first in (1, 2, len(whole), len(whole) + 1, 100):
            found = list(ranker.ranked(TextKind.CAPTION, match, given=given, first=first))
            assert found == whole


def test_texts_looked_up_one_by_one_are_those_of_a_walk(tmp_path: Path) -> None:
    with open_database(tmp_path / "library.sqlite3") as database, database.session() as session:
        fulltext.add_captions(
            session, {f"{'dog' if n % 3 else 'cat'} {n}": n for n in range(1, 99)}
        )
        texts, match = full_text(session), Match((("dogs", ()),))
        holding = set(texts.among(TextKind.CAPTION, match, None))
        assert holding == {n for n in range(1, 99) if n % 3}
        for n_asked in (1, 5, 50):
            asked = [*range(2, 2 + n_asked), 1_000]
            found = list(texts.among(TextKind.CAPTION, match, asked))
            assert sorted(found) == sorted(holding & set(asked))


def test_another_bundle_finds_nothing(database: Database) -> None:
    with database.reading() as session:
        assert (
            fulltext.search_windows(session, fulltext.telling_words("dog"), bundle_id=99, limit=5)
            == []
        )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.text(max_size=60)
    | st.text('"*()^:-+{}[]\\\0', max_size=20)
    | st.lists(
        st.sampled_from(["NEAR", "NEAR(", "AND", "OR", "NOT", "dog", '"', "names:", "*", "^", "--"])
    ).map(" ".join)
)
def test_no_query_ever_fails(database: Database, query: str) -> None:
    assert set(search(database, query)) <= {1, 2, 3, 5, 6, 7}


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.binary(min_size=1, max_size=40).map(lambda b: b.replace(b"\0", b"")), min_size=1)
    .map(b"/".join)
    .filter(bool)
)
def test_any_bytes_may_be_a_name(database: Database, name: bytes) -> None:
    path = b"wild/" + name + b"-needle.wav"
    try:
        with database.session() as session:
            recording_id = add(session, path, caption=None)
            bundle_id = encodings.find_bundle_id(session, fingerprint=BUNDLE)
            assert bundle_id is not None
            words = fulltext.telling_words("needle")
            found = fulltext.search_windows(session, words, bundle_id=bundle_id, limit=5)
            assert len(found) == 1
            root = roots.list_roots(session)[0]
            stored = [each.path for each in files.known_files(session, root.root_id, under=b"wild")]
            assert stored == [path]
            assert recording_id > 0
            raise _Undo
    except _Undo:
        pass


class _Undo(Exception):
    pass


def test_what_is_removed_is_no_longer_found(tmp_path: Path) -> None:
    with open_database(tmp_path / "library.sqlite3") as database:
        with database.session() as session:
            fill(session)
            assert roots.remove_root(session, 1) == 5
        assert search(database, "foley") == []  # the name is gone,
        assert search(database, "roof") == [2]  # what is heard stays until it is purged
        assert verify(database) == []
        with database.session() as session:
            purged = recordings.purge(session)
        assert (purged.n_files, purged.n_recordings, purged.n_captions) == (0, 5, 4)
        assert search(database, "roof") == []
        assert verify(database) == []


@pytest.mark.parametrize("changed", [True, False])
def test_a_file_that_comes_back_is_found_at_once(tmp_path: Path, changed: bool) -> None:
    """Also where it is still to be read: the process may die before that."""
    with open_database(tmp_path / "library.sqlite3") as database:
        with database.session() as session:
            root = roots.add_root(session, b"/sounds").root
            files.add_files(session, root.root_id, [FileStat(b"foley.wav", 1, 1, 1)])
        with database.session() as session:
            files.set_missing(session, [1])
        assert verify(database) == []
        with database.session() as session:
            if changed:
                files.set_pending(session, [(1, FileStat(b"foley.wav", 1, 1, 2))])
            else:
                files.set_returned(session, [1])
        assert verify(database) == []


def test_captions_can_be_removed(tmp_path: Path) -> None:
    with open_database(tmp_path / "library.sqlite3") as database:
        with database.session() as session:
            fill(session)
            said = captions.list_captions(session)
            assert said[0].text == "a dog barks"
            assert said[0].n_windows == 3
            captions.remove_captions(session, [said[0].caption_id])
        assert search(database, "barks") == [1, 3]
        assert verify(database) == []


@pytest.mark.parametrize("one_by_one", [0, 2, 10_000])  # lengths: each, some, or all at once
def test_what_words_count_is_kept_and_adds_up_to_the_last_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one_by_one: int
) -> None:
    """Asked again and again, as SQLite itself ranks; also after somebody has changed texts."""
    monkeypatch.setattr("audiosearch.store.fts5_scores._ONE_BY_ONE", one_by_one)
    vocabulary = ["dog", "dogs", "bark", "rain", "roof", "x", "ünder", "bell", "wav"]
    dice = np.random.default_rng(3)
    monkeypatch.setattr("audiosearch.store.fts5_scores._MOST_OF_WORD", 150)  # all have "wav"
    monkeypatch.setattr("audiosearch.store.fts5_scores._MOST_KEPT", 400)
    with open_database(tmp_path / "library.sqlite3") as own:
        with own.session() as session:
            for n in range(200):
                words = dice.choice(vocabulary[:-1], size=int(dice.integers(1, 7)))
                notes = dice.choice(vocabulary, size=int(dice.integers(0, (8, 400)[n % 9 == 0])))
                add(
                    session,
                    f"{' '.join(words)}/{n}.wav".encode(),
                    caption=f"{words[0]} {n % 70}",
                    metadata={"comment": [" ".join(notes)]},
                )
        n_kept = 0
        for step in range(120):
            words = [str(each) for each in dice.choice(vocabulary, size=int(dice.integers(1, 5)))]
            match = Match(tuple((word, ()) for word in words), every=step % 7 == 0)
            first = (None, 1, 10, 1000)[step % 4]
            with own.asking() as asking, own.reading() as plain:
                for kind in TextKind:
                    found = list(full_text(asking).ranked(kind, match, first=first))
                    assert found == list(full_text(plain).ranked(kind, match, first=first))
                    ids = [each for each, _ in found[::2]] + [10_000]
                    single = Match(match.words[:1])
                    among = list(full_text(asking).among(kind, single, ids))
                    assert among == list(full_text(plain).among(kind, single, ids))
                counted = asking.driver.derived["word_scores"][1].values()
                n_kept += sum(len(each._kept) for each in counted)
            if step % 30 == 29:
                with own.session() as session:
                    add(session, b"dog bark/more%d.wav" % step, caption=None)
                    texts, gone = full_text(session), range(step, step + 20)
                    for kind in TextKind:
                        texts.remove(kind, gone)
        assert n_kept  # or nothing was tried


def test_words_of_a_damaged_full_text_are_an_error_that_names_the_library(tmp_path: Path) -> None:
    path = tmp_path / "library.sqlite3"
    with open_database(path) as own:
        with own.session() as session:
            fill(session)
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("DELETE FROM caption_text_docsize WHERE id = 1")
        with pytest.raises(LibraryCorrupt, match=r"library\.sqlite3"), own.asking() as asking:
            list(full_text(asking).ranked(TextKind.CAPTION, Match((("animal", ()),), every=False)))


@pytest.mark.parametrize("row", [(4_000_000_000_000, b"\1"), (-1_000_000, b"\1")])
def test_lengths_of_texts_that_are_not_there_change_nothing(
    tmp_path: Path, row: tuple[int, bytes]
) -> None:
    path, match = tmp_path / "library.sqlite3", Match((("dog", ()), ("an", ())), every=False)
    with open_database(path) as own:
        with own.session() as session:
            fill(session)
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("INSERT INTO caption_text_docsize VALUES (?, ?)", row)
        with own.asking() as asking, own.reading() as plain:
            found = list(full_text(asking).ranked(TextKind.CAPTION, match))
            assert found == list(full_text(plain).ranked(TextKind.CAPTION, match))
            assert found


def test_ids_that_lie_far_apart_are_ranked_as_well(tmp_path: Path) -> None:
    match = Match((("dog", ()), ("wind", ())), every=False)
    with open_database(tmp_path / "library.sqlite3") as own:
        with own.session() as session:
            ids = (1, 7, 100_000, 2**31, 2**40)
            fulltext.add_captions(
                session, {f"a dog {'wind ' * n}{n}": i for n, i in enumerate(ids)}
            )
        with own.asking() as asking, own.reading() as plain:
            found = list(full_text(asking).ranked(TextKind.CAPTION, match))
            assert found == list(full_text(plain).ranked(TextKind.CAPTION, match))
            assert len(found) == len(ids)


def test_what_came_in_many_pieces_is_put_together(tmp_path: Path) -> None:
    def n_pieces() -> int:
        with own.reading() as session:
            found = session.scalar(sa.text("SELECT count(DISTINCT segid) FROM caption_text_idx"))
            return int(found)

    match = Match((("dog", ()), ("wind", ())), every=False)
    with open_database(tmp_path / "library.sqlite3") as own:
        for n in range(4):
            with own.session() as session:
                fulltext.add_captions(session, {f"a dog barks {n}": 1 + n})
            own.settle()
            assert n_pieces() >= min(n + 1, 3)  # few are left as they are: SQLite merges four
        for n in range(4, 60):
            with own.session() as session:
                fulltext.add_captions(session, {f"a dog in the wind {n}": 1 + n})
        with own.reading() as session:
            before = list(full_text(session).ranked(TextKind.CAPTION, match))
        assert n_pieces() > 5
        own.settle()
        assert n_pieces() == 1
        with own.asking() as session:
            assert list(full_text(session).ranked(TextKind.CAPTION, match)) == before
