"""Plans, sentences and sounds of scenes: seeded, twinned, each order said once."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosearch.errors import DatasetError
from audiosearch.evaluation.datasets import DatasetClip
from audiosearch.evaluation.scenes import render as scene_audio
from audiosearch.evaluation.scenes.grammar import (
    WORDINGS,
    SceneKind,
    draw_patterns,
    patterns,
    sentence,
    wording,
)
from audiosearch.evaluation.scenes.plan import PlannedScene, SceneSettings, plan_scenes
from tests.sounds import noise, tone

LABELS = ("dog", "rain", "siren", "cat", "church_bells")
RATE = 16_000


def clips(n_each: int = 3, labels: tuple[str, ...] = LABELS) -> list[DatasetClip]:
    return [
        DatasetClip(
            name=f"{label}-{i}", path=Path(f"{label}-{i}.wav"), label=label, group=f"{label}{i}"
        )
        for label in labels
        for i in range(n_each)
    ]


SETTINGS = SceneSettings(seed=7, ordered=4, together=3, three=2, captions=2)


def test_plans_have_every_kind_and_each_order_its_twin():
    scenes = plan_scenes(clips(), SETTINGS)
    count = {kind: sum(scene.kind is kind for scene in scenes) for kind in SceneKind}
    assert count == {
        SceneKind.SINGLE: 5,
        SceneKind.ORDERED: 8,
        SceneKind.TOGETHER: 3,
        SceneKind.THREE: 4,
    }
    for number, scene in enumerate(scenes):
        assert scene.n_events == len(scene.labels) == len(set(scene.labels))
        assert len(scene.captions) == len(set(scene.captions)) == 2
        if scene.kind in (SceneKind.ORDERED, SceneKind.THREE):
            twin = scenes[scene.twin]
            assert twin.twin == number
            assert (twin.clips, twin.labels) == (scene.clips[::-1], scene.labels[::-1])
            assert twin.seed == scene.seed
            assert not set(twin.captions) & set(scene.captions)
        else:
            assert scene.twin is None


def test_no_set_of_sounds_stands_in_two_scenes_but_twins():
    scenes = plan_scenes(clips(), SETTINGS)
    sets = [frozenset(s.labels) for s in scenes if s.twin is None or s.twin > scenes.index(s)]
    assert len(sets) == len(set(sets))


def test_the_seed_decides():
    assert plan_scenes(clips(), SETTINGS) == plan_scenes(clips(), SETTINGS)
    other = SceneSettings(seed=8, ordered=4, together=3, three=2)
    assert plan_scenes(clips(), SETTINGS) != plan_scenes(clips(), other)


def test_few_labels_give_all_their_combinations():
    scenes = plan_scenes(clips(labels=("dog", "cat", "rain")), SceneSettings(ordered=9, together=9))
    pairs = [scene for scene in scenes if scene.kind in (SceneKind.ORDERED, SceneKind.TOGETHER)]
    assert len({frozenset(scene.labels) for scene in pairs}) == 3
    assert sum(scene.kind is SceneKind.THREE for scene in scenes) == 2  # one set, with its twin
    with pytest.raises(DatasetError, match="two labels"):
        plan_scenes(clips(labels=("dog",)), SETTINGS)


@given(st.sampled_from(list(SceneKind)), st.permutations(LABELS), st.integers(0, 99))
def test_every_sentence_says_its_order(kind: SceneKind, labels: list[str], seed: int):
    n = {SceneKind.SINGLE: 1, SceneKind.ORDERED: 2, SceneKind.TOGETHER: 2, SceneKind.THREE: 3}[kind]
    for pattern in draw_patterns(kind, 9, np.random.default_rng(seed)):
        forward, backward = sentence(pattern, labels[:n]), sentence(pattern, labels[:n][::-1])
        assert (forward == backward) == (n == 1)
        assert "{" not in forward
    assert set(draw_patterns(kind, 9, np.random.default_rng(seed))) == set(patterns(kind))


def test_unknown_labels_are_called_by_their_name():
    assert wording("dog").clause == "a dog barks"
    assert wording("church-bells") == WORDINGS["church_bells"]
    assert wording("Nose_Flute").thing == "nose flute"


def test_the_table_of_wordings_is_whole():
    for label, said in WORDINGS.items():
        assert said.clause, label
        assert said.thing, label
    assert len({said.clause for said in WORDINGS.values()}) == len(WORDINGS)


def burst(frequency: float, seconds: float) -> np.ndarray:
    sound = tone(frequency, seconds=seconds, rate=RATE).astype(np.float32)
    return np.pad(sound, RATE)


def test_the_loudest_stretch_leaves_silence_out():
    found = scene_audio.loudest_stretch(burst(440, 0.5), longest_s=4, sample_rate=RATE)
    assert len(found) == pytest.approx(0.5 * RATE, abs=0.04 * RATE)
    loud = np.concatenate([tone(440, seconds=1, amplitude=0.1), tone(440, seconds=1)])
    found = scene_audio.loudest_stretch(loud.astype(np.float32), longest_s=1, sample_rate=RATE)
    assert np.abs(found).max() == pytest.approx(0.5, abs=0.01)
    assert len(found) == RATE
    with pytest.raises(ValueError, match="silence"):
        scene_audio.loudest_stretch(np.zeros(RATE, np.float32), longest_s=1, sample_rate=RATE)


def scene(kind: SceneKind, places: tuple[int, ...], seed: int = 5) -> PlannedScene:
    labels = tuple(LABELS[i] for i in places)
    return PlannedScene(kind=kind, clips=places, labels=labels, captions=("x",), seed=seed)


def strongest(samples: np.ndarray) -> float:
    """The strongest frequency in Hz."""
    power = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(power) * RATE / len(samples))


def test_order_is_heard_and_the_twin_is_the_other_way_round():
    sounds = [burst(500, 1.0), burst(2000, 1.5), burst(4000, 0.7)]
    there = scene_audio.compose(scene(SceneKind.THREE, (0, 1, 2)), sounds, sample_rate=RATE)
    back = scene_audio.compose(scene(SceneKind.THREE, (2, 1, 0)), sounds[::-1], sample_rate=RATE)
    assert len(there) == len(back) <= 10 * RATE
    third = RATE // 2
    assert strongest(there[third : 2 * third]) == pytest.approx(500, abs=5)
    assert strongest(there[-2 * third : -third]) == pytest.approx(4000, abs=5)
    assert strongest(back[third : 2 * third]) == pytest.approx(4000, abs=5)
    assert strongest(back[-2 * third : -third]) == pytest.approx(500, abs=5)
    # The same pieces at the same levels: as much of each tone in one as in the other.
    spectra = [np.abs(np.fft.rfft(one)) for one in (there, back)]
    for hz in (500, 2000, 4000):
        place = round(hz * len(there) / RATE)
        levels = [float(np.sum(s[place - 20 : place + 20] ** 2)) for s in spectra]
        assert levels[0] == pytest.approx(levels[1], rel=0.02)


def test_two_at_once_overlap():
    sounds = [burst(500, 3.0), burst(2000, 1.0)]
    mixed = scene_audio.compose(scene(SceneKind.TOGETHER, (0, 1)), sounds, sample_rate=RATE)
    assert len(mixed) / RATE == pytest.approx(3.0 + 2 * scene_audio.MARGIN_S, abs=0.05)
    assert np.abs(mixed).max() <= 0.98


def test_scenes_are_written_once_and_equal_each_time(tmp_path: Path, make_clips):
    real = make_clips(("dog", "rain", "siren"))
    settings = SceneSettings(seed=1, ordered=2, together=1, three=1, captions=2)
    scenes = plan_scenes(real, settings)
    watch = Counter()
    data = scene_audio.write_scenes(scenes, real, folder=tmp_path / "a", progress=watch)
    assert watch.n == len(scenes) == len(data.clips)
    again = Counter()
    scene_audio.write_scenes(scenes, real, folder=tmp_path / "a", progress=again)
    assert again.n == 0
    scene_audio.write_scenes(scenes, real, folder=tmp_path / "b", progress=Counter())
    for clip in data.clips:
        assert clip.path.read_bytes() == (tmp_path / "b" / clip.name).read_bytes()
    from audiosearch.evaluation.dataset_files import read_dataset  # noqa: PLC0415

    read = read_dataset(tmp_path / "a" / scene_audio.LIST)
    assert [c.captions for c in read.clips] == [c.captions for c in data.clips]


def test_a_folder_of_other_scenes_is_refused(tmp_path: Path, make_clips):
    real = make_clips(("dog", "rain"))
    for seed in (1, 2):
        scenes = plan_scenes(real, SceneSettings(seed=seed))
        if seed == 2:
            with pytest.raises(DatasetError, match="holds other scenes"):
                scene_audio.write_scenes(scenes, real, folder=tmp_path / "a", progress=Counter())
        else:
            scene_audio.write_scenes(scenes, real, folder=tmp_path / "a", progress=Counter())
    (tmp_path / "a" / scene_audio.LIST).unlink()
    with pytest.raises(DatasetError, match="holds other scenes"):
        scene_audio.write_scenes(scenes, real, folder=tmp_path / "a", progress=Counter())


def test_silent_clips_are_named(tmp_path: Path, make_clips):
    real = make_clips(("dog", "rain"), silent="rain")
    scenes = plan_scenes(real, SceneSettings())
    with pytest.raises(DatasetError, match="1 clip is unfit: rain-0: nothing but silence"):
        scene_audio.write_scenes(scenes, real, folder=tmp_path / "a", progress=Counter())


class Counter:
    """A `Progress` that counts."""

    def __init__(self) -> None:
        self.n = 0

    def start(self, stage: str, *, total: int, done: int = 0) -> None:
        self.n = 0

    def advance(self, n: int) -> None:
        self.n += n


@pytest.fixture
def make_clips(tmp_path: Path):
    """Writes one short WAV file a label."""

    def make(labels: tuple[str, ...], silent: str = "") -> list[DatasetClip]:
        made = []
        for number, label in enumerate(labels):
            path = tmp_path / f"{label}-0.wav"
            samples = noise(seconds=0.4, seed=number) if label != silent else np.zeros(8000)
            scene_audio.write_wav(path, samples.astype(np.float32), sample_rate=RATE)
            made.append(DatasetClip(name=f"{label}-0", path=path, label=label, group=f"g{number}"))
        return made

    return make
