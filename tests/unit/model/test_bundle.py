"""Loading bundles: every check, by one change at a time."""

import hashlib
import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from audiosearch.errors import BundleError, FeatureUnavailable
from audiosearch.model.bundle import load_bundle
from audiosearch.model.registry import find_bundle, list_bundles
from audiosearch.model.tokenizer import Splitting

WORDS = ["<pad>", "<bos>", "<eos>", "<unk>", "a", "dog", "barks", "<bos_clotho>"]
Manifest = dict[str, Any]


def graph(*, domain: str = "", external: bool = False) -> bytes:
    weight = numpy_helper.from_array(np.ones((2, 2), np.float32), "w")
    if external:
        weight.ClearField("raw_data")
        weight.data_location = TensorProto.EXTERNAL
        entry = weight.external_data.add()
        entry.key, entry.value = "location", "weights.bin"
    made = helper.make_model(
        helper.make_graph(
            [helper.make_node("MatMul", ["x", "w"], ["y"], domain=domain)],
            "g",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["b", 2])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["b", 2])],
            initializer=[weight],
        ),
        opset_imports=[helper.make_opsetid("", 18)],
    )
    return bytes(made.SerializeToString())


def listing(content: bytes) -> dict[str, object]:
    return {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}


def put(folder: Path, name: str, content: bytes) -> None:
    """Write a file and list it truthfully."""
    (folder / name).write_bytes(content)
    change(folder, lambda m: m["files"].update({name: listing(content)}))


def change(folder: Path, edit: Callable[[Manifest], object]) -> None:
    file = folder / "bundle.json"
    manifest = json.loads(file.read_text("utf-8"))
    edit(manifest)
    file.write_text(json.dumps(manifest), "utf-8")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "models" / "tiny"
    folder.mkdir(parents=True)
    manifest: Manifest = {
        "format": 1,
        "name": "tiny",
        "version": "0.1.0",
        "licence": "MIT",
        "description": "For tests.",
        "sample_rate": 16000,
        "window_s": 10.0,
        "min_samples": 5120,
        "frame_dim": 16,
        "embedding_dim": 8,
        "joint_dim": 4,
        "decoder": {"layers": 2, "heads": 2, "dim": 16, "max_positions": 32},
        "null_memory": "zero-frame",
        "tokenizer": {
            "kind": "words",
            "file": "vocabulary.json",
            "pad": 0,
            "bos": 1,
            "eos": 2,
            "unk": 3,
            "tasks": {},
            "default_task": None,
        },
        "beam": {"width": 3, "min_tokens": 3, "max_tokens": 20},
        "score": {"lift": 2.0, "joint": 5, "bias": -3.0, "min_score": 0.5},
        "tags": "tags.json",
        "graphs": {name: f"{name}.onnx" for name in ("encoder", "memory", "decoder", "text")},
        "files": {},
    }
    (folder / "bundle.json").write_text(json.dumps(manifest), "utf-8")
    for name in ("encoder", "memory", "decoder", "text"):
        put(folder, f"{name}.onnx", graph())
    put(folder, "vocabulary.json", json.dumps({"words": WORDS, "repeatable": [4]}).encode())
    put(folder, "tags.json", b'["dog", "bell"]')
    return folder


def refused(folder: Path) -> BundleError:
    with pytest.raises(BundleError) as caught:
        load_bundle(folder)
    error = caught.value
    assert error.path is not None
    assert str(folder) in error.path
    assert error.remedy
    return error


def test_a_whole_bundle_is_read(folder: Path) -> None:
    bundle = load_bundle(folder)
    assert (bundle.name, bundle.version, bundle.sample_rate) == ("tiny", "0.1.0", 16000)
    assert bundle.decoder.head_dim == 8
    assert bundle.vocabulary.words == tuple(WORDS)
    assert bundle.vocabulary.repeatable == {4}
    assert bundle.tags == ("dog", "bell")
    assert bundle.score.joint == 5.0
    assert set(bundle.graphs) == {"encoder", "memory", "decoder", "text"}
    assert bundle.start_token == 1
    assert bundle.size == 4 * len(graph())


