"""Tables: shape, averages over models, JSON rows."""

import json
import statistics

import pytest

from audiosearch.evaluation.tables import Outcome, Spread, Table, averaged, json_rows, shown


def outcome(recall: float, model: str, n: int = 3) -> Outcome:
    table = Table("retrieval", "Retrieval", ("score", "queries", "r1"), (("ce", n, recall),))
    return Outcome("retrieval", "Retrieval", (("model", model), ("clips", "3")), (table,))


def test_rows_must_fit_their_columns():
    with pytest.raises(ValueError, match="does not fit"):
        Table("t", "T", ("a", "b"), (("x",),))


def test_several_models_give_mean_and_spread():
    together = averaged([outcome(0.2, "seed-1"), outcome(0.4, "seed-2"), outcome(0.6, "seed-3")])
    [row] = together.tables[0].rows
    assert row[:2] == ("ce", 3)
    spread = row[2]
    assert isinstance(spread, Spread)
    assert spread.mean == pytest.approx(0.4)
    assert spread.deviation == pytest.approx(statistics.stdev([0.2, 0.4, 0.6]))
    assert spread.n == 3
    assert together.facts == (("model", "seed-1, seed-2, seed-3"), ("clips", "3"))


def test_one_model_stays_as_it_is():
    assert averaged([outcome(0.2, "a")]) == outcome(0.2, "a")


def test_tables_of_other_shapes_are_refused():
    longer = Outcome("r", "R", (), (Table("retrieval", "", ("score", "queries", "r1"), ()),))
    with pytest.raises(ValueError, match="differ in shape"):
        averaged([outcome(0.2, "a"), longer])


def test_json_rows_hold_mean_and_deviation():
    [row] = json_rows(averaged([outcome(0.2, "a"), outcome(0.4, "b")]))
    assert json.loads(json.dumps(row)) == {
        "evaluation": "retrieval",
        "table": "retrieval",
        "score": "ce",
        "queries": 3,
        "r1": pytest.approx(0.3),
        "r1_sd": pytest.approx(statistics.stdev([0.2, 0.4])),
        "r1_n": 2,
    }


@pytest.mark.parametrize(
    ("cell", "text"),
    [(None, "-"), (3, "3"), (0.25, "0.250"), ("ce", "ce"), (Spread(0.5, 0.01, 5), "0.500 ± 0.010")],
)
def test_cells_for_people(cell, text: str):
    assert shown(cell) == text
