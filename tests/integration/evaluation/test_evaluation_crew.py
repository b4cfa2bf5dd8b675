"""An evaluation whose sounds, losses and sentences several workers make: the same to the bit."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from audiosearch.audio.sandbox.client import Worker
from audiosearch.cluster.worker import HearingWorker
from audiosearch.errors import AudiosearchError, DatasetError, DecodeCode, DecodeError
from audiosearch.evaluation import captioning, run
from audiosearch.evaluation import encode as hearing
from audiosearch.evaluation.captioning import generated_captions
from audiosearch.evaluation.datasets import Dataset, DatasetClip
from audiosearch.evaluation.encode import EncodedDataset, encode
from audiosearch.evaluation.run import EvaluationRun
from audiosearch.evaluation.work_folder import NoStageProgress, WorkFolder
from audiosearch.model.loaded import Model
from tests.cluster_fakes import ThreadEngine, working


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hearing, "CHUNK", 1)
    monkeypatch.setattr(run, "PAIRS", 7)  # one window a block
    monkeypatch.setattr(captioning, "CHUNK", 2)


@pytest.fixture
def engine() -> ThreadEngine:
    return ThreadEngine(HearingWorker)


def everything(
    dataset: Dataset, evaluation: EvaluationRun
) -> tuple[EncodedDataset, list[np.ndarray], list[str]]:
    encoded = evaluation.encode(dataset)
    matrices = evaluation.score_matrices(dataset.captions, encoded, relevant=dataset.relevant)
    arrays = [
        *encoded.frames,
        *(encoded.owners, encoded.starts_s, encoded.embedding, encoded.joint, encoded.tags),
        *(matrices.cross_entropies, matrices.without_sound),
    ]
    return encoded, arrays, generated_captions(encoded, evaluation)


@pytest.mark.parametrize("n_deaths", [0, 2])
def test_a_crew_gives_what_one_process_gives(
    dataset: Dataset,
    model: Model,
    work: WorkFolder,
    tmp_path: Path,
    engine: ThreadEngine,
    watch,
    n_deaths: int,
) -> None:
    alone, together = watch(), watch()
    plain = everything(dataset, EvaluationRun(model, work, alone))
    advance, left = together.advance, [n_deaths]

    def advance_and_kill(n: int) -> None:
        advance(n)
        if left[0]:
            left[0] -= 1
            for slot in engine.slots:
                slot.die()

    together.advance = advance_and_kill
    other = WorkFolder(tmp_path / "other")
    with working(model, engine=engine) as workers:
        found = everything(dataset, EvaluationRun(model, other, together, workers=workers))
        assert len(engine.slots) == 2  # hired once, for all of it
    for ours, theirs in zip(found[1], plain[1], strict=True):
        assert ours.dtype == theirs.dtype
        assert np.array_equal(ours, theirs)
    assert found[2] == plain[2]
    assert found[0].key == plain[0].key
    assert (together.stages, together.n) == (alone.stages, alone.n)
    assert sum(slot.n_deaths for slot in engine.slots) == 2 * n_deaths


def test_a_crew_goes_on_where_one_process_was_stopped(
    dataset: Dataset, model: Model, work: WorkFolder, engine: ThreadEngine, watch
) -> None:
    encoded = encode(dataset.clips, model=model, work=work, progress=NoStageProgress())
    stopped = EvaluationRun(model, work, watch(stop_after=20))
    with pytest.raises(KeyboardInterrupt):
        stopped.score_matrices(dataset.captions, encoded, relevant=dataset.relevant)
    again = watch()
    with working(model, engine=engine) as workers:
        everything(dataset, EvaluationRun(model, work, again, workers=workers))
    assert again.stages == [("listening", 4, 4), ("scoring pairs", 35, 21), ("captioning", 5, 0)]
    with working(model, engine=ThreadEngine(never)) as workers:  # all is done: nobody is asked
        everything(dataset, EvaluationRun(model, work, NoStageProgress(), workers=workers))


def never() -> HearingWorker:
    raise AssertionError("a worker would be started")


def test_clips_that_nobody_can_decode_are_named(
    dataset: Dataset, model: Model, work: WorkFolder, tmp_path: Path, engine: ThreadEngine
) -> None:
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"no sound at all" * 100)
    clips = [*dataset.clips, DatasetClip(name="broken.wav", path=broken)]
    with (
        working(model, engine=engine) as workers,
        pytest.raises(DatasetError, match=r"^1 clip cannot be decoded: .*broken\.wav"),
    ):
        encode(clips, model=model, work=work, progress=NoStageProgress(), workers=workers)


def test_a_clip_that_workers_alone_cannot_read_is_read_here(
    dataset: Dataset,
    model: Model,
    work: WorkFolder,
    engine: ThreadEngine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened: Callable[..., object] = Worker.open

    def unreadable_there(worker: Worker, path: bytes, *, sample_rate: int) -> object:
        if threading.current_thread() is not threading.main_thread():
            raise DecodeError("Input/output error", code=DecodeCode.UNREADABLE, path=path)
        return opened(worker, path, sample_rate=sample_rate)

    monkeypatch.setattr(Worker, "open", unreadable_there)
    with working(model, engine=engine) as workers:
        encoded = encode(
            dataset.clips, model=model, work=work, progress=NoStageProgress(), workers=workers
        )
    assert encoded.n_clips == len(dataset.clips)


def test_a_folder_of_sounds_that_no_worker_sees_is_named(
    dataset: Dataset,
    model: Model,
    work: WorkFolder,
    engine: ThreadEngine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("audiosearch.cluster.worker._seen", lambda _root: False)
    with (
        working(model, engine=engine) as workers,
        pytest.raises(AudiosearchError, match=r"does not see .*same path"),
    ):
        encode(dataset.clips, model=model, work=work, progress=NoStageProgress(), workers=workers)
