"""An open library as a program uses it: real sounds, the bundled model, a real database."""

from __future__ import annotations

import copy
import dataclasses
import multiprocessing
import os
import pickle
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import audiosearch
from audiosearch.store.vector_cache import load_vectors
from tests.e2e.command import Command
from tests.sounds import noise, tones, write_audio


@pytest.fixture(scope="module")
def library(examples: Path) -> Iterator[audiosearch.SoundLibrary]:
    with audiosearch.open(examples / "library") as library:
        yield library


def test_the_answers_are_those_of_the_command(library: audiosearch.SoundLibrary, examples: Path):
    command = Command(data_dir=examples / "library", bundle="starter")
    question = "a bell rings and then someone knocks"
    rows = command("find", question, "--min-score", "0", "--json").rows
    hits = library.find(question, min_score=0)
    assert [(str(hit.path), hit.window_id) for hit in hits] == [
        (row["path"], row["window_id"]) for row in rows
    ]
    assert [hit.score for hit in hits] == pytest.approx([row["score"] for row in rows], abs=1e-6)
    clip = examples / "sounds" / "bell.wav"
    alike = command("similar", clip, "--json").rows
    found = library.similar(clip)
    assert [str(hit.path) for hit in found] == [row["path"] for row in alike]
    assert [hit.similarity for hit in found] == pytest.approx(
        [row["similarity"] for row in alike], abs=1e-5
    )


def test_hits_are_values_in_a_sequence(library: audiosearch.SoundLibrary):
    hits = library.find("a telephone rings", min_score=0, limit=4)
    assert len(hits) == 4
    assert hits[0] is hits.hits[0]
    assert [hit.rank for hit in hits[1:3]] == [2, 3]
    assert [hit.rank for hit in hits] == [1, 2, 3, 4]
    with pytest.raises(dataclasses.FrozenInstanceError):
        hits[0].rank = 7  # type: ignore[misc]
    assert dataclasses.asdict(hits[0])["path"] == hits[0].path
    assert pickle.loads(pickle.dumps(hits)) == hits
    assert copy.deepcopy(hits) == hits


def test_read_gives_the_samples_of_the_stretch(library: audiosearch.SoundLibrary, tmp_path: Path):
    ramp = np.linspace(-0.9, 0.9, 8000)
    file = write_audio(tmp_path / "ramp.wav", np.repeat(ramp, 2), rate=8000)
    samples, rate = library.read(file)
    assert (samples.shape, samples.dtype, rate) == ((16000,), np.float32, 8000)
    part, _ = library.read(file, start_s=0.5, end_s=1.25)
    np.testing.assert_array_equal(part, samples[4000:10000])
    beyond, _ = library.read(file, start_s=1.5, end_s=9)
    np.testing.assert_array_equal(beyond, samples[12000:])
    resampled, rate = library.read(file, sample_rate=16000)
    assert (resampled.shape, rate) == ((32000,), 16000)


def test_a_hit_stands_for_its_stretch(library: audiosearch.SoundLibrary):
    hit = library.find("a telephone rings")[0]
    given = dataclasses.replace(hit, start_s=1.0, end_s=2.0)
    samples, rate = library.read(given)
    assert len(samples) == rate
    assert len(library.read(given, end_s=3.0)[0]) == 2 * rate
    [window] = library.describe(given, limit=0)
    assert (window.start_s, window.end_s) == (1.0, 2.0)
    [known] = library.windows([hit.window_id])
    assert (known.path, known.caption, known.start_s) == (hit.path, hit.caption, hit.start_s)
    assert library.label(known, ["a telephone", "rain"])[0].label == "a telephone"


def test_vectors_are_those_that_the_model_gives(library: audiosearch.SoundLibrary):
    for kind, dim in (("embedding", 320), ("joint", 128)):
        ids, matrix = library.embeddings(kind)  # type: ignore[arg-type]
        assert matrix.shape == (len(ids), dim)
        assert (np.diff(ids) > 0).all()
        np.testing.assert_allclose(np.linalg.norm(matrix, axis=1), 1, atol=1e-5)
        with pytest.raises(ValueError, match="read-only"):
            matrix[0, 0] = 1
    window = library.windows(ids[:1])[0]
    assert window.path is not None
    encoded = library.model.encode(window)
    assert encoded.joint is not None
    assert float(matrix[0] @ encoded.joint) > 0.999  # kept in half precision
    assert [each.window_id for each in library.windows([ids[2], 10**9, ids[0]])] == [ids[2], ids[0]]


def test_large_matrices_are_mapped_into_memory(
    library: audiosearch.SoundLibrary, monkeypatch: pytest.MonkeyPatch
):
    ids, matrix = library.embeddings("joint")

    def always_cached(*args: Any, **kwargs: Any) -> Any:
        return load_vectors(*args, **kwargs, cached_from=1)

    monkeypatch.setattr("audiosearch.library.lookup.load_vectors", always_cached)
    same_ids, mapped = library.embeddings("joint")
    assert isinstance(mapped.base, np.memmap) or isinstance(mapped.base.base, np.memmap)  # type: ignore[union-attr]
    np.testing.assert_array_equal(same_ids, ids)
    np.testing.assert_array_equal(mapped, matrix)


