"""Names of new files, of what strangers wrote: fit for every system, and inside their folder."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosearch.errors import AudiosearchError, QueryError
from audiosearch.exchange.names import DistinctNames, NameTemplate, clock_name, safe_name
from audiosearch.exchange.stretches import LabelledStretch, RecordingFacts
from audiosearch.exchange.targets import check_targets, save, saving

DEVICES = {"con", "prn", "aux", "nul", "com1", "lpt9", "conin$", "com¹"}
wild = st.text() | st.text(alphabet='./\\:*?"<>| -_\0\n\tNULcon1\u202e\ud800é\u0301')


def stretch(path: bytes = b"/s/take 3.wav", **row: object) -> LabelledStretch:
    facts = RecordingFacts(metadata={"ucs.category_id": ("DOORWood",)})
    return LabelledStretch(path=path, start_s=3.5, end_s=6, label="dog", row=row, facts=facts)


@given(wild)
def test_any_text_becomes_a_name_for_every_system(text: str):
    name = safe_name(text)
    assert name
    assert not set(name) & set('<>:"/\\|?*\0')
    assert all(each.isprintable() for each in name)
    assert name[0] not in ".- "
    assert name[-1] not in ". "
    assert len(name.encode("utf-8")) <= 182
    assert name.split(".")[0].lower() not in DEVICES


@given(st.lists(wild, max_size=6), wild)
def test_nothing_leads_out_of_the_folder(texts: list[str], folder: str):
    names = DistinctNames()
    template = NameTemplate("{caption}_{stem}{folder}")
    made = []
    for text in texts:
        path = b"/" + folder.encode("utf-8", "replace").replace(b"\0", b"") + b"/x.wav"
        made.append(names.take(template.stem(stretch(path, caption=text)), ".wav"))
    assert all(Path(name).name == name and name.endswith(".wav") for name in made)
    assert len({name.casefold() for name in made}) == len(texts)


def test_a_template_leaves_out_what_is_not_known():
    template = NameTemplate("{ucs}_{caption}_{stem}")
    assert template.stem(stretch(caption="a dog barks")) == "DOORWood_a dog barks_take 3"
    unknown = LabelledStretch(path=b"/s/t.wav", start_s=0, end_s=1, label="x")
    assert template.stem(unknown) == "x_t"
    assert template.stem(replace(unknown, label=unknown.stem)) == "t"  # named for want of words
    assert NameTemplate("{ucs}_{fxname}_{creator}").stem(unknown) == "sound"
    assert NameTemplate("a_{ucs}_b").stem(unknown) == "a_b"
    assert NameTemplate("{ucs}-{stem}", ucs="anmldog").stem(unknown) == ("ANMLDog-t")
    assert NameTemplate("{rank:03}_{start}").stem(stretch(rank=7)) == "007_00m03.500s"


@pytest.mark.parametrize(
    "bad",
    [
        "{stem",
        "{}",
        "{0}",
        "{stem.__class__}",
        "{stem[0]}",
        "{stem!r}",
        "{stem:>9}",
        "{rank:999999999}",
        "{rank:{stem}}",
        "{nosuch}",
        "../{stem}",
        "a/{stem}",
        "a\\{stem}",
        "\0{stem}",
    ],
)
def test_what_is_no_template_is_refused(bad: str):
    with pytest.raises(QueryError):
        NameTemplate(bad)


def test_a_mistyped_field_names_the_right_one():
    with pytest.raises(QueryError, match="did you mean caption"):
        NameTemplate("{captoin}")
    with pytest.raises(QueryError, match="CatID"):
        NameTemplate("{ucs}", ucs="NoSuch")


def test_times_in_names_sort():
    times = [0, 3.5, 59.9996, 61, 3600]
    assert [clock_name(each) for each in times] == [
        "00m00.000s",
        "00m03.500s",
        "01m00.000s",
        "01m01.000s",
        "01h00m00.000s",
    ]


def test_nothing_is_lost(tmp_path: Path):
    there, sound = tmp_path / "there.csv", tmp_path / "sound.wav"
    there.write_text("mine")
    sound.write_text("sound")
    sounds = [os.fsencode(sound)]
    check_targets([tmp_path / "new.csv"], sounds=sounds, force=False)
    with pytest.raises(QueryError, match=r"there already, and 1 more file .*--force"):
        check_targets([there, tmp_path / "there.csv"], sounds=sounds, force=False)
    check_targets([there], sounds=sounds, force=True)
    with pytest.raises(QueryError, match="never written to"):
        check_targets([sound], sounds=sounds, force=True)
    link = tmp_path / "link.wav"
    link.symlink_to(sound)
    with pytest.raises(QueryError, match="never written to"):
        check_targets([link], sounds=sounds, force=True)
    with pytest.raises(QueryError, match="a folder"):
        check_targets([tmp_path], sounds=sounds, force=True)
    dangling = tmp_path / "dangling.csv"
    dangling.symlink_to(tmp_path / "nowhere")
    with pytest.raises(QueryError, match="there already"):
        check_targets([dangling], sounds=sounds, force=False)


def test_a_file_is_whole_or_not_there(tmp_path: Path):
    target = tmp_path / "x.csv"

    def fail() -> None:
        with saving(target) as unfinished:
            unfinished.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(AudiosearchError, match="cannot be written"):
        save(tmp_path / "no such folder" / "x.csv", b"x")
