"""Filters against brute force over everything in the library."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from math import inf
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from audiosearch.errors import QueryError
from audiosearch.library.lookup import list_files
from audiosearch.search.filters import Filters, Limits, anchored
from audiosearch.search.results import TextQuery
from audiosearch.store.database import open_database
from audiosearch.store.queries.file_list import ListedFile
from tests.search_library import LibraryBuilder, Models
from tests.sounds import noise


@dataclass(frozen=True)
class Added:
    path: str
    seconds: float
    mtime_s: float
    genre: str
    recording_id: int
    sample_rate: int
    channels: int
    bit_depth: int | None
    loudness_lufs: float | None
    peak_db: float | None
    ucs: str

    @property
    def heard_loudness(self) -> float | None:
        """A digital silence is below any."""
        return -inf if self.peak_db is None and self.loudness_lufs is None else self.loudness_lufs


NAMES = (
    ("/sounds", "birds/ANMLBird_robin_AB_XY.wav"),
    ("/sounds", "birds/night/owl.flac"),
    ("/sounds", "birds2/crow.wav"),
    ("/sounds", "BIRDS/Gull.WAV"),
    ("/sounds", "rain.ogg"),
    ("/sounds", "a%_b/100%.m4a"),
    ("/music", "birds/song.mp3"),
    ("/music", "drum.wav"),
)
LOUDNESS = (-40.0, -23.0, None, -10.5)
PEAKS = (-12.0, None, -0.1)  # None: digital silence
UCS = ("ANMLBird", "", "DOORWood", "")
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
            fields = (
                {"ucs.category_id": [UCS[i % 4]]} if i == 0 else {"ixml.user.CATID": [UCS[i % 4]]}
            )
            sound = Added(
                path=f"{root}/{name}",
                seconds=seconds,
                mtime_s=mtime_s,
                genre=genre,
                recording_id=0,
                sample_rate=(44_100, 48_000, 96_000)[i % 3],
                channels=1 + i % 2,
                bit_depth=(16, 24, None)[i % 3],
                loudness_lufs=LOUDNESS[i % 4],
                peak_db=PEAKS[i % 3],
                ucs=UCS[i % 4],
            )
            recording_id = builder.add(
                name.encode(),
                noise(seconds=seconds, seed=i),
                root=root.encode(),
                mtime_s=mtime_s,
                tags=genre.split(", "),
                metadata=fields,
                sample_rate=sound.sample_rate,
                channels=sound.channels,
                bit_depth=sound.bit_depth,
                loudness_lufs=sound.loudness_lufs,
                peak_db=sound.peak_db,
            )
            added.append(replace(sound, recording_id=recording_id))
        # One sound more in another place: it may be shown by the path that the filter lets pass.
        copy = noise(seconds=1.0, seed=0)
        tags = GENRES[0].split(", ")
        builder.add(
            b"copy.wav",
            copy,
            root=b"/music",
            mtime_s=9000.0,
            tags=tags,
            loudness_lufs=LOUDNESS[0],
            peak_db=PEAKS[0],
        )
        added.append(replace(added[0], path="/music/copy.wav", mtime_s=9000.0, ucs=""))
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
        and not any(tag.lower() in tags for tag in filters.not_tags)
        and not any(
            one.path == f or one.path.startswith(f.rstrip("/") + "/")
            for f in map(str, filters.not_folders)
        )
        and within(one.sample_rate, filters.sample_rate)
        and within(one.channels, filters.channels)
        and within(one.bit_depth, filters.bit_depth)
        and within(-inf if one.peak_db is None else one.peak_db, filters.peak_db)
        and within(
            -inf if one.peak_db is None and one.loudness_lufs is None else one.loudness_lufs,
            filters.loudness_lufs,
        )
        and (
            not filters.ucs
            or any(fnmatchcase(one.ucs.lower(), x.lower()) for x in filters.ucs if one.ucs)
        )
        and (not filters.formats or any(f.lower().lstrip(".") in known for f in filters.formats))
        and (not filters.names or any(is_named(one.path.lower(), name) for name in filters.names))
    )


def within(value: float | None, limits: Limits | None) -> bool:
    if limits is None:
        return True
    low, high = limits
    return value is not None and (low is None or value >= low) and (high is None or value <= high)


def is_category(ucs: str, glob: str) -> bool:
    return bool(ucs) and fnmatchcase(ucs.lower(), glob.lower())


def is_named(path: str, name: str) -> bool:
    if "/" in name:
        below = path.split("/", 2)[2]
        return fnmatchcase(path, name.lower()) or fnmatchcase(below, name.lower())
    if "*" in name:
        return fnmatchcase(path.rpartition("/")[2], name.lower())
    return set(name.lower().split()) <= set(re.findall("[a-z]+", path))


FOLDERS = ["/sounds", "/sounds/birds", "/sounds/birds/night", "/music", "/sounds/a%_b", "/"]
FOLDERS += ["/sounds/birds/ANMLBird_robin_AB_XY.wav", "/sounds/BIRDS"]
WANTED = ["robin", "birds", "Owl night", "sounds crow", "drum rain", "*.WAV", "b*", "r*.wav"]
WANTED += ["birds/*", "*/birds/*", "/music/*", "none"]


NOT_FOLDERS = st.lists(st.sampled_from(FOLDERS), max_size=2)
UCS_GLOBS = ["DOOR*", "anmlbird", "ANMLB?rd", "*"]
OTHERS = {
    "not_folders": st.lists(st.sampled_from(FOLDERS), max_size=2).map(
        lambda x: tuple(map(Path, x))
    ),
    "not_tags": st.lists(st.sampled_from(["birds", "Night", "none"]), max_size=2).map(tuple),
    "ucs": st.lists(st.sampled_from(UCS_GLOBS), max_size=2).map(tuple),
    "sample_rate": st.sampled_from([(44_100, 44_100), (48_000, None), (None, 48_000)]),
    "channels": st.sampled_from([(1, 1), (2, None), (None, None)]),
    "bit_depth": st.sampled_from([(16, 16), (17, None), (None, 24)]),
    "loudness_lufs": st.sampled_from([(-30.0, -10.5), (None, -30.0), (-20.0, None)]),
    "peak_db": st.sampled_from([(-1.0, 0.0), (None, -12.0), (None, -6.0)]),
}


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
    others=st.fixed_dictionaries({}, optional=OTHERS),
)
@example(
    folders=(),
    durations=(None, None),
    since=None,
    tags=(),
    formats=(),
    names=(),
    others={"ucs": ("*",)},
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
    others: dict[str, Any],
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
        **others,
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


def base(file: ListedFile) -> str:
    return Path(os.fsdecode(file.path)).name


@pytest.mark.parametrize(
    ("glob", "expected"),
    [
        ("birds*", {"ANMLBird_robin_AB_XY.wav", "owl.flac", "crow.wav", "Gull.WAV", "song.mp3"}),
        ("n?ght", {"owl.flac"}),
        ("/sounds/b*", {"ANMLBird_robin_AB_XY.wav", "owl.flac", "crow.wav", "Gull.WAV"}),
        ("*usic", {"song.mp3", "drum.wav", "copy.wav"}),
        ("b*/night", {"owl.flac"}),
        ("r*.ogg", {"rain.ogg"}),
        ("[x]", set()),
    ],
)
def test_folders_are_named_by_globs(
    everything: tuple[LibraryBuilder, list[Added]], glob: str, expected: set[str]
) -> None:
    builder, added = everything
    found = list_files(builder.database, Filters(folders=(Path(glob),))).files
    assert {base(file) for file in found} == expected
    rest = list_files(builder.database, Filters(not_folders=(Path(glob),))).files
    assert len(found) + len(rest) == len(added)


def test_a_glob_is_no_folder_above_the_library(
    builder: LibraryBuilder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is above the library's own folder is nobody's category."""
    root = tmp_path / "above" / "lib"
    builder.add(b"a.wav", noise(seconds=1.0), root=bytes(root))
    assert list_files(builder.database, Filters(folders=(Path("abov*"),))).files == ()
    assert len(list_files(builder.database, Filters(folders=(Path("li*"),))).files) == 1


