"""Bundles put together: `audiosearch models combine`.

Either the joint space of one with the captioner of another, or several as an ensemble.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from audiosearch._wording import counted
from audiosearch.config import Config
from audiosearch.errors import BundleError
from audiosearch.library.model_selection import find_model
from audiosearch.model.bundle import Bundle, BundlePart, load_bundle
from audiosearch.model.calibration import ScoreCalibration
from audiosearch.model.combined_bundle import check_parts, write_combined
from audiosearch.model.registry import target_folder


def combine_two(
    config: Config, *, joint: str, captioner: str, name: str, replace_old: bool = False
) -> Bundle:
    """A bundle that shortlists by the joint space of one and listens with the captioner of another.

    Its score is that of the captioner, until it is calibrated.

    Raises:
        BundleError: a part is missing or unfit, or the name is taken.
    """
    parts = [
        BundlePart(bundle=_part(config, joint), joint=1.0, captions=0.0),
        BundlePart(bundle=_part(config, captioner), joint=0.0, captions=1.0),
    ]
    space = parts[0].bundle.score
    score = replace(
        parts[1].bundle.score, joint=0.0, like=space.like, weakly_like=space.weakly_like
    )
    described = f"The joint space of {joint} with the captioner of {captioner}."
    return _written(config, parts, name, score, described, replace_old=replace_old)


def combine_many(
    config: Config,
    names: Sequence[str],
    *,
    name: str,
    weights: Sequence[float] | None = None,
    spread: Callable[[Bundle], float] | None = None,
    replace_old: bool = False,
) -> Bundle:
    """An ensemble: likenesses and log-probabilities are averaged, over those parts that have them.

    Args:
        config: where bundles are.
        names: of the parts, in their order.
        name: what the new bundle is called.
        weights: how much each counts; None: all the same.
        spread: tells how far apart the likenesses of a part lie; they are divided by it, so that
            their mean ranks as that of z-scores; None: averaged as they are. It is asked of parts
            with a joint space, once all else is found right.
        replace_old: write over a bundle of that name.

    Raises:
        BundleError: a part is missing or unfit, weights do not fit, or the name is taken.
    """
    bundles = [_part(config, each) for each in names]
    given = list(weights) if weights is not None else [1.0] * len(bundles)
    if len(given) != len(bundles):
        raise BundleError(f"{counted(len(given), 'weight')} for {counted(len(bundles), 'bundle')}")
    if not all(0.0 < each < float("inf") for each in given):
        raise BundleError("a weight must be above 0")
    has_joint = [bool(each.joint_dim) for each in bundles]
    joint = _shares(given, has_joint)
    captions = _shares(given, [each.decoder is not None for each in bundles])
    if spread is not None:
        _check_before_listening(
            config, _parts(bundles, joint, captions), name, replace_old=replace_old
        )
        divided = [
            weight / spread(bundle) if has else weight
            for weight, bundle, has in zip(given, bundles, has_joint, strict=True)
        ]
        joint = _shares(divided, has_joint)
    parts = _parts(bundles, joint, captions)
    both = [each.score for each in bundles if each.joint_dim and each.decoder is not None]
    score = both[0] if both else bundles[0].score
    if not both and any(captions):
        listening = next(each for each in bundles if each.decoder is not None)
        score = replace(listening.score, joint=0.0)
    if any(joint):
        score = replace(
            score,
            like=_mean([each.score.like for each in bundles], joint),
            weakly_like=_mean([each.score.weakly_like for each in bundles], joint),
        )
    how = "" if spread is None else ", their likenesses z-scored"
    described = f"An ensemble of {', '.join(names)}{how}."
    return _written(config, parts, name, score, described, replace_old=replace_old)


def _parts(
    bundles: Sequence[Bundle], joint: Sequence[float], captions: Sequence[float]
) -> list[BundlePart]:
    return [
        BundlePart(bundle=bundle, joint=of_joint, captions=of_captions)
        for bundle, of_joint, of_captions in zip(bundles, joint, captions, strict=True)
    ]


def _check_before_listening(
    config: Config, parts: Sequence[BundlePart], name: str, *, replace_old: bool
) -> None:
    """Refuse what could not be written, before anything takes long.

    Raises:
        BundleError: a part is unfit, fewer than two have a joint space, or the name is taken.
    """
    n_spaces = sum(bool(each.joint) for each in parts)
    if n_spaces < 2:
        raise BundleError(
            f"{counted(n_spaces, 'part')} with a joint space: there is nothing to weigh by"
            " z-scores",
            remedy="leave out --z-scored",
        )
    check_parts(_target(config, parts, name, replace_old=replace_old), parts)


def _shares(weights: Sequence[float], takes_part: Sequence[bool]) -> list[float]:
    """The weights of those that take part, made to sum to 1."""
    kept = [weight * takes for weight, takes in zip(weights, takes_part, strict=True)]
    total = sum(kept)
    return [each / total if total else 0.0 for each in kept]


def _mean(values: Sequence[float], shares: Sequence[float]) -> float:
    return round(sum(value * share for value, share in zip(values, shares, strict=True)), 4)


def _part(config: Config, name: str) -> Bundle:
    return load_bundle(find_model(config, name))


def _written(
    config: Config,
    parts: Sequence[BundlePart],
    name: str,
    score: ScoreCalibration,
    description: str,
    *,
    replace_old: bool,
) -> Bundle:
    target = _target(config, parts, name, replace_old=replace_old)
    return load_bundle(write_combined(target, parts, score=score, description=description))


def _target(config: Config, parts: Sequence[BundlePart], name: str, *, replace_old: bool) -> Path:
    target = target_folder(name, folder=config.models_dir, replace=replace_old)
    if any(part.bundle.path.absolute() == target.absolute() for part in parts):
        raise BundleError("a bundle cannot be a part of itself", path=target)
    return target
