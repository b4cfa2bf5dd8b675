"""Published models fetched from where their authors put them, pinned and checked, then imported.

The first fetch writes down the revision and the hash of every file (`pulled.json`); later ones must
give the same. Downloads stand apart from bundles, so that no failure leaves half a bundle.
"""

from __future__ import annotations

import hashlib
import json
import urllib.request
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from huggingface_hub import HfApi, hf_hub_download
from huggingface_hub.utils import disable_progress_bars  # type: ignore[attr-defined]

from audiosearch._files import atomic_write, make_private_folder
from audiosearch.convert.importer import import_published
from audiosearch.errors import AudiosearchError, BundleError
from audiosearch.training.networks.hub_folder import HUB_WEIGHTS

PINS = "pulled.json"
CHUNK = 1 << 20  # bytes
TIMEOUT_S = 30.0
AGAIN = "run it again: it goes on where it stopped"


@dataclass(frozen=True)
class HubSource:
    """A repository on the Hugging Face Hub that holds weights and settings.

    Attributes:
        repo: its name.
        beside: other files of it that are fetched where they are there.
        weights: of these the first that is there is fetched; none is needed if there are none.
        needed: what must be there, too.
        known: SHA-256 of files that is known from elsewhere, at its main revision.
        reader: another repository, which holds what reads the texts.
    """

    repo: str
    beside: tuple[str, ...] = ()
    weights: tuple[str, ...] = HUB_WEIGHTS
    needed: tuple[str, ...] = ("config.json",)
    known: Mapping[str, str] = field(default_factory=dict)
    reader: HubSource | None = None


@dataclass(frozen=True)
class FileSource:
    """One file with the MD5 sum that its archive lists; whether it makes a bundle by itself."""

    url: str
    md5: str
    alone: bool = False


_ZENODO = "https://zenodo.org/records"
_OF_CLAP = ("preprocessor_config.json", "tokenizer.json", "vocab.json", "merges.txt", "README.md")
_MSCLAP_FILE = "CLAP_weights_2023.pth"
# Of GPT-2 only what its tokens are read with. The hashes are those that OpenAI's tiktoken checks
# its own copies of the two files by.
_GPT2 = HubSource(
    "openai-community/gpt2",
    weights=(),
    needed=("config.json", "vocab.json", "merges.txt"),
    known=MappingProxyType(
        {
            "vocab.json": "196139668be63f3b5d6574427317ae82f612a97c5d1cdaf36ed2256dbf636783",
            "merges.txt": "1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5",
        }
    ),
)
SOURCES: MappingProxyType[str, HubSource | FileSource] = MappingProxyType(
    {
        "conette": HubSource("Labbeti/conette"),
        "clap": HubSource("laion/clap-htsat-unfused", _OF_CLAP),
        "clap-fused": HubSource("laion/clap-htsat-fused", _OF_CLAP),
        "clap-general": HubSource("laion/larger_clap_general", _OF_CLAP),
        "msclap": HubSource(
            "microsoft/msclap",
            ("README.md",),
            weights=(_MSCLAP_FILE,),
            needed=(),
            known=MappingProxyType(
                {_MSCLAP_FILE: "2cef4016d47d00eb28d153d522f397222057f95000e9bad6b9583c631284a1e6"}
            ),
            reader=_GPT2,
        ),
        "cnn14": FileSource(
            f"{_ZENODO}/3987831/files/Cnn14_mAP=0.431.pth",
            "541141fa2ee191a88f24a3219fff024e",
            alone=True,
        ),
        "convnext-471": FileSource(
            f"{_ZENODO}/8020843/files/convnext_tiny_471mAP.pth", "e069ecd1c7b880268331119521c549f2"
        ),
        "convnext-465-70k": FileSource(
            f"{_ZENODO}/8020843/files/convnext_tiny_465mAP_BL_AC_70kit.pth",
            "0688ae503f5893be0b6b71cb92f8b428",
        ),
        "convnext-465-75k": FileSource(
            f"{_ZENODO}/10987498/files/convnext_tiny_465mAP_BL_AC_75kit.pth",
            "f6f57c87b7eb664a23ae8cad26eccaa0",
        ),
    }
)


@dataclass(frozen=True)
class Pin:
    """What the first fetch of a repository gave."""

    repo: str
    revision: str  # a commit
    licence: str
    files: dict[str, str]  # name -> SHA-256


@dataclass(frozen=True)
class PullFolders:
    """Where things go: bundles and the pins to `models`, downloads to `downloads`."""

    models: Path
    downloads: Path


