"""Tokens of byte pairs as a tokenizer's folder lists them, in either of its two forms."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from audiosearch.errors import BundleError
from audiosearch.model.byte_pairs import BytePairs
from audiosearch.training.networks.hub_folder import read_settings


@dataclass(frozen=True)
class TokenTable:
    """Tokens, each with its place as its id, and the pairs that are joined, in their order."""

    tokens: tuple[str, ...]
    merges: tuple[tuple[str, str], ...]
    path: Path

    @cached_property
    def ids(self) -> dict[str, int]:
        """Where each token stands."""
        return {token: place for place, token in enumerate(self.tokens)}

    def byte_pairs(
        self,
        *,
        pad: str | int,
        start: str | None,
        end: str,
        longest: int,
        tail: str = "",
        apart: tuple[str, ...] = (),
    ) -> BytePairs:
        """The reading of texts with these tokens; see `BytePairs`.

        Raises:
            BundleError: a token is missing, or they do not fit together.
        """
        try:
            return BytePairs(
                tokens=self.tokens,
                merges=self.merges,
                pad=self.ids[pad] if isinstance(pad, str) else pad,
                start=None if start is None else self.ids[start],
                end=self.ids[end],
                longest=longest,
                tail=tail,
                apart=apart,
            )
        except (KeyError, ValueError) as error:
            raise BundleError(f"its tokens are unfit: {error}", path=self.path) from error


def read_token_table(folder: Path) -> TokenTable:
    """The tokens of `tokenizer.json`, or of `vocab.json` and `merges.txt`.

    Raises:
        BundleError: a file is missing, or is of another kind.
    """
    path = folder / "tokenizer.json"
    if path.is_file():
        model = read_settings(path).get("model")
        if not isinstance(model, dict) or model.get("type", "BPE") != "BPE":
            raise BundleError("its tokenizer is of another kind than byte pairs", path=path)
        ids, listed = model.get("vocab"), model.get("merges")
    else:
        path = folder / "vocab.json"
        ids = read_settings(path)
        try:
            lines = (folder / "merges.txt").read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise BundleError(f"cannot be read: {error}", path=folder / "merges.txt") from error
        listed = [line for line in lines if line and not line.startswith("#version")]
    try:
        if not isinstance(ids, dict) or not isinstance(listed, list):
            raise ValueError("it lists no tokens or no pairs")
        by_id = {int(place): str(token) for token, place in ids.items()}
        tokens = tuple(by_id[place] for place in range(len(by_id)))
        return TokenTable(tokens, tuple(_pair(each) for each in listed), path)
    except (KeyError, TypeError, ValueError) as error:
        raise BundleError(f"its tokens are unfit: {error}", path=path) from error


def _pair(listed: object) -> tuple[str, str]:
    parts = listed.split(" ") if isinstance(listed, str) else listed
    if not isinstance(parts, list) or len(parts) != 2:
        raise ValueError(f"{listed!r} is no pair")
    return str(parts[0]), str(parts[1])
