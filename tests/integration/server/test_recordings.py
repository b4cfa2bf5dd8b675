"""What is known and written of recordings, over HTTP: as the commands tell and write it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from audiosearch.library import open_library
from audiosearch.store.lock import WriterLock
from tests.e2e.command import Command
from tests.served_library import EVIL, Served

ODD = "rain/wind <b>&amp; ÄÖ 'x'"


def _command(served: Served) -> Command:
    return Command(data_dir=served.config.data_dir, bundle=served.config.model.bundle)


def _row(served: Served, *arguments: str) -> dict[str, object]:
    answer = _command(served)(*arguments, "--json")
    assert answer.status == 0, answer.err
    row: dict[str, object] = json.loads(answer.out)
    return row


def _quoted(text: str) -> str:
    from urllib.parse import quote  # noqa: PLC0415

    return quote(text, safe="")


@pytest.mark.parametrize("name", ["film.mka", EVIL])
def test_details_are_what_info_tells(served: Served, name: str) -> None:
    wanted = served.id_of(name)
    told = served.client.get(f"/api/recordings/{wanted}")
    assert told.status_code == 200
    assert told.headers["content-type"] == "application/json"
    assert told.json() == {
        **_row(served, "info", str(served.folder / name)),
        "recording_id": wanted,
        "offline": False,
    }
    assert served.client.get("/api/recordings/999999").status_code == 404


def test_lines_are_told_of_in_one_answer(served: Served) -> None:
    client, names = served.client, ["film.mka", "both.flac", EVIL]
    ids = [served.id_of(name) for name in names]
    client.put(f"/api/recordings/{ids[1]}/tags/bell?start=1.5&end=2")
    client.put(f"/api/recordings/{ids[1]}/rating", json={"rating": 4})
    client.put(f"/api/recordings/{ids[2]}/favourite", json={"favourite": True})
    asked = "&".join(f"id={each}" for each in (*ids, ids[0], 999_999))
    told = client.get(f"/api/recordings?{asked}").json()["recordings"]
    assert [row["recording_id"] for row in told] == sorted(ids)
    for row in told:
        everything = client.get(f"/api/recordings/{row['recording_id']}").json()
        assert row.pop("recorded_at") is None
        assert row == {key: everything[key] for key in row}
    by_id = {row["recording_id"]: row for row in told}
    assert (by_id[ids[1]]["tags_given"], by_id[ids[1]]["rating"]) == (["bell"], 4)
    assert by_id[ids[1]]["loudness_lufs"] is not None
    assert by_id[ids[2]]["favourite"] is True
    client.delete(f"/api/recordings/{ids[1]}/tags/bell?start=1.5&end=2")
    client.put(f"/api/recordings/{ids[1]}/rating", json={"rating": 0})
    client.put(f"/api/recordings/{ids[2]}/favourite", json={"favourite": False})


@pytest.mark.parametrize(
    ("asked", "status"),
    [("", 400), ("?id=x", 404), ("?id=-1", 404), ("?id=1.5", 404), ("?x=1", 400)],
)
def test_lists_of_recordings_that_are_none(served: Served, asked: str, status: int) -> None:
    told = served.client.get(f"/api/recordings{asked}")
    assert (told.status_code, bool(told.json()["error"])) == (status, True)


def test_tags_ratings_favourites_and_notes(served: Served) -> None:
    client, url = served.client, f"/api/recordings/{served.id_of('both.flac')}"
    told = client.put(f"{url}/tags/{_quoted(ODD)}").json()
    assert (told["annotations"][0]["tags"], told["changed"]) == ([ODD], 1)
    assert client.put(f"{url}/tags/{_quoted(ODD)}").json()["changed"] == 0
    assert {"tag": ODD, "sounds": 1} in client.get("/api/tags").json()["tags"]
    assert client.put(f"{url}/rating", json={"rating": 4}).json()["rating"] == 4
    assert client.put(f"{url}/favourite", json={"favourite": True}).json()["favourite"] is True
    note = "the second one\n<script>alert(1)</script>"
    assert client.put(f"{url}/note", json={"note": note}).json()["note"] == note
    part = client.put(f"{url}/tags/bell?start=1.5&end=2").json()
    stretch = part["annotations"][1]
    assert (stretch["start_s"], stretch["end_s"], stretch["tags"]) == (1.5, 2.0, ["bell"])
    row = _row(served, "info", str(served.folder / "both.flac"))
    assert (row["rating"], row["note"]) == (4, note)
    told_then = {key: row[key] for key in part if key != "changed"}
    assert told_then == {key: part[key] for key in told_then}
    # And all away again.
    assert client.delete(f"{url}/tags/{_quoted(ODD.upper())}").json()["changed"] == 1
    assert client.delete(f"{url}/tags/bell").json()["changed"] == 1
    assert client.put(f"{url}/rating", json={"rating": 0}).json()["rating"] is None
    assert client.put(f"{url}/favourite", json={"favourite": False}).json()["favourite"] is False
    gone = client.put(f"{url}/note", json={"note": ""}).json()
    assert (gone["note"], gone["annotations"]) == (None, [])


@pytest.mark.parametrize(
    ("place", "body"),
    [
        ("rating", {"rating": 6}),
        ("rating", {"rating": -1}),
        ("rating", {"rating": True}),
        ("rating", {"rating": "5"}),
        ("rating", {"rating": 2.5}),
        ("rating", {}),
        ("rating", {"rating": 3, "more": 1}),
        ("rating", [3]),
        ("rating", "3"),
        ("favourite", {"favourite": "yes"}),
        ("favourite", {"favourite": None}),
        ("note", {"note": 5}),
        ("note", {"note": "x" * 100_001}),
        ("note", {}),
    ],
)
def test_bad_bodies_write_nothing(served: Served, place: str, body: object) -> None:
    url = f"/api/recordings/{served.id_of('plain.wav')}"
    before = served.client.get(url).json()
    reply = served.client.put(f"{url}/{place}", json=body)
    assert (reply.status_code, set(reply.json())) == (400, {"error", "remedy"})
    assert served.client.get(url).json() == before


@pytest.mark.parametrize("body", [b"{", b"[" * 100_000, b"\xff\xfe", b'{"rating": NaN}', b"{}x"])
def test_what_is_no_json_is_refused(served: Served, body: bytes) -> None:
    url = f"/api/recordings/{served.id_of('plain.wav')}/rating"
    reply = served.client.put(url, content=body, headers={"content-type": "application/json"})
    assert (reply.status_code, set(reply.json())) == (400, {"error", "remedy"})


def test_bad_names_and_stretches_write_nothing(served: Served) -> None:
    url = f"/api/recordings/{served.id_of('plain.wav')}"
    for place in (
        "tags/%20%20",
        f"tags/{'x' * 201}",
        "tags/a%00b",
        "tags/a?start=9",
        "tags/a?start=3&end=2",
        "tags/a?start=nan",
        "tags/a?file=/etc/passwd",
    ):
        assert served.client.put(f"{url}/{place}").status_code == 400, place
    assert served.client.get("/api/tags").json() == {"tags": []}
    assert served.client.put("/api/recordings/999999/tags/a").status_code == 404


def test_a_library_that_another_writes_to_is_named(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audiosearch.store.lock.LOCK_TIMEOUT_S", 0.1)
    with WriterLock(served.config.data_dir) as lock:
        url = f"/api/recordings/{served.id_of('plain.wav')}/rating"
        reply = served.client.put(url, json={"rating": 5})
        assert reply.status_code == 409
        assert f"pid {lock.pid()}" in reply.json()["error"]
    assert served.client.put(url, json={"rating": None}).status_code == 200


def test_collections(served: Served) -> None:
    client, name = served.client, "door sounds / <i>indoors</i>"
    url = f"/api/collections/{_quoted(name)}"
    assert client.get(url).status_code == 404
    assert client.delete(url).status_code == 404
    assert client.put(url).json() == {"name": name, "created": True}
    assert client.put(url).json() == {"name": name, "created": False}
    plain, evil = served.id_of("plain.wav"), served.id_of(EVIL)
    put = client.put(f"{url}/recordings/{plain}?start=2&end=3.5")
    assert put.json() == {"name": name, "recording_id": plain, "changed": 1}
    assert client.put(f"{url}/recordings/{evil}").json()["changed"] == 1
    items = client.get(url).json()["items"]
    assert [(each["recording_id"], each["start_s"], each["end_s"]) for each in items] == [
        (plain, 2.0, 3.5),
        (evil, 0.0, None),
    ]
    said = client.get(f"/api/recordings/{plain}").json()["windows"]
    assert [each["caption"] for each in items] == [
        # What hits there show: of the window that has the most of the stretch.
        max(said, key=lambda each: min(each["end_s"], 3.5) - max(each["start_s"], 2))["caption"],
        client.get(f"/api/recordings/{evil}").json()["windows"][0]["caption"],
    ]
    assert items[0]["caption"]
    shown = _command(served)("collection", "show", name, "--json").out.splitlines()
    assert [json.loads(line) for line in shown] == [
        {key: value for key, value in each.items() if key not in ("recording_id", "caption")}
        for each in items
    ]
    (listed,) = client.get("/api/collections").json()["collections"]
    assert (listed["name"], listed["sounds"]) == (name, 2)
    assert listed == _row(served, "collection", "list")  # digit by digit, the time too
    assert client.delete(f"{url}/recordings/{plain}").json()["changed"] == 1
    assert client.delete(f"{url}/recordings/{plain}").json()["changed"] == 0
    assert client.delete(url).json() == {"name": name, "deleted": True}
    assert client.get("/api/collections").json() == {"collections": []}


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/", "GET, HEAD"),
        ("/static/main.js", "GET, HEAD"),
        ("/api/find", "GET, HEAD, POST"),
        ("/api/failed/retry", "POST"),
        ("/api/collections", "GET, HEAD"),
        ("/api/collections/some", "DELETE, GET, HEAD, PUT"),
        ("/api/recordings/1/rating", "PUT"),
    ],
)
def test_a_refused_method_is_told_which_there_are(served: Served, path: str, allowed: str) -> None:
    refused = ["PATCH", "OPTIONS", *({"POST", "PUT"} - set(allowed.split(", ")))]
    for method in refused:
        reply = served.client.ask(method, path)
        assert (reply.status_code, reply.headers["allow"]) == (405, allowed), method
    assert served.client.ask("PATCH", "/api/nothing").status_code == 404


@pytest.mark.parametrize("part", ["", "@3725.125-3730.25", "@1000000.5-", "@0-0.000125"])
def test_a_sound_that_is_searched_by_is_kept_to_the_microsecond(served: Served, part: str) -> None:
    wanted = f"{served.id_of('plain.wav')}{part}"
    saved = served.client.put("/api/searches/alike", json={"q": "dog", "like": [wanted]})
    assert served.client.delete("/api/searches/alike").status_code == 200
    assert saved.json()["query"] == {"q": "dog", "like": [wanted]}
    assert f"--like={served.folder / 'plain.wav'}{part}" in saved.json()["arguments"]


def test_a_saved_search_asks_the_same_either_way(served: Served) -> None:
    client, plain = served.client, served.id_of("plain.wav")
    asked = {
        "q": "a dog barks",
        "limit": 3,
        "min-score": 0,
        "format": ["wav", "mka"],
        "moments": True,
        "favourite": False,
        "like": [f"{plain}@1-2.5"],
    }
    saved = client.put("/api/searches/low%20ones", json=asked)
    assert saved.status_code == 200, saved.text
    query = saved.json()["query"]
    assert query == {
        **asked,
        "limit": "3",
        "min-score": "0",
    }
    arguments = saved.json()["arguments"]
    assert f"--like={served.folder / 'plain.wav'}@1-2.5" in arguments
    assert {"--not-favourite", "--moments", "--limit=3"} < set(arguments)
    by_command = _command(served)("search", "run", "low ones", "--json")
    assert by_command.status == 0, by_command.err
    parameters = {
        k: ("true" if v is True else "false" if v is False else v) for k, v in query.items()
    }
    by_page = client.get("/api/find", params=parameters).json()["hits"]
    assert by_page == [json.loads(line) for line in by_command.out.splitlines()]
    assert by_page
    # One that the command saved, and one that the page cannot ask.
    command = _command(served)
    place = str(served.folder)
    for name, *arguments in (
        ("dogs", "dog", "barks", "-n", "2", "--in", place),
        ("alike", "similar", f"{place}/plain.wav"),
    ):
        assert command("search", "save", name, *arguments).status == 0
    found = {each["name"]: each for each in client.get("/api/searches").json()["searches"]}
    assert found["dogs"]["query"] == {"q": "dog barks", "limit": "2", "in": [str(served.folder)]}
    assert found["alike"]["query"] is None
    for name in found:
        assert client.delete(f"/api/searches/{_quoted(name)}").json() == {
            "name": name,
            "deleted": True,
        }
    assert client.delete("/api/searches/dogs").status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"q": "x", "limit": 0},
        {"q": "x", "json": True},
        {"q": {"a": 1}},
        {"q": "x", "like": ["/etc/passwd"]},
        {"q": "x", "in": ["relative"]},
        {"q": "x", "sort": "size"},
    ],
)
def test_what_is_no_question_is_not_saved(served: Served, body: dict[str, object]) -> None:
    before = served.client.get("/api/searches").json()
    assert served.client.put("/api/searches/bad", json=body).status_code == 400
    assert served.client.get("/api/searches").json() == before


def test_a_sound_that_no_file_holds_any_more(served: Served, tmp_path: Path) -> None:
    from tests.sounds import tone, write_audio  # noqa: PLC0415

    other = tmp_path / "other"
    other.mkdir()
    write_audio(other / "once.wav", tone(777, seconds=1.0))
    with open_library(served.config, writable=True) as library:
        library.index([other])
        found = library.info(str(other / "once.wav")).file
        assert found is not None
        wanted = found.recording_id
    assert served.client.get(f"/api/recordings/{wanted}/audio").status_code == 200
    with open_library(served.config, writable=True) as library:
        library.remove_root(other)
    for place in ("", "/audio", "/peaks", "/spectrogram"):
        reply = served.client.get(f"/api/recordings/{wanted}{place}")
        assert reply.status_code == 404, place
        assert "no file" in reply.json()["error"] or "no recording" in reply.json()["error"]
