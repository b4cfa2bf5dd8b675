"""What a file says of itself is the file's own, whichever other files have the same sound.

With the real command on real files: copies titled and tagged apart, retagged, renamed, deleted, and
in a library of the version in which the last file read spoke for all.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from audiosearch.config import Config
from audiosearch.library.lookup import file_info, list_files
from audiosearch.search.filters import Filters
from audiosearch.store.database import Database, open_database
from audiosearch.store.integrity.verify import verify
from audiosearch.store.queries import fulltext
from audiosearch.store.schema import FileState
from tests.e2e.command import Command
from tests.old_library import make_older
from tests.sounds import noise, tones, write_audio

pytestmark = pytest.mark.slow


BELL = tones([1200, 800])
FIRST = {"title": "Kookaburra", "genre": "Birds"}
SECOND = {"title": "Hvalfjord", "genre": "Ice"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The same sound twice, in two folders, titled and tagged apart; and another sound."""
    folder = tmp_path / "sounds"
    (folder / "a").mkdir(parents=True)
    (folder / "b").mkdir()
    write(folder / "a" / "one.flac", FIRST)
    write(folder / "b" / "two.flac", SECOND)
    write_audio(folder / "hiss.wav", noise())
    return folder


def write(path: Path, tags: Mapping[str, str]) -> None:
    write_audio(path, BELL, tags=tags)


@contextmanager
def opened(command: Command) -> Iterator[Database]:
    with open_database(command.data_dir / "library.sqlite3", read_only=True) as database:
        yield database


def tagged(command: Command, tag: str, *states: FileState) -> list[str]:
    """The names of the files that carry a tag."""
    with opened(command) as database:
        files = list_files(database, Filters(tags=(tag,)), states=states).files
    return [Path(os.fsdecode(file.path)).name for file in files]


def found(command: Command, words: str) -> bool:
    """Whether full text leads to the bell, and to nothing else."""
    with opened(command) as database, database.reading() as session:
        telling = fulltext.telling_words(words)
        windows = fulltext.search_windows(session, telling, bundle_id=1, limit=10)
    assert len(windows) <= 1
    return bool(windows)


def metadata(command: Command, path: Path) -> dict[str, list[str]]:
    config = Config(data_dir=command.data_dir, config_file=command.data_dir / "none.toml")
    with opened(command) as database:
        file = file_info(database, config, str(path)).file
    assert file is not None
    return {field: list(values) for field, values in file.metadata.items()}


def index(command: Command, *arguments: Path, n_encoded: int | None = 0) -> None:
    """Run it; so many windows are encoded. The library is sound."""
    [row] = command("index", *arguments, "--json").rows
    assert n_encoded is None or row["windows_encoded"] == n_encoded
    with opened(command) as database:
        assert verify(database) == []


def test_copies_keep_their_own_titles_and_tags(fresh: Command, folder: Path):
    one, two, away = folder / "a" / "one.flac", folder / "b" / "two.flac", folder.parent / "away"
    index(fresh, folder, n_encoded=None)
    [row] = fresh("info", one, "--json").rows
    assert row["copies"] == [{"path": str(two), "state": "indexed"}]  # one sound
    assert metadata(fresh, one) == {"title": ["Kookaburra"], "genre": ["Birds"]}
    assert metadata(fresh, two) == {"title": ["Hvalfjord"], "genre": ["Ice"]}
    assert (found(fresh, "kookaburra"), found(fresh, "hvalfjord")) == (True, True)
    assert (tagged(fresh, "birds"), tagged(fresh, "ICE")) == (["one.flac"], ["two.flac"])
    hits = fresh("find", "a bell", "--tag", "Ice", "--min-score", "0", "--paths").text
    assert hits.splitlines() == [str(two)]

    one.rename(away)  # what is left keeps its own
    index(fresh)
    assert (found(fresh, "kookaburra"), found(fresh, "hvalfjord")) == (False, True)
    assert metadata(fresh, two) == {"title": ["Hvalfjord"], "genre": ["Ice"]}
    assert tagged(fresh, "birds") == []  # what is gone carries no tag, unless it is asked for
    assert tagged(fresh, "birds", FileState.MISSING) == ["one.flac"]
    assert fresh("find", "a bell", "--tag", "birds", "--min-score", "0").status == 1

    away.rename(one)  # comes back, and the other goes
    two.unlink()
    index(fresh)
    assert (found(fresh, "kookaburra"), found(fresh, "hvalfjord")) == (True, False)
    assert tagged(fresh, "birds", FileState.INDEXED) == ["one.flac"]
    assert fresh("purge").status == 0
    assert tagged(fresh, "ice") == []
    assert metadata(fresh, one) == {"title": ["Kookaburra"], "genre": ["Birds"]}


