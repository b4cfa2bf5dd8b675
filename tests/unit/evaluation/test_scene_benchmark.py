"""Order accuracy and figures by kind, worked by hand."""

import numpy as np

from audiosearch.evaluation.retrieval import Ranking, ScoreMatrices, rankings
from audiosearch.evaluation.scenes.benchmark import (
    by_kind_table,
    caption_places,
    order_right,
    order_table,
)
from audiosearch.evaluation.scenes.grammar import SceneKind
from audiosearch.evaluation.scenes.plan import PlannedScene
from audiosearch.model.calibration import ScoreCalibration


def scene(kind: SceneKind, labels: str, n_captions: int, twin: int | None = None) -> PlannedScene:
    return PlannedScene(
        kind=kind,
        clips=tuple(range(len(labels))),
        labels=tuple(labels),
        captions=tuple(f"{labels} {i}" for i in range(n_captions)),
        seed=0,
        twin=twin,
    )


SCENES = [
    scene(SceneKind.SINGLE, "a", 1),
    scene(SceneKind.ORDERED, "ab", 2, twin=2),
    scene(SceneKind.ORDERED, "ba", 2, twin=1),
]
# Costs (scenes, captions): captions 0 | 1 2 | 3 4.
COSTS = np.array(
    [
        [1.0, 5.0, 5.0, 5.0, 5.0],
        [4.0, 1.0, 3.0, 2.0, 2.0],
        [4.0, 2.0, 2.0, 1.0, 2.0],
    ]
)


def test_captions_stand_scene_by_scene():
    assert [places.tolist() for places in caption_places(SCENES)] == [[0], [1, 2], [3, 4]]


def test_order_accuracy_by_hand():
    # text-to-audio: caption 1 prefers scene 1 (1 < 2), 2 does not (3 > 2), 3 prefers scene 2
    # (1 < 2), 4 ties (2 = 2), which is wrong. audio-to-text: scene 1 prefers 1 to 3 (1 < 2),
    # not 2 to 4 (3 > 2); scene 2 prefers 3 to 1 (1 < 2), 4 to 2 ties.
    answers = order_right(COSTS.T, COSTS, SCENES)
    assert [answer[1] for answer in answers] == [True, False, True, False]
    assert [answer[2] for answer in answers] == [True, False, True, False]


def test_tables():
    matrices = ScoreMatrices(
        cross_entropies=COSTS,
        without_sound=np.full(5, 4.0),
        cosine=None,
        owners=np.arange(3),
        relevant=np.array([[1, 0, 0, 0, 0], [0, 1, 1, 0, 0], [0, 0, 0, 1, 1]], dtype=bool),
        weights=ScoreCalibration(lift=1, joint=1, bias=0, min_score=0.5),
    )
    order = order_table(matrices, SCENES, ())
    assert order.rows[0] == ("ce", "two in order", 4, 0.5, 0.5)
    assert order.rows[1] == ("ce", "both", 4, 0.5, 0.5)
    # Search that puts scene 2 first for every caption is right for captions 3 and 4.
    answers = np.tile([2, 1, 0], (5, 1))
    search = Ranking("text-to-audio", "engine", answers, np.zeros((5, 3), dtype=bool))
    searched = order_table(matrices, SCENES, [search])
    assert searched.rows[:-2] == order.rows
    assert searched.rows[-1] == ("engine", "both", 4, 0.5, None)
    kinds = by_kind_table(rankings(matrices), SCENES)
    assert kinds.rows[0] == ("text-to-audio", "ce", 1, "one", 1, 1.0, 1.0, 1.0, 1.0)
    # Caption 4 ties at scenes 1 and 2: the earlier one comes first, which is wrong.
    assert kinds.rows[1] == ("text-to-audio", "ce", 2, "two in order", 4, 0.5, 1.0, 1.0, 0.75)
