"""`audiosearch evaluate`, the real command on a toy model: what comes out, and what is refused."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.e2e.command import Command
from tests.sounds import noise, tone, write_audio
from tests.toy_bundles import JOINT

pytestmark = pytest.mark.slow


LABELS = ("dog", "rain", "siren", "cat")


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A labelled folder of six short sounds; its list has groups and folds."""
    folder = tmp_path_factory.mktemp("labelled")
    rows = ["path,label,group,fold"]
    for number, label in enumerate((*LABELS, "dog", "rain")):
        name = f"{label}-{number}.wav"
        hum = tone(200.0 * (number + 1), seconds=0.6) + noise(seconds=0.6, seed=number)
        write_audio(folder / name, hum)
        rows.append(f"{name},{label},g{number},{4 if number != 3 else 1}")
    (folder / "manifest.csv").write_text("\n".join(rows) + "\n")
    return folder


@pytest.fixture(scope="module")
def captioned(labelled: Path) -> Path:
    """The same with captions."""
    rows = ["path,caption,caption_2"]
    rows += [
        f"{p.name},a {p.stem[:3]} barks,rain falls then a bell rings {p.stem[-1]}"
        for p in sorted(labelled.glob("*.wav"))
    ]
    rows[1] = rows[1].replace(" then ", " while ")
    path = labelled / "captions.csv"
    path.write_text("\n".join(rows) + "\n")
    return path


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory, toy_bundle: Path) -> Command:
    return Command(tmp_path_factory.mktemp("data"), str(toy_bundle))


def tables(rows: list[dict]) -> dict[str, list[dict]]:
    found: dict[str, list[dict]] = {}
    for row in rows:
        found.setdefault(row["table"], []).append(row)
    return found


def test_retrieval(command: Command, captioned: Path, tmp_path: Path):
    answer = command("evaluate", "retrieval", captioned, "--json", "--report", tmp_path / "out")
    assert answer.status == 0, answer.err
    found = tables(answer.rows)
    [facts] = found["facts"]
    assert facts["clips"] == "6"
    assert "names no groups" in facts["remarks"][0]
    scores = [(row["direction"], row["score"]) for row in found["retrieval"]]
    to_audio = [("text-to-audio", s) for s in ("ce", "joint", "combined")]
    to_text = ("ce", "minmax", "zscore", "lift", "mean", "joint", "combined")
    assert scores == [
        *to_audio,
        *(("audio-to-text", s) for s in to_text),
        ("text-to-audio", "engine"),
        ("audio-to-text", "engine"),
    ]
    for row in found["retrieval"]:
        assert 0 <= row["r1"] <= row["r5"] <= row["r10"] <= 1
    # With six sounds and two hundred candidates the engine listens to all: as its own score says.
    by_score = {row["score"]: row for row in found["retrieval"][:3]}
    engine, describing = found["retrieval"][-2:]
    # Of so few captions all are tried; the library keeps what it compares in half precision, so
    # that one of twelve captions may change places.
    assert describing["map10"] == pytest.approx(found["retrieval"][7]["map10"], abs=0.084)
    assert engine["r10"] == by_score["combined"]["r10"] == 1
    assert engine["r1"] == pytest.approx(by_score["combined"]["r1"], abs=0.084)
    page = (tmp_path / "out" / "retrieval.html").read_text()
    assert page.count("<svg") == 4


def test_retrieval_by_a_joint_space_alone(command: Command, captioned: Path):
    answer = command("evaluate", "retrieval", captioned, "--bundle", JOINT, "--json")
    assert answer.status == 0, answer.err
    rows = tables(answer.rows)["retrieval"]
    scores = [(row["direction"], row["score"]) for row in rows]
    to_audio = ("text-to-audio", "joint"), ("text-to-audio", "engine")
    assert scores == [to_audio[0], ("audio-to-text", "joint"), to_audio[1]]
    # Search has nothing else to go by; half precision may exchange neighbours.
    assert rows[2]["map10"] == pytest.approx(rows[0]["map10"], abs=0.084)
    refused = command("evaluate", "captions", captioned, "--bundle", JOINT)
    assert refused.status == 2
    assert "has no captioner" in refused.err


