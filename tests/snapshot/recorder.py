"""What the real command writes and answers about known sounds, in a form that can be kept.

In: an empty folder. Out: every row of the library's database and every JSON line of some twenty
commands, without what differs by time and place, all computed in float32, in which processors
differ by last bits alone. Numbers are kept with six digits, vectors by their length, norm and a few
values. What is kept stands in `kept.json`;
`python -m tests.snapshot.recorder` records it anew, and the difference is to be explained.
"""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from audiosearch._typing import AnyFloats
from audiosearch.store.packed_frames import FrameBase
from audiosearch.training.synth.examples import write_examples
from tests.e2e.command import Command
from tests.sounds import bext_chunk, info_chunk, wav_bytes

KEPT = Path(__file__).with_name("kept.json")
PROJECT = Path(__file__).parents[2]

QUERIES: tuple[tuple[str, ...], ...] = (
    ("find", "a bell rings and then someone knocks", "-n", "2"),
    ("find", "someone knocks and then a bell rings", "-n", "2"),
    ("find", "rain is falling", "-n", "2", "--exhaustive"),
    ("find", "an engine is running", "-n", "1", "--explain"),
    ("find", "a telephone rings", "--format", "flac", "-n", "1"),
    ("find", "hvalfjord"),
    ("find", "brass bell"),
    ("find", "birds sing", "--in", "{sounds}", "-n", "1", "--min-duration", "5"),
    ("find", "a dog barks"),
    ("find", "kitchen", "--tag", "domestic", "--min-score", "0", "-n", "1"),
    ("similar", "{sounds}/bell.wav", "-n", "3", "--self"),
    ("similar", "{sounds}/scene-4.flac@6-10", "-n", "2", "--self"),
    ("describe", "{sounds}/knocks.wav", "-n", "1"),
    ("describe", "{sounds}/scene-2.wav", "-n", "0", "--explain"),
    ("describe", "{sounds}/exact/silence.wav"),
    ("label", "{sounds}/siren.wav", "--labels", "dog,siren,church bell", "-n", "1"),
    ("label", "{sounds}/clock.flac", "--labels", "clock,rain,speech", "-n", "1"),
    ("files",),
    ("info", "{sounds}/exact/tagged.wav"),
    ("failed",),
    ("captions", "list"),
    ("roots", "list"),
    ("models", "info"),
)
"""Only answers that are far from a tie: last bits differ from processor to processor."""

LEFT_OUT = {
    # By time or place.
    *("added_at", "checked_at", "mtime", "mtime_ns", "ctime_ns"),
    # Drawn at random, and what hangs on that.
    *("draw", "draws", "sample", "losses"),
}
ENCODED = {"audio_hash", "size", "bytes", "metadata_json", "metadata"}
"""What differs with the version of FFmpeg's encoders; kept of the files below `exact/` alone."""
VECTORS = {"embedding": np.float16, "joint": np.float16}
_SHADOW = re.compile(
    r"alembic_version|.*_text(_\w+)?|\w+_(word|instance)|sqlite_\w+|(library|earlier)_state|frame_base"
)


