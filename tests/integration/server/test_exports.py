"""Exports over HTTP: the bytes that the command writes, one file or a .zip of several."""

from __future__ import annotations

import io
import json
import re
import subprocess
import tempfile
import zipfile
from pathlib import Path

import pytest

from audiosearch import open as open_sounds
from tests.e2e.command import Command
from tests.served_library import EVIL, Served

_FORMATS = ("m3u8", "audacity", "raven", "reaper", "edl", "csv", "jsonl", "parquet")


def _rows(served: Served, *names: str) -> list[dict[str, object]]:
    """Rows as `find --json` prints them."""
    return [
        {
            "rank": rank,
            "path": str(served.folder / name),
            "start_s": 0.25 * rank,
            "end_s": 0.25 * rank + 0.5,
            "score": 1 - rank / 8,
            "caption": f'a low, "odd" tone\nno. {rank}',
            "duration_s": 8.0 if name != EVIL else 1.0,
            "recording_id": served.id_of(name),
        }
        for rank, name in enumerate(names, start=1)
    ]


def _by_program(
    served: Served, rows: list[dict[str, object]], kind: str, to: Path, **more: object
) -> None:
    """Have the public API write the files that the command writes."""
    with open_sounds(served.config.data_dir) as library:
        assert library.export(rows, kind, to, **more)


def _by_command(served: Served, rows: list[dict[str, object]], *arguments: str) -> None:
    """Have the command write its files."""
    command = Command(data_dir=served.config.data_dir, bundle=served.config.model.bundle)
    done = subprocess.run(
        [*command.program, "export", *arguments],
        input="".join(f"{json.dumps(row)}\n" for row in rows).encode(),
        capture_output=True,
        env=command.environment(),
        check=False,
    )
    assert done.returncode == 0, done.stderr


def _by_page(rows: list[dict[str, object]], kind: str, **more: object) -> dict[str, object]:
    """The same rows as the page sends them: ids, and a path that nobody believes."""
    sent = [{**row, "path": "/etc/passwd", "path_b64": "L2V0Yy9wYXNzd2Q="} for row in rows]
    return {"format": kind, "rows": sent, **more}


def _content(served: Served, body: dict[str, object]) -> dict[str, bytes]:
    """The files that come, by name."""
    reply = served.client.post("/api/export", json=body)
    assert reply.status_code == 200, reply.text
    told = reply.headers["content-disposition"]
    found = re.match(r'attachment; filename="([^"]*)"', told)
    assert found is not None
    name = found[1]
    assert reply.headers["content-length"] == str(len(reply.content))
    if not name.endswith(".zip"):
        return {name: reply.content}
    assert reply.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(reply.content)) as packed:
        assert packed.testzip() is None
        return {each: packed.read(each) for each in packed.namelist()}


@pytest.mark.parametrize("kind", _FORMATS)
def test_a_document_is_the_commands(served: Served, tmp_path: Path, kind: str) -> None:
    names = ["both.flac"] if kind in ("audacity", "reaper") else ["plain.wav", EVIL, "song.mp3"]
    rows = _rows(served, *names)
    ending = {"audacity": ".txt", "raven": ".txt", "reaper": ".csv"}.get(kind, f".{kind}")
    to = tmp_path / f"out{ending}"
    each = kind == "raven"  # of several recordings the page gets a file each
    if each:
        rows = rows[:1]
    _by_program(served, rows, kind, to)
    (content,) = _content(served, _by_page(rows, kind)).values()
    assert content == to.read_bytes()


