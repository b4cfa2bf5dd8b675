"""Options that all evaluations share."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from audiosearch.cli.options import json_option, library_options
from audiosearch.cli.place_option import on_option
from audiosearch.cluster.opening import RayPlace
from audiosearch.config import Config
from audiosearch.evaluation.dataset_files import Layout

F = TypeVar("F", bound=Callable[..., Any])

_FOLDER = click.Path(path_type=Path, file_okay=False)


@dataclass(frozen=True)
class EvaluationOptions:
    """What is evaluated on what, and where results go."""

    data: Path
    config: Config
    bundles: tuple[str, ...]
    audio: Path | None
    layout: Layout | None
    folds: tuple[str, ...]
    held_out: bool
    sounds: int | None
    seed: int
    whole: bool
    work: Path
    report: Path | None
    skip_missing: bool
    allow_trained: bool
    on: RayPlace | None
    as_json: bool
    quiet: bool


_OPTIONS = (
    click.argument("data", metavar="DATA.csv", type=click.Path(path_type=Path, dir_okay=False)),
    click.option(
        "--bundle",
        "bundles",
        metavar="NAME",
        multiple=True,
        help="Model to evaluate, by name or folder (default: the one in use). Several give means "
        "with their spread.",
    ),
    click.option(
        "--audio",
        type=_FOLDER,
        help="Folder of the sounds (default: where DATA.csv is, or where its data set has them).",
    ),
    click.option(
        "--layout",
        type=click.Choice([str(layout) for layout in Layout]),
        help="Layout of DATA.csv (default: by its columns, or its suffix).",
    ),
    click.option("--folds", metavar="LIST", help="Only clips of these folds, such as 4 or 1,2."),
    click.option(
        "--held-out",
        is_flag=True,
        help="Only clips of groups that no model lists in clips.csv as trained or tuned on.",
    ),
    click.option(
        "--sounds",
        metavar="N",
        type=click.IntRange(min=1),
        help="Only this many sounds, chosen at random.",
    ),
    click.option("--seed", default=0, show_default=True, help="Seed of all random choices."),
    click.option(
        "--whole",
        is_flag=True,
        help="Encode each clip in one piece, as published figures do, not in windows.",
    ),
    click.option(
        "--work",
        type=_FOLDER,
        help="Folder for half-done work (default: evaluation/ in the data folder).",
    ),
    click.option(
        "--report",
        type=_FOLDER,
        help="Also write a page with tables and figures into this folder.",
    ),
    click.option("--skip-missing", is_flag=True, help="Leave out clips whose files are not there."),
    click.option(
        "--allow-trained",
        is_flag=True,
        help="Go on although the model was trained on some of these recordings.",
    ),
    on_option("sounds are heard, pairs scored and captions written"),
    json_option,
    library_options,
)


def evaluation_options(command: F) -> F:
    """DATA.csv and the shared options; the command gets `options: EvaluationOptions`."""

    @functools.wraps(command)
    def with_options(
        *,
        config: Config,
        bundles: tuple[str, ...],
        layout: str | None,
        folds: str | None,
        held_out: bool,
        work: Path | None,
        data: Path,
        audio: Path | None,
        sounds: int | None,
        seed: int,
        whole: bool,
        report: Path | None,
        skip_missing: bool,
        allow_trained: bool,
        on: RayPlace | None,
        as_json: bool,
        quiet: bool,
        **kwargs: Any,
    ) -> Any:
        options = EvaluationOptions(
            data=data,
            config=config,
            bundles=bundles or (config.model.bundle,),
            audio=audio,
            layout=None if layout is None else Layout(layout),
            folds=tuple(filter(None, (fold.strip() for fold in (folds or "").split(",")))),
            held_out=held_out,
            sounds=sounds,
            seed=seed,
            whole=whole,
            work=work or config.data_dir / "evaluation",
            report=report,
            skip_missing=skip_missing,
            allow_trained=allow_trained,
            on=on,
            as_json=as_json,
            quiet=quiet,
        )
        return command(options=options, **kwargs)

    decorated: Any = with_options
    for option in reversed(_OPTIONS):  # as decorators one above the other do
        decorated = option(decorated)
    return decorated  # type: ignore[no-any-return]