def test_a_folder_with_brackets_in_its_name_is_itself(
    builder: LibraryBuilder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    builder.add(b"take [1]/a.wav", noise(seconds=1.0), root=bytes(tmp_path))
    builder.add(b"take 1/b.wav", noise(seconds=1.0, seed=1), root=bytes(tmp_path))
    folder = tmp_path / "take [1]"
    away = list_files(builder.database, Filters(folders=(folder,))).files
    assert [base(file) for file in away] == ["b.wav", "a.wav"]
    folder.mkdir()
    [there] = list_files(builder.database, Filters(folders=(folder,))).files
    assert base(there) == "a.wav"
    monkeypatch.chdir(tmp_path)
    assert anchored(Filters(folders=(Path("take [1]"),))) == Filters(folders=(folder,))
    globs = Filters(folders=(Path("take*"),), not_folders=(Path("x"),))
    assert anchored(globs) == replace(globs, not_folders=(tmp_path / "x",))


def test_files_that_are_there_and_files_that_are_away(
    builder: LibraryBuilder, tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    (disk / "inner").mkdir(parents=True)
    names = [b"here.wav", b"inner/here.wav", b"gone.wav", b"unplugged/x.wav"]
    for number, name in enumerate(names):
        builder.add(name, noise(seconds=1.0, seed=number), root=bytes(disk))
    builder.add(b"far.wav", noise(seconds=1.0, seed=9), root=bytes(tmp_path / "nowhere"))
    for name in names[:2]:
        (disk / os.fsdecode(name)).write_bytes(b"")

    def names_of(*, online: bool, **others: Any) -> set[bytes]:
        filters = Filters(online=online, **others)
        result = builder.engine().find(TextQuery(text="rain", min_score=0.0, filters=filters))
        listed = list_files(builder.database, filters).files
        assert {hit.path for hit in result.hits} == {file.path for file in listed}
        return {os.path.relpath(file.path, bytes(tmp_path)) for file in listed}

    assert names_of(online=True) == {b"disk/here.wav", b"disk/inner/here.wav"}
    assert names_of(online=False) == {b"disk/gone.wav", b"disk/unplugged/x.wav", b"nowhere/far.wav"}
    assert names_of(online=False, folders=(disk,)) == {b"disk/gone.wav", b"disk/unplugged/x.wav"}
    (disk / "gone.wav").write_bytes(b"")  # and nothing was committed in between
    assert names_of(online=False, folders=(disk,)) == {b"disk/unplugged/x.wav"}


@pytest.mark.parametrize(
    "limits", [48_000, (1,), (1, 2, 3), ("1", "2"), (float("nan"), None), [1, 2]]
)
def test_what_are_no_limits_is_refused(limits: Any) -> None:
    with pytest.raises(TypeError, match="sample_rate takes"):
        Filters(sample_rate=limits)


def test_limits_the_wrong_way_round_are_refused(
    everything: tuple[LibraryBuilder, list[Added]],
) -> None:
    builder, _ = everything
    filters = Filters(peak_db=(-1.0, -20.0))
    with pytest.raises(QueryError, match="-1 is above -20"):
        builder.engine().find(TextQuery(text="rain", filters=filters))


def test_what_is_not_known_is_counted(builder: LibraryBuilder) -> None:
    sounds = [noise(seconds=1.0 + number, seed=number) for number in range(4)]
    builder.add(b"loud.wav", sounds[0], loudness_lufs=-10.0)
    builder.add(b"short.wav", sounds[1], loudness_lufs=None)
    builder.add(b"silent.wav", sounds[2], loudness_lufs=None, peak_db=None)
    builder.add(b"lossy.ogg", sounds[3], bit_depth=None, loudness_lufs=-40.0)
    builder.add(b"again.wav", sounds[1], loudness_lufs=None)

    def unknown(**filters: Any) -> tuple[dict[str, int], dict[str, int]]:
        given = Filters(**filters)
        found = builder.engine().find(TextQuery(text="rain", min_score=0.0, filters=given))
        listed = list_files(builder.database, given)
        return dict(found.n_unknown), dict(listed.n_unknown)

    assert unknown() == unknown(sample_rate=(0, None)) == ({}, {})
    assert unknown(loudness_lufs=(-20.0, None)) == ({"loudness": 1}, {"loudness": 2})
    assert unknown(bit_depth=(16, 16)) == ({"bit depth": 1}, {"bit depth": 1})
    assert unknown(peak_db=(-20.0, None)) == ({}, {})  # of silence it is known
    both: dict[str, Any] = {"bit_depth": (16, 16), "loudness_lufs": (None, -30.0)}
    assert unknown(**both) == ({"bit depth": 1, "loudness": 1}, {"bit depth": 1, "loudness": 2})
    assert unknown(loudness_lufs=(-20.0, None), names=("loud",)) == ({}, {})
