"""The words of published captioners: tokenizer states, task tokens, the repetition mask.

Only the word tokenizer of the published models is known; any other state is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from torch import Tensor

from audiosearch.errors import BundleError
from audiosearch.model.tokenizer import SPECIAL_TOKENS, Splitting, Vocabulary
from audiosearch.training.networks.weights import read_plain_pickle
from audiosearch.training.text.vocabulary import STOP_WORDS

_STATE = "tokenizers.0._extra_state"
_HUB_STATE = "_extra_state_"  # a pickle of {"model.tokenizers.0._extra_state": state}
_SETTINGS = {
    "level": "word",
    "lowercase": True,
    "punctuation_mode": "remove",
    "normalize": True,
}


@dataclass(frozen=True)
class PublishedTokenizer:
    """The words of a published tokenizer, in the order of their ids."""

    words: tuple[str, ...]


def lightning_tokenizer(state: dict[str, Any], *, path: Path) -> PublishedTokenizer:
    """The tokenizer in the state of a Lightning checkpoint.

    Raises:
        BundleError: there is none, or one of another kind.
    """
    if _STATE not in state:
        raise BundleError(f"the checkpoint lacks {_STATE!r}: its words are unknown", path=path)
    return _tokenizer(state[_STATE], path=path)


def hub_tokenizer(
    content: dict[str, Any], config: dict[str, Any], *, path: Path
) -> PublishedTokenizer:
    """The tokenizer of a hub folder: in its weights, or else in its configuration.

    Raises:
        BundleError: there is none, one of another kind, or one that is no plain data.
    """
    packed = content.get(_HUB_STATE)
    if not isinstance(packed, Tensor):
        if config.get("tokenizer_state") is None:
            raise BundleError("the folder holds no tokenizer: its words are unknown", path=path)
        return _tokenizer(config["tokenizer_state"], path=path)
    try:
        unpacked = read_plain_pickle(packed.numpy().tobytes())
    except BundleError as error:
        raise BundleError(f"its tokenizer: {error.reason}", path=path) from error
    if not isinstance(unpacked, dict) or f"model.{_STATE}" not in unpacked:
        raise BundleError("its tokenizer state is of an unknown kind", path=path)
    return _tokenizer(unpacked[f"model.{_STATE}"], path=path)


def vocabulary(
    tokenizer: PublishedTokenizer,
    *,
    size: int,
    tasks: tuple[str, ...],
    task_tokens: Tensor | None,
    forbidden: Tensor | None,
    path: Path,
) -> Vocabulary:
    """The vocabulary of a captioner of `size` words.

    Args:
        tokenizer: its words.
        size: how many its network knows.
        tasks: names of its tasks, none for most.
        task_tokens: `(n_tasks,)` the token of each; those named `<bos_TASK>` where None.
        forbidden: `(size,)` True where a caption may not repeat a word; by the stop list if None.
        path: the file, for messages.

    Raises:
        BundleError: words, tasks, mask and network do not fit together.
    """
    words = tokenizer.words
    if len(words) != size:
        raise BundleError(f"has {len(words)} words, its network {size}", path=path)
    if forbidden is None:
        repeatable = {i for i, word in enumerate(words) if word in STOP_WORDS}
    elif len(forbidden) == size:
        repeatable = {i for i, banned in enumerate(forbidden.tolist()) if not banned}
    else:
        raise BundleError(f"has a repetition mask of {len(forbidden)} words", path=path)
    names = [f"<bos_{task}>" for task in tasks]
    ids = {word: i for i, word in enumerate(words)}
    if any(ids.get(name) is None for name in names):
        raise BundleError(f"has no token for each of its tasks ({', '.join(tasks)})", path=path)
    tokens = [ids[name] for name in names]
    if task_tokens is not None and task_tokens.tolist() != tokens:
        raise BundleError(f"its tasks have the tokens {task_tokens.tolist()}", path=path)
    try:
        return Vocabulary(
            words=words,
            repeatable=frozenset(repeatable),
            tasks=MappingProxyType(dict(zip(tasks, tokens, strict=True))),
            splitting=Splitting.ENGLISH,
        )
    except ValueError as error:
        raise BundleError(f"its vocabulary is unfit: {error}", path=path) from error


def _tokenizer(state: object, *, path: Path) -> PublishedTokenizer:
    """The words in a tokenizer's state, once it is known how it parts text into them."""

    def refused(reason: str) -> BundleError:
        return BundleError(
            f"its tokenizer {reason}", path=path, remedy="convert it with the authors' current code"
        )

    inner = state.get("tokenizer") if isinstance(state, dict) else None
    if not isinstance(inner, dict) or not isinstance(inner.get("itos"), dict):
        raise refused("is of an older or unknown form")
    given = {"normalize": inner.get("normalize", True), **(inner.get("hparams") or {})}
    for name, known in _SETTINGS.items():
        if given.get(name, known) != known:
            raise refused(f"has {name} = {given[name]!r}; known is {known!r}")
    try:
        table = {int(i): str(word) for i, word in inner["itos"].items()}  # JSON has text keys
        words = tuple(table[i] for i in range(len(table)))
    except (KeyError, ValueError, TypeError) as error:
        raise refused(f"does not number its words from 0 ({error})") from error
    if words[:4] != SPECIAL_TOKENS:
        raise refused(f"begins with {' '.join(words[:4])}, not {' '.join(SPECIAL_TOKENS)}")
    return PublishedTokenizer(words)
