"""A folder of good and bad files: the good ones are taken in, each bad one has its reason."""

from __future__ import annotations

import dataclasses
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.e2e.command import Command
from tests.sounds import StreamOfSound, tone, tones, wav_bytes, write_audio, write_streams

pytestmark = pytest.mark.slow


def respecting_permissions(command: Command) -> Command:
    """The command as a user to whom file permissions apply: root reads everything otherwise."""
    if os.geteuid() != 0:
        return command
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        pytest.skip("running as root, and there is no setpriv to give up root's rights")
    without = "-dac_override,-dac_read_search"
    prefix = (setpriv, f"--bounding-set={without}", f"--inh-caps={without}")
    return dataclasses.replace(command, program=(*prefix, *command.program))


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Good files, and every kind of bad one."""
    folder = tmp_path / "mixed"
    folder.mkdir()
    good = write_audio(folder / "good.wav", tones([300, 1500]))
    write_audio(folder / "good.ogg", tones([500, 900]))
    flac = write_audio(folder / "good.flac", tones([700, 200])).read_bytes()
    named = os.fsencode(folder) + b"/good-\xff\xfe.wav"
    write_audio(folder / "tmp.wav", tones([444, 222]))
    os.rename(folder / "tmp.wav", named)  # noqa: PTH104  # bytes

    claims = {"zero": 0, "huge": 0xFFFFFFFF, "2gb": 2_000_000_000}
    for number, (name, claimed) in enumerate(claims.items(), start=1):
        lying = wav_bytes(tone(620.0 * number), declared_bytes=claimed)
        (folder / f"lying-{name}.wav").write_bytes(lying)
    (folder / "no-samples.wav").write_bytes(wav_bytes(tone(seconds=0.0)))
    broken = tone(810.0)
    broken[100:200] = np.nan
    broken[300:310] = np.inf
    (folder / "nan.wav").write_bytes(wav_bytes(broken, bits=32, floating=True))

    (folder / "empty.wav").write_bytes(b"")
    (folder / "garbage.mp3").write_bytes(np.random.default_rng(0).bytes(20_000))
    (folder / "truncated.flac").write_bytes(flac[:60])
    (folder / "header-only.wav").write_bytes(good.read_bytes()[:30])
    (folder / "text.wav").write_text("RIFF, said the file, and nothing else\n")
    (folder / "unreadable.wav").write_bytes(good.read_bytes()[:-2] + b"\1\2")
    (folder / "unreadable.wav").chmod(0)
    os.mkfifo(folder / "pipe.wav")
    return folder


def test_good_files_are_taken_in_and_bad_ones_named(fresh: Command, mixed: Path):
    fresh.environ["AUDIOSEARCH_SEARCH_FOLD_SIMILARITY"] = "2"  # show them all
    command = respecting_permissions(fresh)
    answer = command("index", mixed, "--json")
    assert answer.status == 0, answer.err
    failed = {Path(row["path"]).name: row for row in command("failed", "--json").rows}
    assert {name: row["code"] for name, row in failed.items()} == {
        "empty.wav": "empty",
        "garbage.mp3": "unsupported",
        "truncated.flac": failed["truncated.flac"]["code"],
        "header-only.wav": failed["header-only.wav"]["code"],
        "text.wav": "unsupported",
        "unreadable.wav": "unreadable",
        "no-samples.wav": "no-samples",
        "lying-2gb.wav": "remark",
        "nan.wav": "remark",
    }
    for row in failed.values():
        assert row["reason"]
        assert row["remedy"]
    hits = command("find", "a bell", "--json", "--min-score", "0", "-n", "50").rows
    assert {Path(row["path"]).name for row in hits} == {
        "good.wav",
        "good.ogg",
        "good.flac",
        r"good-\xff\xfe.wav",
        "lying-huge.wav",  # the header lies, the sound is all there
        "lying-2gb.wav",
        "lying-zero.wav",
        "nan.wav",
    }
    assert command("verify").status == 0


def test_bad_files_are_not_tried_again_until_they_change(fresh: Command, mixed: Path):
    command = respecting_permissions(fresh)
    n_failed = command("index", mixed, "--json").rows[0]["failed"]
    assert n_failed == 7
    again = command("index", "--json").rows[0]
    assert (again["failed"], again["windows_encoded"]) == (0, 0)
    (mixed / "unreadable.wav").chmod(0o644)
    healed = command("index", "--json").rows[0]
    assert (healed["failed"], healed["windows_encoded"]) == (0, 1)


def test_failed_files_are_tried_again_when_asked(fresh: Command, mixed: Path):
    command = respecting_permissions(fresh)
    command("index", mixed)
    assert command("failed", "--retry").status == 0
    assert command("index", "--json").rows[0]["failed"] == 7


def test_headers_that_lie_are_told_of_also_for_copies(fresh: Command, tmp_path: Path):
    folder = tmp_path / "sounds"
    folder.mkdir()
    sound = tone(620.0, seconds=2)
    (folder / "honest.wav").write_bytes(wav_bytes(sound))
    (folder / "unfinished.wav").write_bytes(wav_bytes(sound, declared_bytes=8_000))
    (folder / "cut.wav").write_bytes(wav_bytes(tone(300.0, seconds=3))[:-64_000])
    report = fresh("index", folder)
    assert report.status == 0
    assert "2 files hold less or more sound than their headers say: `audiosearch failed`" in (
        report.err
    )
    (folder / "copy.wav").write_bytes(wav_bytes(sound, declared_bytes=16_000))
    again = fresh("index", "--json").rows[0]
    assert (again["recognised"], again["remarked"], again["windows_encoded"]) == (1, 1, 0)
    told = {Path(row["path"]).name: row for row in fresh("failed", "--json").rows}
    assert {name: (row["code"], row["reason"]) for name, row in told.items()} == {
        "copy.wav": ("remark", "its header tells of 0.5 s, 2.0 s are there"),
        "cut.wav": ("remark", "its header tells of 3.0 s, 1.0 s are there"),
        "unfinished.wav": ("remark", "its header tells of 0.2 s, 2.0 s are there"),
    }
    text = fresh("failed").text
    assert text.startswith("Heard all the same:\n")
    assert "cut.wav: its header tells of 3.0 s, 1.0 s are there" in text
    assert fresh("failed", "--paths").text == ""
    # All of it was heard: at the end of what the header does not tell of, too.
    parts = fresh("similar", folder / "honest.wav", "--self", "--json", "--min-score", "0").rows
    assert max(row["end_s"] for row in parts if row["path"].endswith(".wav")) == 2.0
    assert fresh("verify").status == 0
    # Mended, there is nothing more to be said.
    (folder / "unfinished.wav").write_bytes(wav_bytes(sound))
    fresh("index")
    assert len(fresh("failed", "--json").rows) == 2


def test_a_broken_library_is_no_fault_of_the_files(fresh: Command, tmp_path: Path):
    """As PyAV 19 was, which took an argument away: every file fails with a `TypeError`."""
    folder = tmp_path / "sounds"
    folder.mkdir()
    write_audio(folder / "good.wav", tones([300, 1500]))
    (folder / "empty.wav").write_bytes(b"")
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "sitecustomize.py").write_text(
        "import av\n"
        "def refuse(*_, **settings):\n"
        "    raise TypeError(f'open() got an unexpected keyword argument {[*settings][0]!r}')\n"
        "av.open = refuse\n"
    )
    usual = os.environ.get("PYTHONPATH", "")
    fresh.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(broken), usual]))
    answer = fresh("index", folder)
    assert answer.status == 2
    assert "unexpected keyword argument" in answer.err
    assert "pip install" in answer.err
    assert "Traceback" not in answer.err
    assert all("convert" not in row["remedy"] for row in fresh("failed", "--json").rows)
    assert fresh("status", "--json").rows[0]["files"]["pending"] >= 1
    fresh.environ.pop("PYTHONPATH")
    assert fresh("index").status == 0
    assert [Path(row["path"]).name for row in fresh("failed", "--json").rows] == ["empty.wav"]


def test_a_sound_in_the_second_stream_or_link_or_in_opposed_channels_is_found(
    fresh: Command, tmp_path: Path
):
    fresh.environ["AUDIOSEARCH_SEARCH_FOLD_SIMILARITY"] = "2"  # show them all
    folder = tmp_path / "sounds"
    folder.mkdir()
    bell = tones([300, 1500], rate=48_000, amplitude=0.3)
    quiet = np.zeros((len(bell), 2))
    streams = [StreamOfSound(quiet[:, 0]), StreamOfSound(2 * bell)]  # whose mean is the bell
    write_streams(folder / "capture.mka", streams)
    opposed = np.stack([bell, -bell], axis=1)
    write_audio(folder / "opposed.flac", opposed, rate=48_000)
    first = write_audio(tmp_path / "first.opus", quiet, rate=48_000)
    second = write_audio(tmp_path / "second.opus", bell, rate=48_000)
    (folder / "chained.opus").write_bytes(first.read_bytes() + second.read_bytes())
    write_audio(folder / "other.wav", tones([5000, 6000]))
    sample = write_audio(tmp_path / "bell.wav", bell, rate=48_000)
    assert fresh("index", folder).status == 0
    hits = fresh("similar", sample, "--self", "--json", "--min-score", "0", "-n", "10").rows
    first_three = [Path(row["path"]).name for row in hits][:3]
    assert set(first_three) == {"capture.mka", "opposed.flac", "chained.opus"}
