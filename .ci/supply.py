"""What a release brings along: its parts, their licences, and what is known to be wrong with them.

    python .ci/supply.py audit                   # fails where a part has a known vulnerability
    python .ci/supply.py write dist 0.2.0        # the bill of materials and the licences, beside it

The parts are those that `pip install audiosearch` gives on this machine, in the versions of the
environment that this runs in. `make release` runs both; the first one asks PyPI.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = Path(__file__).resolve().parents[1]
MODELS = PROJECT / "models"

# What each part says of itself, in its own words, to what that is in SPDX's. Whatever is not here
# is refused until a person has read it: a release passes these on.
LICENCES: Mapping[str, str] = {
    "0BSD": "0BSD",
    "3-Clause BSD License": "BSD-3-Clause",
    "CC0-1.0": "CC0-1.0",
    "MIT-0": "MIT-0",
    "Zlib": "Zlib",
    "Apache 2.0": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "Apache-2.0": "Apache-2.0",
    "BSD 3-Clause License": "BSD-3-Clause",
    "BSD License": "BSD-3-Clause",
    "BSD-2-Clause": "BSD-2-Clause",
    "BSD-3-Clause": "BSD-3-Clause",
    "GPL-2.0-or-later": "GPL-2.0-or-later",
    "GNU General Public License v2 or later (GPLv2+)": "GPL-2.0-or-later",
    "GNU Lesser General Public License v2 or later (LGPLv2+)": "LGPL-2.0-or-later",
    "LGPL-2.0-or-later": "LGPL-2.0-or-later",
    "LGPL-2.1-or-later": "LGPL-2.1-or-later",
    "ISC License (ISCL)": "ISC",
    "MIT": "MIT",
    "MIT License": "MIT",
    "MPL-2.0": "MPL-2.0",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "PSF-2.0": "PSF-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "Unlicense": "Unlicense",
}


class Refused(Exception):
    """Why there is no release."""


@dataclass(frozen=True)
class Part:
    """A package that is installed along."""

    name: str
    version: str
    licence: str  # SPDX's
    needs: tuple[str, ...]  # names of others


def closure(requirements: Iterable[str]) -> dict[str, Part]:
    """The packages that requirements bring along here, by name.

    Raises:
        Refused: one is not installed, or its licence was never read.
    """
    packages: dict[str, metadata.Distribution] = {}
    needs: dict[str, set[str]] = {}
    waiting = _with_extras(Requirement(each) for each in requirements)
    seen: set[tuple[str, str]] = set()  # extras may ask for each other
    while waiting:
        name, extra = waiting.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        try:
            packages[name] = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            raise Refused(f"{name} is not installed here") from None
        own = map(Requirement, packages[name].requires or ())
        found = _with_extras(own, extra=extra)
        needs.setdefault(name, set()).update(other for other, _ in found)
        waiting += found
    return {
        name: Part(name, each.version, licence_of(each.metadata), tuple(sorted(needs[name])))
        for name, each in sorted(packages.items())
    }


def _with_extras(requirements: Iterable[Requirement], *, extra: str = "") -> list[tuple[str, str]]:
    """The names that are asked for here, each as itself ("") and with each extra asked for."""
    return [
        (canonicalize_name(each.name), one)
        for each in requirements
        if each.marker is None or each.marker.evaluate({"extra": extra})
        for one in ("", *map(canonicalize_name, each.extras))
    ]


def licence_of(told: metadata.PackageMetadata) -> str:
    """The licence of a package in SPDX's words.

    Raises:
        Refused: it says none that is known here.
    """
    expression = told.get("License-Expression")
    classifiers = [each for each in told.get_all("Classifier") or () if "License ::" in each]
    names = [each.rpartition(" :: ")[2] for each in classifiers]
    names = [name for name in names if name != "OSI Approved"]
    words = [expression] if expression else names or [(told.get("License") or "").strip()]
    known = []
    for word in words:
        if word in LICENCES:
            known.append(LICENCES[word])
        elif word and all(
            part in LICENCES for part in word.replace(" OR ", " AND ").split(" AND ")
        ):
            known.append(word)
        else:
            raise Refused(f"{told['Name']}: its licence {word[:80]!r} was never read")
    return " OR ".join(dict.fromkeys(known))


def run_time() -> list[str]:
    """What pyproject.toml asks for."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["project"]
    return list(project["dependencies"])


