"""Captions: the model's own sentences against those of people."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import astuple
from pathlib import Path

import numpy as np

from audiosearch._files import atomic_write
from audiosearch.cluster.hearing import captions_of
from audiosearch.evaluation.caption_metrics import Measured, measure, word_use
from audiosearch.evaluation.datasets import Dataset
from audiosearch.evaluation.encode import EncodedDataset
from audiosearch.evaluation.pieces import in_order
from audiosearch.evaluation.run import EvaluationRun, need_captions
from audiosearch.evaluation.tables import Outcome, Table

CHUNK = 64  # windows captioned between two savings


def evaluate_captions(dataset: Dataset, run: EvaluationRun) -> Outcome:
    """Caption metrics, as far as their packages are installed, and word use.

    That models use far fewer words than people is part of the result (Labbé et al. 2023,
    https://arxiv.org/abs/2308.15090, section 2.3).

    Raises:
        DatasetError: there are no captions, or clips cannot be decoded.
    """
    need_captions(dataset)
    encoded = run.encode(dataset)
    sentences = generated_captions(encoded, run)
    references = [clip.captions for clip in dataset.clips]
    run.progress.start("comparing", total=1)
    measured = measure(sentences, references)
    run.progress.advance(1)
    missing = tuple(f"{one.name}: {one.why_not}" for one in measured if one.value is None)
    return Outcome(
        name="captions",
        title=f"Captions of {dataset.name}",
        facts=run.facts(dataset, encoded),
        tables=(
            metric_table(measured),
            word_table(sentences, dataset.captions),
            example_table(dataset, sentences),
        ),
        remarks=missing,
    )


def metric_table(measured: Sequence[Measured]) -> Table:
    """The figures that there are."""
    rows = tuple((one.name, one.value) for one in measured)
    return Table("captions", "Caption metrics", ("metric", "value"), rows)


def word_table(sentences: Sequence[str], references: Sequence[str]) -> Table:
    """Words used by the model and by people."""
    rows = tuple(
        (name, *astuple(word_use(texts)))
        for name, texts in (("model", sentences), ("references", references))
    )
    columns = ("who", "sentences", "distinct_sentences", "words", "mean_length")
    return Table("words", "Words used", columns, rows)


def example_table(dataset: Dataset, sentences: Sequence[str], *, n: int = 20) -> Table:
    """The first sentences beside what people said."""
    rows = tuple(
        (clip.name, sentence, clip.captions[0])
        for clip, sentence in list(zip(dataset.clips, sentences, strict=True))[:n]
    )
    return Table("examples", "Examples", ("clip", "model", "reference"), rows)


def generated_captions(encoded: EncodedDataset, run: EvaluationRun) -> list[str]:
    """The model's sentence for each clip: of several windows, the one the decoder is surest of."""
    folder = run.work.part("captions", encoded.key)
    starts = range(0, len(encoded.frames), CHUNK)
    files = {start: folder / f"{start:06d}.json" for start in starts}
    missing = [start for start, file in files.items() if not file.is_file()]
    n_windows = len(encoded.frames)
    done = n_windows - sum(min(CHUNK, n_windows - start) for start in missing)
    run.progress.start("captioning", total=n_windows, done=done)
    written = in_order(
        captions_of,
        (encoded.frames[start : start + CHUNK] for start in missing),
        common=None,
        model=run.model,
        workers=run.workers,
    )
    for start, found in zip(missing, written, strict=True):
        _write(files[start], [(one.text, one.mean_log_prob) for one in found])
        run.progress.advance(len(found))
    rows = [row for file in files.values() for row in _read(file)]
    texts, surety = [text for text, _ in rows], [value for _, value in rows]
    chosen = []
    for clip in range(encoded.n_clips):
        windows = np.flatnonzero(encoded.owners == clip)
        chosen.append(texts[max(windows.tolist(), key=lambda row: surety[row])])
    return chosen


def _read(file: Path) -> list[tuple[str, float]]:
    return [(text, value) for text, value in json.loads(file.read_text(encoding="utf-8"))]


def _write(file: Path, rows: Sequence[tuple[str, float]]) -> None:
    with atomic_write(file) as out:
        out.write(json.dumps(rows).encode())
