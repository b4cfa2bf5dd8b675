"""Scenes as sound: pieces of clips after one another or over one another.

Everything but decoding is arithmetic from the scene's seed. A twin is the same pieces and gaps
from the other end.
"""

from __future__ import annotations

import csv
import io
import wave
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from audiosearch._files import atomic_write
from audiosearch._typing import AnyFloats, Doubles, Samples
from audiosearch._wording import counted
from audiosearch.audio.sandbox.client import Worker
from audiosearch.errors import AudiosearchError, DatasetError, DecodeError
from audiosearch.evaluation.datasets import Dataset, DatasetClip
from audiosearch.evaluation.scenes.grammar import SceneKind
from audiosearch.evaluation.scenes.plan import PlannedScene
from audiosearch.evaluation.work_folder import StageProgress

SAMPLE_RATE = 16_000
LIST = "scenes.csv"
LONGEST_S: Mapping[SceneKind, float] = {  # of one sound, so that a scene is at most ten seconds
    SceneKind.SINGLE: 5.0,
    SceneKind.ORDERED: 4.0,
    SceneKind.TOGETHER: 6.0,
    SceneKind.THREE: 2.6,
}
GAP_S = (0.1, 0.8)
MARGIN_S = 0.2  # before the first and after the last sound
LEVEL_DB = -22.0  # of a sound, RMS
LEVEL_SPREAD_DB = 3.0  # to both sides
FLOOR_DB = -65.0  # noise under everything: real recordings are never digitally silent
FADE_S = 0.01
HEARD_S = 60.0  # of a clip: enough to choose from, and little to keep of a recording of hours
_SILENT_DB = -45.0  # below the clip's loudest moment: not part of the sound
_STEP_S = 0.02


def loudest_stretch(samples: Samples, *, longest_s: float, sample_rate: int) -> Samples:
    """The part of a clip to use: without silence at its ends, its loudest `longest_s` seconds.

    Raises:
        ValueError: there is nothing but silence.
    """
    step = round(_STEP_S * sample_rate)
    padded = np.pad(samples, (0, -len(samples) % step))
    energy = np.square(padded.astype(np.float64)).reshape(-1, step).sum(axis=1)
    if not len(energy) or energy.max() <= 0:
        raise ValueError("nothing but silence")
    loud = np.flatnonzero(energy > energy.max() * 10 ** (_SILENT_DB / 10))
    first, last = int(loud[0]), int(loud[-1]) + 1
    n_steps = max(1, round(longest_s / _STEP_S))
    if last - first > n_steps:
        total = np.concatenate([[0.0], np.cumsum(energy[first:last])])
        first += int(np.argmax(total[n_steps:] - total[:-n_steps]))
        last = first + n_steps
    return samples[first * step : last * step]


