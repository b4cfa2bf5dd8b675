"""What the API answers is what the library answers, and what it cannot answer it says in a line."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from audiosearch import __version__
from audiosearch.audio.clip import parse_clip
from audiosearch.config import Config
from audiosearch.doctor import CHECKS
from audiosearch.library import Library, open_library
from audiosearch.search.filter_fields import FILTER_FIELDS
from audiosearch.search.filters import Filters
from audiosearch.search.results import FindResult, MomentOptions, TextQuery
from audiosearch.search.rows import (
    description_rows,
    json_line,
    label_rows,
    similar_row,
    text_row,
)
from audiosearch.store.lock import WriterLock
from tests.served_library import HttpAnswer, HttpClient
from tests.sounds import tones, write_audio

WAV = {"Content-Type": "audio/wav"}


@pytest.fixture(scope="module")
def library(heard: Config) -> Iterator[Library]:
    with open_library(heard) as library:
        yield library


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sound that the library does not know."""
    return write_audio(tmp_path_factory.mktemp("sent") / "own.wav", tones([700, 250], seconds=3.0))


def printed(rows: list[dict[str, Any]]) -> list[str]:
    """Rows as the commands print them."""
    return [json_line(row) for row in rows]


def told(reply: HttpAnswer, name: str) -> list[str]:
    """Rows of a reply as text, so that numbers are compared digit by digit."""
    assert reply.status_code == 200, reply.content
    rows = json.loads(reply.content, parse_float=str)[name]
    return [json.dumps(row, ensure_ascii=False) for row in rows]


def digits(lines: list[str]) -> list[str]:
    return [json.dumps(json.loads(x, parse_float=str), ensure_ascii=False) for x in lines]


FOUND: list[tuple[dict[str, Any], TextQuery]] = [
    ({"q": "a low tone", "min-score": "0"}, TextQuery(text="a low tone", min_score=0.0)),
    (
        {"q": "a dog", "min-score": "0", "limit": "1"},
        TextQuery(text="a dog", min_score=0.0, limit=1),
    ),
    (
        {"q": "a dog barks", "min-score": "0", "explain": "true", "exhaustive": "true"},
        TextQuery(text="a dog barks", min_score=0.0, explain=True, exhaustive=True),
    ),
    (
        {"q": "a dog", "min-score": "0", "format": ["ogg", "flac"], "sort": "name"},
        TextQuery(
            text="a dog", min_score=0.0, filters=Filters(formats=("ogg", "flac")), sort="name"
        ),
    ),
    (
        {"q": "dog barks", "min-score": "0", "moments": "true", "by-time": "1", "per-file": "1"},
        TextQuery(text="dog barks", min_score=0.0, moments=MomentOptions(by_time=True, per_file=1)),
    ),
    (
        {"q": "dog barks", "min-score": "0", "without": "barks", "reverse": "true"},
        TextQuery(text="dog barks", min_score=0.0, without=("barks",), reverse=True),
    ),
    (
        {"q": "a dog 🐶", "min-score": "0", "not-in": "*/deep", "min-duration": "1.5"},
        TextQuery(
            text="a dog 🐶",
            min_score=0.0,
            filters=Filters(not_folders=(Path("*/deep"),), min_duration_s=1.5),
        ),
    ),
]


@pytest.mark.parametrize(("parameters", "query"), FOUND, ids=lambda x: str(x)[:60])
def test_find_is_the_library_s(
    asked: HttpClient, library: Library, parameters: dict[str, Any], query: TextQuery
) -> None:
    reply = asked.get("/api/find", params=parameters)
    result = library.answer(query)
    rows = [text_row(hit, with_clock=query.moments is not None) for hit in result.hits]
    assert told(reply, "hits") == digits(printed(rows))
    weaker = [text_row(hit) for hit in result.weaker]
    assert told(reply, "weaker") == digits(printed(weaker))
    assert rows or weaker or query.without
    answer = reply.json()
    assert answer["more"] == (result.n_more or None)
    assert answer["windows"] == result.n_windows
    assert list(answer["unknown_words"]) == list(result.unknown_words)
    assert answer["excluded"] == list(result.excluded)


@pytest.fixture(scope="module")
def long_id(library: Library, sound_files: Path) -> int:
    """The recording in `long.wav`."""
    sound = library.info(str(sound_files / "long.wav")).sound
    assert sound is not None
    return sound.recording_id


