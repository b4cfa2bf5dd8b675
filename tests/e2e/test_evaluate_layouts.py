"""`audiosearch evaluate` on data sets as aac-datasets 0.7 leaves them, without `--audio`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.command import Command
from tests.sounds import tone, write_audio
from tests.toy_bundles import JOINT

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class OnDisk:
    """A data set: its table, its folder of sounds, and the files in there, by their names."""

    table: str
    audio: str
    files: tuple[str, ...]
    text: str
    captions: int


CLOTHO = OnDisk(
    "CLOTHO_v2.1/clotho_csv_files/clotho_captions_evaluation.csv",
    "CLOTHO_v2.1/clotho_audio_files/evaluation",
    (" Snow in the wood.wav", "a, b & c.wav", "Ünder (the) bridge.wav"),
    "file_name,caption_1,caption_2\n Snow in the wood.wav,someone walks,a walk in snow\n"
    '"a, b & c.wav",letters are read,a person reads\n'
    "Ünder (the) bridge.wav,water runs,a stream flows by\n",
    6,
)
AUDIOCAPS = OnDisk(
    "AUDIOCAPS/csv_files_v1/val.csv",
    "AUDIOCAPS/audio_32000Hz/val",
    ("-0xz_1I_rM_30.flac", "rqfQRErjfk8_170.flac"),
    "audiocap_id,youtube_id,start_time,caption\n97151,rqfQRErjfk8,170,a crowd cheers\n"
    "97152,-0xz_1I_rM,30,a dog barks\n97153,rqfQRErjfk8,170,many people cheer\n",
    3,
)
MACS = OnDisk(
    "MACS/MACS.yaml",
    "MACS/audio",
    ("airport-barcelona-0-0-a.wav", "park-vienna-9-1-a.wav"),
    "files:\n- annotations:\n  - {annotator_id: 1, sentence: people talk, tags: [a]}\n"
    "  - {annotator_id: 2, sentence: a crowd walks, tags: [a]}\n"
    "  filename: airport-barcelona-0-0-a.wav\n"
    "- annotations:\n  - {annotator_id: 3, sentence: birds sing, tags: [b]}\n"
    "  filename: park-vienna-9-1-a.wav\n",
    3,
)
WAVCAPS = OnDisk(
    "WavCaps/json_files/AudioSet_SL/as_final.json",
    "WavCaps/Audio/AudioSet_SL",
    ("YGSHcgY6ATkQ.flac", "Y-y_a.b.flac"),
    json.dumps(
        {
            "num_captions_per_audio": 1,
            "data": [
                {"id": "YGSHcgY6ATkQ.wav", "caption": "A machine clicks.", "audio": "wav"},
                {"id": "Y-y_a.b.wav", "caption": "Music plays.", "audio": "wav"},
            ],
        }
    ),
    2,
)
ALL = {"Clotho": CLOTHO, "AudioCaps": AUDIOCAPS, "MACS": MACS, "WavCaps": WAVCAPS}


def write(data: OnDisk, root: Path) -> Path:
    """Make it below `root`; its table."""
    (root / data.audio).mkdir(parents=True)
    for number, name in enumerate(data.files):
        write_audio(root / data.audio / name, tone(200.0 * (number + 1), seconds=0.6))
    table = root / data.table
    table.parent.mkdir(parents=True, exist_ok=True)
    table.write_text(data.text, encoding="utf-8")
    return table


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> Command:
    return Command(tmp_path_factory.mktemp("data"), str(JOINT))


@pytest.mark.parametrize("name", ALL)
def test_a_downloaded_data_set_is_read_where_it_lies(command: Command, name: str, tmp_path: Path):
    if name == "MACS":
        pytest.importorskip("yaml")
    data = ALL[name]
    table = write(data, tmp_path)
    # From within the folder of the table, whose own name the command then does not see.
    answer = command("evaluate", "retrieval", table.name, "--no-engine", "--json", cwd=table.parent)
    assert answer.status == 0, answer.err
    [facts] = [row for row in answer.rows if row["table"] == "facts"]
    assert (facts["clips"], facts["captions"]) == (str(len(data.files)), str(data.captions))
    to_audio = [row for row in answer.rows if row.get("direction") == "text-to-audio"]
    assert [row["queries"] for row in to_audio] == [data.captions]


@pytest.mark.parametrize("name", ["Clotho", "WavCaps"])
def test_sounds_that_are_elsewhere_are_asked_for(command: Command, name: str, tmp_path: Path):
    data = ALL[name]
    table = write(data, tmp_path)
    moved = tmp_path / "elsewhere"
    (tmp_path / data.audio).rename(moved)
    refused = command("evaluate", "retrieval", table.name, "--no-engine", cwd=table.parent)
    assert refused.status == 2
    assert "--audio FOLDER" in refused.err
    assert str(table.parent) in refused.err
    assert "Traceback" not in refused.err
    told = command("evaluate", "retrieval", table, "--no-engine", "--json", "--audio", moved)
    assert told.status == 0, told.err
    assert told.rows[0]["clips"] == str(len(data.files))
