"""Scales from samples: all windows give the exact figure, few windows give less of it."""

import numpy as np

from audiosearch.evaluation.ranking import figures
from audiosearch.evaluation.scale_benchmark import estimates, recall_1
from audiosearch.search.normalise import ScaleTable

TABLE_3 = np.array([[1.7, 8.4, 8.1], [2.1, 7.6, 8.5], [2.0, 8.3, 6.5]])
OWN = np.eye(3, dtype=bool)


def test_all_windows_of_table_3_are_all_right():
    [whole] = estimates(TABLE_3, owners=np.arange(3), relevant=OWN, seed=0)
    assert (whole.n_windows, whole.draws, whole.recall_1) == (3, 1, 1.0)


def test_a_sample_of_one_window_leaves_the_raw_loss_to_decide():
    sample = np.array([1])
    assert recall_1(TABLE_3, np.arange(3), OWN, sample=sample) == 1 / 3


def test_sizes_draws_and_seed():
    generator = np.random.default_rng(1)
    values = generator.normal(5, 1, (40, 8)) + generator.normal(0, 3, 8)
    owners = np.repeat(np.arange(20), 2)
    relevant = np.zeros((20, 8), dtype=bool)
    relevant[np.arange(20), np.arange(20) % 8] = True
    run = [
        estimates(values, owners=owners, relevant=relevant, seed=3, sizes=(16, 64), draws=4)
        for _ in range(2)
    ]
    assert run[0] == run[1]
    assert [(e.n_windows, e.draws) for e in run[0]] == [(16, 4), (40, 1)]
    # The last line is plain min-max over all windows, each sound by its best one.
    scaled = ScaleTable.of(values).scaled(values)
    best = np.array([scaled[owners == sound].min(axis=0) for sound in range(20)])
    raw = np.array([values[owners == sound].min(axis=0) for sound in range(20)])
    assert run[0][-1].recall_1 == figures(best, relevant, ties=raw).recall_1