def test_queries(command: Command, labelled: Path):
    rows = ["path,query,wording,part"]
    for path in sorted(labelled.glob("*.wav")):
        name = path.name.partition("-")[0]
        rows += [f"{path.name},a {name},usual,{'odd' if name == 'cat' else 'plain'}"]
        rows += [f"{path.name},{name} sound,other,"] if name == "dog" else []
    data = labelled / "queries.csv"
    data.write_text("\n".join(rows) + "\n")
    answer = command("evaluate", "queries", data, "--json")
    assert answer.status == 0, answer.err
    found = tables(answer.rows)["queries"]
    groups = list(dict.fromkeys((row["wording"], row["part"], row["queries"]) for row in found))
    assert groups == [
        ("usual", "all", 4),
        ("usual", "odd", 1),
        ("usual", "plain", 3),
        ("other", "all", 1),
    ]
    assert [row["score"] for row in found[:4]] == ["ce", "joint", "combined", "engine"]
    for row in found:
        assert 0 <= row["r1"] <= row["r5"] <= row["r10"] == 1  # of six sounds
        assert (row["present_refused"] is None) == (row["score"] != "engine")
    refused = command("evaluate", "queries", labelled / "manifest.csv")
    assert refused.status != 0
    assert "has no queries" in refused.err


def test_a_table_for_people_and_progress_apart(command: Command, captioned: Path):
    answer = command("evaluate", "scale", captioned)
    assert answer.status == 0
    assert "Audio-to-text R@1" in answer.text
    assert "all windows" in answer.text
    assert "names no groups" in answer.err


def test_several_models_give_a_spread(
    command: Command, captioned: Path, toy_bundle: Path, other_bundle: Path
):
    bundles = ("--bundle", toy_bundle, "--bundle", other_bundle)
    answer = command("evaluate", "retrieval", captioned, "--no-engine", "--json", *bundles)
    assert answer.status == 0, answer.err
    row = tables(answer.rows)["retrieval"][0]
    assert row["r5_n"] == 2
    assert row["r5_sd"] >= 0


def test_shortlist(command: Command, captioned: Path):
    answer = command("evaluate", "shortlist", captioned, "--json", "--quiet")
    assert answer.status == 0, answer.err
    assert answer.err == ""
    rows = tables(answer.rows)["shortlist"]
    assert [(row["score"], row["candidates"]) for row in rows] == [
        (score, k) for score in ("ce", "combined") for k in (50, 100, 200, 500)
    ]
    assert all(row["right_listed"] == 1 and row["loss_r1"] == 0 for row in rows)


def test_relations(command: Command, captioned: Path):
    answer = command("evaluate", "relations", captioned, "--json")
    assert answer.status == 0, answer.err
    found = tables(answer.rows)
    eligible = {row["test"]: row["eligible"] for row in found["relations"] if row["score"] == "ce"}
    assert eligible == {
        "replace BAT": 0,
        "replace seq2sup": 5,
        "replace sup2seq": 1,
        "invert BAT": 0,
        "invert seq": 5,
        "invert sup": 1,
    }
    assert {row["word"] for row in found["relations_by_word"]} == {"then", "while"}


def test_captions(command: Command, captioned: Path, tmp_path: Path):
    # Without Java, which takes its time; what it computes is tested with the metrics themselves.
    answer = replace(command, environ={"PATH": str(tmp_path)})(
        "evaluate", "captions", captioned, "--json"
    )
    assert answer.status == 0, answer.err
    found = tables(answer.rows)
    words = {row["who"]: row for row in found["words"]}
    assert words["model"]["sentences"] == 6
    assert words["references"]["sentences"] == 12
    metrics = {row["metric"]: row["value"] for row in found["captions"]}
    assert "cider_d" in metrics
    remarks = "\n".join(found["facts"][0]["remarks"])
    for name, value in metrics.items():
        assert (value is None) == (f"{name}: " in remarks), name


def test_tags(command: Command, labelled: Path):
    answer = command("evaluate", "tags", labelled / "manifest.csv", "--json")
    assert answer.status == 0, answer.err
    found = tables(answer.rows)
    assert {row["score"] for row in found["zero_shot"]} >= {"ce", "minmax", "joint", "combined"}
    # The toy model has tags for dog and rain, none for cat and siren.
    assert (found["tags"][0]["clips"], found["tags"][0]["labels"]) == (4, 2)
    assert any("no tag is named cat, siren" in text for text in found["facts"][0]["remarks"])


