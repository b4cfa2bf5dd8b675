"""Files looked up by name in real SQLite: words, globs, states, and the filters beside them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from audiosearch.errors import QueryError
from audiosearch.library.lookup import list_files
from audiosearch.search.filters import Filters
from audiosearch.store.database import Database, open_database
from audiosearch.store.queries import file_texts, files, fulltext, recordings, roots
from audiosearch.store.queries.failed import set_failed
from audiosearch.store.queries.files import FileStat, ReadFile
from audiosearch.store.schema import FileState

LONG = b"whirring" * 12  # a word of 96 letters
NAMES = (
    *(b"Foley/DOORWood_Cupboard Door Close.wav", b"Foley/DogBark03.flac", b"Foley/barks/old.mp3"),
    *("Reise/Zürich Glocke.ogg".encode(), "雨/雨の音_屋根.wav".encode(), b"odd/na\xffme.wav"),
    b"h/" + LONG + b".wav",
)
MISSING = (b"gone/Dog barking.wav", "gone/Zu\u0308rich.wav".encode(), b"gone/train.wav")
FAILED = b"Foley/broken dog.wav"
PENDING = b"Foley/new dog.wav"


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    with open_database(tmp_path_factory.mktemp("files") / "library.sqlite3") as database:
        with database.session() as session:
            fill(session)
        yield database


def fill(session: Session) -> None:
    root_id = roots.add_root(session, b"/home/me/Sounds").root.root_id
    everything = [*NAMES, *MISSING, FAILED, PENDING]
    files.add_files(session, root_id, [FileStat(name, 10, 20, 30) for name in everything])
    ids = {known.path: known.file_id for known in files.known_files(session, root_id)}
    sounds = [
        recordings.NewRecording(
            audio_hash=number.to_bytes(32, "big"),
            sample_rate=8000,
            channels=1,
            bit_depth=16,
            codec="pcm_s16le",
            container="wav",
        )
        for number in range(len(NAMES + MISSING))
    ]
    recording_ids = recordings.ensure_recordings(session, sounds).values()
    read = [
        ReadFile(ids[name], recording_id, 10, 20, 30)
        for name, recording_id in zip(NAMES + MISSING, recording_ids, strict=True)
    ]
    files.set_indexed(session, read)
    file_texts.set_texts(session, [file_texts.FileTexts(ids[NAMES[0]], {}, ["Wood", "Creäk"])])
    files.set_missing(session, [ids[name] for name in MISSING])
    set_failed(session, [(ids[FAILED], "damaged", "it breaks off")])
    fulltext.refresh_files(session, ids.values())


def paths(database: Database, name: str | None, **filters: object) -> list[bytes]:
    found = list_files(database, Filters(**filters), name=name)  # type: ignore[arg-type]
    return [file.path.removeprefix(b"/home/me/Sounds/") for file in found.files]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("door", [NAMES[0]]),
        ("DOORWood", [NAMES[0]]),
        ("closing doors", [NAMES[0]]),  # stemmed
        ("dog bark", [NAMES[1], MISSING[0]]),
        ("barked", [NAMES[1], NAMES[2], MISSING[0]]),  # in a folder's name; of a missing file
        ("dog", [NAMES[1], FAILED, PENDING, MISSING[0]]),
        ("the dog", [NAMES[1], FAILED, PENDING, MISSING[0]]),  # "the" tells nothing
        ("zurich", [NAMES[3], MISSING[1]]),
        ("Zürich", [NAMES[3], MISSING[1]]),
        ("zurich glocke", [NAMES[3]]),
        ("雨の音", [NAMES[4]]),
        ("雨", [NAMES[4]]),
        ("sounds train", [MISSING[2]]),  # the root's own name
        ("home train", []),  # but nothing above it
        ("wood", [NAMES[0]]),
        ("creak", []),  # a tag is no name
        ("bar", []),
        ("*bar*", [NAMES[1], MISSING[0]]),
        ("d*.FLAC", [NAMES[1]]),
        ("*ZÜRICH*", [NAMES[3], MISSING[1]]),
        ("*/barks/*", [NAMES[2]]),
        ("foley/*", sorted([*NAMES[:3], FAILED, PENDING])),
        ("/home/me/*/gone/*", sorted(MISSING)),
        ("/home/me/Sounds/Foley/DogBark03.flac", [NAMES[1]]),
        ("na\udcffme*", [NAMES[5]]),
        (LONG.decode(), [NAMES[6]]),
        (LONG.decode().upper() + ".wav", [NAMES[6]]),
    ],
)
def test_names(database: Database, name: str, expected: list[bytes]) -> None:
    assert paths(database, name) == sorted(expected)


def test_all_files_are_listed_without_a_name_in_the_order_of_their_paths(
    database: Database,
) -> None:
    assert paths(database, None) == sorted([*NAMES, *MISSING, FAILED, PENDING])


@pytest.mark.parametrize("name", ["", " ", "...", "_-_", "🐕"])
def test_a_name_without_a_word_is_refused(database: Database, name: str) -> None:
    with pytest.raises(QueryError, match="no word"):
        paths(database, name)
    with pytest.raises(QueryError, match="no word"):
        paths(database, None, names=(name,))


@pytest.mark.parametrize(
    ("name", "filters", "expected"),
    [
        ("dog", {"formats": ("wav",)}, [FAILED, MISSING[0], PENDING, NAMES[1]]),
        ("dog", {"formats": ("flac",)}, [NAMES[1]]),
        ("*.wav", {"folders": (Path("/home/me/Sounds/gone"),)}, list(MISSING)),
        (None, {"tags": ("WOOD", "creak")}, [NAMES[0]]),
        (None, {"names": ("*.ogg", "train")}, [NAMES[3], MISSING[2]]),  # any of them
        ("gone", {"names": ("*.ogg", "train")}, [MISSING[2]]),  # both
        ("dog", {"names": ("b*", "n*")}, [FAILED, PENDING]),
        (None, {"min_duration_s": 0.5}, []),  # never heard to their ends
        ("dog", {"since": 1.0}, []),
        (None, {"tags": ("wo\udcffod",)}, []),
        (None, {"formats": ("w\udcffav",)}, []),
    ],
)
def test_other_filters_hold_too(
    database: Database, name: str | None, filters: dict[str, object], expected: Sequence[bytes]
) -> None:
    assert paths(database, name, **filters) == sorted(expected)


def test_states(database: Database) -> None:
    def of(*states: FileState, name: str | None = None) -> list[bytes]:
        found = list_files(database, Filters(), name=name, states=states)
        assert {file.state for file in found.files} <= set(states)
        return [file.path.removeprefix(b"/home/me/Sounds/") for file in found.files]

    assert of(FileState.MISSING) == sorted(MISSING)
    assert of(FileState.MISSING, name="dogs") == [MISSING[0]]
    assert of(FileState.FAILED, FileState.PENDING) == [FAILED, PENDING]
    assert of(FileState.INDEXED, name="dog") == [NAMES[1]]


def test_a_limit_says_how_many_are_left_out(database: Database) -> None:
    found = list_files(database, Filters(), name="dog", limit=1)
    assert (len(found.files), found.n_left_out, found.library_is_empty) == (1, 3, False)
    assert list_files(database, Filters(), name="dog", limit=9).n_left_out == 0


def test_what_is_listed_of_a_file(database: Database) -> None:
    [file] = list_files(database, Filters(), name="cupboard").files
    assert replace(file, file_id=0, recording_id=0) == replace(
        file,
        file_id=0,
        recording_id=0,
        path=b"/home/me/Sounds/" + NAMES[0],
        state=FileState.INDEXED,
        size=10,
        mtime_ns=20,
        error_code=None,
        duration_s=None,
        codec="pcm_s16le",
        container="wav",
        tags=("creak", "wood"),
    )
    [broken] = list_files(database, Filters(), name="broken").files
    assert (broken.error_code, broken.codec, broken.tags) == ("damaged", None, ())


def test_an_empty_library_says_so(tmp_path: Path) -> None:
    with open_database(tmp_path / "library.sqlite3") as database:
        found = list_files(database, Filters(), name="dog")
    assert found.library_is_empty
    assert found.files == ()


def test_many_missing_files_are_found_by_words(tmp_path: Path) -> None:
    """More than some statements take as values."""
    with open_database(tmp_path / "library.sqlite3") as database:
        with database.session() as session:
            root_id = roots.add_root(session, b"/s").root.root_id
            names = [f"dog {number}.wav".encode() for number in range(1200)]
            files.add_files(session, root_id, [FileStat(name, 1, 1, 1) for name in names])
            ids = [known.file_id for known in files.known_files(session, root_id)]
            files.set_missing(session, ids)
        found = list_files(database, Filters(), name="dogs", limit=1)
    assert found.n_left_out == 1199
    assert found.files[0].path == b"/s/dog 0.wav"
