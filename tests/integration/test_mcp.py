"""`audiosearch mcp`, asked by the protocol's own client: what assistants see of a library."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

pytest.importorskip("mcp")

from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client

from audiosearch import __version__
from audiosearch.config import Config, ModelConfig
from audiosearch.library import open_library
from tests.e2e.command import Command
from tests.sounds import tones, write_audio

TOOLS = {"find", "moments", "similar", "describe", "label", "info", "export"}


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory, toy_bundle: Path) -> Config:
    """The settings of a library of three sounds; `outside.wav` lies beside its folder."""
    place = tmp_path_factory.mktemp("mcp")
    folder = place / "sounds"
    folder.mkdir()
    for number, name in enumerate(("low [1].wav", "low 1.wav", "high.flac")):
        write_audio(folder / name, tones([300 + 200 * number, 900], seconds=2.0))
    write_audio(place / "outside.wav", tones([500], seconds=1.0))
    (folder / "way out.wav").symlink_to(place / "outside.wav")
    config = Config(
        data_dir=place / "data",
        config_file=place / "config.toml",
        model=ModelConfig(bundle=str(toy_bundle), device="cpu", threads=1),
    )
    with open_library(config, writable=True) as library:
        library.index([folder])
    return config


@pytest.fixture
def folder(config: Config) -> Path:
    return config.data_dir.parent / "sounds"


def ask(config: Config, job: Callable[[ClientSession], Awaitable[Any]], *options: str) -> Any:
    """What a client makes of a server that it starts."""
    command = Command(data_dir=config.data_dir, bundle=config.model.bundle)
    parameters = StdioServerParameters(
        command=sys.executable,
        args=["-m", "audiosearch", "mcp", *options],
        env=command.environment(),
    )

    async def talk() -> Any:
        async with stdio_client(parameters) as (read, write), ClientSession(read, write) as session:
            await session.initialize()
            return await job(session)

    return anyio.run(talk)


async def call(session: ClientSession, name: str, **arguments: object) -> Any:
    """A tool's answer; its error as a text."""
    answer = await session.call_tool(name, arguments)
    if answer.isError:
        return answer.content[0].text
    return answer.structuredContent


def test_tools_answer_as_the_library_does(config: Config, folder: Path) -> None:
    file = str(folder / "low 1.wav")

    async def job(session: ClientSession) -> dict[str, Any]:
        listed = (await session.list_tools()).tools
        assert {each.name for each in listed} == TOOLS
        assert all(each.annotations.readOnlyHint for each in listed)
        assert all(each.description for each in listed)
        hits = await call(session, "find", query="a dog barks", limit=2, min_score=0)
        return {
            "hits": hits["hits"],
            "moments": await call(session, "moments", query="a dog barks", path=file),
            "similar": await call(session, "similar", path=file, start_s=0.5, end_s=2.0),
            "describe": await call(session, "describe", path=file, captions=0),
            "label": await call(session, "label", path=file, labels=["dog", "rain"]),
            "info": await call(session, "info", path=file),
            "export": await call(session, "export", rows=hits["hits"], format="csv"),
            "raven": await call(session, "export", rows=hits["hits"], format="raven", label="x"),
        }

    told = ask(config, job)
    command = Command(data_dir=config.data_dir, bundle=config.model.bundle)
    rows = command("find", "a dog barks", "-n", "2", "--min-score", "0", "--json").rows
    same = ("path", "start_s", "end_s", "score", "caption", "recording_id")
    assert [[each.get(key) for key in same] for each in told["hits"]] == [
        [each.get(key) for key in same] for each in rows
    ]
    assert len(told["hits"]) == 2
    assert {each["path"] for each in told["hits"]} <= {str(path) for path in folder.iterdir()}
    assert told["similar"]["hits"][0]["path"] != file
    assert told["describe"]["windows"][0]["captions"]
    assert {each["label"] for each in told["label"]["labels"]} == {"dog", "rain"}
    assert (told["info"]["path"], told["info"]["sample_rate"]) == (file, 16_000)
    (csv,) = told["export"]["files"]
    assert csv["content"].count("\n") == 3
    assert len(told["raven"]["files"]) == 2
    assert {each["path"] for each in told["moments"]["hits"]} <= {file}