def write_sounds(folder: Path) -> None:
    """The generated examples, and below `exact/` files that are the same to the last byte."""
    write_examples(folder)
    exact = folder / "exact"
    exact.mkdir()
    square = np.where(np.arange(48_000) // 20 % 2, 0.25, -0.25)
    steps = np.random.default_rng(0).integers(-8192, 8192, 40_000) / 32768
    tags = info_chunk(
        {b"INAM": b"Hvalfjord morning", b"IART": b"A. Recordist", b"IKEY": b"kitchen; domestic"}
    )
    bext = bext_chunk(description=b"brass bell on the door", originator=b"Recorder 7")
    (exact / "square.wav").write_bytes(wav_bytes(square))
    (exact / "tagged.wav").write_bytes(wav_bytes(steps, before=bext, after=tags))
    shutil.copyfile(exact / "square.wav", exact / "square copy.wav")
    (exact / "silence.wav").write_bytes(wav_bytes(np.zeros(32_000)))
    (exact / "broken.wav").write_bytes(b"no sound at all, whatever the name says")
    (exact / "notes.txt").write_text("passed over")


def record(folder: Path) -> dict[str, Any]:
    """Index the sounds below an empty folder, write captions, ask; all of it as JSON values."""
    sounds = folder / "sounds"
    write_sounds(sounds)
    command = Command(
        data_dir=folder / "data",
        bundle="",
        environ={"AUDIOSEARCH_INDEX_WORKERS": "1", "AUDIOSEARCH_MODEL_EXACT": "true"},
    )

    def asked(*arguments: str) -> dict[str, Any]:
        given = [each.replace("{sounds}", str(sounds)) for each in arguments]
        answer = command(*given, "--json")
        assert answer.status in (0, 1), answer.err
        return {"status": answer.status, "rows": _plain(answer.rows, folder)}

    done = {
        "index": command("index", sounds).status,
        "add": command("captions", "add", "a brass door bell", "--for", sounds / "bell.wav").status,
        "other": command("captions", "add", "Rain on a tin roof").status,
    }
    return {
        "done": done,
        "answers": {" ".join(query): asked(*query) for query in QUERIES},
        "database": dict(_tables(command.data_dir / "library.sqlite3", folder)),
    }


def _tables(database: Path, folder: Path) -> Iterator[tuple[str, list[Any]]]:
    with closing(sqlite3.connect(database)) as reader:
        reader.row_factory = sqlite3.Row
        exact = {
            recording
            for (recording,) in reader.execute(
                "SELECT DISTINCT recording_id FROM sound_file WHERE display LIKE 'exact/%'"
            )
        }
        bases = {
            number: FrameBase(np.frombuffer(rows, "<f4").reshape(n_frames, -1))
            for number, n_frames, rows in reader.execute(
                "SELECT id, n_frames, frames FROM frame_base"
            )
        }
        names = [
            name
            for (name,) in reader.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"
            )
            if not _SHADOW.fullmatch(name)
        ]
        for name in names:
            key = ", ".join(
                row["name"] for row in reader.execute(f"PRAGMA table_info({name})") if row["pk"]
            )
            rows = []
            for row in reader.execute(f"SELECT * FROM {name} ORDER BY {key}"):
                values = dict(row)
                if name == "window_frames":  # as they are used, however they are packed
                    base = bases[values.pop("base_id")]
                    frames = base.unpack(values["frames"], values["n_frames"])
                    values["frames"] = _vector(frames.astype(np.float16).ravel())
                if name == "recording":
                    values["display"] = "exact/" if values["id"] in exact else ""
                rows.append({k: _stored(k, v) for k, v in values.items()})
            yield name, _plain(rows, folder)
        for name in ("file_text", "caption_text"):
            rows = [dict(row) for row in reader.execute(f"SELECT rowid, * FROM {name}")]
            yield name, _plain([{**row, "display": row.get("folders", "")} for row in rows], folder)


def _stored(column: str, value: Any) -> Any:
    """A database value as JSON can hold it."""
    if not isinstance(value, bytes):
        return value
    if column in VECTORS:
        return _vector(np.frombuffer(value, VECTORS[column]))
    return value.decode() if column == "path" else value.hex()


def _vector(values: AnyFloats) -> dict[str, Any]:
    vector = values.astype(np.float64)
    return {
        "n": len(vector),
        "norm": float(np.linalg.norm(vector)),
        "some": [float(each) for each in vector[:: len(vector) // 4]],
    }


def _plain(value: Any, folder: Path) -> Any:
    """Without what differs by time, place and encoder; floats with six digits."""
    match value:
        case dict():
            place = str(value.get("display", value.get("path", "exact/")))
            dropped = LEFT_OUT if "exact" in place else LEFT_OUT | ENCODED
            return {k: _plain(v, folder) for k, v in value.items() if k not in dropped}
        case list():
            return [_plain(each, folder) for each in value]
        case str():
            return value.replace(str(folder), "{folder}").replace(str(PROJECT), "{project}")
        case float():
            return round(value, 6)
    return value


def differences(kept: Any, found: Any, *, within: float, at: str = "") -> Iterator[str]:
    """Where two recordings differ; floats by more than `within`."""
    match kept, found:
        case dict(), dict():
            for key in sorted(kept.keys() | found.keys()):
                if key in kept and key in found:
                    yield from differences(kept[key], found[key], within=within, at=f"{at}/{key}")
                else:
                    yield f"{at}/{key}: only {'before' if key in kept else 'now'}"
        case list(), list():
            if len(kept) != len(found):
                yield f"{at}: {len(kept)} before, {len(found)} now"
            for number, (one, other) in enumerate(zip(kept, found, strict=False)):
                yield from differences(one, other, within=within, at=f"{at}/{number}")
        case (int() | float(), int() | float()):
            if abs(kept - found) > (within if isinstance(kept, float) else 0):
                yield f"{at}: {kept} before, {found} now"
        case _:
            if kept != found:
                yield f"{at}: {kept!r} before, {found!r} now"


def main(_arguments: Sequence[str] = ()) -> None:
    """Record anew what is kept, and say what has changed."""
    with tempfile.TemporaryDirectory() as folder:
        found = record(Path(folder))
    if KEPT.exists():
        for line in differences(json.loads(KEPT.read_text()), found, within=0.0):
            print(line)
    KEPT.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