def test_the_fingerprint_follows_the_files_and_nothing_else(folder: Path) -> None:
    before = load_bundle(folder).fingerprint
    change(folder, lambda m: m.update(description="Other words."))
    assert load_bundle(folder).fingerprint == before
    put(folder, "tags.json", b'["cat", "bell"]')
    assert load_bundle(folder).fingerprint != before


def test_a_bundle_without_joint_space_needs_no_text_graph(folder: Path) -> None:
    change(folder, lambda m: m.update(joint_dim=0, tags=None))
    change(folder, lambda m: m["graphs"].update(text=None))
    bundle = load_bundle(folder)
    assert "text" not in bundle.graphs
    assert bundle.tags == ()


def test_a_task_token_takes_the_place_of_bos(folder: Path) -> None:
    change(folder, lambda m: m["tokenizer"].update(tasks={"clotho": 7}, default_task="clotho"))
    bundle = load_bundle(folder)
    assert bundle.start_token == 7
    assert 7 in bundle.vocabulary.special


@pytest.mark.parametrize("name", ["encoder.onnx", "decoder.onnx", "vocabulary.json", "tags.json"])
def test_a_missing_file(folder: Path, name: str) -> None:
    (folder / name).unlink()
    assert "missing" in refused(folder).reason
    assert name in str(refused(folder))


@pytest.mark.parametrize("name", ["encoder.onnx", "text.onnx", "vocabulary.json", "tags.json"])
def test_a_changed_byte(folder: Path, name: str) -> None:
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    error = refused(folder)
    assert "SHA-256" in error.reason
    assert name in str(error)


def test_a_changed_size(folder: Path) -> None:
    with (folder / "encoder.onnx").open("ab") as file:
        file.write(b"\0")
    assert "size" in refused(folder).reason


@pytest.mark.parametrize(
    "name",
    [
        "../secret.json",
        "sub/../../secret.json",
        "/etc/passwd.json",
        "C:\\secret.json",
        "C:secret.json",
        "..\\secret.json",
        "\\\\server\\share\\secret.json",
    ],
)
def test_a_path_outside(folder: Path, name: str) -> None:
    (folder.parent / "secret.json").write_bytes(b"[]")
    change(folder, lambda m: m["files"].update({name: listing(b"[]")}))
    assert "outside" in refused(folder).reason


@pytest.mark.parametrize("name", ["", ".", "bundle.json", "a\0b.json"])
def test_what_is_no_file_name(folder: Path, name: str) -> None:
    change(folder, lambda m: m["files"].update({name: listing(b"[]")}))
    refused(folder)


def test_a_link_out_of_the_bundle(folder: Path) -> None:
    outside = folder.parent / "encoder.onnx"
    (folder / "encoder.onnx").rename(outside)
    (folder / "encoder.onnx").symlink_to(outside)
    assert "link" in refused(folder).reason


def test_a_linked_folder_out_of_the_bundle(folder: Path) -> None:
    (folder.parent / "other").mkdir()
    (folder.parent / "other" / "x.json").write_bytes(b"[]")
    (folder / "sub").symlink_to(folder.parent / "other")
    change(folder, lambda m: m["files"].update({"sub/x.json": listing(b"[]")}))
    assert "link" in refused(folder).reason


def test_a_link_inside_the_bundle_is_fine(folder: Path) -> None:
    (folder / "encoder.onnx").rename(folder / "real.onnx")
    (folder / "encoder.onnx").symlink_to("real.onnx")
    assert load_bundle(folder).name == "tiny"


def test_a_folder_in_place_of_a_file(folder: Path) -> None:
    (folder / "tags.json").unlink()
    (folder / "tags.json").mkdir()
    refused(folder)


def test_data_outside_the_graph(folder: Path) -> None:
    put(folder, "encoder.onnx", graph(external=True))
    assert "data outside" in refused(folder).reason


