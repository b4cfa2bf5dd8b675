"""Held-out groups, the decoded cache, made sounds."""

from __future__ import annotations

import csv
import wave

import numpy as np
import pytest

from audiosearch.errors import AudiosearchError
from audiosearch.training.data.dataset import (
    Split,
    SplitRule,
    open_cache,
    read_manifest,
    synthetic_clips,
)
from audiosearch.training.synth.made_sounds import MAKERS, make_sound

RULE = SplitRule(hold_out_fold="4", share=0.2, seed=1)
COLUMNS = (
    "path label source group fold duration_s sample_rate licence attribution".split()  # noqa: SIM905
)


def _manifest(folder, rows):
    path = folder / "manifest.csv"
    with path.open("w", newline="", encoding="utf-8") as lines:
        writer = csv.writer(lines)
        writer.writerow(COLUMNS)
        for name, label, group, fold in rows:
            writer.writerow([name, label, "made", group, fold, 1, 16_000, "CC0", "nobody"])
    return path


def _many(count=400):
    return [
        (f"{i}.wav", f"label{i % 7}", f"group{i // 3}", "" if i % 2 else str(1 + (i // 3) % 5))
        for i in range(count)
    ]


def test_no_group_is_in_two_splits(tmp_path):
    clips = read_manifest(_manifest(tmp_path, _many()), rule=RULE)
    splits: dict[str, set[Split]] = {}
    for clip in clips:
        splits.setdefault(clip.group, set()).add(clip.split)
    assert all(len(seen) == 1 for seen in splits.values())
    assert {clip.split for clip in clips} == {Split.TRAIN, Split.VALIDATION, Split.TEST}


def test_the_held_out_fold_is_never_trained_on(tmp_path):
    clips = read_manifest(_manifest(tmp_path, _many()), rule=RULE)
    held = [clip for clip in clips if clip.fold == "4"]
    assert held
    assert all(clip.split is not Split.TRAIN for clip in held)
    groups = {clip.group for clip in held}
    assert all(clip.split is not Split.TRAIN for clip in clips if clip.group in groups)


def test_every_label_keeps_a_group_to_train_on(tmp_path):
    rows = [(f"{i}.wav", f"rare{i // 2}", f"g{i}", "") for i in range(200)]
    rule = SplitRule(hold_out_fold="4", share=0.9, seed=1)
    clips = read_manifest(_manifest(tmp_path, rows), rule=rule)
    trained = {clip.label for clip in clips if clip.split is Split.TRAIN}
    assert trained == {clip.label for clip in clips}
    assert any(clip.split is not Split.TRAIN for clip in clips)


def test_the_split_depends_on_the_seed_only(tmp_path):
    path = _manifest(tmp_path, [(f"{i}.wav", "a", f"g{i}", "") for i in range(300)])
    first = read_manifest(path, rule=RULE)
    assert first == read_manifest(path, rule=RULE)
    assert first != read_manifest(path, rule=SplitRule(hold_out_fold="4", share=0.2, seed=2))


def test_a_missing_manifest_and_a_missing_column_are_said(tmp_path):
    with pytest.raises(AudiosearchError, match="cannot read"):
        read_manifest(tmp_path / "none.csv", rule=RULE)
    (tmp_path / "bad.csv").write_text("path,label\na.wav,dog\n")
    with pytest.raises(AudiosearchError, match="lacks the column"):
        read_manifest(tmp_path / "bad.csv", rule=RULE)


def test_the_cache_holds_every_clip_and_is_made_once(tmp_path):
    for name, rate, hz in (("a.wav", 16_000, 500), ("b.wav", 44_100, 1000)):
        tone = 0.5 * np.sin(2 * np.pi * hz * np.arange(rate) / rate)
        with wave.open(str(tmp_path / name), "wb") as out:
            out.setparams((1, 2, rate, 0, "NONE", ""))
            out.writeframes((tone * 32767).astype(np.int16).tobytes())
    path = _manifest(tmp_path, [("a.wav", "dog", "a", "1"), ("b.wav", "cat", "b", "2")])
    clips = read_manifest(path, rule=RULE) + synthetic_clips(per_label=1, rule=RULE)
    places = {"cache": tmp_path / "cache", "sample_rate": 16_000, "seed": 0}
    sounds = open_cache(clips, **places)
    for index, hz in ((0, 500), (1, 1000)):
        heard = sounds.waveform(index)
        assert heard.size == pytest.approx(16_000, abs=10)
        assert np.abs(heard).max() == pytest.approx(0.5, abs=0.03)
        peak = np.abs(np.fft.rfft(heard)).argmax() * 16_000 / heard.size
        assert peak == pytest.approx(hz, abs=3)
    stamp = (tmp_path / "cache" / "sounds.i16").stat().st_mtime_ns
    (tmp_path / "a.wav").unlink()
    again = open_cache(clips, **places)
    assert np.array_equal(again.waveform(0), sounds.waveform(0))
    assert (tmp_path / "cache" / "sounds.i16").stat().st_mtime_ns == stamp


@pytest.mark.parametrize("label", sorted(MAKERS))
def test_made_sounds_are_sound_and_depend_on_their_seed(label):
    first = make_sound(label=label, seed=1, seconds=2.0, rate=16_000)
    assert first.dtype == np.float32
    assert first.shape == (32_000,)
    assert np.isfinite(first).all()
    assert np.abs(first).max() <= 1.0
    assert np.array_equal(first, make_sound(label=label, seed=1, seconds=2.0, rate=16_000))
    if label != "silence":
        assert not np.array_equal(first, make_sound(label=label, seed=2, seconds=2.0, rate=16_000))
        assert np.abs(first).max() > 0.1
