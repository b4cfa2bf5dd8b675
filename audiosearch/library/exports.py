"""Answers written to files: rows completed by what the library knows, and put where they belong."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from audiosearch._urls import is_url
from audiosearch.audio.clip import absolute
from audiosearch.config import IndexConfig
from audiosearch.errors import AudiosearchError, DecodeError, QueryError
from audiosearch.exchange.documents import NEED_FACTS, OF_EACH, DocumentOptions, document, documents
from audiosearch.exchange.stretches import LabelledStretch, RecordingFacts, Row, stretches_of
from audiosearch.exchange.tables import save_parquet, save_vectors
from audiosearch.exchange.targets import check_targets, make_folder, save, saving
from audiosearch.library.lookup import described_windows, library_vectors
from audiosearch.library.stretches import NEAR_S
from audiosearch.model.bundle import Bundle
from audiosearch.store.database import Database
from audiosearch.store.queries.file_details import file_details, sound_form
from audiosearch.store.queries.roots import find_place
from audiosearch.store.vector_cache import VectorKind

if TYPE_CHECKING:
    from audiosearch.audio.sandbox.client import Worker
    from audiosearch.exchange.clips import ClipForm, Cut

_ANY_RATE = 32_000  # Hz; nothing is decoded at it
_BATCH = 500  # windows looked up together
_ENDINGS = (".txt", ".tsv", ".csv", ".json", ".jsonl", ".m3u8", ".edl", ".xml", ".parquet", ".wav")


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What was written.

    Attributes:
        files: in order; none where it went to stdout.
        n_stretches: in them.
        failed: what could not be written, and why.
        n_decoded: clips of what the decoder gave, since the source is lossy or its header wrong.
        n_narrowed: clips whose source had finer samples than FLAC holds.
        n_cut: stretches that went on past the end of their recordings, and end there.
    """

    files: tuple[Path, ...]
    n_stretches: int
    failed: tuple[AudiosearchError, ...] = ()
    n_decoded: int = 0
    n_narrowed: int = 0
    n_cut: int = 0


