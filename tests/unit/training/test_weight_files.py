"""Files of weights are read, and nothing in them is run."""

from __future__ import annotations

import collections
import io
import json
import pickle
import struct
import zipfile

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from audiosearch.errors import BundleError  # noqa: E402
from audiosearch.training.networks.weights import (  # noqa: E402
    read_plain_pickle,
    read_weights,
    tensors_of,
)
from tests.published_checkpoints import write_safetensors  # noqa: E402


@pytest.fixture
def state():
    torch.manual_seed(0)
    whole = torch.randn(4, 6)
    return {
        "float": whole,
        "part": whole[1:3, ::2],
        "half": torch.randn(3).half(),
        "bfloat": torch.randn(3).bfloat16(),
        "ids": torch.tensor([[1, -2]]),
        "mask": torch.tensor([True, False]),
        "number": torch.tensor(3.0),
        "empty": torch.zeros(0, 5),
        "parameter": torch.nn.Parameter(torch.ones(2)),
    }


def test_pytorch_files_give_the_tensors_that_went_in(tmp_path, state):
    torch.save(collections.OrderedDict(state), tmp_path / "w.pth")
    found = tensors_of(read_weights(tmp_path / "w.pth"))
    assert found.keys() == state.keys()
    for name, value in state.items():
        assert found[name].dtype == value.dtype
        assert torch.equal(found[name], value), name


def test_safetensors_give_the_tensors_that_went_in(tmp_path, state):
    plain = {name: state[name] for name in ("float", "ids", "mask", "number", "empty")}
    found = tensors_of(read_weights(write_safetensors(plain, tmp_path / "w.safetensors")))
    assert found.keys() == plain.keys()
    assert all(torch.equal(found[name], value) for name, value in plain.items())


def test_names_below_a_prefix(tmp_path):
    torch.save({"a.x": torch.ones(1), "b.x": torch.zeros(1)}, tmp_path / "w.pth")
    assert tensors_of(read_weights(tmp_path / "w.pth"), under="b.") == {"x": torch.zeros(1)}


def test_plain_things_and_numpy_scalars_beside_the_weights(tmp_path):
    torch.save(
        {
            "model": {"x": torch.ones(1)},
            "epoch": 3,
            "names": ("a", {"b"}, None, 1.5, torch.Size([2])),
            "metric": np.float64(0.5),
            "curve": np.arange(3),
            "dtype": torch.float16,
        },
        tmp_path / "w.pth",
    )
    found = read_weights(tmp_path / "w.pth")
    assert found["epoch"] == 3
    assert found["names"] == ("a", {"b"}, None, 1.5, (2,))
    assert tensors_of(found["model"]) == {"x": torch.ones(1)}


class Danger:
    """Something that a checkpoint must not hold."""

    def __reduce__(self):
        return print, ("run!",)


class Named:
    """A class of ours that does nothing."""


@pytest.mark.parametrize(
    ("thing", "name"),
    [
        (Danger(), "builtins.print"),
        (Named(), "Named"),
        (eval, "builtins.eval"),
        (io.BytesIO(b"x"), "_io.BytesIO"),
        (torch.nn.Linear, "torch.nn.modules.linear.Linear"),
    ],
)
def test_other_globals_are_refused_by_name(tmp_path, capsys, thing, name):
    torch.save({"state_dict": thing}, tmp_path / "bad.ckpt")
    with pytest.raises(BundleError) as caught:
        read_weights(tmp_path / "bad.ckpt")
    assert name in str(caught.value)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_bare_pickle_is_refused_by_what_it_asks_for(tmp_path, capsys, protocol):
    things = {"a": eval, "b": Danger(), "c": eval, "d": collections.Counter("x"), "e": print}
    (tmp_path / "bare.pth").write_bytes(pickle.dumps(things, protocol))
    module = "__builtin__" if protocol < 3 else "builtins"
    wanted = f"refused: it wants {module}.eval, {module}.print, collections.Counter, and"
    with pytest.raises(BundleError, match=wanted) as caught:
        read_weights(tmp_path / "bare.pth")
    assert "save it again" in caught.value.remedy
    assert capsys.readouterr().out == ""
    (tmp_path / "plain.pth").write_bytes(pickle.dumps({"a": 1}, protocol))
    with pytest.raises(BundleError, match="neither safetensors nor one of PyTorch's"):
        read_weights(tmp_path / "plain.pth")


@pytest.mark.parametrize("thing", [Danger(), eval, torch.ones(1)])
def test_pickles_of_a_protocol_that_torch_does_not_read_are_refused(tmp_path, capsys, thing):
    torch.save({"state_dict": thing}, tmp_path / "new.ckpt", pickle_protocol=4)
    with pytest.raises(BundleError, match="save it again"):
        read_weights(tmp_path / "new.ckpt")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize(
    ("thing", "name"), [(Danger(), "print"), (Named(), "Named"), (collections.Counter(), "Counter")]
)
def test_a_plain_pickle_names_nothing(capsys, thing, name, protocol):
    with pytest.raises(BundleError, match=f"refused: it wants .*{name}"):
        read_plain_pickle(pickle.dumps([thing], protocol=protocol))
    plain = {"a": [1, "b", (None, 0.5)], "c": collections.OrderedDict(d=1)}
    assert read_plain_pickle(pickle.dumps(plain, protocol=protocol)) == plain
    assert capsys.readouterr().out == ""


def test_attributes_of_what_is_known_are_refused():
    # collections.OrderedDict.__init__, by a dotted name as protocol 4 allows.
    content = b"\x80\x04\x8c\x0bcollections\x8c\x14OrderedDict.__init__\x93."
    with pytest.raises(BundleError, match=r"OrderedDict\.__init__"):
        read_plain_pickle(content)


@pytest.mark.parametrize("content", [b"", b"\x80\x02", b"no pickle", pickle.dumps([1])[:-1]])
def test_what_is_no_pickle_is_said_to_be_none(content):
    with pytest.raises(BundleError, match="cannot be read safely"):
        read_plain_pickle(content)


def _safetensors(header, data=b"\0" * 8):
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no weights at all",
        b"PK\x03\x04 but cut short",
        struct.pack("<Q", 10**9) + b"{}",
        _safetensors({"x": {"dtype": "F32", "shape": [3], "data_offsets": [0, 8]}}),
        _safetensors({"x": {"dtype": "F32", "shape": [-2], "data_offsets": [0, -8]}}),
        _safetensors({"x": {"dtype": "EXE", "shape": [2], "data_offsets": [0, 8]}}),
        _safetensors({"x": {"shape": [2]}}),
        _safetensors({"x": "y"}),
        _safetensors({"x": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}, b"\0" * 7),
    ],
)
def test_damaged_files_are_refused(tmp_path, content):
    (tmp_path / "w").write_bytes(content)
    with pytest.raises(BundleError):
        tensors_of(read_weights(tmp_path / "w"))


def test_tensors_beyond_their_storage_are_refused(tmp_path):
    torch.save({"x": torch.arange(4.0)}, tmp_path / "w.pth")
    with zipfile.ZipFile(tmp_path / "w.pth") as old, zipfile.ZipFile(tmp_path / "e", "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name.endswith("data.pkl"):  # shape (4,) becomes (5,)
                assert content.count(b"K\x04\x85") == 1
                content = content.replace(b"K\x04\x85", b"K\x05\x85")
            new.writestr(name, content)
    with pytest.raises(BundleError, match="cannot be read safely"):
        tensors_of(read_weights(tmp_path / "e"))
