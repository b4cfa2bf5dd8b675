"""Rankings from matrices: the paper's Table 3, the weights of the combined score, windows."""

import numpy as np
import pytest

from audiosearch.evaluation.retrieval import (
    CURVE_DEPTH,
    ScoreMatrices,
    loss_figures,
    rankings,
    recall_figures,
    retrieval_table,
)
from audiosearch.evaluation.tables import HistogramFigure, LineFigure
from audiosearch.model.calibration import ScoreCalibration

TABLE_3 = np.array([[1.7, 8.4, 8.1], [2.1, 7.6, 8.5], [2.0, 8.3, 6.5]])
WEIGHTS = ScoreCalibration(lift=2.0, joint=5.0, bias=-3.0, min_score=0.5)


def matrices(cosine: np.ndarray | None = None) -> ScoreMatrices:
    return ScoreMatrices(
        cross_entropies=TABLE_3,
        without_sound=np.array([2.0, 8.0, 8.0]),
        cosine=cosine,
        owners=np.arange(3),
        relevant=np.eye(3, dtype=bool),
        weights=WEIGHTS,
    )


def figures_by_name(found: list) -> dict[tuple[str, str], tuple[float, int]]:
    return {(one.direction, one.score): (one.figures.recall_1, one.distinct) for one in found}


def test_table_3():
    found = figures_by_name(rankings(matrices()))
    assert found == {
        ("text-to-audio", "ce"): (1.0, 3),
        ("audio-to-text", "ce"): (1 / 3, 1),  # one caption swallows all
        ("audio-to-text", "minmax"): (1.0, 3),
        ("audio-to-text", "zscore"): (1.0, 3),
        ("audio-to-text", "lift"): (1.0, 3),
        ("audio-to-text", "mean"): (1.0, 3),
    }


def test_joint_and_combined():
    cosine = np.array([[0.1, 0.9, 0.0], [0.0, 0.8, 0.1], [0.0, 0.1, 0.5]])
    given = matrices(cosine)
    found = figures_by_name(rankings(given))
    assert found["text-to-audio", "joint"] == (2 / 3, 2)  # sound 0 comes first for captions 0, 1
    assert found["audio-to-text", "joint"] == (2 / 3, 2)
    combined = given.combined()
    assert combined is not None
    # 2 * (8.0 - 7.6) + 5 * 0.8, turned into a cost
    assert combined[1, 1] == pytest.approx(-4.8)
    scores = WEIGHTS(lift=(given.without_sound - TABLE_3).ravel(), cosine=cosine.ravel())
    assert np.argsort(-scores).tolist() == np.argsort(combined.ravel()).tolist()


def test_a_sound_counts_by_its_best_window():
    windows = np.array([[9.0, 9.0, 9.0], *TABLE_3.tolist(), [9.0, 9.0, 9.0]])
    given = ScoreMatrices(
        cross_entropies=windows,
        without_sound=np.zeros(3),
        cosine=None,
        owners=np.array([0, 0, 1, 2, 2]),
        relevant=np.eye(3, dtype=bool),
        weights=WEIGHTS,
    )
    found = figures_by_name(rankings(given))
    assert found["text-to-audio", "ce"] == (1.0, 3)
    assert found["audio-to-text", "ce"] == (1 / 3, 1)


def test_tables_and_figures():
    found = rankings(matrices(np.eye(3)))
    table = retrieval_table(found)
    assert len(table.rows) == len(found) == 10
    assert table.rows[0][:5] == ("text-to-audio", "ce", 3, 3, 1.0)
    curves = recall_figures(found)
    assert [len(curve.lines) for curve in curves if isinstance(curve, LineFigure)] == [3, 7]
    assert all(len(line.xs) == 3 < CURVE_DEPTH for line in curves[0].lines)
    for figure in loss_figures(matrices()):
        assert isinstance(figure, HistogramFigure)
        for _, shares in figure.series:
            assert sum(shares) == pytest.approx(1)
            assert len(shares) == len(figure.edges) - 1
