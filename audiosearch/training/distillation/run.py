"""One run of teaching: which recordings, which folder, what is held out."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import torch

from audiosearch.errors import AudiosearchError
from audiosearch.training.checkpoints import Report, TrainingProgress, load_state
from audiosearch.training.data.corpus import Corpus, held_out_breadth, read_corpus
from audiosearch.training.data.dataset import SoundCache, Split, SplitRule, open_cache
from audiosearch.training.distillation.heads import HeadRecipe, fit_head
from audiosearch.training.distillation.listening import head_figures
from audiosearch.training.distillation.pool import open_pool, usable_rows
from audiosearch.training.distillation.recipe import FEATURES, DistillationRecipe
from audiosearch.training.distillation.student import Student
from audiosearch.training.distillation.targets import TargetReader
from audiosearch.training.distillation.trainer import TEACHER_TAG, DistillationTrainer
from audiosearch.training.export.restored import encoder_of_bundle, measure_norms, read_tags
from audiosearch.training.networks.convnext import ConvNext, starter_config
from audiosearch.training.networks.frontend import STARTER_FRONTEND
from audiosearch.training.text.labels import all_tags

HOLD_OUT_SHARE = 0.08


@dataclass(frozen=True)
class DistillationRun:
    """What all stages share."""

    manifests: tuple[Path, ...]
    folder: Path
    sound_font: Path | None = None
    seed: int = 1234


@dataclass(frozen=True)
class OpenCorpus:
    """The recordings, and their samples."""

    listing: Corpus
    sounds: SoundCache


def open_corpus(run: DistillationRun, *, hold_out_fold: str) -> OpenCorpus:
    """The decoded recordings of a run; only their splits depend on `hold_out_fold`.

    Raises:
        AudiosearchError: a manifest is missing or lacks a column.
    """
    listing = read_corpus(
        run.manifests,
        rule=SplitRule(hold_out_fold=hold_out_fold, share=HOLD_OUT_SHARE, seed=run.seed),
        breadth=held_out_breadth(),
        instruments=run.folder / "instruments",
        sound_font=run.sound_font,
    )
    sounds = open_cache(
        list(listing.clips),
        cache=run.folder / "cache",
        sample_rate=STARTER_FRONTEND.sample_rate,
        seed=run.seed,
    )
    return OpenCorpus(listing, sounds)


def teach(
    run: DistillationRun,
    recipe: DistillationRecipe,
    *,
    name: str,
    hold_out_fold: str,
    start: Path | None,
    report: Report,
) -> Path:
    """Teach an encoder from the rendered pool, and return its checkpoint.

    Args:
        run: recordings and folder; the pool lies in it.
        recipe: how.
        name: of the folder within the run's for this training.
        hold_out_fold: a fold to be measured on; `none`: train on all.
        start: a bundle, or an encoder's checkpoint, to go on from; None: from nothing.
        report: told of progress.

    Raises:
        AudiosearchError: there is no pool, or `start` has heard what is held out.
    """
    corpus = open_corpus(run, hold_out_fold=hold_out_fold)
    listing, sounds = corpus.listing, corpus.sounds
    reader, tags = open_reader(run, listing, shards=recipe.shards, share_power=recipe.share_power)
    torch.manual_seed(run.seed)
    classes = reader.pool.facts.classes
    student = Student(
        starter_config(len(tags) + len(classes)),
        n_tags=len(tags),
        n_classes=len(classes),
        n_features=reader.targets(reader.rows[:1], of=(FEATURES,))[FEATURES].shape[-1],
    )
    if start is not None:
        _refuse_heard(start, listing, fold=hold_out_fold)
        _start_from(student, start, tags)
        batches = (reader.batch(32, seed=[run.seed, place, 1]).values for place in range(30))
        measure_norms(student.encoder, batches)
    trainer = DistillationTrainer(
        student,
        reader,
        tags=tags,
        recipe=recipe,
        seed=run.seed,
        folder=run.folder / name,
        evaluate=lambda encoder: head_figures(encoder, sounds, listing, tags=tags).text(),
    )
    return trainer.run(report=report)


def refit(
    run: DistillationRun,
    recipe: HeadRecipe,
    *,
    name: str,
    hold_out_fold: str,
    start: Path,
    shards: int,
    report: Report,
) -> Path:
    """Fit a head of our tags and the teacher's classes to an encoder that stays as it is.

    Args:
        run: recordings and folder; the pool lies in it.
        recipe: how.
        name: of the folder within the run's for this head.
        hold_out_fold: a fold to be measured on; `none`: train on all.
        start: a bundle, or an encoder's checkpoint.
        shards: of the pool, the first so many.
        report: told of progress.

    Raises:
        AudiosearchError: there is no pool, or `start` has heard what is held out.
    """
    corpus = open_corpus(run, hold_out_fold=hold_out_fold)
    _refuse_heard(start, corpus.listing, fold=hold_out_fold)
    reader, tags = open_reader(run, corpus.listing, shards=shards)
    encoder, _ = load_encoder(start)
    classes = tuple(TEACHER_TAG + each for each in reader.pool.facts.classes)
    path = fit_head(
        encoder,
        reader,
        names=(*tags, *classes),
        recipe=recipe,
        seed=run.seed,
        path=run.folder / name / "encoder.pt",
        report=report,
    )
    encoder, _ = load_encoder(path)
    told = head_figures(encoder, corpus.sounds, corpus.listing, tags=tags).text()
    report(TrainingProgress("head", recipe.steps, recipe.steps, told))
    return path


def open_reader(
    run: DistillationRun, listing: Corpus, *, shards: int, share_power: float = 0.5
) -> tuple[TargetReader, tuple[str, ...]]:
    """What is learned from, and the tags of the recordings that may be.

    Raises:
        AudiosearchError: there is no pool of these recordings, or of fewer shards.
    """
    training = listing.training()
    tags = all_tags(listing.clips[place].label for place in training)
    pool = open_pool(run.folder / "pool", shards=shards)
    rows = usable_rows(pool, listing.clips, training)
    return TargetReader(pool, rows, listing.clips, tags, share_power=share_power), tags


def _start_from(student: Student, start: Path, tags: tuple[str, ...]) -> None:
    """Take over an encoder's weights; of its head those of the tags that both know."""
    weights, known = read_encoder(start)
    own = student.encoder.state_dict()
    for part in ("weight", "bias"):
        head = own[f"head_audioset.{part}"].clone()
        for place, tag in enumerate(tags):
            if tag in known:
                head[place] = weights[f"head_audioset.{part}"][known.index(tag)]
        weights[f"head_audioset.{part}"] = head
    student.encoder.load_state_dict(weights)


