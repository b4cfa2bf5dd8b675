"""Layouts of data sets, and errors that name every bad row."""

from pathlib import Path

import pytest

from audiosearch.errors import DatasetError
from audiosearch.evaluation.dataset_files import Layout, read_dataset


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of (empty) sound files: reading a list does not open them."""
    for name in ("a.wav", "b.wav", "c d.flac", "Yxyz_30.wav", "uvw.ogg"):
        (tmp_path / name).touch()
    return tmp_path


def write(folder: Path, text: str) -> Path:
    file = folder / "list.csv"
    file.write_text(text, encoding="utf-8")
    return file


def test_clotho(folder: Path):
    captions = ",".join(f"caption_{i}" for i in range(1, 6))
    text = f'file_name,{captions}\na.wav,"One, two.",b,c,d,e\nc d.flac,f,g,h,i,j\n'
    data = read_dataset(write(folder, text))
    assert [clip.name for clip in data.clips] == ["a.wav", "c d.flac"]
    assert data.captions[:2] == ("One, two.", "b")
    assert data.caption_owners.tolist() == [0] * 5 + [1] * 5
    assert data.relevant.sum(axis=1).tolist() == [5, 5]
    assert data.clips[0].path == folder / "a.wav"


def test_clotho_in_two_folders(folder: Path, tmp_path_factory: pytest.TempPathFactory):
    file = tmp_path_factory.mktemp("csv") / "evaluation.csv"
    file.write_text("file_name,caption_1\na.wav,x\n")
    assert read_dataset(file, audio=folder).name == "evaluation"
    with pytest.raises(DatasetError, match=r"no such file: 'a\.wav'"):
        read_dataset(file)
    with pytest.raises(DatasetError, match="no such folder"):
        read_dataset(file, audio=folder / "none")


def test_audiocaps_groups_the_captions_of_a_clip(folder: Path):
    text = (
        "audiocap_id,youtube_id,start_time,caption\n"
        "1,xyz,30,a dog\n2,xyz,30,a dog barks\n3,uvw,0,rain\n"
    )
    data = read_dataset(write(folder, text))
    assert [clip.path.name for clip in data.clips] == ["Yxyz_30.wav", "uvw.ogg"]
    assert data.clips[0].captions == ("a dog", "a dog barks")


def test_audiocaps_says_what_is_missing_or_goes_on_without(folder: Path):
    text = "audiocap_id,youtube_id,start_time,caption\n1,xyz,30,a dog\n2,gone,0,rain\n"
    file = write(folder, text)
    with pytest.raises(DatasetError, match="row 3: no file of clip 'gone_0'"):
        read_dataset(file)
    data = read_dataset(file, skip_missing=True)
    assert (len(data.clips), data.n_missing) == (1, 1)


def test_plain_with_one_row_a_caption_or_one_row_a_clip(folder: Path):
    by_caption = read_dataset(write(folder, "path,caption\na.wav,x\nb.wav,y\na.wav,z\n"))
    by_clip = read_dataset(write(folder, "path,caption,caption_2\na.wav,x,z\nb.wav,y,\n"))
    assert by_caption.clips == by_clip.clips
    assert by_caption.captions == ("x", "z", "y")


def test_manifest_with_groups_and_folds(folder: Path):
    text = "path,label,group,fold\na.wav,dog,g1,1\nb.wav,cat,g2,4\n"
    file = write(folder, text)
    assert read_dataset(file).labels == ("cat", "dog")
    [clip] = read_dataset(file, folds=["4"]).clips
    assert (clip.name, clip.label, clip.group, clip.fold) == ("b.wav", "cat", "g2", "4")
    with pytest.raises(DatasetError, match="no row in fold 9; there are: 1, 4"):
        read_dataset(file, folds=["9"])
    with pytest.raises(DatasetError, match="no column fold"):
        read_dataset(write(folder, "path,label\na.wav,dog\n"), folds=["4"])


@pytest.mark.parametrize(
    ("text", "reasons"),
    [
        ("file_name,caption_1\nno.wav,x\na.wav,y\nnone.wav,z\n", ["row 2: no", "row 4: no"]),
        ("file_name,caption_1\na.wav,x\nb.wav,x\na.wav,y\n", ["rows 2, 4: the name 'a.wav'"]),
        ("path,caption\na.wav,x\n,a caption without sound\n", ["row 3: names no sound"]),
        ("path,caption\na.wav,x\nb.wav,y\na.wav,x\n", ["rows 2, 4: the same clip and caption"]),
        ("path,caption,caption_2\na.wav,x,y\na.wav,z,w\n", ["rows 2, 3: the name 'a.wav'"]),
        ("path,caption\na.wav,x\nb.wav,\n", ["'b.wav' has no caption"]),
        ("path,caption\na.wav,x\nb.wav,...\n", ["'b.wav' has a caption without a word"]),
        ("path,label\na.wav,\n", ["row 2: a sound without a label"]),
        (
            "audiocap_id,youtube_id,start_time,caption\n1,xyz,30,a\n1,xyz,30,b\n",
            ["rows 2, 3: the audiocap_id 1 stands twice"],
        ),
        ("a,b\n1,2\n", ["columns of no known layout: a, b"]),
        ("", ["columns of no known layout: none"]),
        ("path,caption\n", ["lists no sound"]),
    ],
)
def test_bad_rows_are_named(folder: Path, text: str, reasons: list[str]):
    with pytest.raises(DatasetError) as error:
        read_dataset(write(folder, text))
    for reason in reasons:
        assert reason in error.value.reason


def test_a_long_list_of_problems_is_cut(folder: Path):
    rows = "".join(f"no-{i}.wav,x\n" for i in range(50))
    with pytest.raises(DatasetError, match=r"row 11: .* and 40 more like these"):
        read_dataset(write(folder, "path,caption\n" + rows))


def test_files_that_are_no_lists(folder: Path):
    with pytest.raises(DatasetError, match="cannot be read"):
        read_dataset(folder / "none.csv")
    (folder / "list.csv").write_bytes(b"path,caption\n\xff\xfe,\x80\n")
    with pytest.raises(DatasetError, match="no CSV file"):
        read_dataset(folder / "list.csv")


def test_a_layout_can_be_named(folder: Path):
    file = write(folder, "path,label,caption\na.wav,dog,a dog barks\n")
    assert read_dataset(file).clips[0].captions == ("a dog barks",)
    assert read_dataset(file, layout=Layout.MANIFEST).clips[0].captions == ()


def test_sample_is_a_seeded_part_in_order(folder: Path):
    for i in range(20):
        (folder / f"{i:02d}.wav").touch()
    rows = "".join(f"{i:02d}.wav,x{i}\n" for i in range(20))
    data = read_dataset(write(folder, "path,caption\n" + rows))
    part = data.sample(5, seed=1)
    names = [clip.name for clip in part.clips]
    assert len(names) == 5
    assert names == sorted(names)
    assert part == data.sample(5, seed=1)
    assert data.sample(99, seed=1) is data


def test_queries_that_several_sounds_answer(folder: Path):
    text = (
        "path,query,wording,part,group\na.wav,a dog,usual,known,g1\na.wav,a hound,other,known,g1\n"
        "b.wav,a dog,usual,known,g2\nuvw.ogg,,,,g3\n"
    )
    data = read_dataset(write(folder, text))
    assert [query.text for query in data.queries] == ["a dog", "a hound"]
    assert [(query.wording, query.part) for query in data.queries][1] == ("other", "known")
    assert [clip.captions for clip in data.clips] == [("a dog", "a hound"), ("a dog",), ()]
    assert data.clips[2].group == "g3"
    twice = text.replace("b.wav,a dog,usual", "b.wav,a dog,other")
    with pytest.raises(DatasetError, match="row 4: the query 'a dog' is of another wording"):
        read_dataset(write(folder, twice))
    with pytest.raises(DatasetError, match=r"rows 2, 3: the same clip and caption"):
        read_dataset(write(folder, "path,query\na.wav,x\na.wav,x\n"))


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


@pytest.mark.parametrize(
    ("table", "sound", "text", "name"),
    [
        # As aac-datasets 0.7 downloads them.
        (
            "CLOTHO_v2.1/clotho_csv_files/clotho_captions_evaluation.csv",
            "CLOTHO_v2.1/clotho_audio_files/evaluation/a b.wav",
            "file_name,caption_1\na b.wav,x\n",
            "a b.wav",
        ),
        (
            "AUDIOCAPS/csv_files_v1/test.csv",
            "AUDIOCAPS/audio_32000Hz/test/xyz_30.flac",
            "audiocap_id,youtube_id,start_time,caption\n1,xyz,30,a dog\n",
            "xyz_30",
        ),
        (
            "AUDIOCAPS/train_fixed.csv",
            "AUDIOCAPS/audio_16000Hz/train/xyz_30.wav",
            "audiocap_id,youtube_id,start_time,caption\n1,xyz,30,a dog\n",
            "xyz_30",
        ),
        (
            "WavCaps/json_files/AudioSet_SL/as_final.json",
            "WavCaps/Audio/AudioSet_SL/Yabc.flac",
            '{"data": [{"id": "Yabc.wav", "caption": "A dog barks."}]}',
            "Yabc",
        ),
        (
            "WavCaps/json_files/SoundBible/sb_final.json",
            "WavCaps/Audio/SoundBible/12.flac",
            '{"data": [{"id": "12", "caption": "Rain.", "title": "Rain"}]}',
            "12",
        ),
        # As the archives unpack, and side by side.
        (
            "clotho_captions_development.csv",
            "development/ a.wav",
            "file_name,caption_1\n a.wav,x\n",
            " a.wav",
        ),
        ("lists/clotho_captions_evaluation.csv", "evaluation/a.wav",
         "file_name,caption_1\na.wav,x\n", "a.wav"),
    ],
    ids=lambda value: value.split("\n")[0] if isinstance(value, str) else None,
)  # fmt: skip
def test_sounds_are_found_where_data_sets_keep_them(
    tmp_path: Path, table: str, sound: str, text: str, name: str
):
    path = touch(tmp_path / sound)
    other = touch(tmp_path / Path(sound).parent.parent / "validation" / "z.wav")
    touch(tmp_path / table).write_text(text, encoding="utf-8")
    [clip] = read_dataset(tmp_path / table).clips
    assert (clip.path, clip.name) == (path, name)
    assert other.is_file()


def test_a_table_is_the_same_by_any_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = touch(tmp_path / "CLOTHO_v2.1/clotho_audio_files/evaluation/a.wav")
    table = tmp_path / "CLOTHO_v2.1/clotho_csv_files/clotho_captions_evaluation.csv"
    touch(table).write_text("file_name,caption_1\na.wav,x\n", encoding="utf-8")
    monkeypatch.chdir(table.parent)
    for name in (table.name, f"./{table.name}", f"../clotho_csv_files/{table.name}"):
        assert read_dataset(Path(name)).clips[0].path == path
    monkeypatch.chdir(path.parent)
    assert read_dataset(Path("../../clotho_csv_files") / table.name).clips[0].path == path
    link = touch(tmp_path / "other/clotho.csv")
    link.unlink()
    link.symlink_to(table)
    assert read_dataset(link).clips[0].path == path.resolve()


def test_macs(tmp_path: Path):
    pytest.importorskip("yaml")
    path = touch(tmp_path / "MACS/audio/airport-1.wav")
    file = tmp_path / "MACS" / "MACS.yaml"
    file.write_text(
        "files:\n- annotations:\n"
        "  - {annotator_id: 1, sentence: people talk, tags: [a]}\n"
        "  - {annotator_id: 2, sentence: a crowd walks, tags: [a]}\n"
        "  - {annotator_id: 3, sentence: people talk, tags: [a]}\n"
        "  filename: airport-1.wav\n"
    )
    [clip] = read_dataset(file).clips
    assert clip.path == path
    assert clip.captions == ("people talk", "a crowd walks")
    file.write_text("files: [{filename: x}]")
    with pytest.raises(DatasetError, match="MACS' form"):
        read_dataset(file)
    file.write_text("!!python/object/apply:os.system ['true']")
    with pytest.raises(DatasetError, match="no YAML file"):
        read_dataset(file)


@pytest.mark.parametrize("text", ["[", "[]", '{"data": 3}', '{"data": [{"id": "a"}]}'])
def test_tables_that_are_not_of_wavcaps_form(tmp_path: Path, text: str):
    file = tmp_path / "sb_final.json"
    file.write_text(text)
    with pytest.raises(DatasetError, match="WavCaps' form"):
        read_dataset(file)


def test_a_name_may_begin_with_a_space(folder: Path):
    touch(folder / " a.wav")
    text = "file_name,caption_1\n a.wav,x\na.wav,y\n b.wav ,z\n"
    data = read_dataset(write(folder, text))
    assert [clip.path.name for clip in data.clips] == [" a.wav", "a.wav", "b.wav"]
    data = read_dataset(write(folder, 'path,caption\n" a.wav",x\na.wav,y\n'))
    assert [clip.captions for clip in data.clips] == [("x",), ("y",)]


def test_the_error_names_the_option_that_helps(folder: Path, tmp_path_factory):
    file = tmp_path_factory.mktemp("csv") / "clotho_captions_evaluation.csv"
    file.write_text("file_name,caption_1\na.wav,x\nb.wav,y\n")
    with pytest.raises(DatasetError) as error:
        read_dataset(file)
    assert "--audio FOLDER" in error.value.remedy
    assert str(file.parent) in error.value.remedy
    with pytest.raises(DatasetError) as error:
        read_dataset(file, skip_missing=True)
    assert "--audio FOLDER" in error.value.remedy
    assert len(read_dataset(file, audio=folder).clips) == 2
