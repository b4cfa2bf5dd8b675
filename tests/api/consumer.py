"""A program that uses all of the API, typed: mypy checks it against the installed wheel."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import numpy.typing as npt

import audiosearch
from audiosearch import QueryError, SearchHit, SearchHits


def ask(library: audiosearch.SoundLibrary) -> SearchHits:
    filters = audiosearch.Filters(folders=(Path("/sounds"),), tags=("rain",))
    return library.find("a dog barks", filters=filters, limit=5, min_score=0.5, explain=True)


def listen(library: audiosearch.SoundLibrary, hit: SearchHit) -> npt.NDArray[np.float32]:
    samples, rate = library.read(hit, sample_rate=16_000)
    seconds: float = len(samples) / rate
    path: Path = hit.path
    name: str = path.name
    score: float | None = hit.score
    words: list[str] = [word.text for word in hit.words or ()]
    fields: list[str] = [match.field for match in hit.matched]
    row: dict[str, object] = asdict(hit)
    del seconds, name, score, words, fields, row
    return samples


def explore(library: audiosearch.SoundLibrary, clip: Path) -> list[str]:
    told = [caption.text for each in library.describe(clip) for caption in each.captions]
    told += [fit.label for fit in library.label(bytes(clip), ["dog", "rain"], end_s=3)]
    ids, matrix = library.embeddings("joint")
    nearest: int = int((matrix @ library.model.embed_text(["rain"])[0]).argmax())
    windows: list[audiosearch.LibraryWindow] = library.windows([int(ids[nearest])])
    told += [each.caption for each in windows if each.caption is not None]
    alike: SearchHits = library.similar(windows[0], start_s=0.0, min_similarity=0.2)
    return [*told, *(str(hit.path) for hit in alike[:2])]


def weigh(model: audiosearch.SoundModel, clip: str) -> float:
    encoded: audiosearch.Encoded = model.encode(clip)
    frames: npt.NDArray[np.float32] = encoded.frames
    lift = model.cross_entropy(["a dog"], None) - model.cross_entropy(["a dog"], encoded)
    windows: list[audiosearch.EncodedWindow] = model.encode_windows(clip, hop_s=1.0)
    caption: str = model.caption(model.encode_samples(frames[:, 0]))
    return float(lift[0]) + len(windows) + len(caption)


def main() -> None:
    try:
        with audiosearch.open("library", writable=True) as library:
            summary: audiosearch.IndexSummary = library.index(["sounds", b"more"])
            new: bool = library.add_caption("a dog", clip="dog.wav", start_s=1)
            listen(library, ask(library)[0])
            del summary, new
    except audiosearch.DecodeError as error:
        raise SystemExit(f"{error.path}: {error.code}") from error
    except QueryError as error:
        raise SystemExit(error.reason) from error
    weigh(audiosearch.load_model("starter", device="cpu"), "dog.wav")
