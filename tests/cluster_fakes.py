"""An engine of threads in place of a cluster: workers are the real ones, and die when told to."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from audiosearch import __version__
from audiosearch.cluster.crew import Crew
from audiosearch.cluster.hearing import ClusterHearing
from audiosearch.cluster.types import SessionLost, WorkerDied, WorkerSetup, WorkerSpot
from audiosearch.cluster.worker import HearingWorker, WorkerParts
from audiosearch.config import IndexConfig
from audiosearch.errors import BundleError
from audiosearch.indexing.pipeline import index
from audiosearch.indexing.types import IndexReport, Progress, SoundReader
from audiosearch.model.loaded import Model
from audiosearch.store.database import Database
from audiosearch.store.queries import roots
from tests.indexing_fakes import FakeBundle, FakeModels, WaveReader

VERSION = "1.2.3"
BATCH = 4


@dataclass(frozen=True)
class PlacedBundle(FakeBundle):
    """The fake bundle, as a worker has it."""

    def for_task(self, task: str) -> PlacedBundle:
        return self


def found_bundle(folder: Path) -> PlacedBundle:
    if folder.name != "models":
        raise BundleError("is not there", path=folder)
    return PlacedBundle()


class Slot:
    """A worker and its successors: an engine starts it anew when it dies."""

    def __init__(self, spot: WorkerSpot, make: Callable[[], HearingWorker]) -> None:
        self.spot = spot
        self._make = make
        self.worker = make()
        self.calls: set[Future[Any]] = set()
        self.n_deaths = 0

    def die(self) -> None:
        """End the process, as SIGKILL does: whatever it was doing gives nothing any more."""
        old, self.worker = self.worker, self._make()
        self.n_deaths += 1
        calls, self.calls = self.calls, set()
        for call in calls:
            if not call.done():
                call.set_exception(WorkerDied("killed"))
        threading.Thread(target=old.end).start()


class ThreadEngine:
    """Workers in threads, on nodes that come and go."""

    def __init__(self, make: Callable[[], HearingWorker], *, nodes: Sequence[str] = ("a", "b")):
        self.nodes = list(nodes)
        self.slots: list[Slot] = []
        self.closed = False
        self._make = make
        self._threads = ThreadPoolExecutor(32)

    def spots(self) -> list[WorkerSpot]:
        return [WorkerSpot(each, each, 0, cores=1, n_accelerators=0) for each in self.nodes]

    def hire(self, spot: WorkerSpot) -> Slot:
        self.slots.append(Slot(spot, self._make))
        return self.slots[-1]

    def dismiss(self, worker: Slot) -> None:
        worker.worker.end()

    def share(self, content: object) -> object:
        return content

    def call(self, worker: Slot, method: str, *arguments: object) -> Hashable:
        promise: Future[Any] = Future()
        worker.calls.add(promise)
        self._threads.submit(self._do, worker, worker.worker, promise, method, arguments)
        return promise

    def _do(self, slot: Slot, worker: HearingWorker, promise: Future, method: str, arguments: Any):
        try:
            answer = getattr(worker, method)(*arguments)
        except BaseException as error:  # noqa: BLE001 - for whoever asks
            if promise in slot.calls:
                promise.set_exception(error)
        else:
            if promise in slot.calls:
                promise.set_result(answer)
        finally:
            slot.calls.discard(promise)

    def finished(self, calls: Sequence[Any], *, timeout_s: float) -> list[Hashable]:
        return list(wait(calls, timeout=timeout_s, return_when=FIRST_COMPLETED).done)

    def result(self, call: Any) -> Any:
        try:
            return call.result()
        except (SessionLost, MemoryError) as error:
            raise WorkerDied("it was started anew") from error

    def close(self) -> None:
        self.closed = True
        for slot in self.slots:
            slot.worker.end()
        self._threads.shutdown()


class Cluster:
    """An engine with a model that counts, and `index` on it."""

    def __init__(
        self,
        *,
        models: FakeModels | None = None,
        open_reader: Callable[[], AbstractContextManager[SoundReader]] = WaveReader,
        nodes: Sequence[str] = ("a", "b"),
        bundle: Callable[[Path], Any] = found_bundle,
        version: str = VERSION,
    ) -> None:
        self.models = models or FakeModels()
        parts = WorkerParts(
            load_bundle=bundle,
            open_model=lambda _bundle, _setup: self.models(),
            hearing_parts=lambda model, setup: replace(
                model,
                embed_texts=None,
                captioner=model.captioner if setup.config.captions else None,
            ),
            open_reader=lambda _config: open_reader(),
            version=version,
        )
        self.engine = ThreadEngine(lambda: HearingWorker(parts), nodes=nodes)

    def index(
        self,
        database: Database,
        *folders: Path,
        progress: Progress | None = None,
        stop: threading.Event | None = None,
        lonely_s: float = 0.5,
        model_files: Callable[[], dict[str, bytes]] = dict,
        **settings: Any,
    ) -> IndexReport:
        config = IndexConfig(**{"workers": 1, "batch_windows": BATCH, **settings})
        bundle = FakeBundle()
        with database.session() as session:
            places = roots.add_roots(session, [os.fsencode(folder) for folder in folders])
            places = places or [
                roots.RootPath(root=root, relative=b"") for root in roots.list_roots(session)
            ]
        setup = WorkerSetup(
            version=VERSION,
            bundle_path="/models",
            fingerprint=bundle.fingerprint,
            task="",
            device="cpu",
            cores=1,
            config=config,
            hop_s=config.hop * bundle.window_s,
            roots=tuple(sorted({place.root.path for place in places})),
        )
        crew = Crew(
            lambda: self.engine,
            setup=setup,
            model_files=model_files,
            lonely_s=lonely_s,
            rest_s=0.05,
        )
        with ClusterHearing(crew) as hearing:
            return index(
                database,
                places=places,
                bundle=bundle,
                load_models=FakeModels(),
                config=config,
                progress=progress,
                stop=stop,
                hearing=hearing,
                settle_s=0.0,
            )


def crew_on(engine: ThreadEngine) -> Crew:
    """A crew of workers with the fake bundle."""
    setup = WorkerSetup(
        version=VERSION,
        bundle_path="/models",
        fingerprint=FakeBundle().fingerprint,
        task="",
        device="cpu",
        cores=1,
        config=IndexConfig(),
        hop_s=1.0,
        roots=(),
    )
    return Crew(lambda: engine, setup=setup, model_files=dict, lonely_s=0.5, rest_s=0.02)


@contextmanager
def working(model: Model, *, engine: ThreadEngine | None = None) -> Iterator[ClusterHearing]:
    """Two real workers in threads, with a real model, for pieces of work."""
    setup = WorkerSetup(
        version=__version__,
        bundle_path=str(model.bundle.path),
        fingerprint=model.bundle.fingerprint,
        task="",
        device="cpu",
        cores=1,
        config=IndexConfig(workers=1),
        hop_s=model.bundle.window_s / 2,
        roots=(),
    )
    crew = Crew(
        lambda: engine or ThreadEngine(HearingWorker),
        setup=setup,
        model_files=dict,
        lonely_s=0.5,
        rest_s=0.05,
    )
    with ClusterHearing(crew) as hearing:
        yield hearing