def test_operators_of_another_domain(folder: Path) -> None:
    put(folder, "decoder.onnx", graph(domain="evil.ops"))
    assert "evil.ops" in refused(folder).reason


def test_a_pickle_named_as_a_graph(folder: Path) -> None:
    put(folder, "encoder.onnx", pickle.dumps({"weights": [1.0, 2.0]}))
    assert "no ONNX model" in refused(folder).reason


@pytest.mark.parametrize("name", ["weights.pkl", "model.pt", "run.py", "lib.so", "noextension"])
def test_files_that_do_not_belong(folder: Path, name: str) -> None:
    put(folder, name, b"anything")
    assert "belong" in refused(folder).reason


@pytest.mark.parametrize("number", [0, 4, 99, -1])
def test_an_unknown_format(folder: Path, number: int) -> None:
    change(folder, lambda m: m.update(format=number))
    error = refused(folder)
    assert "format" in error.reason
    assert "update" in str(error.remedy)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("format", "1"),
        ("format", True),
        ("format", 1.0),
        ("name", ""),
        ("name", None),
        ("version", 1),
        ("licence", None),
        ("description", 3),
        ("sample_rate", "16000"),
        ("sample_rate", 0),
        ("sample_rate", 16000.0),
        ("window_s", -1),
        ("window_s", float("nan")),
        ("window_s", float("inf")),
        ("window_s", "10"),
        ("min_samples", 0),
        ("grid", []),
        ("grid", {"samples": 5120}),
        ("grid", {"samples": 0, "halo": 1}),
        ("grid", {"samples": 5120, "halo": -1}),
        ("grid", {"samples": 1, "halo": 10**9}),
        ("frame_dim", None),
        ("embedding_dim", 0),
        ("joint_dim", -1),
        ("joint_dim", True),
        ("decoder", []),
        ("decoder.layers", 0),
        ("decoder.heads", 3),
        ("decoder.dim", 15),
        ("decoder.max_positions", 1),
        ("null_memory", "mean-frame"),
        ("tokenizer", "words"),
        ("tokenizer.kind", "spacy"),
        ("tokenizer.file", "other.json"),
        ("tokenizer.file", 3),
        ("tokenizer.pad", 1),
        ("tokenizer.eos", 99),
        ("tokenizer.unk", "3"),
        ("tokenizer.tasks", None),
        ("tokenizer.tasks", {"clotho": 99}),
        ("tokenizer.default_task", "clotho"),
        ("beam.width", 0),
        ("beam.min_tokens", -1),
        ("beam.max_tokens", 33),
        ("beam", None),
        ("beam.forbid_unknown", "no"),
        ("score.lift", "2"),
        ("score.joint", None),
        ("score.bias", float("inf")),
        ("score.min_score", 1.5),
        ("score", {}),
        ("tags", "missing.json"),
        ("tags", 1),
        ("graphs", []),
        ("graphs.encoder", None),
        ("graphs.memory", "missing.onnx"),
        ("graphs.text", None),
        ("files", []),
        ("files", {}),
    ],
)
def test_a_field_of_the_wrong_type_or_range(folder: Path, place: str, value: object) -> None:
    def edit(manifest: Manifest) -> None:
        *tables, key = place.split(".")
        for table in tables:
            manifest = manifest[table]
        manifest[key] = value

    change(folder, edit)
    refused(folder)


@pytest.mark.parametrize("place", ["format", "name", "graphs", "files", "score", "decoder"])
def test_a_field_missing(folder: Path, place: str) -> None:
    change(folder, lambda m: m.pop(place))
    assert place in refused(folder).reason


