"""How the encoder is taught: sizes of the run, and who has how much say when."""

from __future__ import annotations

from dataclasses import dataclass

LABELS, PATCHES, CLIPS, FEATURES = "labels", "patches", "clips", "features"
LOSSES = (LABELS, PATCHES, CLIPS, FEATURES)
"""The losses: our tags; the teacher's classes patch by patch, and over the stretch; its layer."""


@dataclass(frozen=True)
class DistillationRecipe:
    """Sizes, and the say of labels and teacher: first mostly the teacher's, then the labels'."""

    steps: int = 2500
    restarts: tuple[int, ...] = ()
    batch: int = 64
    learning_rate: float = 2e-3
    warm_up: int = 200
    weight_decay: float = 0.05
    average: float = 0.998
    teacher_first: float = 0.4
    """The share of the steps in which the teacher leads."""
    early_labels: float = 0.2
    """The say of the labels while the teacher leads, whose own is 1."""
    late_teacher: float = 0.3
    """The say of the teacher in the end; that of the labels is 1."""
    patches: float = 0.4
    """The part of the teacher's say that its classes patch by patch have."""
    clips: float = 0.3
    features: float = 0.3
    shards: int = 80
    """Of the pool, the first that are learned from."""
    share_power: float = 0.5
    """A clip that is a share of what sounds is a target of this power of it."""
    evaluate_every: int = 500
    save_every: int = 250


def loss_shares(step: int, recipe: DistillationRecipe) -> dict[str, float]:
    """What part of the gradient each loss has at a step; all together 1.

    While the teacher leads, the labels have little; then both change evenly over as many steps
    again, as far as there are.
    """
    lead = recipe.teacher_first * recipe.steps
    turned = min(1.0, max(0.0, (step - lead) / lead)) if lead else 1.0
    labels = recipe.early_labels + (1 - recipe.early_labels) * turned
    teacher = 1 + (recipe.late_teacher - 1) * turned
    say = {
        LABELS: labels,
        PATCHES: teacher * recipe.patches,
        CLIPS: teacher * recipe.clips,
        FEATURES: teacher * recipe.features,
    }
    total = sum(say.values())
    return {name: value / total for name, value in say.items()}