def fetch_hub(
    source: HubSource,
    *,
    places: PullFolders,
    revision: str | None = None,
    offline: bool = False,
    quiet: bool = False,
) -> tuple[Path, Pin]:
    """Download a repository's weights and settings, and return their folder and its pin.

    Args:
        source: the repository.
        places: where downloads go and the pins are.
        revision: a commit, branch or tag; the pinned commit, or else the newest, if None.
        offline: use what was downloaded before, and no network.
        quiet: no progress bars.

    Raises:
        BundleError: it cannot be fetched, or its content is not what was announced or pinned.
    """
    if quiet:
        disable_progress_bars()
    pinned = read_pins(places.models).get(source.repo)
    if pinned is not None and revision not in (None, pinned.revision):
        pinned = None  # another revision was asked for by name: it is pinned anew
    try:
        if offline and pinned is None:
            raise BundleError(f"{source.repo} was not fetched yet", remedy="leave out --offline")
        if offline and pinned is not None:
            announced = pinned
        else:
            announced = _announced(source, revision or (pinned and pinned.revision) or "main")
        paths = {
            name: Path(
                hf_hub_download(
                    source.repo,
                    name,
                    revision=announced.revision,
                    cache_dir=places.downloads,
                    local_files_only=offline,
                )
            )
            for name in announced.files
        }
    except AudiosearchError:
        raise
    except Exception as error:  # which ones the client raises changes from version to version
        raise BundleError(f"{source.repo} cannot be fetched: {error}", remedy=AGAIN) from error
    expected = announced.files if pinned is None else pinned.files
    if pinned is None and revision is None:
        expected = {**expected, **source.known}
    found = {name: _checked(path, expected[name]) for name, path in paths.items()}
    pin = Pin(announced.repo, announced.revision, announced.licence, found)
    return next(iter(paths.values())).parent, pin


def pull_hub(
    source: HubSource,
    *,
    name: str,
    places: PullFolders,
    revision: str | None = None,
    offline: bool = False,
    replace: bool = False,
    quiet: bool = False,
) -> tuple[Path, Pin]:
    """Fetch a repository and make the bundle `name` of it; see `fetch_hub`.

    Raises:
        BundleError: as `fetch_hub` and `import_published`; nothing is pinned then.
    """
    folder, pin = fetch_hub(source, places=places, revision=revision, offline=offline, quiet=quiet)
    paths, pins = [folder], {source.repo: pin}
    if source.reader is not None:
        reader, its_pin = fetch_hub(source.reader, places=places, offline=offline, quiet=quiet)
        paths = [folder / source.weights[0], reader]
        pins[source.reader.repo] = its_pin
    path = import_published(
        paths,
        name=name,
        folder=places.models,
        licence=pin.licence,
        version=pin.revision[:12],
        replace=replace,
    )
    _write_pins(places.models, read_pins(places.models) | pins)
    return path, pin


def fetch_file(source: FileSource, *, folder: Path) -> Path:
    """Download one file, going on where an earlier try stopped, and return its path.

    Raises:
        BundleError: it cannot be fetched, or its MD5 sum is not the listed one.
    """
    target = folder / source.url.rpartition("/")[2]
    if target.is_file() and _digest(target, "md5") == source.md5:
        return target
    partial = target.with_name(target.name + ".partial")
    try:
        make_private_folder(folder)
        _download(source.url, partial)
    except OSError as error:
        raise BundleError(f"{source.url} cannot be fetched: {error}", remedy=AGAIN) from error
    if _digest(partial, "md5") != source.md5:
        partial.unlink()
        raise BundleError(f"{source.url} is not the file that its authors list: its MD5 differs")
    return partial.replace(target)


def read_pins(models: Path) -> dict[str, Pin]:
    """What was fetched before, by repository.

    Raises:
        BundleError: the file of pins is damaged.
    """
    file = models / PINS
    if not file.exists():
        return {}
    try:
        return {repo: Pin(**entry) for repo, entry in json.loads(file.read_text("utf-8")).items()}
    except (OSError, ValueError, TypeError) as error:
        raise BundleError(f"cannot be read: {error}", path=file, remedy="delete it") from error


def _write_pins(models: Path, pins: dict[str, Pin]) -> None:
    content = {repo: asdict(pin) for repo, pin in pins.items()}
    with atomic_write(models / PINS, shared=True) as file:
        file.write(f"{json.dumps(content, indent=1)}\n".encode())


def _announced(source: HubSource, revision: str) -> Pin:
    """What the hub says of a repository at a revision; hashes are empty where it tells none."""
    info = HfApi().model_info(source.repo, revision=revision, files_metadata=True)
    listed = {each.rfilename: each for each in info.siblings or []}
    weights = [name for name in source.weights if name in listed][:1]
    missing = [name for name in source.needed if name not in listed]
    if len(weights) < min(1, len(source.weights)) or missing or not info.sha:
        lacking = ", ".join(missing) or " or ".join(source.weights)
        raise BundleError(f"{source.repo} holds no {lacking}")
    files = {}
    beside = [name for name in source.beside if name in listed]
    for name in (*weights, *source.needed, *beside):
        large = listed[name].lfs
        files[name] = "" if large is None else str(large.sha256)
    card: Any = info.card_data
    licence = getattr(card, "license", None)
    return Pin(source.repo, info.sha, str(licence or "not stated"), files)


def _checked(path: Path, expected: str) -> str:
    """The SHA-256 of a download, which is removed if another was expected."""
    found = _digest(path, "sha256")
    if expected and found != expected:
        path.resolve().unlink()
        path.unlink(missing_ok=True)
        raise BundleError(
            "is not what was announced: its SHA-256 differs; the download was removed", path=path
        )
    return found


def _digest(path: Path, kind: str) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, kind).hexdigest()


def _download(url: str, partial: Path) -> None:
    done = partial.stat().st_size if partial.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={done}-"} if done else {})  # noqa: S310 - the URLs stand above
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310
        goes_on = answer.status == 206
        length = answer.headers.get("Content-Length")
        with partial.open("ab" if goes_on else "wb") as file:
            start = file.tell()
            while block := answer.read(CHUNK):
                file.write(block)
            if length is not None and file.tell() - start != int(length):
                raise OSError("the connection was cut")