def test_an_empty_answer_says_why(config: Config) -> None:
    """As the command does, and what comes next is told too."""
    command = Command(data_dir=config.data_dir, bundle=config.model.bundle)
    asked: list[tuple[dict[str, object], list[str]]] = [
        ({"query": "dog", "min_score": 0.1, "without": ["a dog barks"]}, ["--min-score", "0.1"]),
        ({"query": "dog", "min_score": 0, "without": "a dog barks"}, ["--min-score", "0"]),
        ({"query": "dog", "min_score": 1}, ["--min-score", "1"]),
        ({"query": "dog"}, []),
        ({"query": "dog", "tags": "none"}, ["--tag", "none"]),
        ({"query": "qwrtzp"}, []),
    ]

    async def job(session: ClientSession) -> list[Any]:
        return [await call(session, "find", **arguments) for arguments, _ in asked]

    answers = ask(config, job)
    for (arguments, options), told in zip(asked, answers, strict=True):
        without = ["--without", "a dog barks"] if "without" in arguments else []
        answer = command("find", str(arguments["query"]), *options, *without, "--json")
        said = answer.err.replace("--min-score", "min_score").replace(": audiosearch tag list", "")
        assert told["remarks"] == said.splitlines()
        rows = told["hits"] + told["weaker"]
        assert [(each["path"], each.get("weak")) for each in rows] == [
            (each["path"], each.get("weak")) for each in answer.rows
        ]
    assert "3 matches, but 'a dog barks' is heard in all" in answers[0]["remarks"]
    assert "no sound here has the tag 'none'" in answers[4]["remarks"]
    assert (answers[3]["hits"], len(answers[3]["weaker"])) == ([], 3)


def test_wrong_arguments_are_told_in_a_line(config: Config, folder: Path) -> None:
    path = str(folder / "high.flac")
    wrong: list[tuple[str, dict[str, object], str]] = [
        ("find", {"query": "dog", "limit": 51}, "limit should be less than or equal to 50"),
        ("find", {"query": "dog", "without": {"a": 1}}, "without should be a valid list"),
        ("find", {"query": "dog", "without": [1]}, "without.0 should be a valid string"),
        ("find", {}, "query is missing"),
        ("find", {"query": "dog", "min-score": 0}, "find has no argument 'min-score'; did you"),
        ("find", {"query": "dog", "sound\nof": 0}, "find has no argument 'sound\\nof'; there are"),
        ("find", {"query": "dog", "folder": "low"}, "an absolute path is wanted"),
        ("export", {"rows": [{"path": path}], "format": "x"}, "format should be 'm3u8', "),
    ]

    async def job(session: ClientSession) -> dict[str, Any]:
        hello = await session.initialize()
        return {
            "version": hello.serverInfo.version,
            "told": [await call(session, name, **arguments) for name, arguments, _ in wrong],
            "label": await call(session, "label", path=path, labels="dog"),
        }

    answer = ask(config, job)
    assert answer["version"] == __version__
    assert [each["label"] for each in answer["label"]["labels"]] == ["dog"]
    for (_, arguments, words), told in zip(wrong, answer["told"], strict=True):
        assert told.startswith(words), (arguments, told)
        assert "\n" not in told
        assert "http" not in told


