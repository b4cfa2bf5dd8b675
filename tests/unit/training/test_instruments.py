"""Phrases as MIDI files, and what a sound font makes of them."""

from __future__ import annotations

import csv
import shutil
import struct
import subprocess

import numpy as np
import pytest

from audiosearch.errors import AudiosearchError
from audiosearch.training.synth import instruments
from audiosearch.training.synth.instruments import (
    COLUMNS,
    INSTRUMENTS,
    Instrument,
    render_instruments,
)
from audiosearch.training.synth.midi import Note, beats, drum_pattern, melody, midi_file
from audiosearch.training.text.captions import PHRASES


def _events(data: bytes) -> list[tuple[int, bytes]]:
    """Ticks and three-byte events of a file's one track (program changes left out)."""
    assert data[:14] == b"MThd" + struct.pack(">IHHH", 6, 0, 1, 480)
    assert struct.unpack(">I", data[18:22])[0] == len(data) - 22
    at, now, found = 22, 0, []
    while at < len(data):
        delta = 0
        while data[at] & 0x80:
            delta, at = delta << 7 | data[at] & 0x7F, at + 1
        delta, at = delta << 7 | data[at], at + 1
        now += delta
        kind = data[at]
        size = 2 if kind & 0xF0 == 0xC0 else 3
        if size == 3:
            found.append((now, data[at : at + 3]))
        at += size
    return found


def test_notes_stand_where_they_were_written():
    phrase = {0: (40, [Note(0.5, 1.0, 60, 90)])}
    events = _events(midi_file([phrase, phrase], every_s=6.0))
    assert events == [
        (480, bytes([0x90, 60, 90])),
        (1440, bytes([0x80, 60, 0])),
        (6240, bytes([0x90, 60, 90])),
        (7200, bytes([0x80, 60, 0])),
        (11_520, b"\xff\x2f\x00"),
    ]


@pytest.mark.parametrize("seed", range(20))
def test_phrases_keep_to_their_range_and_length(seed):
    rng = np.random.default_rng(seed)
    for notes in (
        melody(rng, low=50, high=60, seconds=3.0, chords=seed % 2 == 0),
        beats(rng, keys=(38, 40), seconds=3.0),
        drum_pattern(rng, seconds=3.0),
    ):
        assert notes
        assert all(0 <= note.start_s < 3.0 and 1 <= note.velocity < 128 for note in notes)
    tune = melody(np.random.default_rng(seed), low=50, high=60, seconds=3.0, chords=False)
    assert all(45 <= note.pitch <= 72 for note in tune)


def test_every_instrument_can_be_put_into_words():
    for instrument in INSTRUMENTS:
        assert instrument.label in PHRASES


def test_without_fluidsynth_it_is_said_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(AudiosearchError, match="fluidsynth is not installed") as caught:
        render_instruments(tmp_path, font=tmp_path / "font.sf2", seed=1)
    assert "--sound-font" in str(caught.value.remedy)
    assert not (tmp_path / "manifest.csv").exists()


def test_clips_and_their_manifest(tmp_path, monkeypatch):
    """A stand-in for FluidSynth: a tone at each note's place, in the file it was asked for."""
    fake = tmp_path / "fluidsynth"
    fake.write_text(
        "#!/usr/bin/env python3\n"
        "import sys, wave\n"
        "out = sys.argv[sys.argv.index('-F') + 1]\n"
        "w = wave.open(out, 'wb'); w.setparams((2, 2, 32000, 0, 'NONE', ''))\n"
        "beat = (b'\\x00\\x10\\x00\\x10' * 20 + b'\\x00\\xf0\\x00\\xf0' * 20) * 800\n"
        "w.writeframes((beat + bytes(4 * 208000 - len(beat))) * 2); w.close()\n"
    )
    fake.chmod(0o755)
    monkeypatch.setattr(shutil, "which", lambda _: str(fake))
    few = (Instrument("violin", (40, 110)), Instrument("cymbal", keys=(49,)))
    monkeypatch.setattr(instruments, "INSTRUMENTS", few)
    path = render_instruments(tmp_path / "out", font=tmp_path / "font.sf2", seed=1, clips=4)
    with path.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert tuple(rows[0]) == COLUMNS
    assert [row["label"] for row in rows] == ["violin"] * 4 + ["cymbal"] * 4
    assert {row["group"] for row in rows[:4]} == {"fluidr3-program-40", "fluidr3-program-110"}
    assert all((path.parent / row["path"]).stat().st_size > 32_000 for row in rows)
    assert not (path.parent / "phrases.wav").exists()
    assert render_instruments(tmp_path / "out", font=tmp_path / "font.sf2", seed=1) == path


def test_a_font_that_cannot_be_read_is_an_error(tmp_path, monkeypatch):
    failed = subprocess.CompletedProcess([], 1, "", "no such font")
    monkeypatch.setattr(shutil, "which", lambda _: "/bin/false")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(AudiosearchError, match="no such font"):
        render_instruments(tmp_path / "out", font=tmp_path / "font.sf2", seed=1)