@pytest.mark.parametrize("part", ["", "@1-2.5", "@1-", "@-1"])
def test_similar_is_the_library_s(
    asked: HttpClient, library: Library, sound_files: Path, long_id: int, part: str
) -> None:
    wanted = f"{long_id}{part}"
    clip = f"{sound_files / 'long.wav'}{part}"
    result = library.similar(clip, include_self=False, limit=2)
    expected = digits(printed([similar_row(hit) for hit in result.hits]))
    reply = asked.get("/api/similar", params={"recording": wanted, "limit": "2"})
    assert told(reply, "hits") == expected
    mixed = asked.get(
        "/api/find", params={"q": "dog", "like": wanted, "like-weight": "0.3", "min-score": "0"}
    )
    query = TextQuery(text="dog", min_score=0.0, like_weight=0.3, like=(parse_clip(clip),))
    rows = [text_row(hit) for hit in library.answer(query).hits]
    assert told(mixed, "hits") == digits(printed(rows))


def test_a_stretch_is_asked_for_in_two_ways(asked: HttpClient, long_id: int) -> None:
    wanted = str(long_id)
    short = told(asked.get("/api/similar", params={"recording": f"{wanted}@1-2.5"}), "hits")
    reply = asked.get("/api/similar", params={"recording": wanted, "start": "1", "end": "2.5"})
    assert told(reply, "hits") == short
    # As far as a part may go in every other place; what is beyond the end is not there.
    far = asked.get("/api/similar", params={"recording": wanted, "start": "1", "end": "1e9"})
    assert told(far, "hits") == told(
        asked.get("/api/similar", params={"recording": f"{wanted}@1-1000000000"}), "hits"
    )
    for one in ({"start": "2", "end": "1"}, {"start": "1", "end": "1.1e9"}, {"start": "-1"}):
        reply = asked.get("/api/similar", params={"recording": wanted, **one})
        assert reply.status_code == 400, one


def test_a_sound_that_is_sent_is_one_like_others(
    asked: HttpClient, library: Library, sent: Path
) -> None:
    body = sent.read_bytes()
    reply = asked.post("/api/similar", content=body, headers=WAV)
    own = library.similar(str(sent), include_self=False)
    assert told(reply, "hits") == digits(printed([similar_row(hit) for hit in own.hits]))
    part = asked.post(
        "/api/similar", content=body, headers=WAV, params={"start": "0.5", "end": "2"}
    )
    own = library.similar(f"{sent}@0.5-2", include_self=False)
    assert told(part, "hits") == digits(printed([similar_row(hit) for hit in own.hits]))
    found = asked.post("/api/similar?self=true", content=body, headers=WAV)
    assert told(found, "hits") == told(reply, "hits")  # the library does not have it
    found = asked.post(
        "/api/find", content=body, headers=WAV, params={"q": "dog", "min-score": "0"}
    )
    query = TextQuery(text="dog", min_score=0.0, like=(parse_clip(str(sent)),))
    rows = [text_row(hit) for hit in library.answer(query).hits]
    assert told(found, "hits") == digits(printed(rows))


def test_describe_is_the_library_s(
    asked: HttpClient, library: Library, sound_files: Path, sent: Path, long_id: int
) -> None:
    path, windows = library.describe(str(sound_files / "long.wav"), limit=3, explain=True)
    rows = [row for each in windows for row in description_rows(path, each)]
    recording = str(long_id)
    reply = asked.get(
        "/api/describe", params={"recording": recording, "limit": "3", "explain": "true"}
    )
    assert told(reply, "descriptions") == digits(printed(rows))
    assert len({row["start_s"] for row in rows}) > 2
    path, windows = library.describe(f"{sent}@0-2", limit=5)
    rows = [row for each in windows for row in description_rows(path, each)]
    reply = asked.post(
        "/api/describe", content=sent.read_bytes(), headers=WAV, params={"start": "0", "end": "2"}
    )
    assert told(reply, "descriptions") == digits(printed([_nameless(row) for row in rows]))


def _nameless(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "path"}


