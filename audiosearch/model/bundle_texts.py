"""The texts of a bundle: the words of its decoder, bridges to them, the pieces of its text tower.

In go the manifest and the checked contents of the files it lists, out come a vocabulary and a list
of pieces. Bridges and pieces are optional: most bundles have neither.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from audiosearch.errors import BundleError
from audiosearch.model.manifest import REMEDY, ManifestReader
from audiosearch.model.tokenizer import Splitting, Vocabulary
from audiosearch.model.wordpiece import Pieces


def read_vocabulary(
    manifest: ManifestReader, contents: Mapping[str, bytes]
) -> tuple[Vocabulary, int]:
    """The vocabulary, and the token that starts a caption.

    Raises:
        BundleError: a field or file is missing or wrong.
    """
    table = manifest.table("tokenizer")
    splitting = Splitting(table.one_of("kind", *Splitting))
    file = _listed(table, "file", contents)
    tasks = table.table("tasks")
    try:
        vocabulary = Vocabulary(
            words=file.texts("words"),
            repeatable=frozenset(file.integers("repeatable")),
            tasks=MappingProxyType({task: tasks.integer(task) for task in tasks.values}),
            splitting=splitting,
            oov_map=MappingProxyType(_bridges(manifest, contents)),
            **{name: table.integer(name) for name in ("pad", "bos", "eos", "unk")},
        )
    except ValueError as error:
        raise BundleError(str(error), path=file.path, remedy=REMEDY) from error
    task = table.optional_text("default_task")
    if task is not None and task not in vocabulary.tasks:
        raise table.wrong("default_task", "one of the tasks")
    return vocabulary, vocabulary.bos if task is None else vocabulary.tasks[task]


def read_pieces(manifest: ManifestReader, contents: Mapping[str, bytes]) -> Pieces | None:
    """What the text tower reads; None if it reads the words of the vocabulary.

    Raises:
        BundleError: a field or file is wrong.
    """
    if not manifest.has("text_tokenizer"):
        return None
    table = manifest.table("text_tokenizer")
    table.one_of("kind", "pieces")
    file = _listed(table, "file", contents)
    try:
        return Pieces(file.texts("pieces"))
    except ValueError as error:
        raise BundleError(str(error), path=file.path, remedy=REMEDY) from error


def _bridges(manifest: ManifestReader, contents: Mapping[str, bytes]) -> dict[str, str]:
    """Words that the decoder never learned -> the word of its own that is read in their place."""
    if not manifest.has("bridges"):
        return {}
    file = _listed(manifest, "bridges", contents)
    return {word: own for own in file.values for word in file.texts(own)}


def _listed(table: ManifestReader, key: str, contents: Mapping[str, bytes]) -> ManifestReader:
    """The JSON object in the file that `key` names."""
    name = table.text(key)
    if name not in contents:
        raise table.wrong(key, "one of the listed files")
    return ManifestReader.parse(contents[name], path=table.path.parent / name)