def test_a_new_library_is_made_filled_and_written_to(tmp_path: Path):
    sounds = tmp_path / "sounds"
    sounds.mkdir()
    write_audio(sounds / "hiss.wav", noise(seconds=1.5))
    write_audio(sounds / "a@0-1.wav", tones([300, 1500]))
    (sounds / "notes.wav").write_bytes(b"not a sound at all")
    if sys.platform == "linux":
        odd = os.fsencode(sounds) + b"/od\xff d.wav"
        os.rename(write_audio(sounds / "odd.wav", tones([900, 100])), odd)  # noqa: PTH104
    n_good = 3 if sys.platform == "linux" else 2
    with audiosearch.open(tmp_path / "new", writable=True) as library:
        assert library.embeddings("joint")[1].shape == (0, 128)
        assert len(library.find("a hiss")) == 0
        summary = library.index(sounds)
        assert (summary.n_files, summary.n_new, summary.n_failed) == (n_good + 1, n_good + 1, 1)
        assert library.index().n_new == 0
        hits = library.find("a hiss", min_score=0)
        found = {os.fsencode(hit.path) for hit in hits}
        assert found == {os.fsencode(p) for p in sounds.iterdir() if p.name != "notes.wav"}
        for hit in hits:
            assert len(library.read(hit)[0]) > 0
        # A name that would mean a part on the command line is only a name here.
        [itself, *_] = library.similar(sounds / "a@0-1.wav", include_self=True)
        assert itself.path.name == "a@0-1.wav"
        assert library.add_caption("Steam & a Whistle", clip=sounds / "hiss.wav") is True
        assert library.add_caption("steam & a whistle", clip=hits[0]) is False
        assert library.find("steam whistle")[0].caption is not None
        with pytest.raises(audiosearch.LibraryLocked, match=str(os.getpid())):
            audiosearch.open(tmp_path / "new", writable=True)
    with audiosearch.open(tmp_path / "new") as library:
        assert not library.writable
        assert len(library.find("a hiss", min_score=0)) == n_good


@pytest.mark.parametrize(
    "call",
    [
        lambda lib, _: lib.find(" "),
        lambda lib, _: lib.find("rain", limit=0),
        lambda lib, _: lib.find("rain", min_score=float("nan")),
        lambda lib, _: lib.find("rain", filters=audiosearch.Filters(folders=(Path("/nowhere"),))),
        lambda lib, s: lib.similar(s / "none.wav"),
        lambda lib, s: lib.similar(s),
        lambda lib, _: lib.similar("a\0b"),
        lambda lib, s: lib.describe(s / "rain.wav", start_s=1000),
        lambda lib, s: lib.describe(s / "rain.wav", start_s=-1),
        lambda lib, s: lib.describe(s / "rain.wav", start_s=3, end_s=3),
        lambda lib, s: lib.describe(s / "rain.wav", end_s=float("inf")),
        lambda lib, s: lib.describe(s / "rain.wav", limit=-1),
        lambda lib, s: lib.label(s / "rain.wav", []),
        lambda lib, s: lib.label(s / "rain.wav", ["", "  "]),
        lambda lib, s: lib.read(s / "rain.wav", sample_rate=0),
        lambda lib, s: lib.read(s / "rain.wav", start_s=1000),
        lambda lib, _: lib.embeddings("caption"),
        lambda lib, s: lib.model.encode(s / "scene-4.flac"),
        lambda lib, s: lib.model.encode_windows(s / "rain.wav", hop_s=11),
        lambda lib, s: lib.model.encode_windows(s / "rain.wav", hop_s=float("nan")),
        lambda lib, _: lib.model.encode_samples(np.zeros((2, 100))),
        lambda lib, _: lib.model.encode_samples([]),
        lambda lib, _: lib.model.encode_samples(np.full(100, np.nan)),
        lambda lib, _: lib.model.encode_samples(np.zeros(16000 * 60)),
    ],
)
def test_what_cannot_be_answered_is_said(
    library: audiosearch.SoundLibrary,
    examples: Path,
    call: Callable[[audiosearch.SoundLibrary, Path], object],
):
    with pytest.raises(audiosearch.QueryError):
        call(library, examples / "sounds")


def test_a_file_that_is_no_sound_costs_an_error(library: audiosearch.SoundLibrary, tmp_path: Path):
    file = tmp_path / "notes.wav"
    file.write_bytes(b"not a sound at all")
    for call in (library.read, library.similar, library.describe, library.model.encode):
        with pytest.raises(audiosearch.DecodeError) as caught:
            call(file)
        assert caught.value.code == "unsupported"


def test_one_text_is_not_taken_for_its_letters(library: audiosearch.SoundLibrary, examples: Path):
    model, rain = library.model, examples / "sounds" / "rain.wav"
    for call in (
        lambda: library.label(rain, "rain"),
        lambda: model.embed_text("rain"),
        lambda: model.cross_entropy("rain", None),
    ):
        with pytest.raises(TypeError, match="several texts"):
            call()


