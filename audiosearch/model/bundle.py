"""A model bundle: one folder with ONNX graphs, a vocabulary and `bundle.json`.

Nothing of it is used before every file has been checked (`bundle_files`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from audiosearch._files import read_bounded
from audiosearch.errors import BundleError, FeatureUnavailable
from audiosearch.model.beam import BeamOptions
from audiosearch.model.bundle_files import (
    MANIFEST,
    BundleFile,
    check_bundled,
    check_graph,
    files_apart,
    fingerprint,
    listed_files,
)
from audiosearch.model.byte_pairs import BytePairs
from audiosearch.model.calibration import LIKE, TEXT_MATCH, WEAKLY_LIKE, ScoreCalibration
from audiosearch.model.manifest import REMEDY, ManifestReader, is_text_list, read_json
from audiosearch.model.tokenizer import SPECIAL_TOKENS, Splitting, Vocabulary
from audiosearch.model.wordpiece import Pieces

__all__ = [
    "MANIFEST",
    "Bundle",
    "BundleFile",
    "BundlePart",
    "DecoderShape",
    "load_bundle",
]

FORMAT, WITHOUT_CAPTIONER, COMBINED = 1, 2, 3  # older programs know the first alone
_MOST_BYTES = 16 << 20  # of a manifest
_MOST_DIM = 1 << 16  # of what is allocated for a window or a word, far above any model
_MOST_SAMPLES = 384_000 * 600  # the longest window at the highest rate
MOST_WORDS = 64  # of a text, where neither captioner nor text tower sets a bound
GRAPHS = ("encoder", "memory", "decoder", "text")
# Graphs that a bundle may have besides, for processors: the captioner as it scores words and as it
# writes them, with what it asks of sounds, and the encoder.
SCORING, WRITING, WRITING_MEMORY = "scoring", "writing", "writing_memory"
PROCESSOR_ENCODER = "processor_encoder"
APART = (SCORING, WRITING, WRITING_MEMORY)  # from what decides what is heard


NO_WORDS = Vocabulary(words=SPECIAL_TOKENS)
"""Of a bundle without a captioner: no word is known to what is not there."""


@dataclass(frozen=True, kw_only=True)
class DecoderShape:
    """Sizes of the decoder's caches: (B, layers, heads, positions, dim / heads)."""

    layers: int
    heads: int
    dim: int
    max_positions: int  # most tokens that it takes, the start token included

    @property
    def head_dim(self) -> int:
        """Size of one head."""
        return self.dim // self.heads


@dataclass(frozen=True, kw_only=True)
class BundlePart:
    """A bundle as a part of a combined one, and how much it counts in what; 0: not at all."""

    bundle: Bundle
    joint: float
    captions: float


@dataclass(frozen=True, kw_only=True)
class FrameGrid:
    """How an encoder's frames lie in the sound; only encoders that hear no farther have one.

    Attributes:
        samples: from frame to frame.
        halo: frames beyond its own ends that a stretch of sound is given to be sure of these.
    """

    samples: int
    halo: int


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """One model version: sizes, vocabulary, settings and checked files.

    Attributes:
        min_samples: shorter sounds are zero-padded at their end to this length.
        max_samples: longer sounds are heard in stretches of this length; None: of any length.
        joint_dim: size of the space shared by text and sound; 0 = none.
        tags: names of the encoder's tag outputs; empty = none.
        start_token: what stands before the first word of a caption.
        decoder: sizes of the captioner; None where there is none, and the vocabulary no words.
        pieces: what the text tower reads; None if it reads the words of the vocabulary.
        graphs: encoder, memory and decoder where there is a captioner, and text where there is a
            joint space; perhaps processor_encoder, writing, writing_memory and scoring, in 8 bits
            for processors; of a combined bundle what its parts have in common, or none.
        parts: the bundles that a combined one refers to; empty for any other.
        grid: how frames lie in a sound that is longer than a window; None where windows must be
            encoded one by one.
        fingerprint: SHA-256 over the hashes of all files but those of graphs apart, which score and
            write words: two bundles with equal fingerprints hear the same.
    """

    path: Path
    name: str
    version: str
    licence: str
    description: str
    sample_rate: int
    window_s: float
    min_samples: int
    max_samples: int | None
    frame_dim: int
    embedding_dim: int
    joint_dim: int
    decoder: DecoderShape | None
    vocabulary: Vocabulary
    start_token: int
    pieces: Pieces | BytePairs | None
    beam: BeamOptions
    score: ScoreCalibration
    tags: tuple[str, ...]
    graphs: Mapping[str, BundleFile]
    fingerprint: str
    parts: tuple[BundlePart, ...] = ()
    grid: FrameGrid | None = None

    @property
    def size(self) -> int:
        """Bytes of its graphs, or of those of its parts."""
        if self.parts:
            return sum(part.bundle.size for part in self.parts)
        return sum(file.size for file in self.graphs.values())

    @property
    def max_words(self) -> int:
        """Most words of a text; the start token takes a position of its own."""
        if self.decoder is not None:
            return self.decoder.max_positions - 1
        return self.pieces.longest if isinstance(self.pieces, BytePairs) else MOST_WORDS

    def for_task(self, task: str) -> Bundle:
        """This bundle with captions in the style of `task`; as it is if `task` is empty.

        Raises:
            FeatureUnavailable: it has no such task.
        """
        if not task:
            return self
        tasks = self.vocabulary.tasks
        if task not in tasks:
            has = f"has the tasks {', '.join(tasks)}" if tasks else "has no tasks"
            reason = f"there is no task {task!r}: the bundle {self.name} {has}"
            raise FeatureUnavailable(reason, path=self.path, remedy="leave out --task")
        return replace(self, start_token=tasks[task])


