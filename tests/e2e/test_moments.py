"""Moments, exclusions and sounds beside words, asked of the real command and the bundled model.

The sounds are made here: knocks and bells at known times in a quiet room, rain with and without a
siren. Names say nothing of what is heard.
"""

from __future__ import annotations

import itertools
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

import audiosearch
from audiosearch.training.synth.synthesis import RATE, add, bell, engine, knocks, rain, siren
from tests.e2e.command import Command
from tests.sounds import bext_chunk, wav_bytes, write_audio

NIGHT = "A01_20260501_215940.wav"
KNOCKS_S, BELLS_S = (4.0, 23.0, 41.0), (12.0, 49.0)
SHORT_S = 7.3  # where the half-second knock is in its ten seconds
MIXED, RAIN, CLEAN_RAIN = "m1.wav", "r1.wav", "r2.wav"
SHORT, TAPE, DUTY = "s1.wav", "b1.wav", "e1.wav"


def level(sound: np.ndarray, peak: float = 0.7) -> np.ndarray:
    return peak * sound / np.abs(sound).max()


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Command:
    """A library of the bundled model over a folder `sounds` beside its data."""
    place = tmp_path_factory.mktemp("night")
    folder = place / "sounds"
    folder.mkdir()
    rng = np.random.default_rng(0)
    room = 0.003 * rng.standard_normal(60 * RATE)
    for at_s in KNOCKS_S:
        add(room, level(knocks(rng, 2)), at_s)
    for at_s in BELLS_S:
        add(room, level(bell(rng, 3)), at_s)
    write_audio(folder / NIGHT, room, rate=RATE)
    short = 0.003 * rng.standard_normal(10 * RATE)
    add(short, level(knocks(rng, 1))[: RATE // 2], SHORT_S)
    write_audio(folder / SHORT, short, rate=RATE)
    mixed = level(rain(rng, 30), 0.3)
    add(mixed, level(siren(rng, 5)), 22.0)
    write_audio(folder / MIXED, mixed, rate=RATE)
    write_audio(folder / RAIN, level(rain(rng, 10)), rate=RATE)
    write_audio(folder / CLEAN_RAIN, level(rain(rng, 12)), rate=RATE)
    write_audio(folder / DUTY, level(engine(rng, 8)), rate=RATE)
    since_midnight = RATE * (3 * 3600 + 30)
    date = bext_chunk(date=b"2026-05-02", time=b"03:00:00", time_reference=since_midnight)
    (folder / TAPE).write_bytes(wav_bytes(level(bell(rng, 4)), rate=RATE, before=date))
    command = Command(data_dir=place / "data", bundle="starter")
    answer = command("index", folder)
    assert answer.status == 0, answer.err
    return command


@pytest.fixture
def folder(night: Command) -> Path:
    return night.data_dir.parent / "sounds"


def starts(rows: list[dict[str, object]], name: str) -> list[float]:
    found = [row["start_s"] for row in rows if str(row["path"]).endswith(name)]
    return sorted(x for x in found if isinstance(x, float))


def names(rows: list[dict[str, object]]) -> list[str]:
    return [Path(str(row["path"])).name for row in rows]


def test_every_knock_is_found_where_it_is(night: Command) -> None:
    answer = night("find", "someone knocks on a door", "--moments", "--json")
    assert answer.status == 0, answer.err
    found = starts(answer.rows, NIGHT)
    assert len(found) == len(KNOCKS_S)
    assert all(abs(a - b) <= 1 for a, b in zip(found, KNOCKS_S, strict=True))
    for row in answer.rows:
        assert 0 < row["end_s"] - row["start_s"] < 3
        assert row["clock_start"] is None or row["path"].endswith(NIGHT)
    scores = [row["score"] for row in answer.rows]
    assert scores == sorted(scores, reverse=True)
    assert {"path", "start_s", "end_s", "score", "caption", "recording_id", "window_id"} <= set(
        answer.rows[0]
    )


def test_half_a_second_in_ten_is_placed_within_one(night: Command, folder: Path) -> None:
    answer = night(
        "find", "someone knocks on a door", "--moments", "--json", "--in", folder / SHORT,
        "--min-score", "0.3",
    )  # fmt: skip
    [row] = answer.rows
    assert abs(row["start_s"] - SHORT_S) <= 1
    assert abs(row["end_s"] - (SHORT_S + 0.5)) <= 1


def test_a_bell_after_knocks_is_one_moment_from_the_first_to_the_last(night: Command) -> None:
    answer = night("find", "someone knocks and then a bell rings", "--moments", "--json")
    best = answer.rows[0]
    assert abs(best["start_s"] - KNOCKS_S[-1]) <= 1
    assert best["end_s"] >= BELLS_S[-1] + 0.5


def test_rain_that_never_stops_is_one_moment(night: Command, folder: Path) -> None:
    answer = night("find", "rain is falling", "--moments", "--json", "--in", folder / CLEAN_RAIN)
    [row] = answer.rows
    assert row["start_s"] < 0.5
    assert row["end_s"] > 11.5


def test_moments_by_time_and_by_file(night: Command) -> None:
    rows = night("find", "a bell rings", "--moments", "--by-time", "--json").rows
    # Those of a known clock first: the tape was made four hours after the night began.
    assert names(rows) == [NIGHT, NIGHT, TAPE]
    assert [row["rank"] for row in rows] == [1, 2, 3]
    clocks = [datetime.fromisoformat(row["clock_start"]) for row in rows]
    assert clocks == sorted(clocks)
    assert rows[2]["clock_start"].startswith("2026-05-02T03:00:30")
    began = datetime(2026, 5, 1, 21, 59, 40)
    for clock, at_s in zip(clocks[:2], BELLS_S, strict=True):
        assert abs((clock - began).total_seconds() - at_s) <= 1
    few = night("find", "a bell rings", "--moments", "--per-file", "1", "--json").rows
    assert sorted(names(few)) == [NIGHT, TAPE]
    assert len(night("find", "a bell rings", "--moments", "-n", "2", "--json").rows) == 2


def test_only_what_was_recorded_then(night: Command) -> None:
    def ask(*more: str) -> list[str]:
        answer = night("find", "a bell rings", "--moments", "--json", *more)
        return names(answer.rows)

    assert ask("--between", "22:00-03:00") == [NIGHT]  # the second bell, at 22:00:29
    assert sorted(ask("--between", "21-5")) == [NIGHT, NIGHT, TAPE]
    assert ask("--date", "2026-05-02") == [TAPE]
    assert ask("--date", "2026-05-01..2026-05-02", "--between", "3:00-4:00") == [TAPE]
    assert ask("--date", "2026-04") == []
    answer = night("find", "rain is falling", "--between", "22:00-23:00")
    assert answer.status == 1
    assert "left out: when they were made is told neither" in answer.err
    # The filter is one of windows, and so goes with plain answers too.
    assert names(night("find", "a bell rings", "--date", "2026-05-02", "--json").rows) == [TAPE]
    # A window that reaches over the border has moments that do not: the second knock, at 22:00:03.
    knocks = ("find", "someone knocks on a door", "--moments", "--json")
    early = night(*knocks, "--between", "21:00-22:00").rows
    assert starts(early, NIGHT) == pytest.approx(KNOCKS_S[:1], abs=1)
    late = night(*knocks, "--between", "22:00-23:00").rows
    assert starts(late, NIGHT) == pytest.approx(KNOCKS_S[1:], abs=1)
    wrong = night("find", "rain", "--between", "10pm")
    assert wrong.status == 2
    assert "22:00-05:00" in wrong.err


def test_a_histogram_counts_by_the_hour(night: Command) -> None:
    rows = night("find", "a bell rings", "--histogram", "--json").rows
    counts = {row["hour"]: row["count"] for row in rows}
    assert len(rows) == 24
    assert rows[0]["hour"] == 21  # in one piece, after the longest pause
    assert {hour: count for hour, count in counts.items() if count} == {21: 1, 22: 1, 3: 1}
    text = night("find", "a bell rings", "--histogram").text
    assert text.startswith("21:00      1  █\n22:00      1  █\n23:00      0\n")


@pytest.mark.parametrize(
    "words",
    [
        ("rain is falling", "--without", "a siren"),
        ("rain is falling", "-siren"),
        ("rain", "is", "falling", "without", "a", "siren"),
        ("rain is falling but no siren",),
    ],
)
def test_rain_without_a_siren(night: Command, words: tuple[str, ...]) -> None:
    everything = night("find", "rain is falling", "--json").rows
    assert MIXED in names(everything)
    answer = night("find", *words, "--json")
    found = names(answer.rows)
    assert set(found[:2]) == {RAIN, CLEAN_RAIN}
    assert MIXED not in found  # it is short, and so judged as a whole
    assert "without '" in answer.err
    for row in answer.rows:
        [excluded] = row["excluded"]
        assert "siren" in excluded["text"]
        assert excluded["score"] < 0.1


def test_moments_without(night: Command) -> None:
    rows = night("find", "rain is falling", "--moments", "--without", "a siren", "--json").rows
    assert set(names(rows)) == {RAIN, CLEAN_RAIN}
    assert all("excluded" in row for row in rows)


def test_no_rain_is_everything_else(night: Command) -> None:
    answer = night("find", "no rain", "--json")
    assert answer.status == 0
    assert "everything without 'rain'" in answer.err
    found = names(answer.rows)
    assert {RAIN, CLEAN_RAIN, MIXED}.isdisjoint(found)
    assert {NIGHT, TAPE, DUTY} <= set(found)
    assert [row["cross_entropy"] for row in answer.rows] == [None] * len(found)
    assert set(names(night("find", "--without", "rain", "--json").rows)) == set(found)
    assert set(names(night("find", "-rain", "--json").rows)) == set(found)


def test_what_is_quoted_or_hyphenated_is_not_excluded(night: Command) -> None:
    assert night("find", '"no rain"').err.count("everything without") == 0
    assert "without" not in night("find", "a t-shirt rustles").err


def test_words_and_a_sound(night: Command, folder: Path) -> None:
    def ask(*more: str | Path) -> list[dict[str, object]]:
        answer = night("find", "in the rain", "--json", *more)
        assert answer.status == 0, answer.err
        return answer.rows

    rows = ask("--like", f"{folder / MIXED}@21-28")
    assert names(rows)[0] == MIXED
    assert all("similarity" in row for row in rows)
    # All by the sound, or all by the words.
    by_sound = ask("--like", folder / TAPE, "--like-weight", "1")
    assert names(by_sound)[0] == TAPE
    by_words = ask("--like", folder / TAPE, "--like-weight", "0")
    assert names(by_words)[0] in (RAIN, CLEAN_RAIN, MIXED)
    unlike = night("find", "rain is falling", "--like", f"{folder / TAPE}@0-3", "--json")
    assert (unlike.status, [row["path"] for row in unlike.rows if not row.get("weak")]) == (1, [])
    assert night("find", "rain", "--like-weight", "0.3").status == 2
    gone = night("find", "rain", "--like", "gone.wav")
    assert gone.status == 2
    assert "no such sound file" in gone.err


def test_moments_and_all_that_is_not_excluded_with_a_sound(night: Command, folder: Path) -> None:
    like = ("--like", f"{folder / TAPE}@0-3")
    found = night("find", "a bell rings", "--moments", "--min-score", "0.3", *like, "--json").rows
    assert found
    assert all(0 < row["similarity"] <= 1 for row in found)
    alone = night("find", "--without", "rain", *like, "--json")
    assert "nothing is asked for" not in alone.err
    assert names(alone.rows)[0] == TAPE
    assert [x["score"] for x in alone.rows] == sorted(
        (x["score"] for x in alone.rows), reverse=True
    )
    stretches = night("find", "--without", "rain", *like, "--moments", "--json").rows
    assert names(stretches)[0] == TAPE
    assert stretches[0]["similarity"] > stretches[-1]["similarity"]


def test_an_excluded_word_is_put_right_aloud(night: Command) -> None:
    answer = night("find", "rain", "-syren", "-n3", "--json")
    assert "did you mean 'siren'" in answer.err
    assert MIXED not in names(answer.rows)
    assert 0 < len(answer.rows) <= 3


def test_a_sound_is_not_like_itself_unless_asked(night: Command, folder: Path) -> None:
    clip = folder / RAIN
    assert names(night("similar", clip, "--json").rows)[0] == CLEAN_RAIN
    assert RAIN not in names(night("similar", clip, "-n", "99", "--json").rows)
    first = night("similar", clip, "--self", "--json").rows[0]
    assert names([first]) == [RAIN]
    assert first["similarity"] > 0.999
    # A copy elsewhere is the same sound, under whatever name.
    copy = night.data_dir.parent / "elsewhere.wav"
    copy.write_bytes(clip.read_bytes())
    assert RAIN not in names(night("similar", copy, "-n", "99", "--json").rows)


def test_a_part_leaves_out_only_what_it_meets(night: Command, folder: Path) -> None:
    rows = night("similar", f"{folder / NIGHT}@3-6", "-n", "99", "--json").rows
    [own] = [row for row in rows if row["path"].endswith(NIGHT)]
    assert own["start_s"] >= 6


def test_the_mean_of_two_sounds(night: Command, folder: Path) -> None:
    rows = night("similar", folder / RAIN, folder / TAPE, "--self", "-n", "99", "--json").rows
    alone = [
        {row["path"]: row["similarity"] for row in night("similar", folder / one, "--self", "-n",
                                                         "99", "--json").rows}
        for one in (RAIN, TAPE)
    ]  # fmt: skip
    short = {row["path"]: row["similarity"] for row in rows if row["duration_s"] <= 10}
    assert short
    for path, similarity in short.items():
        assert similarity == pytest.approx(sum(each[path] for each in alone) / 2, abs=1e-4)


def test_an_overview_does_not_overlap(night: Command, folder: Path) -> None:
    rows = night("describe", folder / NIGHT, "--timeline", "-n", "0", "--json").rows
    assert rows[0]["start_s"] == 0
    assert rows[-1]["end_s"] == pytest.approx(60)
    for one, following in itertools.pairwise(rows):
        assert one["end_s"] == following["start_s"]
    plain = night("describe", folder / NIGHT, "-n", "0", "--json").rows
    assert len(rows) < len(plain)
    assert night("describe", folder / NIGHT, "--timeline", "--fold").status == 2


def test_labels_of_a_long_file_have_times(night: Command, folder: Path) -> None:
    text = night("label", folder / NIGHT, "--labels", "church bell,door knock").text
    assert text.count("(0:") == 2
    assert "(0:" not in night("label", folder / TAPE, "--labels", "church bell").text


def test_wrong_use_is_refused(night: Command) -> None:
    for arguments in (["rain", "--by-time"], ["rain", "--per-file", "2"], []):
        answer = night("find", *arguments)
        assert answer.status == 2
        assert answer.out == b""


def test_the_same_from_python(night: Command, folder: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for key, value in night.environment().items():
            patch.setenv(key, value)
        library = audiosearch.open(night.data_dir)
    with library:
        hits = library.find("a bell rings", moments=True, by_time=True, between="21:00-04:00")
        assert [hit.path.name for hit in hits] == [NIGHT, NIGHT, TAPE]
        assert hits[0].clock_start is not None
        assert hits[0].clock_start.hour == 21
        few = library.find("rain is falling", without=["a siren"])
        assert few.excluded == ("a siren",)
        assert MIXED not in [hit.path.name for hit in few]
        assert few[0].excluded[0].text == "a siren"
        alike = library.find("rain", like=[folder / MIXED])
        assert alike[0].similarity is not None
        assert hits[0].path not in [hit.path for hit in library.similar(folder / NIGHT)]
        both = library.similar(folder / RAIN, folder / TAPE, include_self=True)
        assert both[0].similarity is not None
        for wrong in ({"per_file": 2}, {"like_weight": 2.0}, {"between": "x"}, {"dates": ["x"]}):
            with pytest.raises(audiosearch.QueryError):
                library.find("rain", **wrong)  # type: ignore[arg-type]
        for name in ("without", "dates", "like"):
            with pytest.raises(TypeError):
                library.find("rain", **{name: "rain"})  # type: ignore[arg-type]
