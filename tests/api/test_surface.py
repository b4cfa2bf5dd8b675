"""The public names, signatures and fields: what others build on changes only on purpose."""

from __future__ import annotations

import dataclasses
import inspect
import subprocess
import sys

import audiosearch

ERRORS = [
    "AudiosearchError",
    "BundleError",
    "ConfigError",
    "DecodeError",
    "FeatureUnavailable",
    "LibraryCorrupt",
    "LibraryLocked",
    "QueryError",
    "SchemaTooNew",
    "StorageFull",
    "StoreError",
]
FUNCTIONS = {
    "open": "(path: str | PathLike[str] | None = None, *, writable: bool = False) -> SoundLibrary",
    "load_model": "(name: str | PathLike[str] | None = None, *, task: str | None = None, "
    "device: Literal['auto', 'cpu', 'cuda'] | None = None) -> SoundModel",
}
METHODS = {
    "SoundLibrary": {
        "annotations": "(self, clip: Clip | Iterable[Clip] | None = None, *, "
        "tag: str | None = None, min_rating: int | None = None, favourite: bool = False) "
        "-> list[SoundAnnotation]",
        "backup": "(self, path: str | PathLike[str]) -> int",
        "collect": "(self, name: str, clip: Clip | Iterable[Clip], *, "
        "start_s: float | None = None, end_s: float | None = None) -> int",
        "collection": "(self, name: str) -> list[SoundAnnotation]",
        "collections": "(self) -> dict[str, int]",
        "delete_collection": "(self, name: str) -> None",
        "duplicates": "(self, *, identical_only: bool = False, filters: Filters | None = None) -> "
        "list[DuplicateSet]",
        "favourite": "(self, clip: Clip | Iterable[Clip], wanted: bool = True, *, start_s: float | "
        "None = None, end_s: float | None = None) -> int",
        "note": "(self, clip: Clip | Iterable[Clip], text: str | None, *, start_s: float | None ="
        " None, end_s: float | None = None) -> int",
        "rate": "(self, clip: Clip | Iterable[Clip], stars: int | None, *, start_s: float | None "
        "= None, end_s: float | None = None) -> int",
        "restore": "(self, path: str | PathLike[str], *, by_path: bool = False) -> RestoreSummary",
        "searches": "(self) -> dict[str, tuple[str, ...]]",
        "tag": "(self, clip: Clip | Iterable[Clip], tag: str, *, "
        "start_s: float | None = None, end_s: float | None = None) -> int",
        "tags": "(self) -> dict[str, int]",
        "uncollect": "(self, name: str, clip: Clip | Iterable[Clip]) -> int",
        "untag": "(self, clip: Clip | Iterable[Clip], tag: str, *, "
        "start_s: float | None = None, end_s: float | None = None) -> int",
        "add_caption": "(self, text: str, *, clip: Clip | None = None, "
        "start_s: float | None = None, end_s: float | None = None) -> bool",
        "close": "(self) -> None",
        "describe": "(self, clip: Clip, *, start_s: float | None = None, "
        "end_s: float | None = None, limit: int = 5, explain: bool = False) -> list[Description]",
        "embeddings": "(self, kind: Literal['embedding', 'joint'] = 'embedding') "
        "-> tuple[Ids, Floats]",
        "export": "(self, rows: Iterable[SearchHit | LibraryWindow | Mapping[str, object]], "
        "kind: ExportKind, to: PathArgument, *, label: str | None = None, force: bool = False, "
        "clip_format: Literal['wav', 'flac'] = 'wav', template: str | None = None, "
        "ucs: str | None = None, fade_s: float = 0.0, fps: str = '25', "
        "layout: Literal['audiosearch', 'opensoundscape'] = 'audiosearch', "
        "markers: bool = False) -> list[Path]",
        "find": "(self, text: str, *, filters: Filters | None = None, limit: int | None = None, "
        "min_score: float | None = None, exhaustive: bool = False, explain: bool = False, "
        "sort: SortKey | None = None, reverse: bool = False, "
        "moments: bool = False, by_time: bool = False, per_file: int | None = None, "
        "between: str | None = None, dates: Sequence[str] = (), without: Sequence[str] = (), "
        "like: Sequence[Clip] = (), like_weight: float = 0.6) -> SearchHits",
        "index": "(self, paths: PathArgument | Iterable[PathArgument] = (), *, "
        "accept_missing: bool = False) -> IndexSummary",
        "label": "(self, clip: Clip, labels: Sequence[str], *, "
        "start_s: float | None = None, end_s: float | None = None) -> list[LabelFit]",
        "model": "property -> SoundModel",
        "path": "property -> Path",
        "read": "(self, clip: Clip, *, start_s: float | None = None, end_s: float | None = None, "
        "sample_rate: int | None = None) -> tuple[Floats, int]",
        "similar": "(self, clip: Clip, *more: Clip, start_s: float | None = None, "
        "end_s: float | None = None, include_self: bool = False, "
        "filters: Filters | None = None, limit: int | None = None, "
        "min_similarity: float | None = None, sort: SortKey | None = None, reverse: bool = False) "
        "-> SearchHits",
        "windows": "(self, window_ids: Iterable[int] | Ids) -> list[LibraryWindow]",
        "writable": "property -> bool",
    },
    "SoundModel": {
        "caption": "(self, encoded: Encoded) -> str",
        "cross_entropy": "(self, captions: Sequence[str], encoded: Encoded | None) -> Floats",
        "embed_text": "(self, texts: Sequence[str]) -> Floats",
        "embedding_dim": "property -> int",
        "encode": "(self, clip: Clip, *, start_s: float | None = None, "
        "end_s: float | None = None) -> Encoded",
        "encode_samples": "(self, samples: npt.ArrayLike) -> Encoded",
        "encode_windows": "(self, clip: Clip, *, start_s: float | None = None, "
        "end_s: float | None = None, hop_s: float | None = None) -> list[EncodedWindow]",
        "fingerprint": "property -> str",
        "frame_dim": "property -> int",
        "joint_dim": "property -> int",
        "name": "property -> str",
        "sample_rate": "property -> int",
        "tags": "property -> tuple[str, ...]",
        "version": "property -> str",
        "window_s": "property -> float",
    },
}
FIELDS = {
    "CaptionFit": "rank text score cross_entropy lift scaled source words",
    "Description": "start_s end_s captions meaning",
    "DuplicateSet": "kind paths likeness",
    "Encoded": "frames embedding joint tags",
    "EncodedWindow": "start_s end_s encoded",
    "ExcludedFit": "text score",
    "FieldMatch": "field words",
    "Filters": "folders not_folders min_duration_s max_duration_s sample_rate channels bit_depth "
    "loudness_lufs peak_db since tags not_tags rating favourite "
    "collections ucs formats names online",
    "IndexSummary": "n_files n_new n_changed n_missing n_failed n_encoded n_windows sound_s wall_s "
    "offline guarded problems",
    "LabelFit": "rank label start_s end_s score cross_entropy scaled",
    "LibraryWindow": "window_id recording_id path start_s end_s duration_s caption",
    "RestoreSummary": "n_lines n_new n_newer n_waiting",
    "SearchHit": "rank path start_s end_s duration_s score similarity cross_entropy lift caption "
    "matched words n_alike also recording_id window_id clock_start excluded weak",
    "SearchHits": "hits unknown_words read_as corrected n_left_out n_below_min_score n_more "
    "n_unknown n_windows excluded n_excluded weaker language translated unknown_tags",
    "SoundAnnotation": "path here start_s end_s duration_s tags rating favourite note collections "
    "audio_hash user",
    "Word": "text lift read_as",
}