def load_bundle(path: Path) -> Bundle:
    """The bundle in folder `path`, every file of it checked.

    Raises:
        BundleError: something is missing, tampered with, unsafe or of an unknown format.
    """
    manifest = _read_manifest(path)
    if manifest.values["format"] == COMBINED:
        from audiosearch.model.combined_bundle import load_combined  # noqa: PLC0415 - calls back

        return load_combined(manifest)
    files = listed_files(manifest)
    contents = {name: file.read() for name, file in files.items()}
    graphs = _graphs(manifest, files)
    for graph in graphs.values():
        check_graph(graph.path, contents[_name_of(graph, files)])
    if manifest.values["format"] == FORMAT:
        apart = files_apart(manifest, APART)
        for graph in apart.values():
            check_graph(graph.path, graph.read())
        graphs |= apart
    vocabulary, start_token, shape, beam = NO_WORDS, NO_WORDS.bos, None, BeamOptions()
    if manifest.values["format"] != WITHOUT_CAPTIONER:
        vocabulary, start_token = read_vocabulary(manifest, contents)
        shape = _decoder_shape(manifest.table("decoder"))
        beam = _beam(manifest.table("beam"), max_positions=shape.max_positions)
    sample_rate = manifest.integer("sample_rate", least=1000, most=384_000)
    window_s = manifest.number("window_s", least=0.1, most=600.0)
    return Bundle(
        path=path,
        name=manifest.text("name"),
        version=manifest.text("version"),
        licence=manifest.text("licence"),
        description=manifest.optional_text("description") or "",
        sample_rate=sample_rate,
        window_s=window_s,
        min_samples=manifest.integer("min_samples", least=1, most=_MOST_SAMPLES),
        max_samples=manifest.integer("max_samples", least=1, most=_MOST_SAMPLES)
        if manifest.has("max_samples")
        else None,
        frame_dim=manifest.integer("frame_dim", least=1, most=_MOST_DIM),
        embedding_dim=manifest.integer("embedding_dim", least=1, most=_MOST_DIM),
        joint_dim=manifest.integer("joint_dim", most=_MOST_DIM),
        decoder=shape,
        vocabulary=vocabulary,
        start_token=start_token,
        pieces=read_pieces(manifest, contents),
        beam=beam,
        score=read_score(manifest.table("score")),
        tags=_tags(manifest, contents),
        graphs=MappingProxyType(graphs),
        fingerprint=fingerprint(files),
        grid=_grid(manifest, window=int(window_s * sample_rate)),
    )


def listed_fingerprint(path: Path) -> str:
    """The fingerprint that the bundle in folder `path` claims: no file of it is read or checked.

    Raises:
        BundleError: there is no bundle, or one of an unknown format.
    """
    manifest = _read_manifest(path)
    if manifest.values["format"] == COMBINED:
        from audiosearch.model.combined_bundle import combined_fingerprint  # noqa: PLC0415 - as above

        return combined_fingerprint(manifest)
    return fingerprint(listed_files(manifest))


def _read_manifest(path: Path) -> ManifestReader:
    file = path / MANIFEST
    try:
        content = read_bounded(file, _MOST_BYTES)
    except OSError as error:
        reason = f"no model bundle: {MANIFEST} cannot be read ({error.strerror})"
        raise BundleError(reason, path=path, remedy="audiosearch models list") from error
    check_bundled(file, content)
    manifest = ManifestReader.parse(content, path=file)
    form = manifest.integer("format", least=-(2**31))
    if form not in (FORMAT, WITHOUT_CAPTIONER, COMBINED):
        reason = f"bundle format {form} is unknown; this program reads {FORMAT} to {COMBINED}"
        raise BundleError(reason, path=file, remedy="update audiosearch, or take another bundle")
    if form == FORMAT:
        manifest.one_of("null_memory", "zero-frame")
    return manifest


def _graphs(manifest: ManifestReader, files: Mapping[str, BundleFile]) -> dict[str, BundleFile]:
    table = manifest.table("graphs")
    has = {
        "encoder": True,
        "text": manifest.integer("joint_dim") > 0,
        "memory": manifest.values["format"] == FORMAT,
        "decoder": manifest.values["format"] == FORMAT,
    }
    needed = [name for name in GRAPHS if has[name]]
    needed += [PROCESSOR_ENCODER] if table.has(PROCESSOR_ENCODER) else []
    return {name: _reference(table, name, files) for name in needed}


