"""A timeline out of described windows: those in a row that the model says the same of are one.

In go descriptions in the order of their windows, out come fewer. Pure; a command that only shows
results imports it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from audiosearch.search.results import CaptionFit, Description


def fold_runs(descriptions: Iterable[Description], *, limit: int) -> Iterator[Description]:
    """A timeline: windows in a row that the model says the same of become one stretch.

    The stretch has the stored captions of all its windows, each once, where it fits best; windows
    of silence in a row become one too.
    """
    run: list[Description] = []
    for each in descriptions:
        if run and _own_text(run[-1]) != _own_text(each):
            yield _folded(run, limit=limit)
            run = []
        run.append(each)
    if run:
        yield _folded(run, limit=limit)


def _own_text(description: Description) -> str | None:
    own = [fit.text for fit in description.captions if fit.rank == 0]
    return own[0] if own else None


def _folded(run: Sequence[Description], *, limit: int) -> Description:
    if len(run) == 1:
        return run[0]
    fits = [fit for each in run for fit in each.captions]
    own = min((f for f in fits if f.rank == 0), key=lambda f: f.cross_entropy, default=None)
    best: dict[str, CaptionFit] = {}
    # By rank first: what ranks captions of one window is comparable in no simpler way.
    for fit in sorted((f for f in fits if f.rank), key=lambda f: (f.rank, -f.score)):
        best.setdefault(fit.text, fit)
    stored = list(best.values())[:limit]
    ranked = [replace(fit, rank=rank) for rank, fit in enumerate(stored, start=1)]
    return Description(
        start_s=run[0].start_s,
        end_s=run[-1].end_s,
        captions=(*([] if own is None else [own]), *ranked),
    )