@pytest.mark.parametrize(
    "entry",
    [None, {}, {"sha256": 3, "bytes": 2}, {"sha256": "00", "bytes": 2}, {"sha256": "0" * 64}],
)
def test_a_listing_without_its_facts(folder: Path, entry: object) -> None:
    change(folder, lambda m: m["files"].update({"tags.json": entry}))
    refused(folder)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"words": "a"}',
        json.dumps({"words": [*WORDS, 3], "repeatable": []}).encode(),
        json.dumps({"words": [*WORDS, "dog"], "repeatable": []}).encode(),
        json.dumps({"words": WORDS, "repeatable": [99]}).encode(),
        json.dumps({"words": WORDS, "repeatable": [True]}).encode(),
        json.dumps({"words": WORDS}).encode(),
    ],
)
def test_a_vocabulary_that_is_none(folder: Path, content: bytes) -> None:
    put(folder, "vocabulary.json", content)
    assert "vocabulary.json" in str(refused(folder))


@pytest.mark.parametrize("content", [b"{}", b"[1]", b"nothing", b'["a"], "b": ["c"]'])
def test_tags_that_are_no_names(folder: Path, content: bytes) -> None:
    put(folder, "tags.json", content)
    assert "tags.json" in str(refused(folder))


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff", b"[" * 100_000])
def test_a_manifest_that_is_none(folder: Path, content: bytes) -> None:
    (folder / "bundle.json").write_bytes(content)
    refused(folder)


def test_no_manifest_at_all(tmp_path: Path) -> None:
    refused(tmp_path)
    refused(tmp_path / "nowhere")


def test_a_file_changed_after_the_check_is_not_loaded(folder: Path) -> None:
    bundle = load_bundle(folder)
    (folder / "encoder.onnx").write_bytes(graph(domain="evil.ops"))
    with pytest.raises(BundleError, match="SHA-256"):
        bundle.graphs["encoder"].read()


def test_bundles_are_found_by_name_or_path(folder: Path, tmp_path: Path) -> None:
    search = [tmp_path / "nowhere", folder.parent]
    assert find_bundle("tiny", search=search) == folder
    assert find_bundle(str(folder), search=[]) == folder
    assert list_bundles(search=search) == [folder]
    (folder.parent / "empty").mkdir()
    with pytest.raises(BundleError, match="tiny") as caught:
        find_bundle("large", search=search)
    assert caught.value.remedy
    with pytest.raises(BundleError, match=r"bundle\.json"):
        find_bundle(str(folder.parent / "empty"), search=search)


def test_the_first_of_two_places_counts(folder: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine" / "tiny"
    mine.mkdir(parents=True)
    (mine / "bundle.json").write_text("{}", "utf-8")
    assert find_bundle("tiny", search=[mine.parent, folder.parent]) == mine


def test_a_task_decides_what_starts_a_caption(folder: Path) -> None:
    change(folder, lambda m: m["tokenizer"].update(kind="words-en", tasks={"clotho": 7}))
    bundle = load_bundle(folder)
    assert bundle.vocabulary.splitting is Splitting.ENGLISH
    assert bundle.start_token == 1
    assert bundle.for_task("") is bundle
    assert bundle.for_task("clotho").start_token == 7
    with pytest.raises(FeatureUnavailable, match="has the tasks clotho"):
        bundle.for_task("audiocaps")


def test_bridges_must_lead_to_known_words_and_pieces_must_be_a_list(
    meaning_bundle: Path, tmp_path: Path
) -> None:
    path = Path(shutil.copytree(meaning_bundle, tmp_path / "meaning"))
    bundle = load_bundle(path)
    assert bundle.pieces is not None
    assert bundle.vocabulary.oov_map["automobile"] == "car"
    _replace(path, "bridges.json", {"zebra": ["horse"]})
    with pytest.raises(BundleError, match="not in the vocabulary"):
        load_bundle(path)
    _replace(path, "bridges.json", {"dog": ["canine"]})
    _replace(path, "pieces.json", {"pieces": ["dog", "cat"]})
    with pytest.raises(BundleError, match="first pieces"):
        load_bundle(path)


def _replace(path: Path, name: str, content: object) -> None:
    """Put another file into a bundle, and its hash into the manifest."""
    data = json.dumps(content).encode()
    (path / name).write_bytes(data)
    manifest = json.loads((path / "bundle.json").read_text())
    manifest["files"][name] = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    (path / "bundle.json").write_text(json.dumps(manifest))