@pytest.mark.parametrize("name", ["folders", "tags", "formats", "names"])
def test_one_filter_is_not_taken_for_its_letters(name: str):
    with pytest.raises(TypeError, match=f"{name} takes several"):
        audiosearch.Filters(**{name: "flac"})  # type: ignore[arg-type]


def test_sounds_whose_files_are_gone(tmp_path: Path):
    sounds = tmp_path / "sounds"
    sounds.mkdir()
    for name, frequency in (("a", 300), ("b", 900), ("c", 1500)):
        write_audio(sounds / f"{name}.wav", tones([frequency]))
    with audiosearch.open(tmp_path / "library", writable=True) as library:
        library.index([sounds, sounds / "a.wav"])
        ids, _ = library.embeddings()
        names = [window.path.name for window in library.windows(ids) if window.path]
        assert sorted(names) == ["a.wav", "b.wav", "c.wav"]
        (sounds / "a.wav").unlink()
        assert library.index(bytes(sounds)).n_missing == 1
        window = library.windows(ids)[names.index("a.wav")]
        assert window.path is None
        assert window.duration_s > 0
        for call in (library.read, library.similar, library.describe):
            with pytest.raises(audiosearch.QueryError, match="no file holds"):
                call(window)
        with pytest.raises(audiosearch.AudiosearchError):
            library.index(tmp_path / "nowhere")


def test_reading_only_writes_nothing_that_is_asked_for(
    library: audiosearch.SoundLibrary, examples: Path
):
    for call in (lambda: library.index(examples), lambda: library.add_caption("a dog")):
        with pytest.raises(audiosearch.StoreError, match="for reading only"):
            call()


def test_where_there_is_no_library_none_is_made(tmp_path: Path):
    with pytest.raises(audiosearch.StoreError, match="no library yet"):
        audiosearch.open(tmp_path / "none")
    with pytest.raises(audiosearch.StoreError, match="no library yet"):
        audiosearch.open()
    assert not list(tmp_path.iterdir())
    assert not Path(os.environ["AUDIOSEARCH_DATA_DIR"]).exists()
    (tmp_path / "file").touch()
    for writable in (False, True):
        with pytest.raises(audiosearch.StoreError, match="a file"):
            audiosearch.open(tmp_path / "file", writable=writable)


def test_the_default_library_is_that_of_the_commands(
    examples: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("AUDIOSEARCH_DATA_DIR", str(examples / "library"))
    with audiosearch.open() as library:
        assert library.path == examples / "library"
        assert library.model.name == "starter"
        assert library.find("a telephone rings")[0].path.name == "phone.flac"


def test_closing_is_safe(examples: Path):
    library = audiosearch.open(examples / "library")
    model, (ids, matrix) = library.model, library.embeddings()
    library.close()
    library.close()
    assert "closed" in repr(library)
    for call in (lambda: library.find("rain"), lambda: library.windows(ids), lambda: library.model):
        with pytest.raises(audiosearch.StoreError, match="closed"):
            call()
    assert matrix.shape == (len(ids), 320)
    assert model.caption(model.encode(examples / "sounds" / "bell.wav"))


def test_threads_get_what_one_caller_gets(library: audiosearch.SoundLibrary, examples: Path):
    sounds = sorted((examples / "sounds").iterdir())[:4]
    questions = ["a telephone rings", "rain", "a clock ticks", "a bell"]

    def ask(number: int) -> tuple[object, object]:
        hits = library.find(questions[number], min_score=0)
        return hits, library.describe(sounds[number], limit=1)

    expected = [ask(number) for number in range(4)]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(ask, range(4))) == expected


def test_closing_lets_a_call_in_another_thread_end(examples: Path):
    library = audiosearch.open(examples / "library")
    answers: list[int] = []
    errors: list[str] = []
    answered = threading.Event()

    def ask() -> None:
        try:
            while True:
                answers.append(len(library.find("rain", min_score=0)))
                answered.set()
        except audiosearch.StoreError as error:
            errors.append(error.reason)

    thread = threading.Thread(target=ask)
    thread.start()
    assert answered.wait(60)
    library.close()
    thread.join()
    assert set(answers) == {10}
    assert errors == ["the library is closed"]


def _ask_in_a_child(library: audiosearch.SoundLibrary, answers: Any) -> None:
    try:
        library.find("rain")
    except audiosearch.AudiosearchError as error:
        answers.put(str(error))
    library.close()


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # forking with threads: what is tested
def test_other_processes_open_their_own(library: audiosearch.SoundLibrary):
    forked = multiprocessing.get_context("fork")
    answers = forked.Queue()
    child = forked.Process(target=_ask_in_a_child, args=(library, answers))
    child.start()
    assert "opened by another process" in answers.get(timeout=60)
    child.join()
    assert len(library.find("rain")) > 0  # what the child closed was not this
    for thing in (library, library.model):
        with pytest.raises(TypeError, match="cannot be pickled"):
            pickle.dumps(thing)
