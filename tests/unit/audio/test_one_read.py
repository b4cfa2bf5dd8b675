"""A file is read once, to be hashed and decoded, where its packets fit into memory."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from audiosearch.audio.decode import Decoding
from audiosearch.audio.fingerprint import fingerprint, survey_of
from audiosearch.audio.sound import KeptPackets, open_sound
from tests.sounds import noise, tone, write_audio

RATE = 16_000


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
@pytest.mark.parametrize("channels", [1, 2])
def test_what_was_kept_decodes_as_what_is_read(tmp_path: Path, suffix: str, channels: int) -> None:
    sound = np.stack([noise(seconds=3, rate=44_100, seed=each) for each in range(channels)], axis=1)
    path = os.fsencode(write_audio(tmp_path / f"sound.{suffix}", sound, rate=44_100))
    direct = Decoding(path, sample_rate=RATE)
    expected = np.concatenate(list(direct))
    kept = KeptPackets()
    with open_sound(path) as opened:
        survey = survey_of(opened, kept=kept)
        assert kept.suffice(opened)
        os.truncate(path, 0)  # nothing more is read of it
        decoding = Decoding(path, sample_rate=RATE, opened=(opened, kept))
        assert np.array_equal(np.concatenate(list(decoding)), expected)
    assert decoding.facts == direct.facts
    assert survey.fingerprint.codec


def test_what_is_too_large_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = os.fsencode(write_audio(tmp_path / "sound.wav", tone(seconds=2)))
    monkeypatch.setattr(KeptPackets, "MOST_BYTES", 10_000)
    kept = KeptPackets()
    with open_sound(path) as opened:
        survey = survey_of(opened, kept=kept)
        assert kept.packets is None
        n_samples = sum(
            len(block) for block in Decoding(path, sample_rate=RATE, opened=(opened, kept))
        )
    assert n_samples == 2 * RATE
    assert survey.fingerprint == fingerprint(path)