def levelled(piece: Samples, *, level_db: float, sample_rate: int) -> Samples:
    """The piece at an RMS level, its ends faded."""
    rms = float(np.sqrt(np.mean(np.square(piece.astype(np.float64)))))
    n_fade = min(len(piece) // 2, round(FADE_S * sample_rate))
    shape = np.ones(len(piece))
    shape[:n_fade] = np.linspace(0, 1, n_fade, endpoint=False)
    shape[len(piece) - n_fade :] = np.linspace(1, 0, n_fade)
    scaled: Samples = (piece * shape * (10 ** (level_db / 20) / rms)).astype(np.float32)
    return scaled


def compose(scene: PlannedScene, sounds: Sequence[Samples], *, sample_rate: int) -> Samples:
    """The sound (n,) of a scene out of its clips' samples, in the order of `scene.clips`."""
    # Twins draw the same numbers: the draw follows the clips' places, not their order in time.
    turned = scene.clips != min(scene.clips, scene.clips[::-1])
    generator = np.random.default_rng(scene.seed)
    ordered = list(sounds)[::-1] if turned else list(sounds)
    spread = generator.uniform(-LEVEL_SPREAD_DB, LEVEL_SPREAD_DB, len(ordered))
    gaps = generator.uniform(*GAP_S, len(ordered))
    pieces = [
        levelled(
            loudest_stretch(each, longest_s=LONGEST_S[scene.kind], sample_rate=sample_rate),
            level_db=LEVEL_DB + float(db),
            sample_rate=sample_rate,
        )
        for each, db in zip(ordered, spread, strict=True)
    ]
    if scene.kind is SceneKind.TOGETHER:
        mixed = _over_one_another(pieces, generator)
    else:
        mixed = _after_one_another(pieces, gaps, turned=turned, sample_rate=sample_rate)
    margin = round(MARGIN_S * sample_rate)
    scene_sound = np.pad(mixed, margin)
    scene_sound += generator.normal(0, 10 ** (FLOOR_DB / 20), len(scene_sound))
    peak = float(np.abs(scene_sound).max())
    whole: Samples = (scene_sound * min(1.0, 0.98 / peak)).astype(np.float32)
    return whole


def _after_one_another(
    pieces: Sequence[Samples],
    gaps_s: Doubles,
    *,
    turned: bool,
    sample_rate: int,
) -> Doubles:
    parts: list[AnyFloats] = []
    for piece, gap_s in zip(pieces, gaps_s, strict=True):
        parts += [piece, np.zeros(round(gap_s * sample_rate))]
    parts = parts[:-1]
    return np.concatenate(parts[::-1] if turned else parts).astype(np.float64)


def _over_one_another(pieces: Sequence[Samples], generator: np.random.Generator) -> Doubles:
    """The shorter sounds somewhere within the longest."""
    mixed = np.zeros(max(map(len, pieces)))
    for piece in pieces:
        start = int(generator.integers(len(mixed) - len(piece) + 1))
        mixed[start : start + len(piece)] += piece
    return mixed


def write_scenes(
    scenes: Sequence[PlannedScene],
    clips: Sequence[DatasetClip],
    *,
    folder: Path,
    progress: StageProgress,
) -> Dataset:
    """Make all scenes in `folder` and return them as a data set; those that are there stay.

    A scene's `label` is its kind, its `group` names the groups of all its clips.

    Raises:
        DatasetError: a clip cannot be decoded or is silent (the message names it), or the folder
            holds other scenes.
        AudiosearchError: the folder cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        paths = [folder / f"scene-{number:04d}.wav" for number in range(len(scenes))]
        _claim(folder, _listing(scenes, clips, paths))
        todo = [number for number, path in enumerate(paths) if not path.is_file()]
        needed = {place for number in todo for place in scenes[number].clips}
        sounds = decode_clips(needed, clips, progress)
        progress.start("composing", total=len(scenes), done=len(scenes) - len(todo))
        for number in todo:
            scene = scenes[number]
            samples = compose(scene, [sounds[i] for i in scene.clips], sample_rate=SAMPLE_RATE)
            write_wav(paths[number], samples, sample_rate=SAMPLE_RATE)
            progress.advance(1)
    except OSError as error:
        raise AudiosearchError(f"cannot be written: {error.strerror}", path=folder) from error
    return Dataset(
        name="scenes",
        clips=tuple(
            DatasetClip(
                name=path.name,
                path=path,
                captions=scene.captions,
                label=str(scene.kind),
                group=" ".join(clips[place].group for place in scene.clips),
            )
            for scene, path in zip(scenes, paths, strict=True)
        ),
    )


def decode_clips(
    places: set[int], clips: Sequence[DatasetClip], progress: StageProgress
) -> dict[int, Samples]:
    """The samples of the clips at `places`, at `SAMPLE_RATE`.

    Raises:
        DatasetError: clips cannot be decoded or are silent; the message names them.
    """
    sounds: dict[int, Samples] = {}
    problems: list[str] = []
    progress.start("reading clips", total=len(places))
    with Worker() as worker:
        for place in sorted(places):
            clip = clips[place]
            try:
                sounds[place] = _beginning(worker, clip)
                loudest_stretch(sounds[place], longest_s=1.0, sample_rate=SAMPLE_RATE)
            except DecodeError as error:
                problems.append(str(error))
            except ValueError as error:
                problems.append(f"{clip.name}: {error}")
            progress.advance(1)
    if problems:
        raise DatasetError(
            f"{counted(len(problems), 'clip is', 'clips are')} unfit: {'; '.join(problems[:10])}"
        )
    return sounds


def _beginning(worker: Worker, clip: DatasetClip) -> Samples:
    """The first `HEARD_S` seconds of a clip; of the rest no memory is kept."""
    worker.open(bytes(clip.path), sample_rate=SAMPLE_RATE)
    kept: list[Samples] = []
    n_kept = 0
    for block in worker.blocks():
        if n_kept < HEARD_S * SAMPLE_RATE:
            kept.append(block)
            n_kept += len(block)
    return np.concatenate(kept)


def write_wav(path: Path, samples: Samples, *, sample_rate: int) -> None:
    """Write (n,) samples as 16-bit mono WAV; the file is either whole or not there."""
    values = np.clip(np.rint(samples * 32767.0), -32768, 32767).astype("<i2")
    with atomic_write(path) as file, wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(sample_rate)
        out.writeframes(values.tobytes())


def _claim(folder: Path, listing: str) -> None:
    """Write the list of the scenes, before the first of them, or see that it is the same.

    Raises:
        DatasetError: the folder holds other scenes, which these must not be mixed with.
    """
    file = folder / LIST
    if file.is_file():
        other = file.read_bytes() != listing.encode()
    else:
        other = any(folder.glob("scene-*.wav"))
        if not other:
            file.write_bytes(listing.encode())
    if other:
        raise DatasetError("holds other scenes", path=folder, remedy="choose an empty folder")


def _listing(
    scenes: Sequence[PlannedScene], clips: Sequence[DatasetClip], paths: Sequence[Path]
) -> str:
    """The list of the scenes: a data set in the plain layout, with what each was made of."""
    n_captions = max(len(scene.captions) for scene in scenes)
    columns = ["path", *(f"caption_{i + 1}" for i in range(n_captions))]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*columns, "kind", "events", "twin", "seed", "labels", "clips", "groups"])
    for scene, path in zip(scenes, paths, strict=True):
        captions = [*scene.captions, *[""] * (n_captions - len(scene.captions))]
        twin = "" if scene.twin is None else paths[scene.twin].name
        used = [clips[place] for place in scene.clips]
        lists = [scene.labels, [c.name for c in used], [c.group for c in used]]
        joined = (" ".join(each) for each in lists)
        facts = [scene.kind, scene.n_events, twin, scene.seed]
        writer.writerow([path.name, *captions, *facts, *joined])
    return out.getvalue()
