"""Filters against brute force over everything in the library."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiosearch.errors import QueryError
from audiosearch.search.filters import Filters
from audiosearch.search.results import TextQuery
from audiosearch.store.database import open_database
from tests.search_library import LibraryBuilder, Models
from tests.sounds import noise


@dataclass(frozen=True)
class Added:
    path: str
    seconds: float
    mtime_s: float
    genre: str
    recording_id: int


NAMES = (
    ("/sounds", "birds/robin.wav"),
    ("/sounds", "birds/night/owl.flac"),
    ("/sounds", "birds2/crow.wav"),
    ("/sounds", "BIRDS/Gull.WAV"),
    ("/sounds", "rain.ogg"),
    ("/sounds", "a%_b/100%.m4a"),
    ("/music", "birds/song.mp3"),
    ("/music", "drum.wav"),
)
GENRES = ("birds", "Birds, Night", "weather", "")


@pytest.fixture(scope="module")
def everything(
    toy_bundle: Path, models: Models, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[LibraryBuilder, list[Added]]]:
    with open_database(tmp_path_factory.mktemp("filters") / "library.sqlite3") as database:
        builder = LibraryBuilder(database, models)
        added = []
        for i, (root, name) in enumerate(NAMES):
            seconds, mtime_s, genre = 1.0 + i % 3, 1000.0 * (i % 4), GENRES[i % 4]
            recording_id = builder.add(
                name.encode(),
                noise(seconds=seconds, seed=i),
                root=root.encode(),
                mtime_s=mtime_s,
                tags=genre.split(", "),
            )
            added.append(Added(f"{root}/{name}", seconds, mtime_s, genre, recording_id))
        # One sound more in another place: it may be shown by the path that the filter lets pass.
        copy = noise(seconds=1.0, seed=0)
        tags = GENRES[0].split(", ")
        builder.add(b"copy.wav", copy, root=b"/music", mtime_s=9000.0, tags=tags)
        added.append(Added("/music/copy.wav", 1.0, 9000.0, GENRES[0], added[0].recording_id))
        yield builder, added


def matches(one: Added, filters: Filters) -> bool:
    folders = [str(folder) for folder in filters.folders]
    containers = {"m4a": "mov,mp4,m4a,3gp,3g2,mj2", "wav": "wav,pcm_s16le", "ogg": "ogg,vorbis"}
    suffix = one.path.rpartition(".")[2].lower()
    known = {suffix, *containers.get(suffix, "").split(",")}
    tags = {tag.strip().lower() for tag in one.genre.split(",") if tag.strip()}
    return (
        (
            not folders
            or any(one.path == f or one.path.startswith(f.rstrip("/") + "/") for f in folders)
        )
        and (filters.min_duration_s is None or one.seconds >= filters.min_duration_s)
        and (filters.max_duration_s is None or one.seconds <= filters.max_duration_s)
        and (filters.since is None or one.mtime_s >= filters.since)
        and all(tag.lower() in tags for tag in filters.tags)
        and (not filters.formats or any(f.lower().lstrip(".") in known for f in filters.formats))
        and (not filters.names or any(is_named(one.path.lower(), name) for name in filters.names))
    )


def is_named(path: str, name: str) -> bool:
    if "/" in name:
        below = path.split("/", 2)[2]
        return fnmatchcase(path, name.lower()) or fnmatchcase(below, name.lower())
    if "*" in name:
        return fnmatchcase(path.rpartition("/")[2], name.lower())
    return set(name.lower().split()) <= set(re.findall("[a-z]+", path))


FOLDERS = ["/sounds", "/sounds/birds", "/sounds/birds/night", "/music", "/sounds/a%_b", "/"]
FOLDERS += ["/sounds/birds/robin.wav", "/sounds/BIRDS"]
WANTED = ["robin", "birds", "Owl night", "sounds crow", "drum rain", "*.WAV", "b*", "r*.wav"]
WANTED += ["birds/*", "*/birds/*", "/music/*", "none"]


@given(
    folders=st.lists(st.sampled_from(FOLDERS), max_size=2).map(lambda x: tuple(map(Path, x))),
    durations=st.tuples(
        st.none() | st.sampled_from([0.5, 1.0, 2.0]), st.none() | st.sampled_from([2.0, 3.0, 5.0])
    ),
    since=st.none() | st.sampled_from([0.0, 1000.0, 2500.0]),
    tags=st.lists(st.sampled_from(["birds", "Night", "weather", "none"]), max_size=2).map(tuple),
    formats=st.lists(
        st.sampled_from(["wav", ".FLAC", "mp4", "vorbis", "pcm_s16le", "%"]), max_size=2
    ).map(tuple),
    names=st.lists(st.sampled_from(WANTED), max_size=2).map(tuple),
)
@settings(max_examples=100)
def test_filters_equal_brute_force(
    everything: tuple[LibraryBuilder, list[Added]],
    folders: tuple[Path, ...],
    durations: tuple[float | None, float | None],
    since: float | None,
    tags: tuple[str, ...],
    formats: tuple[str, ...],
    names: tuple[str, ...],
) -> None:
    builder, added = everything
    filters = Filters(
        folders=folders,
        min_duration_s=durations[0],
        max_duration_s=durations[1],
        since=since,
        tags=tags,
        formats=formats,
        names=names,
    )
    engine = builder.engine(fold_similarity=2.0)
    hits = engine.find(TextQuery(text="rain", filters=filters, min_score=0.0, limit=100)).hits
    expected: dict[int, str] = {}
    for one in added:
        if matches(one, filters):
            best = expected.get(one.recording_id, one.path)
            expected[one.recording_id] = min(best, one.path)
    assert {hit.recording_id: os.fsdecode(hit.path) for hit in hits} == expected


def test_a_folder_outside_the_library_is_refused(
    everything: tuple[LibraryBuilder, list[Added]],
) -> None:
    builder, _ = everything
    with pytest.raises(QueryError, match="no folder of this library"):
        builder.engine().find(TextQuery(text="rain", filters=Filters(folders=(Path("/other"),))))


def test_lengths_that_exclude_each_other_are_refused(
    everything: tuple[LibraryBuilder, list[Added]],
) -> None:
    builder, _ = everything
    filters = Filters(min_duration_s=5.0, max_duration_s=1.0)
    with pytest.raises(QueryError, match="longer"):
        builder.engine().find(TextQuery(text="rain", filters=filters))


def test_relative_folders_and_links_are_followed(
    builder: LibraryBuilder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = tmp_path / "real"
    (real / "inner").mkdir(parents=True)
    (tmp_path / "link").symlink_to(real)
    builder.add(b"inner/a.wav", noise(seconds=1.0), root=bytes(real))
    builder.add(b"b.wav", noise(seconds=1.0, seed=2), root=bytes(real))
    monkeypatch.chdir(real)
    for folder in (Path("inner"), tmp_path / "link" / "inner", real / "inner"):
        filters = Filters(folders=(folder,))
        hits = builder.engine().find(TextQuery(text="rain", min_score=0.0, filters=filters)).hits
        assert [hit.path for hit in hits] == [bytes(real / "inner" / "a.wav")]