class Exporter:
    """Writes rows of answers; the database is only read."""

    def __init__(self, database: Database, config: IndexConfig) -> None:
        self._database = database
        self._config = config

    def text(
        self,
        kind: str,
        rows: Sequence[Row],
        *,
        label: str | None = None,
        options: DocumentOptions | None = None,
    ) -> tuple[str, int]:
        """All rows as one text of a format; how many went on past the end of their recordings.

        Raises:
            QueryError: a row names no stretch, or the format cannot hold them.
        """
        options = options or DocumentOptions()
        stretches, n_cut = self._stretches(kind, rows, options, label=label)
        return document(kind, stretches, options), n_cut

    def write(
        self,
        kind: str,
        rows: Sequence[Row],
        to: Path,
        *,
        label: str | None = None,
        options: DocumentOptions | None = None,
        force: bool = False,
    ) -> Exported:
        """Write rows to a file, or of formats that are of one recording to files in a folder.

        Raises:
            QueryError: a row names no stretch, the format cannot hold them, or a file is there.
            AudiosearchError: it cannot be written.
        """
        options = options or DocumentOptions()
        stretches, n_cut = self._stretches(kind, rows, options, label=label)
        sounds = {each.path for each in stretches}
        if kind == "parquet":
            self._check([to], sounds, force=force)
            with saving(to) as unfinished:
                save_parquet([each.row for each in stretches], unfinished)
            return Exported(files=(to,), n_stretches=len(stretches), n_cut=n_cut)
        if kind in OF_EACH and is_folder(kind, to):
            made = {to / name: text for name, text in documents(kind, stretches, options).items()}
        else:
            made = {to: document(kind, stretches, options)}
        self._check(list(made), sounds, force=force)
        if to not in made:
            make_folder(to)
        for target, text in made.items():
            save(target, text.encode("utf-8"))
        return Exported(files=tuple(made), n_stretches=len(stretches), n_cut=n_cut)

    def clips(
        self,
        rows: Sequence[Row],
        folder: Path,
        form: ClipForm,
        *,
        label: str | None = None,
        force: bool = False,
        advance: Callable[[], None] = lambda: None,
    ) -> Exported:
        """Cut the stretches out of their files, each into a file of its own.

        Raises:
            QueryError: a row names no stretch, or a file is there.
            DecodeError: none of the sources can be read; of several, the last error.
            AudiosearchError: it cannot be written.
        """
        from audiosearch.audio.sandbox.client import WorkerLimits  # noqa: PLC0415
        from audiosearch.exchange.clips import Cut, clip_targets, cut_clips  # noqa: PLC0415

        # Whether a source is as long as it was heard to be is seen when it is cut.
        within, n_cut = self._within(stretches_of(rows, label=label), refuse=False)
        stretches = list(self._completed(within))
        targets = clip_targets(stretches, folder, form)
        self._check(targets, {each.path for each in stretches}, force=force)
        make_folder(folder)
        cuts: list[Cut] = []
        failed: list[AudiosearchError] = []
        limits = WorkerLimits.of(self._config)
        for outcome in cut_clips(stretches, targets, form, limits=limits):
            if isinstance(outcome, Cut):
                cuts.append(outcome)
            else:
                failed.append(outcome)
            advance()
        if failed and not cuts:
            raise failed[-1]
        return Exported(
            files=tuple(each.target for each in cuts),
            n_stretches=len(cuts),
            failed=tuple(failed),
            n_decoded=sum(each.decoded for each in cuts),
            n_narrowed=sum(each.narrowed for each in cuts),
            n_cut=n_cut,
        )

    def vectors(
        self, bundle: Bundle, kind: VectorKind, to: Path, *, force: bool = False
    ) -> Exported:
        """Write the vectors of all windows, with what they are of; .npz or .parquet.

        Raises:
            FeatureUnavailable: the model has no such vectors, or pyarrow is not installed.
            QueryError: the library has none, or a file is there.
        """
        table = library_vectors(self._database, bundle, kind)
        if table is None:
            raise QueryError(
                "the library holds no vectors of this model", remedy="audiosearch index"
            )
        self._check([to], set(), force=force)
        columns = self._window_columns([int(each) for each in table.ids])
        about = {
            "model": bundle.name,
            "version": bundle.version,
            "fingerprint": bundle.fingerprint,
            "kind": str(kind),
        }
        with saving(to) as unfinished:
            save_vectors(unfinished, table.ids, table.matrix, columns, about=json.dumps(about))
        return Exported(files=(to,), n_stretches=len(table.ids))

    def _window_columns(self, ids: Sequence[int]) -> dict[str, list[object]]:
        columns: dict[str, list[object]] = {
            name: []
            for name in ("path", "start_s", "end_s", "duration_s", "recording_id", "caption")
        }
        for first in range(0, len(ids), _BATCH):
            wanted = ids[first : first + _BATCH]
            found = {
                each.place.window_id: each for each in described_windows(self._database, wanted)
            }
            for window_id in wanted:
                each = found[window_id]
                path = each.path
                columns["path"].append(
                    None if path is None else path.decode("utf-8", "backslashreplace")
                )
                columns["start_s"].append(each.place.start_s)
                columns["end_s"].append(each.place.end_s)
                columns["duration_s"].append(each.place.duration_s)
                columns["recording_id"].append(each.place.recording_id)
                columns["caption"].append(each.caption)
        return columns

    def _check(self, targets: Sequence[Path], sounds: set[bytes], *, force: bool) -> None:
        """Nothing is lost: no file that is there, no sound of the rows or of the library.

        Raises:
            QueryError: something would be.
        """
        there = {absolute(each) for each in targets if os.path.lexists(each)}
        known = {path for path in there if self._in_library(path) is not None}
        check_targets(targets, sounds=sounds | known, force=force)

    def _stretches(
        self, kind: str, rows: Sequence[Row], options: DocumentOptions, *, label: str | None
    ) -> tuple[list[LabelledStretch], int]:
        """The stretches of rows, and how many ended past the end of their recordings."""
        stretches, n_cut = self._within(stretches_of(rows, label=label))
        needs = {kind, options.layout} & NEED_FACTS
        return (list(self._completed(stretches)) if needs else stretches), n_cut

    def _within(
        self, stretches: Sequence[LabelledStretch], *, refuse: bool = True
    ) -> tuple[list[LabelledStretch], int]:
        """Stretches that end where their recordings do at the latest; how many went on.

        Of a recording that the library has not heard, what a row says of its length is believed.

        Raises:
            QueryError: one begins where its recording has ended (`refuse`).
        """
        lengths: dict[bytes, float | None] = {}
        kept, n_cut = [], 0
        for each in stretches:
            if each.path not in lengths:
                facts = self._in_library(each.path) or each.facts
                lengths[each.path] = facts.duration_s
            length = lengths[each.path]
            begins_after = bool(length) and each.start_s >= (length or 0.0)
            if begins_after and refuse:
                raise QueryError(f"the sound ends before {each.start_s:g} s", path=each.path)
            if length and not begins_after and each.end_s > length + NEAR_S:
                row = {**each.row, "end_s": length} if "end_s" in each.row else each.row
                kept.append(replace(each, end_s=length, row=row))
                n_cut += 1
            else:
                kept.append(each)
        return kept, n_cut

    def _completed(self, stretches: Sequence[LabelledStretch]) -> Iterator[LabelledStretch]:
        """The stretches with what is known of their recordings."""
        known: dict[bytes, RecordingFacts] = {}
        with ExitStack() as stack:
            worker: Worker | None = None
            for each in stretches:
                if each.path not in known:
                    facts = self._in_library(each.path)
                    if facts is None and (is_url(each.path) or os.path.isfile(each.path)):  # noqa: PTH113
                        worker = worker or stack.enter_context(self._worker())
                        facts = _read_facts(each.path, worker)
                    known[each.path] = facts or RecordingFacts()
                facts = known[each.path]
                told_s = each.facts.duration_s
                if facts.duration_s is None and told_s is not None:
                    facts = replace(facts, duration_s=told_s)
                yield replace(each, facts=facts)

    def _worker(self) -> Worker:
        from audiosearch.audio.sandbox.client import Worker, WorkerLimits  # noqa: PLC0415

        return Worker(WorkerLimits.of(self._config))

    def _in_library(self, path: bytes) -> RecordingFacts | None:
        with self._database.reading() as session:
            place = find_place(session, absolute(os.fsdecode(path)))
            file = None if place is None else file_details(session, place)
            if file is None or file.recording_id is None:
                return None
            form = sound_form(session, file.recording_id)
        return RecordingFacts(
            duration_s=form.duration_s,
            sample_rate=form.sample_rate,
            channels=form.channels,
            metadata=file.metadata,
        )


def _read_facts(path: bytes, worker: Worker) -> RecordingFacts | None:
    """What a file that is in no library says of itself; None where it cannot be read."""
    try:
        opened = worker.open(path, sample_rate=_ANY_RATE)
    except DecodeError:
        return None
    worker.skip()
    return RecordingFacts(
        duration_s=opened.expected_s,
        sample_rate=opened.fingerprint.sample_rate,
        channels=opened.fingerprint.channels,
        metadata=opened.metadata,
    )


def is_folder(kind: str, to: Path) -> bool:
    """Whether a place is meant for a file of each recording: it is no file's name.

    Raises:
        QueryError: it is a file's name of another format.
    """
    ending = to.suffix.lower()
    if to.is_dir() or ending not in _ENDINGS:
        return True
    wanted = (".csv",) if kind == "reaper" else (".txt", ".tsv")
    if ending not in wanted:
        raise QueryError(
            f"files for {kind} end in {' or '.join(wanted)}",
            path=to,
            remedy="give such a name, or a folder's for a file of each recording",
        )
    return False