def test_what_is_refused(config: Config, folder: Path, tmp_path: Path) -> None:
    outside = str(folder.parent / "outside.wav")
    row = {"path": str(folder / "high.flac"), "start_s": 0, "end_s": 1}
    wrong: list[tuple[str, dict[str, object], str]] = [
        ("info", {"path": outside}, "lies in no folder"),
        ("info", {"path": "/etc/passwd"}, "lies in no folder"),
        ("info", {"path": f"{folder}/../outside.wav"}, "lies in no folder"),
        ("info", {"path": str(folder / "way out.wav")}, "lies in no folder"),
        ("info", {"path": "low 1.wav"}, "absolute"),
        ("info", {"path": f"{folder}/low 1.wav\0"}, "absolute"),
        ("info", {"path": str(folder / "gone.wav")}, "no such file"),
        ("similar", {"path": outside}, "lies in no folder"),
        ("describe", {"path": outside}, "lies in no folder"),
        ("label", {"path": outside, "labels": ["x"]}, "lies in no folder"),
        ("label", {"path": row["path"], "labels": []}, "label"),
        ("label", {"path": row["path"], "labels": ["x"] * 51}, "label"),
        ("find", {"query": "x" * 3000}, "query"),
        ("find", {"query": "dog", "limit": 51}, "limit"),
        ("find", {"query": ""}, ""),
        ("find", {"query": "dog", "folder": "/etc"}, "lies in no folder"),
        ("export", {"rows": [row], "format": "parquet"}, "format"),
        ("export", {"rows": [{**row, "path": outside}], "format": "csv"}, "lies in no folder"),
        ("export", {"rows": [{"path_b64": "L2V0Yy9wYXNzd2Q="}], "format": "csv"}, "path"),
        ("export", {"rows": [row] * 201, "format": "csv"}, "rows"),
        ("export_clips", {"rows": [row]}, "export_clips"),
        ("similar", {"path": row["path"], "start_s": -1}, "start_s"),
    ]
    before = sorted(path for path in folder.parent.rglob("*"))

    async def job(session: ClientSession) -> list[Any]:
        return [await call(session, name, **arguments) for name, arguments, _ in wrong]

    for (name, arguments, words), told in zip(wrong, ask(config, job), strict=True):
        assert isinstance(told, str), (name, arguments)
        assert words in told, (name, arguments, told)
        assert "Traceback" not in told
    changed = {path.name for path in set(folder.parent.rglob("*")) ^ set(before)}
    assert changed <= {"library.sqlite3-wal", "library.sqlite3-shm"}


def test_clips_are_written_only_where_it_is_allowed(
    config: Config, folder: Path, tmp_path: Path
) -> None:
    row = {"path": str(folder / "high.flac"), "start_s": 0.5, "end_s": 1.25, "caption": "a bell"}

    async def job(session: ClientSession) -> list[Any]:
        assert {each.name for each in (await session.list_tools()).tools} == {
            *TOOLS,
            "export_clips",
        }
        return [
            await call(session, "export_clips", rows=[row], folder="../../bells"),
            await call(session, "export_clips", rows=[row], folder="../../bells"),
            await call(session, "export_clips", rows=[{**row, "end_s": 900}], folder="long"),
        ]

    to = tmp_path / "out"
    made, again, long = ask(config, job, "--allow-write", "--export-to", str(to))
    (clip,) = made["files"]
    assert Path(clip).parent.parent == to
    assert Path(clip).stat().st_size > 0.7 * 16_000 * 2
    assert "there already" in again
    assert "at most" in long
    assert len(list(to.iterdir())) == 1
    made, again, long = ask(config, job, "--allow-write")  # below the library's own folder
    (clip,) = made["files"]
    assert "there already" in again
    if os.name == "posix":
        assert [each.stat().st_mode & 0o77 for each in list(Path(clip).parents)[:2]] == [0, 0]


def test_use(config: Config, tmp_path: Path) -> None:
    command = Command(data_dir=config.data_dir, bundle=config.model.bundle)
    answer = command("mcp", "--export-to", tmp_path)
    assert (answer.status, "--allow-write" in answer.err) == (2, True)
    nothing = Command(data_dir=tmp_path / "none", bundle=config.model.bundle)
    answer = nothing("mcp")
    assert (answer.status, "no library" in answer.err) == (2, True)


@pytest.mark.parametrize("asks", [False, True])
def test_a_session_ends_in_silence(config: Config, *, asks: bool) -> None:
    command = Command(data_dir=config.data_dir, bundle=config.model.bundle)
    hello = {
        "protocolVersion": "2025-03-26",
        "capabilities": {},
        "clientInfo": {"name": "by hand", "version": "1"},
    }
    lines = [
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
    ]
    ended = subprocess.run(
        [sys.executable, "-m", "audiosearch", "mcp"],
        input="".join(f"{json.dumps(line)}\n" for line in lines) if asks else "",
        env=command.environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.count("\n") == asks
