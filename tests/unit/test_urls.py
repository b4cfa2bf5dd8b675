from __future__ import annotations

import os
import pickle
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosearch._urls import UrlPath, any_path, is_plain, is_url, normal_url, without_secrets
from audiosearch.audio.clip import absolute
from audiosearch.errors import AudiosearchError
from audiosearch.store.queries.places import Root, RootPath, join, path_inside

PART = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1)
KEYS = st.lists(PART, min_size=1, max_size=4).map("/".join)
KEY = KEYS.filter(lambda key: is_plain(key.encode()))


@pytest.mark.parametrize(
    ("given", "is_one"),
    [
        ("s3://bucket/a.wav", True),
        ("https://host/sounds", True),
        ("file:///srv", True),
        ("/srv/s3://bucket", False),
        ("./s3://bucket", False),
        ("C://sounds", False),
        ("s3:/bucket", False),
        ("a://b", False),
        ("a b://c", False),
        ("", False),
    ],
)
def test_what_is_a_url(given: str, is_one: bool) -> None:
    assert is_url(given) is is_url(given.encode()) is is_one


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("s3://bucket", "s3://bucket"),
        ("S3://bucket/Folder/", "s3://bucket/Folder"),
        ("s3a://bucket/folder//", "s3://bucket/folder"),
        ("gcs://bucket/x", "gs://bucket/x"),
        ("s3://bucket/a b#1?x@3-5.wav", "s3://bucket/a b#1?x@3-5.wav"),
        ("s3://bucket/a%20b", "s3://bucket/a%20b"),
        ("sftp://me@host/sounds", "sftp://me@host/sounds"),
        ("http://host:8080/sounds", "http://host:8080/sounds"),
        ("http://[::1]:8080/sounds", "http://[::1]:8080/sounds"),
        ("abfs://box@account.dfs.core.windows.net/x", "abfs://box@account.dfs.core.windows.net/x"),
    ],
)
def test_a_url_has_one_form(given: str, kept: str) -> None:
    assert normal_url(given.encode()) == absolute(given) == kept.encode()
    assert normal_url(kept.encode()) == kept.encode()


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("s3://KEY:hidden@bucket/x", "password"),
        ("https://me:hidden@host/x", "password"),
        ("s3://KEY:hidden/rest+hidden@bucket/x", "password"),
        ("https://host/x?X-Amz-Signature=hidden", "query"),
        ("simplecache://x::s3://me:hidden@bucket/x", "several"),
        ("s3://bucket/a/../b", "dots"),
        ("s3://bucket//b", "empty"),
        ("s3://", "empty"),
        ("s3:///x", "empty"),
        ("file://elsewhere/srv", "another machine"),
        ("file://localhost", "no folder"),
    ],
)
def test_what_the_library_must_not_keep_is_refused_and_not_shown(given: str, why: str) -> None:
    with pytest.raises(AudiosearchError) as refused:
        absolute(given)
    assert why in str(refused.value)
    assert "hidden" not in str(refused.value)


def test_a_local_url_is_the_path(tmp_path: Path) -> None:
    (tmp_path / "my sounds").mkdir()
    (tmp_path / "a%20b").mkdir()
    path = os.fsencode(tmp_path)
    assert absolute(f"file://{tmp_path}/my sounds") == path + b"/my sounds"
    assert absolute(f"file://{tmp_path}/my%20sounds/") == path + b"/my sounds"
    assert absolute(f"file://{tmp_path}/a%20b") == path + b"/a%20b"  # a folder of this very name
    assert absolute(f"FILE://localhost{tmp_path}") == path
    assert absolute(f"file://{socket.gethostname()}{tmp_path}") == path
    assert absolute(f"local://{tmp_path}") == path


@given(key=KEY)
def test_a_url_goes_through_paths_unharmed(key: str) -> None:
    url = f"s3://bucket/{key}"
    path = any_path(url)
    assert isinstance(path, UrlPath)
    assert str(path) == os.fspath(path) == url
    assert os.fsencode(path) == url.encode()
    assert path.name == key.rpartition("/")[2]
    assert str(path.parent / path.name) == url
    assert str(pickle.loads(pickle.dumps(path))) == url
    assert absolute(path) == normal_url(url.encode())


def test_a_path_stays_a_path() -> None:
    assert type(any_path("/srv/sounds")) is type(Path("/srv"))
    assert str(any_path("s3:/bucket")) == "s3:/bucket"
    assert str(any_path("file:///srv/sounds/")) == "/srv/sounds"
    with pytest.raises(AudiosearchError):
        any_path("s3://bucket//x")


@given(key=KEY)
def test_what_lies_below_a_url(key: str) -> None:
    root = Root(1, b"s3://bucket/field")
    url = join(root.path, key.encode())
    assert url == RootPath(root, key.encode()).path
    assert path_inside(url, root.path) == key.encode()
    assert path_inside(b"s3://bucket/field2/" + key.encode(), root.path) is None
    assert path_inside(url, b"s3://bucket") == b"field/" + key.encode()


def test_secrets_in_what_others_say() -> None:
    said = "cannot GET https://me:hidden@host/x?sig=hidden of s3://k:hidden@b"
    assert without_secrets(said) == "cannot GET https://...@host/x?... of s3://...@b"
