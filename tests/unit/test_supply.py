"""What a release says of its parts: all of them, with licences, and the models as they are."""

from __future__ import annotations

import hashlib
import json
import runpy
from email.message import EmailMessage
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

spdx = pytest.importorskip("cyclonedx.spdx")

PROJECT = Path(__file__).parents[2]
supply = runpy.run_path(str(PROJECT / ".ci" / "supply.py"))
hook = runpy.run_path(str(PROJECT / "hatch_build.py"))
Refused = supply["Refused"]


def told(**fields: str | list[str]) -> EmailMessage:
    message = EmailMessage()
    message["Name"] = "some-package"
    for name, value in fields.items():
        for each in [value] if isinstance(value, str) else value:
            message[name.replace("_", "-")] = each
    return message


def test_all_that_is_installed_along_is_listed() -> None:
    parts = supply["closure"](supply["run_time"]())
    direct = {
        canonicalize_name(each.name)
        for each in map(Requirement, supply["run_time"]())
        if each.marker is None or each.marker.evaluate()
    }
    assert direct <= parts.keys()
    assert {name for part in parts.values() for name in part.needs} <= parts.keys()
    assert "cffi" in parts  # of another one
    assert not {"pytest", "torch", "hypothesis"} & parts.keys()


def test_the_bill_names_every_part_and_the_models_with_their_hashes() -> None:
    parts = supply["closure"](supply["run_time"]())
    bill = json.loads(supply["bill"](parts, version="1.2.3"))
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert bill["metadata"]["component"]["version"] == "1.2.3"
    components = {each["bom-ref"]: each for each in bill["components"]}
    assert {f"{part.name}=={part.version}" for part in parts.values()} <= components.keys()
    hashes = {
        name.removeprefix("model:"): each["hashes"][0]["content"]
        for name, each in components.items()
        if name.startswith("model:")
    }
    assert hashes == hook["model_hashes"](PROJECT / "models")
    encoder = (PROJECT / "models" / "starter" / "encoder.onnx").read_bytes()
    assert hashes["starter/encoder.onnx"] == hashlib.sha256(encoder).hexdigest()
    edges = {each["ref"]: set(each.get("dependsOn", ())) for each in bill["dependencies"]}
    assert any(ref.startswith("numpy==") for ref in edges["audiosearch"])


@pytest.mark.parametrize(
    ("fields", "licence"),
    [
        ({"License_Expression": "MIT"}, "MIT"),
        ({"License_Expression": "MIT AND PSF-2.0"}, "MIT AND PSF-2.0"),
        ({"Classifier": ["License :: OSI Approved :: BSD License"]}, "BSD-3-Clause"),
        (
            {
                "Classifier": "License :: OSI Approved :: "
                "GNU Lesser General Public License v2 or later (LGPLv2+)"
            },
            "LGPL-2.0-or-later",
        ),
        ({"License": "Apache 2.0", "Classifier": ["Topic :: Audio"]}, "Apache-2.0"),
    ],
)
def test_licences_are_told_in_one_set_of_words(fields: dict[str, str], licence: str) -> None:
    assert supply["licence_of"](told(**fields)) == licence


@pytest.mark.parametrize(
    "fields",
    [{}, {"License": "ask me"}, {"License_Expression": "MIT AND Unheard-Of"}, {"License": ""}],
)
def test_a_licence_that_nobody_has_read_is_refused(fields: dict[str, str]) -> None:
    with pytest.raises(Refused, match="some-package"):
        supply["licence_of"](told(**fields))


def test_a_package_that_is_not_there_is_refused() -> None:
    with pytest.raises(Refused, match="no-such-package"):
        supply["closure"](["no-such-package>=1"])


def test_each_name_of_a_licence_is_one_of_spdx() -> None:
    assert [each for each in supply["LICENCES"].values() if not spdx.is_supported_id(each)] == []


def test_extras_that_ask_for_each_other_come_to_an_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, "ours", "first[x]", "second ; extra == 'never'")
    install(tmp_path, "first", "plain", "second[y] ; extra == 'x'")
    install(tmp_path, "second", "first[X] ; extra == 'y'", "third ; extra == 'y'")
    install(tmp_path, "third", "third[self]", "nowhere ; extra == 'none'")
    install(tmp_path, "plain")
    monkeypatch.syspath_prepend(str(tmp_path))
    parts = supply["closure"](["ours", "second", "first"])
    assert {name: part.needs for name, part in parts.items()} == {
        "ours": ("first",),
        "first": ("plain", "second"),
        "second": ("first", "third"),
        "third": ("third",),
        "plain": (),
    }


def install(folder: Path, name: str, *needs: str) -> None:
    """What a package says of itself, where it was installed."""
    told = folder / f"{name}-1.0.dist-info"
    told.mkdir()
    lines = ["Metadata-Version: 2.4", f"Name: {name}", "Version: 1.0", "License-Expression: MIT"]
    lines += [f"Requires-Dist: {each}" for each in needs]
    (told / "METADATA").write_text("\n".join(lines) + "\n", "utf-8")
