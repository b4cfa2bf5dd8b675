"""What a run begins with: published encoders, what an earlier run has trained, or nothing.

BERT is read from a folder as transformers saves a `BertModel`, CNN14 from its file. Nothing in
them is run.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from audiosearch.errors import BundleError
from audiosearch.model.tokenizer import split_words
from audiosearch.model.wordpiece import INSIDE, SPECIAL_PIECES, Pieces
from audiosearch.training.networks.bert import Bert, BertConfig
from audiosearch.training.networks.cnn14 import Cnn14, Cnn14Config
from audiosearch.training.networks.hub_folder import hub_weights, read_settings
from audiosearch.training.networks.weights import (
    load_parameters,
    read_model_state,
    read_weights,
    tensors_of,
)

ENDS = ("[CLS]", "[SEP]")  # behind the special pieces, in the order of `BertConfig`
SMALL_BERT = BertConfig(dim=256, heads=4, layers=4, feedforward=1024, positions=130)
_OURS = (
    (r"^embeddings\.LayerNorm\.", "norm."),
    (r"^embeddings\.", ""),
    (r"^encoder\.layer\.(\d+)\.attention\.self\.", r"layers.\1."),
    (r"^encoder\.layer\.(\d+)\.attention\.output\.dense\.", r"layers.\1.out."),
    (r"^encoder\.layer\.(\d+)\.attention\.output\.LayerNorm\.", r"layers.\1.norm1."),
    (r"^encoder\.layer\.(\d+)\.intermediate\.dense\.", r"layers.\1.wide."),
    (r"^encoder\.layer\.(\d+)\.output\.dense\.", r"layers.\1.narrow."),
    (r"^encoder\.layer\.(\d+)\.output\.LayerNorm\.", r"layers.\1.norm2."),
)
_NOT_NEEDED = ("pooler.", "cls.", "embeddings.position_ids")


def read_bert(folder: Path) -> tuple[Bert, Pieces]:
    """A BERT and its pieces, these with the special ones first, as are the rows of its table.

    Raises:
        BundleError: a file is missing, cannot be read safely, or is of another kind.
    """
    settings = read_settings(folder / "config.json")
    if settings.get("model_type") != "bert" or settings.get("hidden_act", "gelu") != "gelu":
        raise BundleError("is no BERT with gelu", path=folder / "config.json")
    pieces, order = _pieces(folder / "vocab.txt")
    config = BertConfig(
        vocabulary=len(pieces),
        dim=int(settings["hidden_size"]),
        heads=int(settings["num_attention_heads"]),
        layers=int(settings["num_hidden_layers"]),
        feedforward=int(settings["intermediate_size"]),
        positions=int(settings["max_position_embeddings"]),
        types=int(settings.get("type_vocab_size", 2)),
        norm_eps=float(settings.get("layer_norm_eps", 1e-12)),
    )
    file = hub_weights(folder)
    state = tensors_of(read_weights(file))
    state = {name.removeprefix("bert."): value for name, value in state.items()}
    state = {name: value for name, value in state.items() if not name.startswith(_NOT_NEEDED)}
    ours: dict[str, Tensor] = {}
    for name, value in state.items():
        renamed = name
        for pattern, replacement in _OURS:
            renamed = re.sub(pattern, replacement, renamed)
        ours[renamed.replace(".gamma", ".weight").replace(".beta", ".bias")] = value
    table = ours.get("word_embeddings.weight")
    if table is None or len(table) != len(order):
        raise BundleError(f"vocab.txt lists {len(order)} pieces, its table has others", path=file)
    ours["word_embeddings.weight"] = table[order]
    network = Bert(config)
    load_parameters(network, ours, file)
    return network, pieces


def _pieces(path: Path) -> tuple[Pieces, list[int]]:
    """The pieces in our order, and where each stood."""
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BundleError(f"cannot be read: {error}", path=path) from error
    places = {piece: place for place, piece in enumerate(lines)}
    first = (*SPECIAL_PIECES, *ENDS)
    if missing := [piece for piece in first if piece not in places]:
        raise BundleError(f"lacks {', '.join(missing)}", path=path)
    rest = [piece for piece in lines if piece not in first]
    try:
        pieces = Pieces((*first, *rest))
    except ValueError as error:
        raise BundleError(str(error), path=path) from error
    return pieces, [places[piece] for piece in pieces.pieces]


def small_bert(captions: Iterable[str], *, most: int = 8000) -> tuple[Bert, Pieces]:
    """A small BERT that has learned nothing, and pieces of the commonest words of captions."""
    counts = Counter(word for caption in captions for word in split_words(caption))
    letters = sorted({letter for word in counts for letter in word})
    words = [word for word, _ in counts.most_common(most) if len(word) > 1]
    listed = (
        *SPECIAL_PIECES,
        *ENDS,
        *letters,
        *(INSIDE + letter for letter in letters),
        *words,
    )
    pieces = Pieces(tuple(dict.fromkeys(listed)))
    return Bert(replace(SMALL_BERT, vocabulary=len(pieces))), pieces


def cnn14_of(state: Mapping[str, Tensor], *, path: Path) -> Cnn14:
    """The network of the parameters in a file of PANNs, derived ones left out.

    Raises:
        BundleError: they are those of another network.
    """
    derived = ("spectrogram_extractor.", "logmel_extractor.", "spec_augmenter.")
    kept = {name: value for name, value in state.items() if not name.startswith(derived)}
    try:
        count = sum(bool(re.fullmatch(r"conv_block\d+\.conv2\.weight", name)) for name in kept)
        config = Cnn14Config(
            mels=len(kept["bn0.weight"]),
            classes=len(kept["fc_audioset.bias"]),
            dims=tuple(len(kept[f"conv_block{n}.conv2.weight"]) for n in range(1, count + 1)),
            embedding=len(kept["fc1.bias"]),
        )
    except KeyError as error:
        raise BundleError(f"is no CNN14: it lacks {error}", path=path) from error
    network = Cnn14(config)
    load_parameters(network, kept, path)
    return network


def read_cnn14_file(path: Path) -> Cnn14:
    """The CNN14 in a file of PANNs.

    Raises:
        BundleError: the file cannot be read safely, or holds another network.
    """
    return cnn14_of(read_model_state(path), path=path)


def fresh_cnn14(classes: int, *, seed: int) -> Cnn14:
    """A CNN14 that has learned nothing."""
    torch.manual_seed(seed)
    return Cnn14(Cnn14Config(classes=classes))
