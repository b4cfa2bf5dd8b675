"""Labels taken in and back by the real command; `integration/test_caption_imports` has more."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.command import Command
from tests.sounds import tones, write_audio


def test_an_import_and_the_way_back(fresh: Command, tmp_path: Path):
    folder = tmp_path / "in"
    folder.mkdir()
    sound = write_audio(folder / "night one.wav", tones([300, 500, 900, 200], seconds=2.0))
    assert fresh("index", folder).status == 0
    labels = folder / "night one.txt"
    labels.write_text("0.500000\t1.500000\tA Dog\n2.0\t2.0\towl\n")
    answer = fresh("captions", "import", labels, "--json")
    assert answer.status == 0, answer.err
    [row] = answer.rows
    assert (row["kind"], row["new"], row["given"], row["import_id"]) == ("audacity", 2, 2, 1)
    assert "captions remove --import 1" in answer.err
    [hit] = fresh("find", "a dog", "--json", "-n", "1").rows
    assert (hit["path"], hit["score"]) == (str(sound), 1.0)
    [kept] = fresh("captions", "imports", "--json").rows
    assert kept["source"] == str(labels)
    assert (kept["import_id"], kept["kind"], kept["captions"], kept["given"]) == (
        1,
        "audacity",
        2,
        2,
    )
    assert fresh("captions", "remove", "--import", "1", "dog").status == 2
    taken = fresh("captions", "remove", "--import", "1")
    assert taken.status == 0, taken.err
    assert "2 captions removed, taken from 2 stretches" in taken.err
    assert fresh("captions", "list", "--source", "import", "--json").rows == []
    assert fresh("captions", "imports").status == 1
    labels.write_text("0.5\t1.5\tA Dog\nno label\n")
    refused = fresh("captions", "import", labels)
    assert refused.status == 2
    assert "night one.txt: line 2: " in refused.err