def _reference(table: ManifestReader, key: str, files: Mapping[str, BundleFile]) -> BundleFile:
    name = table.text(key)
    if name not in files:
        raise table.wrong(key, "one of the listed files")
    return files[name]


def _name_of(file: BundleFile, files: Mapping[str, BundleFile]) -> str:
    return next(name for name, listed in files.items() if listed is file)


def _decoder_shape(table: ManifestReader) -> DecoderShape:
    heads = table.integer("heads", least=1, most=1024)
    dim = table.integer("dim", least=1, most=_MOST_DIM)
    if dim % heads:
        raise table.wrong("dim", f"a multiple of heads ({heads})")
    return DecoderShape(
        layers=table.integer("layers", least=1, most=1024),
        heads=heads,
        dim=dim,
        max_positions=table.integer("max_positions", least=2, most=_MOST_DIM),
    )


def _beam(table: ManifestReader, *, max_positions: int) -> BeamOptions:
    return BeamOptions(
        width=table.integer("width", least=1, most=1000),
        min_tokens=table.integer("min_tokens"),
        max_tokens=table.integer("max_tokens", least=1, most=max_positions),
        forbid_unknown=table.flag("forbid_unknown"),
    )


def _grid(manifest: ManifestReader, *, window: int) -> FrameGrid | None:
    """How frames lie in the sound; `window` samples are the most that a halo may take."""
    if not manifest.has("grid"):
        return None
    table = manifest.table("grid")
    samples = table.integer("samples", least=1, most=window)
    return FrameGrid(samples=samples, halo=table.integer("halo", most=window // samples))


def read_score(table: ManifestReader) -> ScoreCalibration:
    """The calibration of the score.

    Raises:
        BundleError: a field is missing or wrong.
    """
    return ScoreCalibration(
        lift=table.number("lift"),
        joint=table.number("joint"),
        bias=table.number("bias"),
        min_score=table.number("min_score", least=0.0, most=1.0),
        words_power=table.number("words_power", least=0.0, most=8.0)
        if table.has("words_power")
        else None,
        text_match=table.number("text_match", least=0.0, most=1.0)
        if table.has("text_match")
        else TEXT_MATCH,
        weak_score=table.number("weak_score", least=0.0, most=1.0)
        if table.has("weak_score")
        else None,
        like=table.number("like", least=0.0, most=1.0) if table.has("like") else LIKE,
        weakly_like=table.number("weakly_like", least=0.0, most=1.0)
        if table.has("weakly_like")
        else WEAKLY_LIKE,
    )


def _tags(manifest: ManifestReader, contents: Mapping[str, bytes]) -> tuple[str, ...]:
    name = manifest.optional_text("tags")
    if name is None:
        return ()
    if name not in contents:
        raise manifest.wrong("tags", "one of the listed files")
    path = manifest.path.parent / name
    tags = read_json(contents[name], path=path)
    if not is_text_list(tags):
        raise BundleError("must be a list of texts", path=path, remedy=REMEDY)
    return tuple(tags)


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


def read_pieces(
    manifest: ManifestReader, contents: Mapping[str, bytes]
) -> Pieces | BytePairs | None:
    """What the text tower reads; None if it reads the words of the vocabulary.

    Raises:
        BundleError: a field or file is wrong.
    """
    if not manifest.has("text_tokenizer"):
        return None
    table = manifest.table("text_tokenizer")
    kind = table.one_of("kind", "pieces", "byte-pairs")
    file = _listed(table, "file", contents)
    try:
        if kind == "byte-pairs":
            return _byte_pairs(table, file)
        return Pieces(file.texts("pieces"))
    except ValueError as error:
        raise BundleError(str(error), path=file.path, remedy=REMEDY) from error


def _byte_pairs(table: ManifestReader, file: ManifestReader) -> BytePairs:
    """Tokens and pairs, these written with a space between.

    Raises:
        ValueError: they do not fit together.
    """
    merges = []
    for listed in file.texts("merges"):
        left, space, right = listed.partition(" ")
        if not (left and space and right):
            raise ValueError(f"{listed!r} is no pair of tokens")
        merges.append((left, right))
    return BytePairs(
        tokens=file.texts("tokens"),
        merges=tuple(merges),
        pad=table.integer("pad"),
        start=table.integer("start") if table.has("start") else None,
        end=table.integer("end"),
        longest=table.integer("longest", least=3, most=_MOST_DIM),
        tail=_spaces(table),
        apart=table.texts("apart") if table.has("apart") else (),
    )


def _spaces(table: ManifestReader) -> str:
    """The `tail` of a text, which may be of white space alone, unlike other texts."""
    tail = table.values.get("tail", "")
    if not isinstance(tail, str):
        raise table.wrong("tail", "a text")
    return tail


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
