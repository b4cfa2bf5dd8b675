"""How well an encoder names recordings that were kept from it, by its own head and by probes.

A probe is a linear classifier on frozen embeddings: it tells what the features know, whatever the
head has learned.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from audiosearch.training.data.corpus import Corpus
from audiosearch.training.data.dataset import SoundCache, Split
from audiosearch.training.networks.convnext import ConvNext
from audiosearch.training.tagging import listen
from audiosearch.training.text.labels import tags_of

DECAYS = (1e-4, 1e-3, 1e-2)
"""Weight decays of probes that are tried; the best on the held-out clips is told, as published
probes do, so a little too good."""


@dataclass(frozen=True)
class HeadFigures:
    """Shares of kept clips whose own tag is the most probable one."""

    fold: float
    """Of the held-out fold, among the folds' labels."""
    fold_clips: int
    other: float
    """Of other kept clips of known kinds, any of their tags being right, among all tags."""
    other_clips: int
    breadth: float
    """The same of the clips of the breadth benchmark whose kinds are known."""
    breadth_clips: int

    def text(self) -> str:
        """One line for the log."""
        return (
            f"held-out fold {self.fold:.3f} of {self.fold_clips}, other {self.other:.3f} of "
            f"{self.other_clips}, breadth {self.breadth:.3f} of {self.breadth_clips}"
        )


def head_figures(
    encoder: ConvNext, sounds: SoundCache, corpus: Corpus, *, tags: tuple[str, ...]
) -> HeadFigures:
    """What the first outputs of an encoder, our `tags`, name of what was kept from it."""
    column = {tag: place for place, tag in enumerate(tags)}
    fold_tags = sorted({column[tags_of(c.label)[0]] for c in corpus.clips if c.fold})
    kept = [
        place
        for place, clip in enumerate(corpus.clips)
        if clip.split is not Split.TRAIN and any(tag in column for tag in tags_of(clip.label))
    ]
    scores = listen(encoder, sounds, kept).logits[:, : len(tags)]
    hits: dict[str, list[bool]] = {"fold": [], "other": [], "breadth": []}
    for place, row in zip(kept, scores, strict=True):
        clip = corpus.clips[place]
        right = {column[tag] for tag in tags_of(clip.label) if tag in column}
        if clip.fold:
            hits["fold"].append(fold_tags[int(row[fold_tags].argmax())] in right)
        else:
            name = "breadth" if place in corpus.breadth else "other"
            hits[name].append(int(row.argmax()) in right)
    return HeadFigures(
        fold=_share(hits["fold"]),
        fold_clips=len(hits["fold"]),
        other=_share(hits["other"]),
        other_clips=len(hits["other"]),
        breadth=_share(hits["breadth"]),
        breadth_clips=len(hits["breadth"]),
    )


def _share(hits: Sequence[bool]) -> float:
    return sum(hits) / len(hits) if hits else 0.0


def probe(
    train: Tensor, labels: Sequence[str], test: Tensor, truths: Sequence[str]
) -> dict[float, float]:
    """Accuracy of a linear classifier on features, for each of `DECAYS`.

    Args:
        train: `(n, width)` features to learn from.
        labels: of each.
        test: `(m, width)` features to be named.
        truths: of each; one that is not among `labels` is never right.
    """
    names = sorted(set(labels))
    mean, spread = train.mean(dim=0), train.std(dim=0) + 1e-6
    inputs, held = (train - mean) / spread, (test - mean) / spread
    targets = torch.tensor([names.index(label) for label in labels])
    found = {}
    for decay in DECAYS:
        layer = _fitted(inputs, targets, len(names), decay=decay)
        with torch.no_grad():
            guesses = layer(held).argmax(dim=1).tolist()
        found[decay] = _share([names[g] == t for g, t in zip(guesses, truths, strict=True)])
    return found


def _fitted(inputs: Tensor, targets: Tensor, n_classes: int, *, decay: float) -> nn.Linear:
    layer = nn.Linear(inputs.shape[1], n_classes)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    optimiser = torch.optim.LBFGS(layer.parameters(), max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimiser.zero_grad()
        value = functional.cross_entropy(layer(inputs), targets)
        value = value + decay * layer.weight.square().sum()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimiser.step(loss)  # type: ignore[no-untyped-call]
    return layer


def probe_lines(encoder: ConvNext, sounds: SoundCache, corpus: Corpus) -> Iterator[str]:
    """Probes of the held-out fold, and of the kinds of the breadth benchmark that are known.

    The first learns from the clips of the other folds, the second from all clips of the kinds
    (the first tag of their labels) that the benchmark asks for.
    """
    clips = corpus.clips
    kept = [place for place, clip in enumerate(clips) if clip.split is not Split.TRAIN]
    fold = [place for place in kept if clips[place].fold]
    if fold:
        others = [place for place in corpus.training() if clips[place].fold]
        yield _probe_line("held-out fold", encoder, sounds, corpus, others, fold)
    known = {tags_of(clips[place].label)[0] for place in corpus.training()}
    breadth = [place for place in kept if place in corpus.breadth]
    breadth = [place for place in breadth if tags_of(clips[place].label)[0] in known]
    kinds = {tags_of(clips[place].label)[0] for place in breadth}
    others = [place for place in corpus.training() if tags_of(clips[place].label)[0] in kinds]
    if breadth:
        yield _probe_line("breadth", encoder, sounds, corpus, others, breadth)


def _probe_line(
    name: str,
    encoder: ConvNext,
    sounds: SoundCache,
    corpus: Corpus,
    train: Sequence[int],
    test: Sequence[int],
) -> str:
    def kinds(places: Sequence[int]) -> list[str]:
        return [tags_of(corpus.clips[place].label)[0] for place in places]

    found = probe(
        listen(encoder, sounds, train).embeddings,
        kinds(train),
        listen(encoder, sounds, test).embeddings,
        kinds(test),
    )
    figures = ", ".join(f"{accuracy:.3f} (decay {decay:g})" for decay, accuracy in found.items())
    return f"{name}: {figures}; {len(test)} clips, {len(set(kinds(test)))} kinds of {len(train)}"