@pytest.mark.parametrize("kind", ["audacity", "raven", "reaper"])
def test_several_recordings_are_files_in_a_zip(served: Served, tmp_path: Path, kind: str) -> None:
    rows = _rows(served, "plain.wav", EVIL, "both.flac", "plain.wav")
    _by_program(served, rows, kind, tmp_path / "out")
    found = _content(served, _by_page(rows, kind))
    assert found == {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    assert len(found) == 3
    assert not any("/" in name for name in found)


@pytest.mark.parametrize("form", ["wav", "flac"])
def test_clips_are_the_commands(served: Served, tmp_path: Path, form: str) -> None:
    rows = _rows(served, "plain.wav", EVIL, "both.flac", "song.mp3", "apple.aiff")
    options = ("--as", form, "--fade", "0.01", "--template", "{rank:02}_{caption}_{stem}")
    _by_command(served, rows, "clips", "--to", str(tmp_path / "out"), *options)
    body = _by_page(
        rows, "clips", **{"as": form, "fade": 0.01, "template": "{rank:02}_{caption}_{stem}"}
    )

    def bare(content: bytes) -> bytes:
        return re.sub(rb"(?<=<FILE_UID>)[0-9a-f-]+", b"", content)

    found = {name: bare(content) for name, content in _content(served, body).items()}
    assert found == {path.name: bare(path.read_bytes()) for path in (tmp_path / "out").iterdir()}
    assert len(found) == 5
    assert not any("<" in name for name in found)
    (one,) = _content(served, _by_page(rows[:1], "clips"))
    assert one.endswith(".wav")


def test_aoef_and_titles(served: Served) -> None:
    rows = _rows(served, "plain.wav")
    (content,) = _content(served, _by_page(rows, "aoef", title="a dog barks")).values()
    told = json.loads(content)
    assert told["data"]["name"] == "a dog barks"
    assert "passwd" not in content.decode()
    (edl,) = _content(served, _by_page(rows, "edl", title="a dog", fps="29.97df")).values()
    assert edl.startswith(b"TITLE: a dog")
    (labels,) = _content(served, _by_page(rows, "audacity", label="bell")).values()
    assert labels == b"0.250000\t0.750000\tbell\n"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"format": "csv"},
        {"format": "csv", "rows": []},
        {"format": "doc", "rows": [{"recording_id": 1}]},
        {"format": ["csv"], "rows": [{"recording_id": 1}]},
        {"format": "csv", "rows": {"recording_id": 1}},
        {"format": "csv", "rows": [1]},
        {"format": "csv", "rows": [{"path": "/etc/passwd", "start_s": 0, "end_s": 1}]},
        {"format": "csv", "rows": [{"recording_id": "1"}]},
        {"format": "csv", "rows": [{"recording_id": True}]},
        {"format": "csv", "rows": [{"recording_id": -1}]},
        {"format": "csv", "rows": [{"recording_id": 1, "start_s": 2, "end_s": 1}]},
        {"format": "csv", "rows": [{"recording_id": 1, "start_s": "x", "end_s": 1}]},
        {"format": "csv", "rows": [{"recording_id": 1}]},
        {"format": "csv", "rows": [{"recording_id": 1, "end_s": 1}] * 10_001},
        {"format": "clips", "rows": [{"recording_id": 1, "end_s": 1}] * 1_001},
        {"format": "clips", "rows": [{"recording_id": 1, "end_s": 1}], "template": "../{stem}"},
        {"format": "clips", "rows": [{"recording_id": 1, "end_s": 1}], "template": "{path}"},
        {"format": "clips", "rows": [{"recording_id": 1, "end_s": 1}], "fade": -1},
        {"format": "clips", "rows": [{"recording_id": 1, "end_s": 1}], "ucs": "NOPE"},
        {"format": "clips", "rows": [{"recording_id": 1, "end_s": 1}], "as": "mp3"},
        {"format": "clips", "rows": [{"recording_id": 1, "end_s": 1}], "to": "/tmp/x"},
        {"format": "clips", "rows": [{"recording_id": 1, "start_s": 900, "end_s": 901}]},
        {"format": "edl", "rows": [{"recording_id": 1, "end_s": 1}], "fps": "12"},
    ],
    ids=lambda body: json.dumps(body)[:60],
)
def test_what_cannot_be_exported(served: Served, body: dict[str, object]) -> None:
    before = set(Path(tempfile.gettempdir()).glob("audiosearch-export-*"))
    reply = served.client.post("/api/export", json=body)
    assert (reply.status_code, set(reply.json())) == (400, {"error", "remedy"})
    assert set(Path(tempfile.gettempdir()).glob("audiosearch-export-*")) <= before


def test_recordings_that_are_not_there(served: Served) -> None:
    for kind in ("csv", "clips"):
        body = {"format": kind, "rows": [{"recording_id": 10**9, "start_s": 0, "end_s": 1}]}
        assert served.client.post("/api/export", json=body).status_code == 404


def test_nothing_is_left_behind(served: Served) -> None:
    before = set(Path(tempfile.gettempdir()).glob("audiosearch-export-*"))
    rows = _rows(served, "plain.wav", "both.flac")
    for kind in ("csv", "clips", "raven"):
        _content(served, _by_page(rows, kind))
    served.client.get(served.audio("plain.wav", start=1, end=2, download="true"))
    assert set(Path(tempfile.gettempdir()).glob("audiosearch-export-*")) <= before
