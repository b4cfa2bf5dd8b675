"""The daemon in a thread of the test: real files, events, database; a tiny model, short waits."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from sqlalchemy import select

from audiosearch.config import IndexConfig, WatchConfig
from audiosearch.errors import AudiosearchError
from audiosearch.indexing.pipeline import index
from audiosearch.indexing.scan import ScanRules
from audiosearch.indexing.types import IndexReport, Progress
from audiosearch.store.database import Database
from audiosearch.store.queries import files, roots
from audiosearch.store.queries.places import Root, RootPath
from audiosearch.store.schema import SoundFile
from audiosearch.watch.status import RootState, WatchActivity, WatchMode, WatchState
from audiosearch.watch.watcher import Watcher, WatchPace
from tests.indexing_fakes import FakeBundle, FakeModels, WaveReader

QUICK = WatchPace(
    look_every_s=0.05, lost_pause_s=0.3, quiet_s=0.0, retry_s=(0.1,), tell_every_s=0.0
)  # a real daemon has no need to look so often
SETTLE_S = 0.15
PATIENCE_S = 60.0


class FakeIndexer:
    """A library that indexes with the fake model, in this process."""

    def __init__(self, database: Database, stop: threading.Event) -> None:
        self.database = database
        self.models = FakeModels()
        self.config = IndexConfig(workers=1, batch_windows=4)
        self.passes: list[ScanRules] = []
        self.reports: list[IndexReport] = []
        self.n_tidied = 0
        self.n_looks = 0  # at the roots, each begun when the one before was over
        self.nudge = 0
        self.trouble: AudiosearchError | None = None
        self._stop = stop

    def roots(self) -> list[Root]:
        self.n_looks += 1
        with self.database.reading() as session:
            return roots.list_roots(session)

    def rescan_token(self) -> int:
        return self.nudge

    def is_known(self, place: RootPath) -> bool:
        with self.database.reading() as session:
            return files.any_there(session, place.root.root_id, under=place.relative)

    def index(
        self, places: Sequence[RootPath], *, rules: ScanRules, progress: Progress
    ) -> IndexReport:
        self.passes.append(rules)
        if self.trouble is not None:
            raise self.trouble
        report = index(
            self.database,
            places=places,
            bundle=FakeBundle(),
            load_models=self.models,
            config=self.config,
            progress=progress,
            stop=self._stop,
            rules=rules,
            open_reader=WaveReader,
        )
        self.reports.append(report)
        return report

    def tidy(self) -> None:
        self.n_tidied += 1


class Daemon(AbstractContextManager["Daemon"]):
    """A running `Watcher` over folders; leaving the block stops it and raises what it raised."""

    def __init__(self, database: Database, *folders: Path, **settings: object) -> None:
        self.stop = threading.Event()
        self.indexer = FakeIndexer(database, self.stop)
        self.states: list[WatchState] = []
        self.error: BaseException | None = None
        self._database = database
        with database.session() as session:
            roots.add_roots(session, [os.fsencode(folder) for folder in folders])
        values = {"settle_s": SETTLE_S, "scan_every_s": 3600.0, **settings}
        self.watcher = Watcher(
            self.indexer,
            watch=WatchConfig(**values),  # type: ignore[arg-type]
            index=self.indexer.config,
            stop=self.stop,
            tell=self.states.append,
            pace=QUICK,
        )
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        try:
            self.watcher.run()
        except BaseException as error:  # noqa: BLE001  # raised by the test's thread
            self.error = error

    def __enter__(self) -> Daemon:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop.set()
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()
        if self.error is not None:
            raise self.error

    @property
    def n_encoded(self) -> int:
        """Windows encoded so far."""
        return self.indexer.models.encoder.n_windows

    def files(self) -> dict[str, str]:
        """State by path, of all files that the library knows."""
        with self._database.reading() as session:
            rows = session.execute(select(SoundFile.display, SoundFile.state))
            return {row.display: str(row.state) for row in rows}

    def root(self, number: int = 0) -> RootState:
        """What is told of a root, in the order of their paths."""
        return self.states[-1].roots[number]

    def is_watched_by(self, mode: WatchMode) -> bool:
        """Whether the only root is watched in such a way."""
        return bool(self.states) and [each.mode for each in self.states[-1].roots] == [mode]

    def until(self, is_so: Callable[[], bool]) -> None:
        """Wait until something holds; that it ever does is what is tested."""
        deadline = time.monotonic() + PATIENCE_S
        while not is_so():
            if self.error is not None:
                raise self.error
            assert time.monotonic() < deadline, f"{self.files()} {self.states[-1:]}"
            time.sleep(0.02)

    def until_files(self, **expected: str) -> None:
        """Wait until the library knows exactly these files, by the names without their suffix."""
        wanted = {f"{name.replace('__', '/')}.wav": state for name, state in expected.items()}
        self.until(lambda: self.files() == wanted and self.is_idle())

    def is_idle(self) -> bool:
        """Whether it has nothing in hand, and nothing waits to rest."""
        last = self.states[-1] if self.states else None
        return last is not None and last.activity is WatchActivity.IDLE and last.n_settling == 0
