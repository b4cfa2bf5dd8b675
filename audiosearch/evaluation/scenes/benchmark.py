"""The scenes benchmark: does a model find what is heard, and in which order."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from audiosearch._typing import AnyFloats, Ints
from audiosearch._wording import counted
from audiosearch.config import Config
from audiosearch.evaluation.datasets import Dataset
from audiosearch.evaluation.ranking import figures_of_hits
from audiosearch.evaluation.retrieval import (
    Ranking,
    ScoreMatrices,
    audio_to_text_costs,
    loss_figures,
    rankings,
    recall_figures,
    retrieval_table,
    text_to_audio_costs,
)
from audiosearch.evaluation.retrieval_benchmark import engine_rankings, gather
from audiosearch.evaluation.run import EvaluationRun, need_labels
from audiosearch.evaluation.scenes.grammar import SceneKind
from audiosearch.evaluation.scenes.plan import PlannedScene, SceneSettings, plan_scenes
from audiosearch.evaluation.scenes.render import write_scenes
from audiosearch.evaluation.tables import Cell, Outcome, Table

ORDERED = (SceneKind.ORDERED, SceneKind.THREE)


def caption_places(scenes: Sequence[PlannedScene]) -> list[Ints]:
    """Where each scene's captions stand among all captions."""
    ends = np.cumsum([len(scene.captions) for scene in scenes])
    return np.split(np.arange(ends[-1], dtype=np.int64), ends[:-1])


def by_kind_table(found: Sequence[Ranking], scenes: Sequence[PlannedScene]) -> Table:
    """Figures of each ranking over the queries of one kind of scene; all items compete."""
    places = caption_places(scenes)
    rows: list[tuple[Cell, ...]] = []
    for one in found:
        for kind in SceneKind:
            mine = [i for i, scene in enumerate(scenes) if scene.kind is kind]
            if not mine:
                continue
            queries = (
                np.concatenate([places[i] for i in mine])
                if one.direction == "text-to-audio"
                else np.array(mine)
            )
            f = figures_of_hits(one.hits[queries])
            rows.append(
                (
                    *(one.direction, one.score, scenes[mine[0]].n_events, str(kind), f.n_queries),
                    *(f.recall_1, f.recall_5, f.recall_10, f.map_10),
                )
            )
    columns = ("direction", "score", "events", "kind", "queries", "r1", "r5", "r10", "map10")
    return Table("by_events", "By number of sounds", columns, tuple(rows))


def order_right(
    text_to_audio: AnyFloats, audio_to_text: AnyFloats, scenes: Sequence[PlannedScene]
) -> list[tuple[SceneKind, bool, bool]]:
    """For each caption of each ordered scene, whether either direction gets the order right.

    That is how often a caption ranks its own scene above the twin that plays the same sounds the
    other way round, and a scene its own caption above the twin's. Chance is one half; equal counts
    as wrong.

    Args:
        text_to_audio: (n_captions, n_scenes) costs.
        audio_to_text: (n_scenes, n_captions) costs.
        scenes: the scenes, their twins among them.
    """
    places = caption_places(scenes)
    answers = []
    for number, scene in enumerate(scenes):
        if scene.twin is None:
            continue
        for own, reversed_ in zip(places[number], places[scene.twin], strict=True):
            found = text_to_audio[own, number] < text_to_audio[own, scene.twin]
            said = audio_to_text[number, own] < audio_to_text[number, reversed_]
            answers.append((scene.kind, bool(found), bool(said)))
    return answers


def order_table(
    matrices: ScoreMatrices, scenes: Sequence[PlannedScene], engine: Sequence[Ranking]
) -> Table:
    """Order accuracy by score and kind of scene; `engine` are the rankings of search, if any."""
    to_audio = dict(text_to_audio_costs(matrices))
    to_text = dict(audio_to_text_costs(matrices))
    for one in engine:
        costs = to_audio if one.direction == "text-to-audio" else to_text
        costs[one.score] = np.argsort(one.order, axis=1).astype(np.float64)  # ranks
    rows: list[tuple[Cell, ...]] = []
    for score in dict.fromkeys((*to_text, *to_audio)):
        # Scaling by a caption's own statistics changes nothing among the sounds of one caption.
        answers = order_right(
            to_audio.get(score, to_audio["ce"]), to_text.get(score, to_text["ce"]), scenes
        )
        for name, kinds in (*((str(kind), (kind,)) for kind in ORDERED), ("both", ORDERED)):
            mine = [answer for answer in answers if answer[0] in kinds]
            if mine:
                found = float(np.mean([answer[1] for answer in mine]))
                said = float(np.mean([answer[2] for answer in mine]))
                rows.append((score, name, len(mine), found, said if score in to_text else None))
    columns = ("score", "kind", "pairs", "text_to_audio", "audio_to_text")
    return Table("order", "Order accuracy (right order above its twin)", columns, tuple(rows))


def evaluate_scenes(
    dataset: Dataset,
    run: EvaluationRun,
    *,
    settings: SceneSettings,
    folder: Path | None,
    engine: Config | None,
) -> Outcome:
    """Compose scenes of the labelled clips and find them again.

    Args:
        dataset: labelled clips, none of which the model was trained on.
        run: the model.
        settings: which scenes.
        folder: where the scenes are written; None keeps them with the half-done work.
        engine: settings of the two-step search; None leaves it out.

    Raises:
        DatasetError: clips have no label, are silent or cannot be decoded, or have fewer than two
            labels.
    """
    need_labels(dataset)
    scenes = plan_scenes(dataset.clips, settings)
    if folder is None:
        folder = run.work.part("scenes", repr(settings), *(str(c.path) for c in dataset.clips))
    composed = write_scenes(scenes, dataset.clips, folder=folder, progress=run.progress)
    encoded, matrices = gather(composed, run)
    searched = [] if engine is None else engine_rankings(composed, matrices, run, engine)
    found = [*rankings(matrices), *searched]
    kinds = ", ".join(f"{sum(s.kind is kind for s in scenes)} {kind}" for kind in SceneKind)
    return Outcome(
        name="scenes",
        title=f"Scenes composed from {dataset.name}",
        facts=(
            *run.facts(composed, encoded),
            ("scenes", kinds),
            (
                "composed from",
                f"{counted(len(dataset.clips), 'clip')} of {counted(len(dataset.labels), 'label')}",
            ),
            ("seed", str(settings.seed)),
            ("folder", str(folder)),
        ),
        tables=(
            retrieval_table(found),
            by_kind_table(found, scenes),
            order_table(matrices, scenes, searched),
        ),
        figures=(*recall_figures(found), *loss_figures(matrices)),
        remarks=_unknown_words(composed, run),
    )


def _unknown_words(composed: Dataset, run: EvaluationRun) -> tuple[str, ...]:
    """The words of the sentences that the model never learned: its problem, but worth knowing."""
    vocabulary = run.model.bundle.vocabulary
    unknown = {w for caption in composed.captions for w in vocabulary.unknown_words(caption)}
    if not unknown:
        return ()
    return (f"words of the sentences that the model does not know: {', '.join(sorted(unknown))}",)
