"""Scenes: events where the plan says, groups kept apart, twins told apart by time alone."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

import itertools
from dataclasses import replace

from audiosearch.training.data.dataset import Split
from audiosearch.training.scenes.clip_pool import ClipPool, gather_clips, loud_stretch
from audiosearch.training.scenes.planner import Planner
from audiosearch.training.scenes.rendering import low_pass, render
from audiosearch.training.text.captions import Relation
from audiosearch.training.text.labels import tags_of

RATE = 16_000


@pytest.fixture(scope="module")
def pool(made_sounds) -> ClipPool:
    return gather_clips(made_sounds, split=Split.TRAIN)


@pytest.fixture(scope="module")
def scenes(pool):
    return Planner(pool, seed=3).plan(200)


def _pitch(wave) -> float:
    return float(np.abs(np.fft.rfft(wave)).argmax() * RATE / len(wave))


def test_all_kinds_of_scenes_are_drawn(scenes):
    kinds = {(s.description.relation, s.description.background is not None) for s in scenes}
    assert {(relation, False) for relation in Relation} <= kinds
    assert (Relation.SINGLE, True) in kinds
    assert (Relation.SEQUENCE, True) in kinds


def test_only_clips_of_the_split_and_of_different_groups_and_tags_meet(pool, scenes):
    clips = pool.sounds.clips
    for scene in scenes:
        used = {placed.clip for placed in scene.placed}
        assert all(clips[i].split is Split.TRAIN for i in used)
        assert len({clips[i].group for i in used}) == len(used)
        tags = [tag for i in used for tag in tags_of(clips[i].label)]
        assert len(tags) == len(set(tags))


def test_a_twin_holds_the_same_events_the_other_way_round(scenes):
    pairs = [(scene, scenes[scene.twin]) for scene in scenes if scene.twin is not None]
    in_a_row = [pair for pair in pairs if _relations(pair) == {Relation.SEQUENCE}]
    assert in_a_row
    for scene, twin in in_a_row:
        assert twin.description.sounds == scene.description.sounds[::-1]
        assert twin.description.background == scene.description.background
        assert scenes[twin.twin] is scene
        assert [p.clip for p in twin.placed[:2]] == [p.clip for p in scene.placed[1::-1]]


def test_an_event_over_a_background_has_a_twin_without_it(scenes):
    over = [
        scene
        for scene in scenes
        if scene.description.relation is Relation.SINGLE and scene.description.background
    ]
    assert over
    for scene in over:
        alone = scenes[scene.twin]
        assert scenes[alone.twin] is scene
        assert alone.description == replace(scene.description, background=None)
        assert [p.clip for p in scene.placed[:1]] == [p.clip for p in alone.placed]


def test_two_events_at_once_have_a_twin_in_which_they_come_in_a_row(scenes):
    at_once = [scene for scene in scenes if scene.description.relation is Relation.TOGETHER]
    assert at_once
    for scene in at_once:
        twin = scenes[scene.twin]
        assert scenes[twin.twin] is scene
        assert twin.description.relation is Relation.SEQUENCE
        assert twin.description.sounds == scene.description.sounds
        assert [p.clip for p in twin.placed] == [p.clip for p in scene.placed]
        first, second = scene.placed
        assert second.at < first.at + first.count
        assert first.at < second.at + second.count


def test_of_two_events_at_once_the_shorter_often_lies_within_the_longer(scenes):
    inside = []
    for scene in scenes:
        if scene.description.relation is Relation.TOGETHER:
            short, long = sorted(scene.placed, key=lambda placed: placed.count)
            end = short.at + short.count
            inside.append(long.at <= short.at and end <= long.at + long.count)
    assert 0.4 < np.mean(inside) < 1


def test_scenes_of_several_sounds_are_whole_windows_or_as_long_as_their_events(scenes):
    lengths = {relation: [] for relation in Relation}
    for scene in scenes:
        if len(scene.placed) == 1:
            continue
        lengths[scene.description.relation].append(scene.length)
        events = scene.placed[: -1 if scene.description.background else None]
        first = min(event.at for event in events)
        last = max(event.at + event.count for event in events)
        assert first >= 0
        assert last <= scene.length + RATE // 10
        if scene.length < 10 * RATE:
            assert first <= RATE // 2
            assert scene.length - last <= RATE // 2
        if scene.description.background:
            assert (scene.placed[-1].at, scene.placed[-1].count) == (0, scene.length)
    for found in lengths.values():
        assert 0.2 < np.mean(np.array(found) == 10 * RATE) < 0.8


def _relations(pair):
    return {scene.description.relation for scene in pair}


def test_events_of_a_sequence_follow_each_other(scenes):
    for scene in scenes:
        if scene.description.relation is Relation.SEQUENCE:
            events = scene.placed[: len(scene.description.sounds)]
            for before, after in itertools.pairwise(events):
                assert before.at + before.count <= after.at
            assert events[-1].at + events[-1].count <= scene.length + RATE // 10


def test_sounds_are_heard_where_the_plan_says(pool):
    scenes = list(Planner(pool, seed=5).plan_pairs(20))
    for scene in scenes:
        wave = render(scene, pool)
        assert wave.shape == (scene.length,)
        for placed in scene.placed:
            part = wave[placed.at : placed.at + placed.count]
            own = 200 + 150 * placed.clip
            assert _pitch(part) == pytest.approx(own, abs=3)
        before = wave[: scene.placed[0].at]
        if before.size > RATE // 10:
            assert np.abs(before).max() < 0.02


def test_rendering_is_repeatable_and_never_clips(pool, scenes):
    for scene in scenes[:40]:
        first = render(scene, pool)
        assert np.array_equal(first, render(scene, pool))
        assert np.abs(first).max() <= 0.991


def test_a_varied_scene_sounds_otherwise_but_lasts_as_long(pool, scenes):
    same = 0
    for scene in scenes[:20]:
        plain, varied = render(scene, pool), render(scene, pool, varied=True)
        assert plain.shape == varied.shape
        assert np.isfinite(varied).all()
        assert np.array_equal(varied, render(scene, pool, varied=True))
        same += np.array_equal(plain, varied)
    assert same < 8


def test_whole_windows_of_one_sound_are_among_the_scenes(pool, scenes):
    rate = pool.sounds.sample_rate
    [scene] = Planner(pool, seed=5).long_single()
    assert scene.length == 10 * rate
    assert scene.description.relation is Relation.SINGLE
    assert scene.placed[0].count >= 4 * rate  # though no clip of these lasts longer than 2 s
    wave = render(scene, pool)
    heard = np.flatnonzero(np.abs(wave) > 1e-3)
    assert heard[-1] - heard[0] >= 3 * rate
    long = [
        s for s in scenes if s.description.relation is Relation.SINGLE and s.length == 10 * rate
    ]
    assert any(s.description.background is None for s in long)


def test_the_same_seed_plans_the_same_scenes(pool, scenes):
    assert Planner(pool, seed=3).plan(200) == scenes
    assert Planner(pool, seed=4).plan(200) != scenes


def test_repeated_events_come_as_often_as_said(scenes):
    repeated = [s for s in scenes if s.description.relation is Relation.REPEATED]
    assert repeated
    for scene in repeated:
        assert len(scene.placed) == scene.description.count
        assert len({placed.clip for placed in scene.placed}) == 1


def test_the_loud_stretch_leaves_out_silence():
    wave = np.zeros(RATE, np.float32)
    wave[4000:8000] = 0.5
    first, last = loud_stretch(wave, rate=RATE)
    assert 3600 <= first <= 4000
    assert 8000 <= last <= 8700


def test_a_low_pass_takes_only_the_top_away():
    times = np.arange(RATE) / RATE
    low = np.sin(2 * np.pi * 500 * times).astype(np.float32)
    high = np.sin(2 * np.pi * 6000 * times).astype(np.float32)
    assert np.allclose(low_pass(low, cut_hz=3000, rate=RATE), low, atol=1e-3)
    assert np.abs(low_pass(high, cut_hz=3000, rate=RATE)).max() < 2e-3
