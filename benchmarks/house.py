"""How easily the code is held in the head: the figures of a checkout, or of two side by side.

python -m benchmarks.house [CHECKOUT] [--against CHECKOUT]

What the graph of imports says is shared with tests/unit/test_structure.py.
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import tempfile
import wave
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

import click
import numpy as np

from benchmarks.child import environment

PACKAGE: Final = "audiosearch"
SMALL: Final = 60  # lines
QUERY: Final = "a high tone after noise"
# Runs a command as its entry point does, and writes what that took of the package.
PROBE: Final = """
import atexit, json, sys, threading
out, package = sys.argv.pop(1), sys.argv.pop(1)
ran = set()
def tell(frame, event, _):
    # A module's own lines run once, when it is imported; a class's have no locals of their own.
    if event == "call" and frame.f_code.co_flags & 2:
        ran.add(frame.f_code.co_filename)
def write():
    sys.setprofile(None)
    modules = [each for each in sys.modules if each.split(".")[0] == package]
    files = [each for each in ran if each.startswith(root)]
    with open(out, "w") as file:
        json.dump({"files": files, "modules": modules, "all": len(sys.modules)}, file)
atexit.register(write)
threading.setprofile(tell)
sys.setprofile(tell)
import importlib.util, os
root = os.path.dirname(importlib.util.find_spec(package).origin) + os.sep
from audiosearch.cli.main import main
main()
"""


@dataclass(frozen=True)
class Module:
    """One file of the package."""

    name: str  # audiosearch.audio.decode; of a package's __init__, the package's own
    path: Path
    source: str

    @cached_property
    def tree(self) -> ast.Module:
        """Its syntax."""
        return ast.parse(self.source)

    @property
    def n_lines(self) -> int:
        """Lines, empty ones too."""
        return len(self.source.splitlines())

    @property
    def is_package(self) -> bool:
        """Whether it is the file of a package."""
        return self.path.name == "__init__.py"

    @property
    def n_head_lines(self) -> int:
        """Lines of its docstring that are not empty."""
        head = ast.get_docstring(self.tree) or ""
        return sum(bool(line.strip()) for line in head.splitlines())

    def classes(self) -> Iterator[str]:
        """Names of all classes in it, inner ones too."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.ClassDef):
                yield node.name

    def public_names(self) -> Iterator[str]:
        """Public functions, classes and constants, and the methods and fields of all classes."""
        yield from _names_in(self.tree.body)
        for node in ast.walk(self.tree):
            if isinstance(node, ast.ClassDef):
                yield from _names_in(node.body)
                for inner in ast.walk(node):
                    if isinstance(inner, ast.Attribute) and isinstance(inner.ctx, ast.Store):
                        yield from _public(inner.attr)


def _names_in(body: list[ast.stmt]) -> Iterator[str]:
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield from _public(node.name)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield from _public(node.target.id)
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    yield from _public(target.id)


def _public(name: str) -> Iterator[str]:
    if not name.startswith("_"):
        yield name


@dataclass(frozen=True)
class Package:
    """All files of the package, and who imports whom."""

    modules: Mapping[str, Module]

    @classmethod
    def read(cls, checkout: Path) -> Package:
        """The package of a checkout of the project."""
        found = {}
        for path in sorted((checkout / PACKAGE).rglob("*.py")):
            parts = path.relative_to(checkout).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            found[name] = Module(name, path, path.read_text(encoding="utf-8"))
        return cls(found)

    @cached_property
    def importers(self) -> Mapping[str, frozenset[str]]:
        """By module, those that name it in an import statement, wherever the statement stands."""
        found: dict[str, set[str]] = defaultdict(set)
        for module in self.modules.values():
            for imported in self._imports(module):
                if imported != module.name:
                    found[imported].add(module.name)
        return {name: frozenset(found[name]) for name in self.modules}

    def _imports(self, module: Module) -> Iterator[str]:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Import):
                yield from (each.name for each in node.names if each.name in self.modules)
            elif isinstance(node, ast.ImportFrom) and node.module is not None:
                for each in node.names:
                    inner = f"{node.module}.{each.name}"
                    imported = inner if inner in self.modules else node.module
                    if imported in self.modules:
                        yield imported

    def repeated_classes(self) -> dict[str, list[str]]:
        """Names of classes that more than one place defines, with the modules."""
        homes: dict[str, list[str]] = defaultdict(list)
        for module in self.modules.values():
            for name in module.classes():
                homes[name].append(module.name)
        return {name: where for name, where in sorted(homes.items()) if len(where) > 1}

    def files_by_package(self, package: str) -> Counter[str]:
        """Files directly in `package` and in each package below it, by its name."""
        inside = [
            each for each in self.modules if each == package or each.startswith(f"{package}.")
        ]
        return Counter(
            each if self.modules[each].is_package else each.rpartition(".")[0] for each in inside
        )

    def arrows_within(self, package: str) -> int:
        """Imports of one module of `package` by another."""
        inside = {each for each in self.modules if each.startswith(f"{package}.")}
        return sum(len(self.importers[each] & inside) for each in inside)