def test_all_names_every_public_name_and_each_is_there():
    expected = [*ERRORS, *FUNCTIONS, *METHODS, *FIELDS, "__version__"]
    assert sorted(audiosearch.__all__) == sorted(expected)
    assert set(audiosearch.__all__) <= set(dir(audiosearch))
    for name in audiosearch.__all__:
        assert getattr(audiosearch, name) is not None
    assert not hasattr(audiosearch, "no_such_name")


def _signature(member: object) -> str:
    if isinstance(member, property):
        return f"property -> {inspect.signature(member.fget).return_annotation}"  # type: ignore[arg-type]
    return str(inspect.signature(member)).replace("'Literal", "Literal")  # type: ignore[arg-type]


def _plain(signature: str) -> str:
    """A signature without the quotes of annotations that are texts."""
    return signature.replace('"', "").replace("'", "")


def test_signatures():
    for name, expected in FUNCTIONS.items():
        assert _plain(_signature(getattr(audiosearch, name))) == _plain(expected), name
    for kind, methods in METHODS.items():
        members = {
            name: member
            for each in reversed(getattr(audiosearch, kind).__mro__[:-1])
            for name, member in vars(each).items()
        }
        assert {name for name in members if not name.startswith("_")} == set(methods), kind
        for name, expected in methods.items():
            assert _plain(_signature(members[name])) == _plain(expected), f"{kind}.{name}"


def test_hits_are_rows_of_tables():
    assert _signature(audiosearch.SearchHit.row) == "(self) -> 'dict[str, object]'"
    assert _signature(audiosearch.SearchHits.by_hour) == "(self) -> 'list[tuple[int, int]]'"
    assert _signature(audiosearch.SearchHits.rows) == "(self) -> 'list[dict[str, object]]'"


def test_fields_are_frozen_and_documented():
    for name, expected in FIELDS.items():
        kind = getattr(audiosearch, name)
        assert [field.name for field in dataclasses.fields(kind)] == expected.split(), name
        assert kind.__dataclass_params__.frozen, name


def test_everything_public_is_documented():
    for name in audiosearch.__all__:
        member = getattr(audiosearch, name)
        assert name == "__version__" or inspect.getdoc(member), name
    for kind, methods in METHODS.items():
        for name in methods:
            text = inspect.getdoc(getattr(getattr(audiosearch, kind), name))
            assert text, f"{kind}.{name}"
            # What can go wrong is said wherever a file is named.
            signature = methods[name]
            assert "clip: Clip" not in signature or "Raises:" in text, f"{kind}.{name}"


def test_errors_are_one_tree():
    for name in ERRORS:
        assert issubclass(getattr(audiosearch, name), audiosearch.AudiosearchError)


def _imported(code: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; import sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split())


def test_importing_the_package_imports_nothing_else():
    before = _imported("import typing")
    loaded = _imported("import audiosearch")
    assert loaded - before == {"audiosearch"}
    assert not {"numpy", "sqlalchemy", "audiosearch.api"} & _imported(
        "import audiosearch; audiosearch.QueryError"
    )


def test_the_commands_do_not_import_the_api():
    loaded = _imported("from audiosearch.cli.main import audiosearch")
    assert "audiosearch.cli.main" in loaded
    assert not {name for name in loaded if name.startswith("audiosearch.api")}
