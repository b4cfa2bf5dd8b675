"""Tables and progress of evaluations."""

import json

import click
import pytest

from audiosearch.cli.evaluate import print_outcome, table_lines
from audiosearch.cli.progress import EvaluationProgress
from audiosearch.cli.terminal import for_terminal
from audiosearch.evaluation.tables import Outcome, Spread, Table

TABLE = Table("t", "Title", ("score", "n", "r1"), (("ce", 3, 0.5), ("minmax", 12, None)))
OUTCOME = Outcome("x", "An evaluation", (("model", "toy"), ("data set", "d")), (TABLE,), (), ("!",))


def test_words_to_the_left_numbers_to_the_right():
    assert [click.unstyle(for_terminal(line)) for line in table_lines(TABLE)] == [
        "  score    n     r1",
        "  ce       3  0.500",
        "  minmax  12      -",
    ]
    assert table_lines(Table("t", "T", ("a",), ())) == ["  (nothing)"]


def test_json_begins_with_what_it_was(capsys: pytest.CaptureFixture[str]):
    print_outcome(OUTCOME, as_json=True)
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert rows[0] == {
        "evaluation": "x",
        "table": "facts",
        "model": "toy",
        "data_set": "d",
        "remarks": ["!"],
    }
    assert rows[1] == {"evaluation": "x", "table": "t", "score": "ce", "n": 3, "r1": 0.5}
    assert rows[2]["r1"] is None


def test_people_see_facts_tables_and_remarks(capsys: pytest.CaptureFixture[str]):
    wide = Table("t", "Title", ("r1",), ((Spread(0.5, 0.01, 3),),))
    print_outcome(Outcome("x", "An evaluation", (), (wide,), (), ("careful",)), as_json=False)
    text = capsys.readouterr().out
    assert "0.500 ± 0.010" in text
    assert "! careful" in text


def test_progress_says_what_an_earlier_run_did_and_how_long_stages_took(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    with EvaluationProgress(quiet=False) as progress:
        progress.start("scoring pairs", total=100, done=40)
        now[0] += 20
        progress.advance(20)
        now[0] += 40
        progress.start("searching", total=1)
        now[0] += 2
    err = capsys.readouterr().err
    assert "40 of 100 were done by an earlier run" in err
    assert "scoring pairs: 60 of 100, about 40.0 s left" in err
    assert progress.timings() == "scoring pairs 1.0 min, searching 2.0 s"


def test_quiet_is_quiet(capsys: pytest.CaptureFixture[str]):
    with EvaluationProgress(quiet=True) as progress:
        progress.start("scoring pairs", total=100, done=40)
        progress.advance(20)
    assert capsys.readouterr().err == ""
