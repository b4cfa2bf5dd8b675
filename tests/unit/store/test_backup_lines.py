"""Lines of backups: what is written is read again, and nothing else is read."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosearch.store.backup_lines import (
    BackupLine,
    BadBackupLine,
    CaptionLine,
    CollectionLine,
    FavouriteLine,
    ItemLine,
    NoteLine,
    RatingLine,
    SearchLine,
    TagLine,
    check_head,
    line_bytes,
    line_of,
    line_row,
    read_row,
)
from audiosearch.store.queries.annotate import SoundStretch

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=50).filter(str.strip)
times = st.floats(0, 1e8, allow_nan=False)
hashes = st.binary(min_size=32, max_size=32)
paths = st.binary(max_size=60).filter(lambda path: b"\0" not in path)


@st.composite
def stretches(draw: st.DrawFn, *, with_end: bool = False) -> SoundStretch:
    start = draw(times) if with_end or draw(st.booleans()) else None
    if start is None:
        return SoundStretch(draw(hashes), draw(paths))
    return SoundStretch(draw(hashes), draw(paths), start, start + 1 + draw(times))


backup_lines = st.one_of(
    st.builds(TagLine, sound=stretches(), tag=texts, at=times),
    st.builds(RatingLine, sound=stretches(), stars=st.integers(1, 5), at=times),
    st.builds(FavouriteLine, sound=stretches(), at=times),
    st.builds(NoteLine, sound=stretches(), note=texts, at=times),
    st.builds(
        CaptionLine,
        sound=st.none() | stretches(with_end=True),
        caption=texts,
        source=st.sampled_from(["user", "import"]),
        at=times,
    ),
    st.builds(CollectionLine, collection=texts, at=times),
    st.builds(ItemLine, collection=texts, sound=stretches(), at=times),
    st.builds(
        SearchLine,
        search=texts,
        arguments=st.lists(texts | st.just(""), min_size=1).map(tuple),
        at=times,
    ),
)
plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
wild = st.recursive(plain, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))


@given(backup_lines)
def test_a_line_is_read_as_it_was_written(line: BackupLine) -> None:
    content = line_bytes(line_row(line))
    assert content.count(b"\n") == 1
    assert line_of(read_row(content)) == line


@given(backup_lines, st.data())
def test_one_field_of_anything_is_read_or_refused(line: BackupLine, data: st.DataObject) -> None:
    row = line_row(line)
    field = data.draw(st.sampled_from(sorted(row)) | st.sampled_from(["path_b64", "end_s"]))
    row[field] = data.draw(wild)
    try:
        read = line_of(row)
    except BadBackupLine:
        return
    again = line_row(read)
    assert line_of(json.loads(json.dumps(again))) == read


@pytest.mark.parametrize("path", ["/a.wav", ""])
def test_a_sound_of_no_hash_is_known_by_its_path(path: str) -> None:
    row: dict[str, Any] = {"kind": "favourite", "audio_hash": None, "path": path, "at": 1.0}
    if not path:
        with pytest.raises(BadBackupLine):
            line_of(row)
        return
    read = line_of(row)
    assert line_of(read_row(line_bytes(line_row(read)))) == read


@given(st.binary(max_size=100))
def test_bytes_of_anything_are_read_or_refused(content: bytes) -> None:
    try:
        row = read_row(content)
    except BadBackupLine:
        return
    with pytest.raises(BadBackupLine):
        check_head(row)


@pytest.mark.parametrize("text", ["\ud800", "a\ud800"])
def test_half_letters_are_refused_in_both_directions(text: str) -> None:
    row: dict[str, Any] = {"kind": "collection", "collection": text, "at": 1.0}
    with pytest.raises(BadBackupLine):
        line_of(row)
    with pytest.raises(BadBackupLine):
        line_bytes(row)