@dataclass(frozen=True)
class ColdFind:
    """What one `find` of a fresh process took."""

    n_files: int  # of the package in which a function ran
    n_modules: int  # of the package that were imported
    n_all: int  # all modules, the interpreter's and the libraries' too


def cold_find(checkout: Path) -> ColdFind:
    """Index three generated sounds with the package of `checkout`, and ask for one of them."""
    with tempfile.TemporaryDirectory() as place:
        sounds, data, told = Path(place) / "sounds", Path(place) / "data", Path(place) / "told.json"
        sounds.mkdir()
        _write_sounds(sounds)
        _command(checkout, data, "-m", PACKAGE, "index", str(sounds), "--quiet")
        _command(checkout, data, "-c", PROBE, str(told), PACKAGE, "find", QUERY, "--min-score", "0")
        found = json.loads(told.read_text())
    return ColdFind(len(found["files"]), len(found["modules"]), found["all"])


def _write_sounds(folder: Path) -> None:
    rate = 16_000
    time_s = np.arange(2 * rate) / rate
    noise = np.random.default_rng(0).normal(size=len(time_s))
    sounds = {"low": np.sin(700 * time_s), "high": np.sin(7000 * time_s), "noise": noise / 4}
    for name, samples in sounds.items():
        path = folder / f"{name}.wav"
        with path.open("wb") as file, wave.open(file, "wb") as out:
            out.setparams((1, 2, rate, 0, "NONE", ""))
            out.writeframes((np.clip(samples, -1, 1) * 20_000).astype("<i2").tobytes())


def _command(checkout: Path, data: Path, *arguments: str) -> None:
    there = environment(data) | {"PYTHONPATH": str(checkout.resolve())}
    subprocess.run(
        [sys.executable, *arguments], check=True, capture_output=True, env=there, cwd=data.parent
    )


def figures(checkout: Path) -> dict[str, str]:
    """The table of one checkout: what is measured, and the figure."""
    package = Package.read(checkout)
    modules = package.modules
    plain = [each for each in modules.values() if not each.is_package]
    training = package.files_by_package(f"{PACKAGE}.training")
    packages = {name.rpartition(".")[2]: n for name, n in sorted(training.items())}
    n_single = sum(len(package.importers[each.name]) == 1 for each in plain)
    find = cold_find(checkout)
    hearing = sorted((checkout / "tests" / "acceptance").glob("test_*.py"))
    return {
        "files (lines)": f"{len(modules)} ({sum(m.n_lines for m in modules.values()):,})",
        "files but `__init__`": f"{len(plain)}",
        "modules with exactly one importer": f"{n_single}",
        f"files of at most {SMALL} lines": f"{sum(m.n_lines <= SMALL for m in plain)}",
        "files above 500 lines": f"{sum(m.n_lines > 500 for m in plain)}",
        "heads of more than four lines": f"{sum(m.n_head_lines > 4 for m in modules.values())}",
        "files of which a function runs in a cold `find`": f"{find.n_files}",
        "modules of the package that it imports": f"{find.n_modules}",
        "modules in all, libraries' too": f"{find.n_all:,}",
        "class names that exist more than once": f"{len(package.repeated_classes())}",
        "training: files, arrows between them": f"{sum(training.values())},"
        f" {package.arrows_within(f'{PACKAGE}.training')}",
        "training: files a package": ", ".join(f"{name} {n}" for name, n in packages.items()),
        "tests of what the bundled model hears": f"{sum(map(_n_tests, hearing))}",
        "public Python API": "yes" if f"{PACKAGE}.api" in modules else "none",
        "`py.typed`": "yes" if (checkout / PACKAGE / "py.typed").exists() else "none",
    }


def _n_tests(path: Path) -> int:
    functions = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    return sum(isinstance(n, ast.FunctionDef) and n.name.startswith("test_") for n in functions)


@click.command()
@click.argument("checkout", default=".", type=click.Path(exists=True, path_type=Path))
@click.option("--against", type=click.Path(exists=True, path_type=Path), help="An older checkout.")
def main(checkout: Path, against: Path | None) -> None:
    """Print the figures as a table in Markdown."""
    columns = [figures(each) for each in (against, checkout) if each is not None]
    heads = ["before", "after"] if against is not None else ["now"]
    click.echo(f"| measured | {' | '.join(heads)} |\n|{'---|' * (1 + len(heads))}")
    for name in columns[-1]:
        click.echo(f"| {name} | {' | '.join(column[name] for column in columns)} |")


if __name__ == "__main__":
    main()
