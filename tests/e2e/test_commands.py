"""The contract of the command: JSON names, exit statuses, what goes to stdout and what does not."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import urllib.parse
from pathlib import Path

import pytest

from tests.e2e.command import Answer, Command
from tests.sounds import tones, write_audio

FIND = [
    "rank",
    "path",
    "start_s",
    "end_s",
    "score",
    "cross_entropy",
    "lift",
    "caption",
    "duration_s",
    "recording_id",
    "window_id",
    "offline",
    "also",
    "matched",
]
DESCRIBE = [
    "path",
    "start_s",
    "end_s",
    "rank",
    "caption",
    "score",
    "cross_entropy",
    "lift",
    "scaled",
    "source",
]


def bytes_of(row: dict[str, str]) -> bytes:
    return base64.b64decode(row["path_b64"]) if "path_b64" in row else os.fsencode(row["path"])


def test_find_json(filled: Command, sounds: Path):
    answer = filled("find", "a dog barks", "--json", "--min-score", "0")
    assert answer.status == 0
    rows = answer.rows
    assert [row["rank"] for row in rows] == [1, 2, 3, 4, 5]
    for row in rows:
        assert [key for key in row if key != "path_b64"] == FIND
        assert 0 <= row["score"] <= 1
        assert 0 <= row["start_s"] < row["end_s"] <= row["duration_s"] + 0.05
        assert bytes_of(row).startswith(os.fsencode(sounds))
    assert [row["score"] for row in rows] == sorted((r["score"] for r in rows), reverse=True)
    assert {bytes_of(row).rpartition(b"/")[2] for row in rows} == {
        b"low high.wav",
        b"high-low.flac",
        b"hiss.ogg",
        b"long.wav",
        b"od\xff d.wav",
    }


def test_find_exhaustive_equals_two_steps_on_a_small_library(filled: Command):
    arguments = ("find", "rain falls then a bell rings", "--json", "--min-score", "0")
    assert filled(*arguments, "--exhaustive").rows == filled(*arguments).rows


def test_find_paths_and_print0_are_bytes(filled: Command):
    lines = filled("find", "a dog", "--min-score", "0", "--paths")
    zeros = filled("find", "a dog", "--min-score", "0", "-0")
    assert lines.out.split(b"\n")[:-1] == zeros.out.split(b"\0")[:-1]
    assert any(path.endswith(b"/od\xff d.wav") for path in zeros.out.split(b"\0"))


def test_limit(filled: Command):
    assert len(filled("find", "a dog", "--json", "--min-score", "0", "-n", "2").rows) == 2


@pytest.mark.parametrize(
    ("options", "names"),
    [
        (["--min-duration", "10"], {"long.wav"}),
        (["--max-duration", "0:10", "--format", "flac"], {"high-low.flac"}),
        (["--format", "vorbis"], {"hiss.ogg"}),
        (["--since", "1h", "--format", "flac"], {"high-low.flac"}),
        (["--since", "2100-01-01"], set()),
        (["--tag", "no such tag"], set()),
    ],
)
def test_filters(filled: Command, options: list[str], names: set[str]):
    answer = filled("find", "a dog", "--json", "--min-score", "0", *options)
    assert {Path(row["path"]).name for row in answer.rows} == names
    assert answer.status == (0 if names else 1)


def test_folder_filter(filled: Command, sounds: Path):
    answer = filled("find", "a dog", "--json", "--min-score", "0", "--in", sounds / "deep")
    assert [Path(row["path"]).name for row in answer.rows] == ["hiss.ogg"]


def test_no_good_match_is_status_1_and_said_on_stderr(filled: Command):
    answer = filled("find", "a dog barks", "--min-score", "1")
    assert (answer.status, answer.out) == (1, b"")
    assert "no good match" in answer.err
    assert filled("find", "a dog barks", "--min-score", "1", "--quiet").err == ""


def test_weak_matches_are_shown_and_are_no_answer(filled: Command, tmp_path: Path):
    query = ("find", "a dog barks")
    every = filled(*query, "--json", "--min-score", "0", "-n", "100").rows
    rows = filled(*query, "--json", "-n", "100").rows
    good = [row for row in rows if not row.get("weak")]
    weak = rows[len(good) :]
    assert weak
    assert all(row["weak"] is True for row in weak)
    assert [row["rank"] for row in rows] == list(range(1, len(rows) + 1))
    assert [row["window_id"] for row in rows] == [row["window_id"] for row in every][: len(rows)]
    shown = filled(*query, "-n", "100")
    assert shown.status == (0 if good else 1)
    assert shown.out.count(b"weaker matches") == 1
    paths = filled(*query, "-0", "-n", "100").out.split(b"\0")[:-1]
    assert len(paths) == len(good)
    taken = filled("export", "csv", "--to", tmp_path / "rows.csv", given=_lines(rows))
    assert taken.status == (0 if good else 1), taken.err


def _lines(rows: list[dict[str, object]]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def test_unknown_words_are_named(filled: Command):
    answer = filled("find", "a gramophone", "--min-score", "0")
    assert "does not know 'gramophone'" in answer.err


def test_words_of_the_file_name_are_found_though_the_model_knows_them_not(filled: Command):
    rows = filled("find", "hiss", "--json", "--min-score", "0").rows
    assert Path(rows[0]["path"]).name == "hiss.ogg"


@pytest.mark.parametrize("text", ["", "  ", "..."])
def test_an_empty_query_is_an_error(filled: Command, text: str):
    answer = filled("find", text)
    assert answer.status == 2
    assert "Traceback" not in answer.err


@pytest.mark.parametrize(
    "text", ["🐕", "'; DROP TABLE window; --", 'NEAR("a" AND', "a* OR (", "x" * 100_000]
)
def test_wild_queries_never_end_in_a_traceback(filled: Command, text: str):
    answer = filled("find", "--min-score", "0", "--", text)
    assert answer.status in (0, 1, 2)
    assert "Traceback" not in answer.err


def test_similar_finds_the_clip_itself_first(filled: Command, sounds: Path):
    answer = filled("similar", sounds / "high-low.flac", "--self", "--json")
    assert answer.status == 0
    first = answer.rows[0]
    assert first["path"] == str(sounds / "high-low.flac")
    assert first["similarity"] > 0.99
    assert [key for key in first if key in FIND or key == "similarity"] == list(first)


def names(answer: Answer) -> list[str]:
    return [Path(os.fsdecode(line)).name for line in answer.out.splitlines()]


def test_filters_and_order_of_the_commands(filled: Command, sounds: Path):
    every = ["find", "a dog barks", "--min-score", "0", "--paths"]
    folder = sounds / "deep"
    assert names(filled(*every, "--not-in", folder, "--sort", "name")) == [
        *("high-low.flac", "long.wav", "low high.wav", "od\udcff d.wav")
    ]
    assert names(filled(*every, "--in", "d??p")) == ["hiss.ogg"]
    assert names(filled(*every, "--sort", "duration"))[:2] == ["long.wav", "hiss.ogg"]
    assert names(filled(*every, "--sort", "duration", "-r"))[-2:] == ["hiss.ogg", "long.wav"]
    assert len(names(filled(*every, "--rate", "16k", "--online"))) == 5
    # FFmpeg's own writer of Vorbis has two channels at least.
    assert names(filled(*every, "--channels", "stereo")) == ["hiss.ogg"]
    assert len(names(filled(*every, "--channels", "mono"))) == 4
    assert names(filled(*every, "--since", "yesterday", "--peak", "-60:", "--format", "ogg"))
    lossy = filled(*every, "--bit-depth", "16:")
    assert "hiss.ogg" not in names(lossy)
    assert "1 sound with no known bit depth left out" in lossy.err
    assert filled(*every, "--bit-depth", "16:", "--quiet").err == ""
    assert names(filled("similar", folder / "hiss.ogg", "--paths", "--loudness", ":0")) != []
    nowhere = filled(*every, "--offline")
    assert (nowhere.status, nowhere.out) == (1, b"")
    assert "no sound passes the filters" in nowhere.err


def test_find_says_how_many_more(filled: Command):
    few = filled("find", "a dog barks", "--min-score", "0", "-n", "2")
    assert "and 3 more" in few.err
    assert "more" not in filled("find", "a dog barks", "--min-score", "0").err
    assert filled("find", "a dog barks", "--min-score", "0", "-n", "2", "--json").err == ""


def test_paths_on_a_terminal_are_links(filled: Command, sounds: Path):
    pty = pytest.importorskip("pty", reason="no such terminals on this system")

    def written(*arguments: str) -> str:
        ours, theirs = pty.openpty()
        environ = {k: v for k, v in filled.environment().items() if k != "NO_COLOR"}
        command = [*filled.program, "find", "a dog barks", "--min-score", "0", *arguments]
        subprocess.run(command, stdout=theirs, env={**environ, "TERM": "xterm"}, check=True)
        os.close(theirs)
        read = os.read(ours, 65536)  # little enough to wait in the terminal for us
        os.close(ours)
        return read.decode("utf-8", "surrogateescape")

    links = re.findall(r"\x1b]8;;(file://[^\x1b]+)\x1b\\", written())
    found = {urllib.parse.unquote_to_bytes(urllib.parse.urlsplit(link).path) for link in links}
    assert len(found) == 5
    assert os.fsencode(sounds) + b"/od\xff d.wav" in found
    assert "\x1b]8" not in written("--no-links")
    assert "\x1b" not in written("--json")


def test_similar_takes_a_part_of_a_file_from_elsewhere(filled: Command, tmp_path: Path):
    clip = write_audio(tmp_path / "out@side.wav", tones([1500, 300, 5000], seconds=2.0))
    assert filled("similar", f"{clip}@0-4", "--json").status == 0
    assert filled("similar", clip, "--json").status == 0


@pytest.mark.parametrize(
    "clip", ["none.wav", "{0}/high-low.flac@5-3", "{0}/high-low.flac@100-200", "{0}/notes.wav"]
)
def test_similar_refuses_bad_clips(filled: Command, sounds: Path, clip: str):
    answer = filled("similar", clip.format(sounds))
    assert answer.status == 2
    assert answer.err.startswith("audiosearch:")
    assert "Traceback" not in answer.err


def test_describe_json(filled: Command, sounds: Path):
    rows = filled("describe", sounds / "long.wav", "--json").rows
    assert all([key for key in row if key != "path_b64"] == DESCRIBE for row in rows)
    starts = sorted({row["start_s"] for row in rows})
    assert starts[0] == 0
    assert len(starts) > 1
    for start in starts:
        window = [row for row in rows if row["start_s"] == start]
        assert [row["rank"] for row in window] == list(range(len(window)))
        assert window[0]["source"] == "model"
        assert all(row["source"] != "model" for row in window[1:])


def test_index_again_encodes_nothing(filled: Command, sounds: Path):
    rows = filled("index", sounds, "--json").rows
    assert rows[0]["windows_encoded"] == 0
    assert rows[0]["files"] == 6


def test_failed_names_file_reason_and_remedy(filled: Command, sounds: Path):
    answer = filled("failed", "--json")
    assert [row["path"] for row in answer.rows] == [str(sounds / "notes.wav")]
    assert answer.rows[0]["code"] == "unsupported"
    assert answer.rows[0]["reason"]
    assert answer.rows[0]["remedy"]
    assert filled("failed", "-0").out == os.fsencode(sounds / "notes.wav") + b"\0"


def test_status_counts(filled: Command):
    row = filled("status", "--json").rows[0]
    assert row["files"] == {"pending": 0, "indexed": 5, "failed": 1, "missing": 0}
    assert row["failures"] == {"unsupported": 1}
    assert row["model"]["name"] == "toy"
    assert row["model"]["provider"] == "CPUExecutionProvider"
    assert filled("status").status == 0


def test_roots(fresh: Command, sounds: Path):
    assert fresh("index", sounds / "deep").status == 0
    assert fresh("roots", "list", "--json").rows == [
        {"path": str(sounds / "deep"), "files": 1, "missing": 0}
    ]
    assert fresh("roots", "remove", sounds / "none").status == 2
    assert fresh("roots", "remove", sounds / "deep").status == 0
    assert fresh("find", "a dog", "--min-score", "0").status == 1
    assert fresh("roots", "list").out == b""


def test_captions_list(filled: Command):
    answer = filled("captions", "list", "--json")
    assert answer.status == 0
    for row in answer.rows:
        assert list(row) == [
            "caption_id",
            "caption",
            "source",
            "windows",
            "given",
            "normalised",
            "places",
        ]
        assert row["source"] == "auto"
        [place] = row["places"]
        assert list(place)[-3:] == ["start_s", "end_s", "caption"]
        assert place["end_s"] > place["start_s"] >= 0


def test_verify(filled: Command):
    answer = filled("verify")
    assert (answer.status, answer.out) == (0, b"")


def test_models(filled: Command, toy_bundle: Path):
    info = filled("models", "info", "--json").rows[0]
    assert info["name"] == "toy"
    assert filled("models", "verify").status == 0
    listed = filled("models", "list", "--json").rows
    assert "starter" in {row["name"] for row in listed}
    assert filled("models", "info", "no-such-model").status == 2


def test_an_empty_library_is_no_error(fresh: Command):
    answer = fresh("find", "a dog")
    assert answer.status == 1
    assert "audiosearch index" in answer.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["index", "/no/such/folder"],
        ["find"],
        ["find", "x", "--limit", "0"],
        ["find", "x", "--json", "--paths"],
        ["find", "x", "--since", "tomorrow"],
        ["find", "x", "--loudness", "-20"],
        ["files", "--rate", "fast"],
        ["files", "--sort", "colour"],
        ["nonsense"],
        ["find", "x", "--config", "/no/such/file.toml"],
    ],
)
def test_bad_use_is_status_2(fresh: Command, arguments: list[str]):
    answer = fresh(*arguments)
    assert answer.status == 2
    assert answer.out == b""
    assert answer.err
    assert "Traceback" not in answer.err


def test_config_init_show_path(tmp_path: Path, fresh: Command):
    command = Command(
        data_dir=fresh.data_dir,
        bundle=fresh.bundle,
        environ={"XDG_CONFIG_HOME": str(tmp_path / "config")},
    )
    path = Path(command("config", "path").text.strip())
    assert not path.exists()
    assert command("config", "init").status == 0
    assert path.is_file()
    assert command("config", "init").status == 2
    assert command("config", "init", "--force").status == 0
    shown = command("config", "show").text
    assert f'bundle = "{fresh.bundle}"' in shown


def test_no_colour_and_no_bar_where_there_is_no_terminal(filled: Command, sounds: Path):
    answer = filled("find", "a dog", "--min-score", "0")
    assert b"\x1b" not in answer.out
    assert "\x1b" not in filled("index", sounds).err
