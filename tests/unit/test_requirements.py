"""What the program requires is bounded, and the file for the small build is in step with it."""

from __future__ import annotations

import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement

PROJECT = Path(__file__).parents[2]
DOCUMENT = tomllib.loads((PROJECT / "pyproject.toml").read_text())
RUN_TIME = [Requirement(line) for line in DOCUMENT["project"]["dependencies"]]
EXTRAS = [
    Requirement(line)
    for lines in DOCUMENT["project"]["optional-dependencies"].values()
    for line in lines
]
BUILD = [Requirement(line) for line in DOCUMENT["build-system"]["requires"]]
MACHINES = [
    {"sys_platform": system, "platform_machine": machine}
    for system in ("linux", "darwin", "win32")
    for machine in ("x86_64", "AMD64", "aarch64", "arm64", "ARM64")
]


@pytest.mark.parametrize("required", [*RUN_TIME, *EXTRAS, *BUILD], ids=str)
def test_every_dependency_ends_below_a_major_release(required: Requirement):
    for bound in required.specifier:
        if bound.operator == "==":  # 2.11.*: bounded already
            return
    [upper] = [each.version for each in required.specifier if each.operator == "<"]
    assert upper.isdecimal()
    assert not required.specifier.contains(upper)
    try:
        installed = version(required.name)
    except PackageNotFoundError:
        return  # an extra that is not installed here, or another system's package
    assert required.specifier.contains(installed)
    assert int(upper) == int(installed.partition(".")[0]) + 1 or int(upper) == 20  # PyAV 18, 19


@pytest.mark.parametrize("machine", MACHINES, ids=lambda each: "-".join(each.values()))
def test_each_machine_gets_one_build_of_onnx_runtime(machine: dict[str, str]):
    found = [
        each.name
        for each in RUN_TIME
        if each.name.startswith("onnxruntime")
        and (each.marker is None or each.marker.evaluate(dict(machine)))
    ]
    assert len(found) == 1


def test_the_small_installation_is_the_same_but_for_onnx_runtime():
    lines = (PROJECT / "requirements-cpu.txt").read_text().splitlines()
    small = {str(Requirement(line)) for line in lines if line and not line.startswith("#")}
    own = {str(each) for each in RUN_TIME if not each.name.startswith("onnxruntime")}
    [plain] = [each for each in RUN_TIME if each.name == "onnxruntime"]
    assert small == own | {f"{plain.name}{plain.specifier}"}
