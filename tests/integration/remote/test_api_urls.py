"""Sounds at URLs, from Python."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import audiosearch
from tests.remote_stores import FlakyStore, flaky_store
from tests.sounds import tones, write_audio

URL = "flaky://box/field/low high.wav"


@pytest.fixture
def library(
    tmp_path: Path, toy_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[audiosearch.SoundLibrary]:
    (tmp_path / "config.toml").touch()
    monkeypatch.setenv("AUDIOSEARCH_CONFIG", str(tmp_path / "config.toml"))
    monkeypatch.setenv("AUDIOSEARCH_MODEL_BUNDLE", str(toy_bundle))
    monkeypatch.setenv("AUDIOSEARCH_MODEL_DEVICE", "cpu")
    with flaky_store() as store:
        sound = write_audio(tmp_path / "made.wav", tones([300, 1500]))
        FlakyStore.pipe(store, URL, sound.read_bytes())
        with audiosearch.open(tmp_path / "data", writable=True) as opened:
            yield opened


def test_a_hit_at_a_url_is_read_like_any_other(
    library: audiosearch.SoundLibrary, tmp_path: Path
) -> None:
    assert library.index("flaky://box/field/").n_files == 1
    hit = library.find("a dog barks", min_score=0.0)[0]
    assert isinstance(hit.path, Path)
    assert str(hit.path) == os.fspath(hit.path) == URL
    assert (hit.path.name, hit.row()["path"]) == ("low high.wav", URL)
    samples, rate = library.read(hit)
    here, here_rate = library.read(tmp_path / "made.wav", start_s=hit.start_s, end_s=hit.end_s)
    assert rate == here_rate
    np.testing.assert_array_equal(samples, here)
    alike = library.similar(hit.path, include_self=True)
    assert [str(each.path) for each in alike] == [URL]
    assert library.describe(URL)
    with pytest.raises(audiosearch.AudiosearchError, match="no such file"):
        library.read("flaky://box/field/none.wav")