def test_tags_that_a_file_no_longer_carries_no_longer_find_it(fresh: Command, folder: Path):
    one, door = folder / "a" / "one.flac", folder / "DOORWood_Cupboard Close_ME_LIB.wav"
    write_audio(door, tones([300, 200, 100]))
    index(fresh, folder, n_encoded=None)
    assert tagged(fresh, "doorwood") == [door.name]
    assert fresh("tag", "add", "mine", one).status == 0

    write(one, {"title": "Lyrebird", "genre": "Forest"})
    door.rename(door.with_name("AMBWind_Cupboard Close_ME_LIB.wav"))
    index(fresh)
    assert tagged(fresh, "birds") == []
    assert tagged(fresh, "doorwood") == []
    assert tagged(fresh, "ambwind") == ["AMBWind_Cupboard Close_ME_LIB.wav"]
    assert (tagged(fresh, "forest"), tagged(fresh, "ice")) == (["one.flac"], ["two.flac"])
    assert (found(fresh, "kookaburra"), found(fresh, "lyrebird")) == (False, True)
    assert fresh("find", "a door", "--tag", "doorwood", "--min-score", "0").status == 1

    write(one, {})
    index(fresh)
    assert metadata(fresh, one) == {}
    assert tagged(fresh, "forest") == []
    assert (found(fresh, "lyrebird"), found(fresh, "hvalfjord")) == (False, True)
    # What a person set is the sound's, whichever file has it, and stays.
    assert tagged(fresh, "mine") == ["one.flac", "two.flac"]
    [row] = fresh("info", one, "--json").rows
    assert (row["tags"], row["tags_given"]) == ([], ["mine"])


def test_an_old_library_gets_each_files_own_texts_and_encodes_nothing(
    fresh: Command, folder: Path, tmp_path: Path
):
    index(fresh, folder, n_encoded=None)
    assert fresh("captions", "add", "my own bell", "--for", folder / "a" / "one.flac").status == 0
    (folder / "b").rename(tmp_path / "away")
    index(fresh)  # the file in it is missing when the library is brought up to date
    path = fresh.data_dir / "library.sqlite3"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DELETE FROM file_tag")
        connection.execute("DELETE FROM tag")
        # As it was: tags of the recording, in lower case and not in today's form.
        for number, name in enumerate(["ice", "geräusche", "gerausche", "ｗｉｄｅ"], 1):
            connection.execute("INSERT INTO tag VALUES (?, ?)", (number, name))
            connection.execute(
                "INSERT INTO recording_tag SELECT DISTINCT recording_id, ? FROM sound_file"
                " WHERE display LIKE '%.flac'",
                (number,),
            )
    spoken = '{"title": "Kookaburra", "genre": "Birds"}'
    make_older(
        path,
        revision="0003",
        scripts=tmp_path / "scripts",
        filled={
            "recording.metadata_json": f"CASE codec WHEN 'flac' THEN '{spoken}' ELSE '{{broken' END"
        },
    )
    with open_database(path) as database:
        assert verify(database) == []
        with database.reading() as session:
            [connection] = [session.connection().connection.driver_connection]
            files = connection.execute(
                "SELECT display, state, metadata_json, remark FROM sound_file ORDER BY display"
            ).fetchall()
            tags = connection.execute(
                "SELECT f.display, t.name FROM file_tag JOIN sound_file AS f ON f.id = file_id"
                " JOIN tag AS t ON t.id = tag_id ORDER BY 1, 2"
            ).fetchall()
            left = connection.execute("SELECT count(*) FROM recording_tag").fetchone()
            names = connection.execute("SELECT name FROM tag ORDER BY name").fetchall()
            given = connection.execute("SELECT count(*), max(said) FROM caption_target").fetchone()
    spoken = '{"title": ["Kookaburra"], "genre": ["Birds"]}'
    assert files == [
        ("a/one.flac", "pending", spoken, None),
        ("b/two.flac", "missing", spoken, None),
        ("hiss.wav", "pending", "{}", None),
    ]
    words = ["gerausche", "ice", "wide"]
    assert tags == [(name, tag) for name in ("a/one.flac", "b/two.flac") for tag in words]
    assert [name for (name,) in names] == words
    assert left == (0,)
    assert given == (1, None)
    assert (found(fresh, "kookaburra"), found(fresh, "hvalfjord")) == (True, False)
    assert tagged(fresh, "Geräusche", *FileState) == ["one.flac", "two.flac"]
    (tmp_path / "away").rename(folder / "b")  # by which the file in it does not change
    index(fresh)
    assert metadata(fresh, folder / "a" / "one.flac") == {
        "title": ["Kookaburra"],
        "genre": ["Birds"],
    }
    assert metadata(fresh, folder / "b" / "two.flac") == {"title": ["Hvalfjord"], "genre": ["Ice"]}
    assert metadata(fresh, folder / "hiss.wav") == {}
    assert (tagged(fresh, "birds"), tagged(fresh, "ice")) == (["one.flac"], ["two.flac"])
    assert tagged(fresh, "wide") == []
    assert (found(fresh, "kookaburra"), found(fresh, "hvalfjord")) == (True, True)
    [info] = fresh("info", folder / "b" / "two.flac", "--json").rows
    assert [each["caption"] for each in info["captions_given"]] == ["my own bell"]
    assert info["state"] == "indexed"
