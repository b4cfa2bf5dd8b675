"""The shape of the package: sizes of files, names, heads, and who imports whom."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from audiosearch.cli.main import audiosearch as commands
from benchmarks.house import Package

MOST_LINES = 500
FEW_LINES = 80  # a smaller file must serve two others, or it belongs to the one
MOST_HEAD_LINES = 4
BARE_WORDS = frozenset(("own", "said", "told", "held", "given", "each", "one", "some"))
COLUMNS = "audiosearch.store.schema"  # whose names are those of the tables, in every library

# What breaks a rule as yet. It only ever gets shorter: what is listed must still break its rule.
STILL_BREAKS: dict[str, frozenset[str]] = {
    "no file is above 500 lines": frozenset(),
    "a file below 80 lines serves two others": frozenset(),
    "a class name exists once": frozenset(),
    "an exit status is defined once": frozenset(),
    "no public name is a bare function word": frozenset(),
    "a head has at most four lines": frozenset(),
    "a text names what is there": frozenset(),
}


def command_modules() -> set[str]:
    """Modules that the group of commands finds by name when a command is called."""
    with click.Context(commands) as context:
        found = [commands.get_command(context, name) for name in commands.list_commands(context)]
        return {
            inspect.unwrap(each.callback).__module__
            for each in found
            if each is not None and each.callback is not None
        }


def long_files(package: Package) -> set[str]:
    return {each.name for each in package.modules.values() if each.n_lines > MOST_LINES}


def small_files_of_one(package: Package) -> set[str]:
    by_name = command_modules()
    return {
        each.name
        for each in package.modules.values()
        if each.n_lines < FEW_LINES
        and each.path.name not in ("__init__.py", "__main__.py", "types.py")
        and each.name not in by_name
        and len(package.importers[each.name]) < 2
    }


def repeated_classes(package: Package) -> set[str]:
    return set(package.repeated_classes())


def repeated_statuses(package: Package) -> set[str]:
    places = [
        name
        for each in package.modules.values()
        for name in re.findall(r"^(EXIT_\w+)\b[^=\n]*= *\d", each.source, flags=re.MULTILINE)
    ]
    return {name for name in places if places.count(name) > 1}


def bare_words(package: Package) -> set[str]:
    return {
        f"{each.name}.{name}"
        for each in package.modules.values()
        if each.name != COLUMNS
        for name in each.public_names()
        if name.lower() in BARE_WORDS
    }


def long_heads(package: Package) -> set[str]:
    return {each.name for each in package.modules.values() if each.n_head_lines > MOST_HEAD_LINES}


def names_of_nothing(package: Package) -> set[str]:
    """Full names in texts, such as `audiosearch.store.schema`, that lead nowhere any more."""
    return {
        f"{each.name}: {name}"
        for each in package.modules.values()
        for name in re.findall(r"`(audiosearch(?:\.\w+)+)(?:\(\))?`", each.source)
        if not _leads_somewhere(name, package)
    }


def _leads_somewhere(name: str, package: Package) -> bool:
    module, attribute = name, ""
    while module not in package.modules:
        module, _, attribute = module.rpartition(".")
        if not module:
            return False
    return re.search(rf"\b{attribute}\b", package.modules[module].source) is not None


RULES: dict[str, Callable[[Package], set[str]]] = {
    "no file is above 500 lines": long_files,
    "a file below 80 lines serves two others": small_files_of_one,
    "a class name exists once": repeated_classes,
    "an exit status is defined once": repeated_statuses,
    "no public name is a bare function word": bare_words,
    "a head has at most four lines": long_heads,
    "a text names what is there": names_of_nothing,
}


@pytest.fixture(scope="module")
def package() -> Package:
    return Package.read(Path(__file__).parents[2])


@pytest.mark.parametrize("rule", RULES)
def test_rule(rule: str, package: Package) -> None:
    broken = RULES[rule](package)
    assert sorted(broken - STILL_BREAKS[rule]) == []


@pytest.mark.parametrize("rule", RULES)
def test_what_is_listed_still_breaks_its_rule(rule: str, package: Package) -> None:
    assert sorted(STILL_BREAKS[rule] - RULES[rule](package)) == []


def test_what_the_rules_look_at_is_there(package: Package) -> None:
    """They would hold of an empty package too."""
    assert {"audiosearch.cli.find", "audiosearch.cli.doctor"} <= command_modules()
    assert len(package.importers["audiosearch.errors"]) > 50
    assert "audiosearch.cli.main" in package.importers["audiosearch.errors"]
    engine = package.modules["audiosearch.search.engine"]
    assert "SearchEngine" in engine.classes()
    assert {"SearchEngine", "find_text"} & set(engine.public_names())
    assert engine.n_head_lines > 0


def test_rules_find_what_breaks_them(tmp_path: Path) -> None:
    folder = tmp_path / "audiosearch"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "lonely.py").write_text(
        '"""a\n\nb\nc\nd\ne\n"""\nclass Twice:\n    held: int\nEXIT_ODD = 3\n'
    )
    user = "import audiosearch.lonely  # not `audiosearch.moved`\n"
    user += "EXIT_ODD: int = 4\nclass Twice:\n    def f(self): self.told = 1\n"
    (folder / "user.py").write_text(user + "\n" * 500)
    package = Package.read(tmp_path)
    assert {rule: found(package) for rule, found in RULES.items()} == {
        "no file is above 500 lines": {"audiosearch.user"},
        "a file below 80 lines serves two others": {"audiosearch.lonely"},
        "a class name exists once": {"Twice"},
        "an exit status is defined once": {"EXIT_ODD"},
        "no public name is a bare function word": {
            "audiosearch.lonely.held",
            "audiosearch.user.told",
        },
        "a head has at most four lines": {"audiosearch.lonely"},
        "a text names what is there": {"audiosearch.user: audiosearch.moved"},
    }


def test_commands_write_through_one_module(package: Package) -> None:
    """Which escapes what a terminal would obey; the commands for training are for developers."""
    writers = re.compile(r"\bclick\.(?:echo|secho|style)\(|(?<![\w.])print\(|sys\.std\w+\.write\(")
    assert {
        each.name
        for each in package.modules.values()
        if each.name.startswith("audiosearch.cli.") and writers.search(each.source)
    } == {"audiosearch.cli.terminal"}


def test_onnx_runtime_is_imported_in_one_place(package: Package) -> None:
    """Where its telemetry is switched off first; types are imported for their checker alone."""
    lines = {
        (each.name, line)
        for each in package.modules.values()
        for line in each.source.splitlines()
        if re.search(r"\b(?:import|from) onnxruntime\b|import_module\(.onnxruntime", line)
    }
    types = {each for each in lines if each[1] == "    from onnxruntime import InferenceSession"}
    assert {name for name, _ in lines - types} == {"audiosearch.model.runtime.session"}
