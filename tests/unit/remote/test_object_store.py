from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from audiosearch.errors import (
    AudiosearchError,
    DecodeCode,
    DecodeError,
    FeatureUnavailable,
    RemoteUnavailable,
)
from audiosearch.remote import object_store
from audiosearch.remote.object_store import ObjectStore, RemoteFile
from tests.remote_stores import FlakyStore, flaky_store, raises

URL = b"flaky://box/field"


@pytest.fixture
def store() -> Iterator[FlakyStore]:
    with flaky_store() as found:
        yield found


def keys(url: bytes = URL) -> list[bytes]:
    found = ObjectStore(url).files_below(lambda key: key != b"deep/hidden")
    return sorted(each.key if isinstance(each, RemoteFile) else each for each in found)


def test_all_below_a_url_is_listed_and_nothing_beside_it(store: FlakyStore) -> None:
    for name in ("field/a.wav", "field/deep/b.wav", "field/deep/hidden/c.wav", "field2/d.wav"):
        store.pipe(f"flaky://box/{name}", b"12345")
    assert keys() == [b"a.wav", b"deep/b.wav"]
    assert keys(b"flaky://box") == [
        b"field/a.wav",
        b"field/deep/b.wav",
        b"field/deep/hidden/c.wav",
        b"field2/d.wav",
    ]


def test_a_listing_is_whole_or_fails(store: FlakyStore) -> None:
    store.pipe("flaky://box/field/a.wav", b"1")
    store.pipe("flaky://box/field/deep/b.wav", b"1")
    store.trouble.append(raises(PermissionError("no"), what="ls", below="/box/field/deep"))
    with pytest.raises(RemoteUnavailable, match="refused"):
        keys()


class Answering(BaseHTTPRequestHandler):
    """Answers every question with the status that its path names."""

    def do_GET(self) -> None:
        self.send_error(int(self.path[1:]))

    def do_HEAD(self) -> None:
        self.do_GET()

    def log_message(self, *_arguments: object) -> None:
        pass


def test_a_web_server_that_gives_no_answer_does_not_say_that_nothing_is_there() -> None:
    with HTTPServer(("127.0.0.1", 0), Answering) as server:
        threading.Thread(target=server.serve_forever).start()
        place = f"http://127.0.0.1:{server.server_port}/"
        for status in (404, 410):
            with pytest.raises(FileNotFoundError):
                ObjectStore(f"{place}{status}".encode()).stat(f"{place}{status}".encode())
        for status, denied in ((401, True), (403, True), (500, False), (503, False)):
            url = f"{place}{status}".encode()
            with pytest.raises(RemoteUnavailable) as refused:
                ObjectStore(url).stat(url)
            assert refused.value.denied is denied
        server.shutdown()
    with pytest.raises(RemoteUnavailable, match="cannot be reached"):
        ObjectStore(place.encode()).stat(f"{place}a.wav".encode())


def test_nothing_there_is_no_empty_listing(store: FlakyStore) -> None:
    with pytest.raises(FileNotFoundError):
        keys()
    assert ObjectStore(URL).is_empty()
    store.pipe("flaky://box/field/a.wav", b"1")
    assert not ObjectStore(URL).is_empty()


class NoCredentialsError(Exception):
    """As that of botocore, which is no error of the system's."""


@pytest.mark.parametrize(
    ("error", "denied", "said"),
    [
        (PermissionError("KEY hidden"), True, "refused"),
        (NoCredentialsError("hidden"), False, "no rights for it"),
        (TimeoutError(), False, "TimeoutError"),
        (ConnectionError("at https://me:hidden@host/x?sig=hidden"), False, "reached"),
        (RuntimeError("\n" * 3 + "odd\nthing"), False, "odd thing"),
    ],
)
def test_what_a_store_says_is_passed_on_without_secrets(
    store: FlakyStore, error: Exception, denied: bool, said: str
) -> None:
    store.pipe("flaky://box/field/a.wav", b"1")
    store.trouble.append(raises(error))
    with pytest.raises(RemoteUnavailable) as refused:
        ObjectStore(URL).stat(URL + b"/a.wav")
    assert refused.value.denied is denied
    assert said in str(refused.value)
    assert "hidden" not in str(refused.value)
    assert refused.value.__suppress_context__  # no traceback shows more


def test_what_cannot_be_reached_here_names_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AudiosearchError, match="no kind of URL"):
        ObjectStore(b"nosuch://box/x")
    with pytest.raises(AudiosearchError, match="no store of files"):
        ObjectStore(b"zip://box/x")

    def lacks(protocol: str) -> object:
        raise ImportError(f"install what reaches {protocol}")

    monkeypatch.setattr("fsspec.get_filesystem_class", lacks)
    with pytest.raises(FeatureUnavailable, match=r"audiosearch\[remote\]"):
        ObjectStore(b"s3://box/x")
    with pytest.raises(FeatureUnavailable, match="install what reaches sftp"):
        ObjectStore(b"sftp://box/x")


def test_a_copy_is_bounded_by_what_was_said_of_it(store: FlakyStore) -> None:
    url = URL + b"/a.wav"
    store.pipe("flaky://box/field/a.wav", b"12345")
    target = io.BytesIO()
    found = ObjectStore(URL).copy(url, target, check=lambda: None)
    assert target.getvalue() == b"12345"
    assert found == ObjectStore(URL).stat(url)
    assert found.size == 5

    def grows(what: str, path: str) -> None:
        if what == "open":
            store.trouble.clear()
            store.pipe("flaky://box/field/a.wav", b"123456789")

    store.trouble.append(grows)
    target = io.BytesIO()
    with pytest.raises(DecodeError) as changed:
        ObjectStore(URL).copy(url, target, check=lambda: None)
    assert changed.value.code is DecodeCode.CHANGED
    assert len(target.getvalue()) <= 5


def test_a_copy_can_be_ended(store: FlakyStore) -> None:
    class Ended(Exception):
        pass

    def check() -> None:
        raise Ended

    store.pipe("flaky://box/field/a.wav", b"12345")
    with pytest.raises(Ended):
        ObjectStore(URL).copy(URL + b"/a.wav", io.BytesIO(), check=check)


def test_a_version_is_the_same_however_it_is_told() -> None:
    listed = {
        "size": 5,
        "ETag": '"abc"',
        "LastModified": datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC),
    }
    asked = {"size": 5, "ETag": "abc", "LastModified": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)}
    first, second = object_store.stat_of(listed), object_store.stat_of(asked)
    assert first == second
    assert 0 < first.version < 1 << 63
    assert object_store.stat_of({**asked, "ETag": "abd"}) != second
    assert object_store.stat_of({"size": 5, "mtime": 1.5}).mtime_ns == 1_500_000_000
    at = datetime(2026, 11, 28, 20, 37, 26, 496_302, tzinfo=UTC)
    seconds, moment = ({"size": 5, "created": each} for each in (at.timestamp(), at))
    assert object_store.stat_of(seconds) == object_store.stat_of(moment)
    text = {"size": 5, "updated": "2026-01-02T03:04:05Z"}
    assert object_store.stat_of(text).mtime_ns == second.mtime_ns
    mail = {"size": 5, "last_modified": "Fri, 02 Jan 2026 03:04:05 GMT"}
    assert object_store.stat_of(mail).mtime_ns == second.mtime_ns
    assert object_store.stat_of({"size": 5, "mtime": "never"}).mtime_ns == 0