def test_label_is_the_library_s(
    asked: HttpClient, library: Library, sound_files: Path, sent: Path, long_id: int
) -> None:
    labels = ("a low tone", "noise")
    recording = str(long_id)
    path, fits = library.label(str(sound_files / "long.wav"), labels)
    reply = asked.get("/api/label", params={"recording": recording, "label": labels})
    assert told(reply, "labels") == digits(printed(label_rows(path, fits)))
    path, fits = library.label(str(sent), labels)
    reply = asked.post(
        "/api/label", content=sent.read_bytes(), headers=WAV, params={"label": labels}
    )
    rows = [_nameless(row) for row in label_rows(path, fits)]
    assert told(reply, "labels") == digits(printed(rows))


def test_nothing_of_what_is_sent_stays(
    asked: HttpClient, sent: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    for body in (sent.read_bytes(), b"no sound"):
        asked.post("/api/similar", content=body, headers=WAV)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("path", "status", "why"),
    [
        ("/api/find", 400, "nothing is asked for"),
        ("/api/find?q=%20", 400, "no word"),
        ("/api/find?q=a&q=b", 400, "given 2 times"),
        ("/api/find?q=dog&limt=3", 400, "did you mean limit?"),
        ("/api/find?q=dog&limit=many", 400, "whole number"),
        ("/api/find?q=dog&limit=-1", 400, "whole number"),
        ("/api/find?q=dog&min-score=2", 400, "must lie in"),
        ("/api/find?q=dog&min-score=nan", 400, "must lie in"),
        ("/api/find?q=dog&sort=size", 400, "sort must be one of"),
        ("/api/find?q=dog&favourite=maybe", 400, "true or false"),
        ("/api/find?q=dog&per-file=2", 400, "need moments"),
        ("/api/find?q=dog&between=noon", 400, "noon"),
        ("/api/find?q=dog&since=whenever", 400, "neither a date"),
        ("/api/find?q=dog&in=sounds", 400, "no whole path"),
        ("/api/find?q=dog&in=/nowhere/at/all", 400, "/nowhere/at/all"),
        ("/api/find?q=dog&like-weight=0.5", 400, "needs a sound"),
        ("/api/find?q=dog&like=/etc/passwd", 400, "is no sound"),
        ("/api/find?q=dog&start=1", 400, "of one sound"),
        ("/api/describe?recording=1&end=1e308", 400, "must lie in"),
        ("/api/similar", 400, "which sound"),
        ("/api/similar?recording=0", 404, "no recording 0"),
        ("/api/similar?recording=99999999999999999999", 400, "no sound"),
        ("/api/similar?recording=9223372036854775808", 404, "no recording"),
        ("/api/similar?recording=1@3-2", 400, "ends before"),
        ("/api/similar?recording=1@100-200", 400, "ends before"),
        ("/api/similar?recording=1@99999999999999999998-99999999999999999999", 400, "as long as"),
        ("/api/describe?recording=1&recording=2", 400, "one sound"),
        ("/api/describe?recording=1&normalise=x", 400, "one of"),
        ("/api/label?recording=1", 400, "no labels"),
        ("/api/status?x=1", 400, "no parameter"),
        ("/api/nothing", 404, "nothing of this name"),
        ("/static/", 404, "nothing of this name"),
        ("/static/../server.py", 404, "nothing of this name"),
        ("/static/%2e%2e/server.py", 404, "nothing of this name"),
        ("/api/failed/retry", 405, "in this way"),
    ],
)
def test_what_cannot_be_answered_is_said(
    asked: HttpClient, path: str, status: int, why: str
) -> None:
    reply = asked.get(path)
    assert reply.status_code == status, reply.content
    assert why in reply.json()["error"]
    assert "Traceback" not in reply.content.decode()


def test_a_sound_that_is_none_is_said(asked: HttpClient) -> None:
    reply = asked.post("/api/similar", content=b"no sound", headers=WAV)
    assert reply.status_code == 400
    assert reply.json()["error"].startswith("the sound that was sent: ")
    assert asked.post("/api/similar", headers=WAV).status_code == 400


def test_every_filter_is_a_parameter(asked: HttpClient, library: Library) -> None:
    for each in FILTER_FIELDS:
        reply = asked.get(f"/api/find?q=dog&{each.name}=%3F%3F%3F")
        assert reply.status_code in (200, 400)
        assert "no parameter" not in reply.content.decode()


