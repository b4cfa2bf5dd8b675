"""Data sets as they lie on a disk: where their sounds are, and tables that are no CSV.

The folders are those of aac-datasets 0.7 (https://pypi.org/project/aac-datasets), and those that
the authors' archives unpack to.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from audiosearch._files import read_bounded
from audiosearch.errors import DatasetError, FeatureUnavailable

_MOST_BYTES = 512 << 20  # of a table; FreeSound's of WavCaps has 262,300 entries
_CLOTHO = re.compile(r"(?:clotho_)?captions_(\w+)|retrieval_(?:captions|audio)")


def sound_folders(file: Path) -> list[Path]:
    """The folders where the sounds of a table may be, likeliest first; the table's own among them.

    - Clotho: `clotho_csv_files/clotho_captions_evaluation.csv` has its sounds in
      `clotho_audio_files/evaluation`, or in `evaluation` beside it;
    - AudioCaps: `csv_files_v1/test.csv` or `test.csv` in `audio_32000Hz/test`;
    - MACS: `MACS.yaml` in `audio`;
    - WavCaps: `json_files/SoundBible/sb_final.json` in `Audio/SoundBible`.
    """
    called = Path(os.path.abspath(file))  # noqa: PTH100 - links in it are kept
    places = (called, file.resolve())
    found = [folder for place in dict.fromkeys(places) for folder in _folders_around(place)]
    return list(dict.fromkeys(each for each in found if each.is_dir()))


def _folders_around(file: Path) -> list[Path]:
    """The folders of `sound_folders` for an absolute path, whether they are there or not."""
    here, above = file.parent, file.parent.parent
    found = [here]
    named = _CLOTHO.fullmatch(file.stem)
    subset = named[1] if named and named[1] else file.stem.removesuffix("_fixed")
    found += [above / "clotho_audio_files" / subset, here / "clotho_audio_files" / subset]
    for place in (here, above):
        found += [each / subset for each in sorted(place.glob("audio_*Hz"))]
        found += [place / "audio" / subset, place / "audio", place / subset]
    return [*found, above.parent / "Audio" / here.name]


def macs_entries(file: Path) -> Iterator[dict[str, str]]:
    """`path` and `caption` of each sentence in `MACS.yaml`; of equal ones of a sound the first.

    Raises:
        DatasetError: it cannot be read, or is of another form.
        FeatureUnavailable: what reads YAML is not installed.
    """
    try:
        import yaml  # noqa: PLC0415 - of the extra `eval`
    except ImportError as error:
        raise FeatureUnavailable(
            "this needs the extra [eval]: yaml is not installed",
            remedy="pip install 'audiosearch[eval]'",
        ) from error
    try:
        content = yaml.load(  # the safe loader in C where it is there: twenty times as fast
            _content(file),
            Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader),  # noqa: S506
        )
    except (yaml.YAMLError, RecursionError) as error:
        raise DatasetError(f"is no YAML file: {error}", path=file) from error
    try:
        for sound in content["files"]:
            sentences = dict.fromkeys(str(each["sentence"]) for each in sound["annotations"])
            for sentence in sentences:
                yield {"path": str(sound["filename"]), "caption": sentence}
    except (KeyError, TypeError) as error:
        raise DatasetError(f"is not of MACS' form: {error}", path=file) from error


def wavcaps_entries(file: Path) -> Iterator[dict[str, str]]:
    """`path`, without a suffix, and `caption` of each entry of a table of WavCaps.

    Raises:
        DatasetError: it cannot be read, or is of another form.
    """
    try:
        content = json.loads(_content(file))
        entries = content["data"]
        for entry in entries:
            name = str(entry["id"])
            yield {"path": name.removesuffix(".wav"), "caption": str(entry["caption"])}
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DatasetError(f"is not of WavCaps' form: {error!r}", path=file) from error


def _content(file: Path) -> bytes:
    try:
        return read_bounded(file, _MOST_BYTES)
    except OSError as error:
        raise DatasetError(f"cannot be read: {error.strerror}", path=file) from error


def best_folder(folders: Sequence[Path], names: Sequence[str], *, by_stem: bool) -> Path:
    """The folder that holds the most of some sounds; of equals the first.

    Args:
        folders: that may hold them; at least one.
        names: of the sounds, some of them will do; by_stem: without their suffix.
        by_stem: whether suffixes may be any.
    """

    def count(folder: Path) -> int:
        if not by_stem:
            return sum((folder / name).is_file() for name in names)
        stems = {path.stem for path in folder.iterdir()}
        return sum(name in stems for name in names)

    return max(folders, key=count)
