"""How a joint space is trained: the recipes of Sun et al. 2023, section 3.2, as settings."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from audiosearch.errors import AudiosearchError
from audiosearch.training.pairs.losses import TagDistance


@dataclass(frozen=True)
class PairRecipe:
    """Everything that shapes a run but its data.

    With a `tag_distance` it is CLAP-TAG, with pictures CLAIP, with both CLAIP-TAG.
    """

    epochs: int = 20
    batch: int = 128
    learning_rate: float = 1e-4
    """The greatest, after `warm_up_epochs` of linear growth; then a cosine down to zero."""
    warm_up_epochs: float = 1.0
    tag_distance: TagDistance | None = None
    tag_weight: float = 1.0
    """Lambda of eq (7), which the report does not give."""
    seconds: float = 10.0
    """Of a clip that are heard at a time, anew from a random place in each epoch."""
    joint_dim: int = 1024
    clip_norm: float = 1.0


PRETRAIN = PairRecipe()
FINE_TUNE = replace(PRETRAIN, learning_rate=2e-5)
RECIPES = {"pretrain": PRETRAIN, "fine-tune": FINE_TUNE}


def read_recipe(path: Path, *, start: PairRecipe) -> PairRecipe:
    """A recipe with the settings of a JSON file in place of some of those of `start`.

    Raises:
        AudiosearchError: the file cannot be read, or holds a setting that there is not.
    """
    try:
        given = json.loads(path.read_text("utf-8"))
        known = {field.name for field in fields(PairRecipe)}
        if not isinstance(given, dict) or not given.keys() <= known:
            strange = ", ".join(sorted(set(given) - known))
            raise AudiosearchError(
                f"has settings that there are not: {strange}",
                path=path,
                remedy=f"known are {', '.join(sorted(known))}",
            )
        if given.get("tag_distance") is not None:
            given["tag_distance"] = TagDistance(given["tag_distance"])
        for name, value in given.items():
            usual = getattr(start, name)
            if isinstance(usual, int | float) and not (
                isinstance(value, int | float) and value > 0
            ):
                raise ValueError(f"{name} must be a number above 0, not {value!r}")
        return replace(start, **given)
    except (OSError, ValueError, TypeError) as error:
        raise AudiosearchError(f"is no recipe: {error}", path=path) from error


def write_recipe(recipe: PairRecipe, path: Path) -> None:
    """Keep a recipe beside what was trained by it."""
    path.write_text(json.dumps(asdict(recipe), indent=1) + "\n", encoding="utf-8")