def test_the_library_is_told_of(asked: HttpClient, library: Library, sound_files: Path) -> None:
    status = asked.get("/api/status").json()
    assert status["version"] == __version__
    assert status["files"] == {"pending": 0, "indexed": 4, "failed": 1, "missing": 0}
    assert status["recordings"] == 4
    assert status["watch"] is None
    roots = asked.get("/api/roots").json()["roots"]
    assert roots == [{"path": str(sound_files), "files": 5, "missing": 0}]
    [failure] = asked.get("/api/failed").json()["failed"]
    assert failure["path"] == str(sound_files / "notes.wav")
    assert failure["code"] == "unsupported"
    assert failure["remedy"]
    model = asked.get("/api/model").json()
    assert model["fingerprint"] == library.bundle.fingerprint
    findings = asked.get("/api/doctor").json()["findings"]
    assert {each["check"] for each in findings} == set(CHECKS)


@contextmanager
def events(asked: HttpClient) -> Iterator[Iterator[dict[str, Any]]]:
    """The events that a listener is sent."""
    with closing(socket.create_connection((asked.host, asked.port), timeout=30)) as listener:
        request = f"GET /api/events HTTP/1.1\r\nHost: {asked.host}:{asked.port}\r\n\r\n"
        listener.sendall(request.encode())
        with listener.makefile("rb") as lines:
            yield (json.loads(line[6:]) for line in lines if line.startswith(b"data: "))


def test_changes_are_told_while_one_listens(
    asked: HttpClient, heard: Config, sound_files: Path
) -> None:
    with events(asked) as told:
        assert next(told)["files"]["failed"] == 1
        assert asked.post("/api/failed/retry").json() == {"retried": 1}
        assert next(each for each in told if not each["files"]["failed"])["files"]["pending"] == 1
        with open_library(heard, writable=True) as library:
            library.index([sound_files])
        assert next(each for each in told if each["files"]["failed"])["files"]["pending"] == 0


def test_an_answer_is_sent_at_once(asked: HttpClient) -> None:
    """And not after the 40 ms in which the client would acknowledge its first part."""
    took = []
    with closing(HTTPConnection(asked.host, asked.port, timeout=30)) as kept:
        for _ in range(60):  # the first few are acknowledged at once, whatever is sent
            started = time.perf_counter()
            kept.request("GET", "/api/nothing")
            assert kept.getresponse().read()
            took.append(time.perf_counter() - started)
    assert sorted(took[-30:])[7] < 0.035


def test_a_question_that_nobody_waits_for_is_not_answered(
    asked: HttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As while somebody types: what is asked last is answered next."""
    begun, go = threading.Event(), threading.Event()
    answered: list[str] = []
    answer = Library.answer

    def slow(library: Library, query: TextQuery) -> FindResult:
        answered.append(query.text)
        begun.set()
        go.wait(30)
        return answer(library, query)

    monkeypatch.setattr(Library, "answer", slow)
    with ThreadPoolExecutor(2) as others:
        first = others.submit(asked.get, "/api/find?q=a&min-score=0")
        assert begun.wait(30)
        for word in ("a%20d", "a%20do"):
            with closing(socket.create_connection((asked.host, asked.port))) as gone:
                gone.sendall(
                    f"GET /api/find?q={word} HTTP/1.1\r\n"
                    f"Host: {asked.host}:{asked.port}\r\n\r\n".encode()
                )
                asked.get("/api/status")  # so that it has been read
        last = others.submit(asked.get, "/api/find?q=a%20dog&min-score=0")
        asked.get("/api/status")
        go.set()
        assert first.result().status_code == last.result().status_code == 200
    assert answered == ["a", "a dog"]


def test_another_who_writes_is_named(
    asked: HttpClient, heard: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audiosearch.store.lock.LOCK_TIMEOUT_S", 0.05)
    with WriterLock(heard.data_dir):
        reply = asked.post("/api/failed/retry")
        assert asked.get("/api/status").json()["writer"] == os.getpid()
    assert reply.status_code == 409
    assert str(os.getpid()) in reply.json()["error"]
    assert asked.get("/api/status").status_code == 200


def test_advice_is_what_can_be_done_over_http(asked: HttpClient) -> None:
    advice = {
        "/api/find?q=dog&collection=none": "GET /api/collections shows them",
        "/api/find?q=dog&in=/nowhere": "GET /api/roots shows them",
    }
    for path, remedy in advice.items():
        reply = asked.get(path)
        assert (reply.status_code // 100, reply.json()["remedy"]) == (4, remedy)
    (remark,) = asked.get("/api/find?q=dog&min-score=1").json()["remarks"]
    assert "(min-score=0 shows all)" in remark
