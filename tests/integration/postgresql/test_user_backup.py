"""A backup of a library on a server that several people write in."""

from __future__ import annotations

import json
from pathlib import Path

from audiosearch.library.annotations import Annotations
from audiosearch.store.backup import write_backup
from audiosearch.store.database import Database
from tests.indexing_fakes import WaveReader, run_index, write_wav


def test_it_tells_whose_it_is(database: Database, tmp_path: Path) -> None:
    sound = tmp_path / "sounds" / "0.wav"
    write_wav(sound, seconds=2, seed=0)
    run_index(database, tmp_path / "sounds", open_reader=WaveReader)
    for user in ("", "anna"):
        database.user = user
        Annotations(database).tag([str(sound)], f"of {user or 'all'}")
        Annotations(database).collect("best", [str(sound)], create=True)
    database.user = "anna"
    Annotations(database).create_collection("own")
    file = tmp_path / "mine.jsonl"
    write_backup(database, file)
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [(each["tag"], each.get("user")) for each in lines if each["kind"] == "tag"] == [
        ("of all", None),
        ("of anna", "anna"),
    ]
    assert [
        (each["collection"], each.get("user")) for each in lines if each["kind"] == "collection"
    ] == [("best", None), ("own", "anna")]