def models(folder: Path = MODELS) -> Iterator[tuple[str, str, str, str]]:
    """Of each file of the bundled models: bundle, version, path in it, SHA-256."""
    for manifest in sorted(folder.glob("*/bundle.json")):
        version = str(json.loads(manifest.read_bytes())["version"])
        for file in sorted(each for each in manifest.parent.rglob("*") if each.is_file()):
            digest = hashlib.sha256(file.read_bytes()).hexdigest()
            inside = file.relative_to(manifest.parent).as_posix()
            yield manifest.parent.name, version, inside, digest


def bill(parts: Mapping[str, Part], *, version: str) -> str:
    """The bill of materials, as CycloneDX 1.6 in JSON."""
    licences = LicenseFactory()
    bom = Bom()
    root = Component(
        name="audiosearch",
        version=version,
        type=ComponentType.APPLICATION,
        licenses=[licences.make_with_expression("MIT")],
        purl=PackageURL("pypi", None, "audiosearch", version),
        bom_ref="audiosearch",
    )
    bom.metadata.component = root
    made = {
        part.name: Component(
            name=part.name,
            version=part.version,
            type=ComponentType.LIBRARY,
            licenses=[licences.make_with_expression(part.licence)],
            purl=PackageURL("pypi", None, part.name, part.version),
            bom_ref=f"{part.name}=={part.version}",
        )
        for part in parts.values()
    }
    for component in made.values():
        bom.components.add(component)
    for part in parts.values():
        bom.register_dependency(made[part.name], [made[name] for name in part.needs])
    direct = {canonicalize_name(Requirement(each).name) for each in run_time()}
    bundled = list(_model_components(licences))
    for component in bundled:
        bom.components.add(component)
    bom.register_dependency(root, [made[name] for name in sorted(direct & made.keys())] + bundled)
    text: str = JsonV1Dot6(bom).output_as_string(indent=1)
    return text


def _model_components(licences: LicenseFactory) -> Iterator[Component]:
    for bundle, version, path, digest in models():
        yield Component(
            name=f"{bundle}/{path}",
            version=version,
            type=ComponentType.MACHINE_LEARNING_MODEL
            if path.endswith(".onnx")
            else ComponentType.DATA,
            licenses=[licences.make_with_expression("MIT")],
            hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest)],
            properties=[Property(name="audiosearch:path", value=f"_models/{bundle}/{path}")],
            bom_ref=f"model:{bundle}/{path}",
        )


def licence_table(parts: Mapping[str, Part]) -> str:
    """The licences for people."""
    lines = [
        "# Licences of what `pip install audiosearch` brings along",
        "",
        "audiosearch itself, and the weights that it carries: MIT. Wheels may hold libraries of",
        "others, whose licences lie in them; PyAV's hold FFmpeg (LGPL-2.1-or-later).",
        "",
        "| package | version | licence |",
        "|---|---|---|",
        *(f"| {part.name} | {part.version} | {part.licence} |" for part in parts.values()),
    ]
    return "\n".join(lines) + "\n"


def audit(parts: Mapping[str, Part]) -> None:
    """Ask PyPI whether a vulnerability of any part is known.

    Raises:
        Refused: one is, or PyPI cannot be asked.
    """
    with tempfile.TemporaryDirectory() as place:
        pinned = Path(place) / "requirements.txt"
        pinned.write_text("".join(f"{each.name}=={each.version}\n" for each in parts.values()))
        command = ["pip_audit", "--strict", "--no-deps", "--disable-pip", "-r", str(pinned)]
        done = subprocess.run([sys.executable, "-m", *command], check=False)
    if done.returncode:
        raise Refused("a part has a known vulnerability, or could not be asked about: see above")


def write(parts: Mapping[str, Part], dist: Path, version: str) -> None:
    """Put both lists beside the wheel."""
    (dist / f"audiosearch-{version}.cdx.json").write_text(bill(parts, version=version), "utf-8")
    (dist / f"audiosearch-{version}.licences.md").write_text(licence_table(parts), "utf-8")


def main(arguments: list[str]) -> None:
    """One of the two."""
    try:
        if arguments[:1] == ["audit"] and len(arguments) == 1:
            audit(closure(run_time()))
        elif arguments[:1] == ["write"] and len(arguments) == 3:
            write(closure(run_time()), Path(arguments[1]), arguments[2])
        else:
            sys.exit(__doc__)
    except Refused as refused:
        sys.exit(f"no release: {refused}")


if __name__ == "__main__":
    main(sys.argv[1:])