def read_encoder(path: Path) -> tuple[dict[str, torch.Tensor], tuple[str, ...]]:
    """Weights and tags of a bundle's encoder or of a checkpoint.

    Raises:
        AudiosearchError: it is neither.
    """
    if path.is_dir():
        tags = read_tags(path)
        return encoder_of_bundle(path, config=starter_config(len(tags))), tags
    state = load_state(path)
    return dict(state["network"]), tuple(state["tags"])


def load_encoder(path: Path) -> tuple[ConvNext, tuple[str, ...]]:
    """A trained encoder, in evaluation mode, and its tags."""
    weights, tags = read_encoder(path)
    encoder = ConvNext(starter_config(len(tags)))
    encoder.load_state_dict(weights)
    return encoder.eval(), tags


def _refuse_heard(start: Path, listing: Corpus, *, fold: str) -> None:
    """Refuse a bundle that lists recordings of the fold that is held out here.

    Raises:
        AudiosearchError: it does.
    """
    listed = start / "clips.csv"
    if not listed.is_file():
        return
    with listed.open(encoding="utf-8", newline="") as lines:
        heard = {row["group"] for row in csv.DictReader(lines) if row.get("split") != Split.TEST}
    if any(clip.group in heard for clip in listing.clips if clip.fold == fold):
        raise AudiosearchError(
            "was trained on the fold that is held out", path=start, remedy="--hold-out-fold none"
        )
