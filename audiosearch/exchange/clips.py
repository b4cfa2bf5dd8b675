"""Stretches cut out of their files, sample by sample, as files of their own."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
import soundfile

from audiosearch._urls import is_url
from audiosearch.audio.sandbox.client import Worker, WorkerLimits
from audiosearch.errors import AudiosearchError, DecodeError, QueryError
from audiosearch.exchange.clip_files import ClipContent
from audiosearch.exchange.clip_sources import (
    Block,
    ClipSource,
    as_integers,
    decoded_source,
    exact_source,
)
from audiosearch.exchange.names import DistinctNames, NameTemplate
from audiosearch.exchange.stretches import LabelledStretch
from audiosearch.exchange.targets import saving

if TYPE_CHECKING:
    from audiosearch.remote.fetched_files import HeldFile

_INTEGERS = {"PCM_S8": 8, "PCM_U8": 8, "PCM_16": 16, "PCM_24": 24, "PCM_32": 32}


@dataclass(frozen=True, kw_only=True)
class ClipForm:
    """How clips are written.

    Attributes:
        kind: `wav` or `flac`.
        fade_s: at both ends; 0 leaves every sample as it is.
        template: of the names.
        ucs: CatID of all; None: each source's own.
    """

    kind: str = "wav"
    fade_s: float = 0.0
    template: NameTemplate
    ucs: str | None = None

    @property
    def ending(self) -> str:
        """Of the files' names."""
        return f".{self.kind}"


@dataclass(frozen=True, kw_only=True)
class Cut:
    """A clip that was written.

    Attributes:
        decoded: it comes from the decoder, not bit for bit from the file.
        narrowed: its source had finer samples than the format holds.
    """

    target: Path
    n_samples: int
    decoded: bool = False
    narrowed: bool = False


def clip_targets(stretches: Sequence[LabelledStretch], folder: Path, form: ClipForm) -> list[Path]:
    """The files that clips become, each of another name."""
    names = DistinctNames()
    return [folder / names.take(form.template.stem(each), form.ending) for each in stretches]


def cut_clips(
    stretches: Sequence[LabelledStretch],
    targets: Sequence[Path],
    form: ClipForm,
    *,
    limits: WorkerLimits,
) -> Iterator[Cut | AudiosearchError]:
    """Write clips, one after the other; gives what became of each, in order.

    A source that cannot be read costs its clips alone.

    Raises:
        AudiosearchError: a clip cannot be written.
    """
    with Cutter(form, limits=limits) as cutter:
        for stretch, target in zip(stretches, targets, strict=True):
            try:
                yield cutter.cut(stretch, target)
            except (DecodeError, QueryError) as error:
                yield error


class Cutter:
    """Cuts clips, with one decoding process for those that need it."""

    def __init__(self, form: ClipForm, *, limits: WorkerLimits) -> None:
        self._form = form
        self._limits = limits
        self._stack = ExitStack()
        self._worker: Worker | None = None
        self._held: HeldFile | None = None

    def __enter__(self) -> Cutter:
        return self

    def __exit__(self, *_error: object) -> None:
        self._stack.close()

    def cut(self, stretch: LabelledStretch, target: Path) -> Cut:
        """Write one clip.

        Raises:
            DecodeError: the file cannot be read.
            QueryError: it ends before the stretch begins.
            AudiosearchError: the clip cannot be written.
        """
        source = self._opened(stretch)
        try:
            with saving(target) as unfinished, tempfile.TemporaryFile() as sound:
                n_samples = self._write_sound(source, stretch, sound)
                content = ClipContent.of(source, stretch, kind=self._form.kind, ucs=self._form.ucs)
                content.write(sound, unfinished)
        finally:
            source.close()
        return Cut(
            target=target,
            n_samples=n_samples,
            decoded=source.decoded,
            narrowed=source.bits > 24 and self._form.kind == "flac",
        )

    def _opened(self, stretch: LabelledStretch) -> ClipSource:
        if is_url(stretch.path):
            return self._opened_copy(stretch)
        exact = exact_source(stretch)
        if exact is not None:
            return exact
        if self._worker is None:
            self._worker = self._stack.enter_context(Worker(self._limits))
        return decoded_source(stretch, self._worker)

    def _opened_copy(self, stretch: LabelledStretch) -> ClipSource:
        """The same of a sound at a URL, whose copy stays for the next clip of it."""
        from audiosearch.remote.fetched_files import HeldFile  # noqa: PLC0415 - for URLs alone

        if self._held is None:
            self._held = HeldFile()
            self._stack.callback(self._held.let_go)
        copy = replace(stretch, path=self._held.of(stretch.path).path)
        source = self._opened(copy)
        source.path = stretch.path
        return source

    def _write_sound(self, source: ClipSource, stretch: LabelledStretch, sound: BinaryIO) -> int:
        start = round(stretch.start_s * source.rate)
        end = round(stretch.end_s * source.rate)
        n_fade = round(self._form.fade_s * source.rate)
        subtype = self._subtype(source)
        total = source.length(start, end)
        n_samples = 0
        try:
            file = soundfile.SoundFile(
                sound,
                "w",
                samplerate=source.rate,
                channels=source.channels,
                subtype=subtype,
                format="FLAC" if self._form.kind == "flac" else "RF64",
                closefd=False,
            )
        except soundfile.SoundFileError as error:
            raise QueryError(
                f"{source.channels} channels at {source.rate} Hz cannot be written as"
                f" {self._form.kind}: {error}",
                path=stretch.path,
                remedy="--as wav",
            ) from error
        with file:
            for block in source.blocks(start, end):
                shaped = _faded(block, n_samples, total=total, n_fade=n_fade)
                if subtype in _INTEGERS and shaped.dtype.kind == "f":
                    shaped = as_integers(shaped, bits=_INTEGERS[subtype])
                file.write(shaped)
                n_samples += len(block)
        if not n_samples:
            raise QueryError(f"the sound ends before {stretch.start_s:g} s", path=stretch.path)
        return n_samples

    def _subtype(self, source: ClipSource) -> str:
        """How samples are written, by libsndfile's name: as they are, as far as the form can."""
        if self._form.kind == "flac":
            return {8: "PCM_S8", 16: "PCM_16"}.get(source.bits, "PCM_24")
        if source.is_float:
            return "DOUBLE" if source.bits == 64 else "FLOAT"
        return "PCM_U8" if source.bits == 8 else f"PCM_{source.bits}"


def _faded(block: Block, at: int, *, total: int, n_fade: int) -> Block:
    """A block that begins at sample `at` of `total`, with the fades that lie in it."""
    n_fade = min(n_fade, total // 2)
    if not n_fade or (at >= n_fade and at + len(block) <= total - n_fade):
        return block
    place = np.arange(at, at + len(block)) + 0.5
    gain = np.clip(np.minimum(place, total - place) / n_fade, 0.0, 1.0)
    faded: Block = block * gain[:, np.newaxis]
    return faded / (1 << 31) if block.dtype.kind == "i" else faded