def test_scenes(command: Command, labelled: Path, tmp_path: Path):
    settings = ("--ordered", "3", "--together", "2", "--three", "1", "--folds", "4", "--no-engine")
    arguments = ("evaluate", "scenes", labelled / "manifest.csv", "--json", *settings)
    answer = command(*arguments, "--write", tmp_path / "scenes")
    assert answer.status == 0, answer.err
    found = tables(answer.rows)
    kinds = {(r["direction"], r["score"], r["kind"]): r for r in found["by_events"]}
    assert kinds["text-to-audio", "ce", "one"]["queries"] == 6  # dog, rain, siren; two sentences
    order = {(row["score"], row["kind"]): row for row in found["order"]}
    assert order["ce", "both"]["pairs"] == 2 * (2 * order_of(found) + 2)
    assert len(list((tmp_path / "scenes").glob("*.wav"))) == int(found["facts"][0]["clips"])
    again = command(
        "evaluate", "retrieval", tmp_path / "scenes" / "scenes.csv", "--json", "--no-engine"
    )
    assert again.status == 0
    mine = [{k: v for k, v in row.items() if k != "evaluation"} for row in found["retrieval"]]
    same = [
        {k: v for k, v in row.items() if k != "evaluation"}
        for row in tables(again.rows)["retrieval"]
    ]
    assert mine == same


def order_of(found: dict[str, list[dict]]) -> int:
    """How many ordered pairs of sounds there are, twins not counted."""
    facts = found["facts"][0]["scenes"]
    return int(facts.split(" two in order")[0].split(", ")[-1]) // 2


def test_a_model_is_not_tested_on_what_it_was_trained_on(
    command: Command, labelled: Path, toy_bundle: Path, tmp_path: Path
):
    bundle = tmp_path / "trained"
    shutil.copytree(toy_bundle, bundle)
    (bundle / "clips.csv").write_text("path,group,split\nx,g0,train\ny,g3,validation\n")
    arguments = ("evaluate", "tags", labelled / "manifest.csv", "--bundle", bundle)
    refused = command(*arguments)
    assert refused.status == 2
    assert refused.out == b""
    assert "trained on 1 of the 6 groups" in refused.err
    assert "--folds" in refused.err
    allowed = command(*arguments, "--allow-trained")
    assert allowed.status == 0
    assert "WARNING" in allowed.text
    held_out = command(*arguments, "--folds", "1")
    assert held_out.status == 0
    assert "tuned on 1" in held_out.text


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["retrieval", "manifest.csv"], "has no captions"),
        (["scenes", "captions.csv"], "without a label"),
        (["retrieval", "none.csv"], "cannot be read"),
        (["tags", "manifest.csv", "--folds", "7"], "there are: 1, 4"),
        (["tags", "manifest.csv", "--bundle", "none"], "no model bundle is named"),
    ],
)
def test_bad_use_is_one_line(command: Command, captioned: Path, arguments: list[str], says: str):
    name, data, *rest = arguments
    answer = command("evaluate", name, captioned.parent / data, *rest)
    assert answer.status == 2
    assert says in answer.err
    assert "Traceback" not in answer.err


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_a_stopped_evaluation_goes_on(command: Command, tmp_path: Path, labelled: Path):
    generator = np.random.default_rng(0)
    words = ("dog", "rain", "bell", "wind", "man", "speaks", "falls", "rings", "and", "then")
    rows = ["path,caption"]
    for path in sorted(labelled.glob("*.wav")):
        rows += [f"{path.name},{' '.join(generator.choice(words, 12))} {i}" for i in range(4000)]
    data = tmp_path / "many.csv"
    data.write_text("\n".join(rows) + "\n")
    work = tmp_path / "work"
    arguments = [*command.program, "evaluate", "retrieval", str(data), "--no-engine", "--json"]
    arguments += ["--audio", str(labelled), "--work", str(work), "--layout", "csv"]
    running = subprocess.Popen(
        arguments, env=command.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    deadline = time.monotonic() + 300
    while not list(work.glob("losses-*/*.npz")) and time.monotonic() < deadline:
        time.sleep(0.05)
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=300)
    assert (running.returncode, out) == (130, b"")
    assert b"goes on from here" in err
    kept = {path: path.stat().st_mtime_ns for path in work.glob("losses-*/*.npz")}
    assert 0 < len(kept) < 6
    # Finishing it would take long; that it does not begin again shows in what is kept and said.
    running = subprocess.Popen(
        arguments, env=command.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert running.stderr is not None
    said = b""
    while b"done by an earlier run" not in said or b"scoring pairs" not in said:
        line = running.stderr.readline()
        assert line, said
        said += line
    running.send_signal(signal.SIGINT)
    running.communicate(timeout=300)
    assert all(path.stat().st_mtime_ns == when for path, when in kept.items())


def test_json_is_one_object_a_line(command: Command, captioned: Path):
    answer = command("evaluate", "scale", captioned, "--json", "--sounds", "3")
    rows = [json.loads(line) for line in answer.text.splitlines()]
    assert rows[0]["table"] == "facts"
    assert rows[0]["clips"] == "3"
    assert all(row["evaluation"] == "scale" for row in rows)
