"""`audiosearch models`: the bundles there are, which one is used, new ones from checkpoints."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from audiosearch._resources import bundled_models_path
from audiosearch._wording import counted
from audiosearch.cli.main import CommandGroup
from audiosearch.cli.options import json_option, library_options
from audiosearch.cli.output import print_json, remark, size
from audiosearch.cli.settings_file import change_setting
from audiosearch.cli.terminal import say, style, write_data
from audiosearch.config import Config
from audiosearch.errors import BundleError, FeatureUnavailable
from audiosearch.library.combining import combine_many, combine_two
from audiosearch.library.model_selection import bundle_paths, find_model, remember_model
from audiosearch.library.status_rows import model_row
from audiosearch.model.bundle import Bundle, load_bundle
from audiosearch.model.combined_bundle import with_score
from audiosearch.model.loaded import Model
from audiosearch.model.runtime.session import RuntimeOptions

if TYPE_CHECKING:
    from audiosearch.convert.calibrating import TitledSound


@click.group(cls=CommandGroup)
def models() -> None:
    """List, inspect, import, convert and choose models."""


@models.command("list")
@json_option
@library_options
def list_(as_json: bool, config: Config, quiet: bool) -> None:
    """List the bundles, the one in use marked."""
    try:
        used = find_model(config, config.model.bundle)
    except BundleError as error:  # another one can be chosen of these
        used = None
        remark(f"the model in use cannot be used: {error}", quiet=quiet)
    for path in bundle_paths(config):
        try:
            bundle: Bundle | None = load_bundle(path)
            problem = None
        except BundleError as error:
            bundle, problem = None, error.reason
        row: dict[str, object] = {
            "name": path.name,
            "version": None if bundle is None else bundle.version,
            "path": str(path),
            "used": path == used,
            "problem": problem,
        }
        if as_json:
            print_json(row)
        else:
            mark = "*" if row["used"] else " "
            about = f"{bundle.version}  {bundle.description}" if bundle else f"unusable: {problem}"
            say(f"{mark} {path.name}  {about}")


@models.command()
@click.argument("name", required=False)
@json_option
@library_options
def info(name: str | None, as_json: bool, config: Config, quiet: bool) -> None:  # noqa: ARG001
    """Show what the bundle NAME is (without NAME, the one in use)."""
    bundle = load_bundle(find_model(config, name or config.model.bundle))
    row = model_row(bundle)
    if as_json:
        print_json(row)
        return
    row["bytes"] = size(bundle.size)
    row["tasks"] = row["tasks"] or "-"
    row["parts"] = ", ".join(part.bundle.path.name for part in bundle.parts) or "-"
    for key, value in row.items():
        say(f"{style(f'{key:<14}', dim=True)} {value}")


@models.command()
@click.argument("name", required=False)
@library_options
def verify(name: str | None, config: Config, quiet: bool) -> None:
    """Check the files of the bundle NAME against their listed hashes (default: the one in use)."""
    bundle = load_bundle(find_model(config, name or config.model.bundle))
    if not quiet:
        say(f"{bundle.name} {bundle.version}: every file is as listed ({bundle.fingerprint})")


@models.command()
@click.argument("name")
@library_options
def use(name: str, config: Config, quiet: bool) -> None:
    """Use the bundle NAME from now on (writes it into the settings file).

    NAME may be the path of a bundle's folder, which is remembered by the folder's name.

    What another bundle has heard stays. Until `audiosearch index` has let this one hear all of
    it, searches are answered by the other one.
    """
    path = find_model(config, name)
    bundle = load_bundle(path)
    remember_model(config, bundle)
    by_path = Path(name).expanduser() == path
    value = str(path.absolute()) if by_path else name
    change_setting(config.config_file, section="model", key="bundle", value=value)
    remark(f"{config.config_file}: the model is {bundle.name} {bundle.version}", quiet=quiet)
    variable = "AUDIOSEARCH_MODEL_BUNDLE"
    if variable in os.environ:
        remark(f"{variable} is set, and counts for more than the settings file", quiet=quiet)
    remark("audiosearch index lets it hear your sounds", quiet=quiet)


@models.command("import")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--name", required=True, help="What the new bundle is called.")
@click.option("--licence", help="Licence of the weights, kept with the bundle.")
@click.option("--force", is_flag=True, help="Write over a bundle of that name.")
@library_options
def import_(
    paths: tuple[Path, ...],
    name: str,
    licence: str | None,
    force: bool,
    config: Config,
    quiet: bool,
) -> None:
    """Make a bundle of published checkpoints, recognised by what they hold.

    PATHS are a CoNeTTE folder (weights and config.json), or a ConvNeXt checkpoint together with a
    captioner's; or, alone, a folder of LAION's CLAP as transformers saves it, or a file of PANNs'
    CNN14; or Microsoft's CLAP_weights_2023.pth and a folder of GPT-2, whose tokens it reads.
    Nothing in a checkpoint is run. Needs the extra [train].
    """
    with _needs_extra("train"):
        from audiosearch.convert.importer import import_published  # noqa: PLC0415 - imports torch
    remark("exporting, and comparing the result with torch (a minute or so) ...", quiet=quiet)
    path = import_published(
        paths, name=name, folder=config.models_dir, licence=licence, replace=force
    )
    bundle = load_bundle(path)
    holds = counted(len(bundle.vocabulary), "word")
    if bundle.decoder is None:
        holds = "a joint space and no captioner" if bundle.joint_dim else "neither of the two"
        holds = f"{holds}, {counted(len(bundle.tags), 'tag')}"
    remark(f"{path}: {size(bundle.size)}, {holds}; licence: {bundle.licence}", quiet=quiet)
    if bundle.decoder is None and bundle.joint_dim:
        remark(
            f"audiosearch models combine --joint {name} --captioner NAME --name BOTH adds one",
            quiet=quiet,
        )
    remark(f"audiosearch models use {name} switches to it", quiet=quiet)


@models.command()
@click.argument("parts", nargs=-1)
@click.option("--name", required=True, help="What the new bundle is called.")
@click.option("--joint", help="The bundle whose joint space of text and sound is taken.")
@click.option("--captioner", help="The bundle whose captioner is taken.")
@click.option(
    "--weights", help="How much each of PARTS counts, such as 0.5,0.3,0.2 (default: all the same)."
)
@click.option(
    "--z-scored/--not-z-scored",
    help="Whether likenesses count by how far they spread, so that no part outweighs another.",
)
@click.option(
    "--sounds",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="For --z-scored: a folder of sounds whose file names tell what they are (default:"
    " generated ones).",
)
@click.option("--force", is_flag=True, help="Write over a bundle of that name.")
@library_options
def combine(
    parts: tuple[str, ...],
    name: str,
    joint: str | None,
    captioner: str | None,
    weights: str | None,
    z_scored: bool,
    sounds: Path | None,
    force: bool,
    config: Config,
    quiet: bool,
) -> None:
    """Make a bundle that refers to others: the strengths of two, or an ensemble of several.

    With --joint A --captioner B, candidates come from the joint space of A, and the captioner of B
    listens to them. With PARTS, likenesses are averaged, and so are the log-probabilities of words,
    at each step of a caption and in cross-entropies; captioners must then have one vocabulary.
    Spaces differ in how far apart likenesses lie: with --z-scored each part's are divided by their
    standard deviation over sounds and texts, which the parts listen to once, now.
    Nothing is copied: the parts must stay where they are.
    """
    two = joint is not None and captioner is not None
    if bool(parts) == bool(joint or captioner) or (not parts and not two):
        raise click.UsageError("give either PARTS, or both --joint and --captioner")
    if (weights is not None or z_scored) and not parts:
        raise click.UsageError("--weights and --z-scored go with PARTS")
    if sounds is not None and not z_scored:
        raise click.UsageError("--sounds goes with --z-scored")
    if joint is not None and captioner is not None:
        made = combine_two(config, joint=joint, captioner=captioner, name=name, replace_old=force)
    else:
        given = _numbers(weights)
        spread = _spread_by(config, sounds, quiet=quiet) if z_scored else None
        made = combine_many(
            config, parts, name=name, weights=given, spread=spread, replace_old=force
        )
    remark(f"{made.path}: {made.description} Licences: {made.licence}", quiet=quiet)
    remark(f"audiosearch models calibrate {name} fits its score", quiet=quiet)
    remark(f"audiosearch models use {name} switches to it", quiet=quiet)


def _spread_by(config: Config, sounds: Path | None, *, quiet: bool) -> Callable[[Bundle], float]:
    """What tells how far the likenesses of a bundle lie apart."""
    options = RuntimeOptions.of(config.model)

    def spread(bundle: Bundle) -> float:
        from audiosearch.convert.calibrating import likeness_spread  # noqa: PLC0415 - seldom needed

        remark(f"listening as {bundle.path.name} ...", quiet=quiet)
        return likeness_spread(Model(bundle, options=options), _titled_sounds(bundle, sounds))

    return spread


def _titled_sounds(bundle: Bundle, folder: Path | None) -> list[TitledSound]:
    """Sounds for a bundle, with what is heard in them: those of a folder, or generated ones."""
    from audiosearch.convert.calibrating import (  # noqa: PLC0415 - seldom needed
        generated_sounds,
        named_sounds,
    )

    if folder is None:
        return generated_sounds(bundle.sample_rate, seconds=bundle.window_s / 2)
    return named_sounds(folder, rate=bundle.sample_rate, window_s=bundle.window_s)


def _numbers(text: str | None) -> list[float] | None:
    if text is None:
        return None
    try:
        return [float(each) for each in text.split(",")]
    except ValueError as error:
        raise click.BadParameter(
            f"{text!r} is no list of numbers", param_hint="--weights"
        ) from error


@models.command()
@click.argument("name")
@click.option(
    "--sounds",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="A folder of sounds whose file names tell what they are (default: generated ones).",
)
@json_option
@library_options
def calibrate(name: str, sounds: Path | None, as_json: bool, config: Config, quiet: bool) -> None:
    """Fit the score of the bundle NAME: what counts how much, and what is a good match.

    It is written into the bundle, and holds for what was heard before, too. The words of a file's
    name are taken for what is heard in it; names of numbers alone are passed over.
    """
    from audiosearch.convert.calibrating import calibrated  # noqa: PLC0415 - seldom needed

    path = find_model(config, name)
    if path.resolve().is_relative_to(bundled_models_path().resolve()):
        raise BundleError(
            "came along with the program, calibrated", path=path, remedy="models combine, or import"
        )
    bundle = load_bundle(path)
    options = RuntimeOptions.of(config.model)
    remark("listening ...", quiet=quiet)
    heard = _titled_sounds(bundle, sounds)
    fitted = calibrated(Model(bundle, options=options), heard)
    with_score(bundle, fitted.score)
    if as_json:
        row = asdict(fitted)
        print_json({key: row[key] for key in ("score", "present_refused", "absent_answered")})
        return
    score = fitted.score
    say(
        f"{name}: lift {score.lift:g}, likeness {score.joint:g}, bias {score.bias:g}; a good match"
        f" from {score.min_score:g} on, like a given sound from {score.like:g} (weakly from"
        f" {score.weakly_like:g}). Of {counted(len(heard), 'sound')} it refuses"
        f" {fitted.present_refused:.0%} of what is there and answers {fitted.absent_answered:.0%}"
        " of what is not"
    )


@models.command()
@click.argument("source")
@click.option("--name", required=True, help="What the new bundle is called.")
@click.option(
    "--sounds",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="A folder of sounds like those to be searched (default: generated ones).",
)
@click.option(
    "--to",
    "form",
    type=click.Choice(["int8", "fp16"]),
    default="int8",
    show_default=True,
    help="int8 for processors, fp16 (half precision) for graphics cards.",
)
@click.option("--force", is_flag=True, help="Write over a bundle of that name.")
@json_option
@library_options
def quantise(
    source: str,
    name: str,
    sounds: Path | None,
    form: str,
    force: bool,
    as_json: bool,
    config: Config,
    quiet: bool,
) -> None:
    """Make a bundle of the bundle SOURCE that computes in fewer bits, and say what that costs.

    Large encoders and decoders run faster so: in 8 bits on processors that multiply these, in half
    precision on graphics cards. Texts stay as they are in the space shared with sounds. Half of
    the sounds give the ranges of numbers, which 8 bits need; the other half tells the loss. Needs
    the extra [quantise].
    """
    with _needs_extra("quantise"):
        from audiosearch.convert.quantise import (  # noqa: PLC0415 - imports onnx
            calibration_sounds,
            quantise_bundle,
        )
    bundle = load_bundle(find_model(config, source))
    remark("listening, and comparing the result (a minute or so) ...", quiet=quiet)
    path, loss = quantise_bundle(
        bundle,
        name=name,
        folder=config.models_dir,
        sounds=calibration_sounds(bundle, folder=sounds),
        form=form,
        replace=force,
    )
    if as_json:
        print_json({"name": name, "path": str(path), **asdict(loss)})
        return
    say(
        f"{name}: on {counted(loss.n_sounds, 'sound')}, cosine of frames {loss.mean_cosine:.4f}"
        f" (worst {loss.least_cosine:.4f}), of embeddings {loss.embedding_cosine:.4f} at worst;"
        f" cross-entropy off by {loss.cross_entropy:.3f} nats a word"
    )
    remark(f"audiosearch models use {name} switches to it", quiet=quiet)


@models.command()
@click.argument("source")
@click.option("--name", help="What the new bundle is called (default: SOURCE).")
@click.option("--revision", help="A commit, branch or tag (default: what was fetched first).")
@click.option("--offline", is_flag=True, help="Use what was downloaded before, and no network.")
@click.option("--force", is_flag=True, help="Write over a bundle of that name.")
@library_options
def pull(
    source: str,
    name: str | None,
    revision: str | None,
    offline: bool,
    force: bool,
    config: Config,
    quiet: bool,
) -> None:
    """Fetch a published model and make a bundle of it: `conette`, `clap`, `clap-fused`, ...

    `clap-general` is the larger one of LAION's, `msclap` Microsoft's of 2023. The first time, the
    revision and the hashes of its files are written down, and hold from then on. `cnn14` is
    fetched as a file for `models import`, and so are the encoders `convnext-471`,
    `convnext-465-70k` and `convnext-465-75k`, which go together with a captioner's checkpoint.
    Needs the extra [train].
    """
    with _needs_extra("train"):
        from audiosearch.convert.pull import (  # noqa: PLC0415 - imports torch and the hub's client
            SOURCES,
            FileSource,
            PullFolders,
            fetch_file,
            pull_hub,
            read_pins,
        )
    wanted = SOURCES.get(source)
    if wanted is None:
        known = ", ".join(SOURCES)
        raise BundleError(f"no source is named {source!r}; there are: {known}")
    downloads = config.data_dir / "downloads"
    if isinstance(wanted, FileSource):
        file = fetch_file(wanted, folder=downloads)
        write_data(f"{file}\n")
        also = "" if wanted.alone else " CAPTIONER"
        remark(f"audiosearch models import {file}{also} --name NAME", quiet=quiet)
        return
    path, pin = pull_hub(
        wanted,
        name=name or source,
        places=PullFolders(models=config.models_dir, downloads=downloads),
        revision=revision,
        offline=offline,
        replace=force,
        quiet=quiet,
    )
    remark(f"{path}: {pin.repo} at {pin.revision}, licence: {pin.licence}", quiet=quiet)
    if wanted.reader is not None:
        reader = read_pins(config.models_dir)[wanted.reader.repo]
        remark(
            f"its texts are read by {reader.repo} at {reader.revision}, licence: {reader.licence}",
            quiet=quiet,
        )
    remark(f"audiosearch models use {path.name} switches to it", quiet=quiet)


@contextmanager
def _needs_extra(extra: str) -> Iterator[None]:
    """Imports of what only some install: what is missing is told with the extra that has it."""
    try:
        yield
    except ImportError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in ("torch", "torchaudio", "onnx", "safetensors", "huggingface_hub"):
            raise
        raise FeatureUnavailable(
            f"this needs the extra [{extra}]: {missing} is not installed",
            remedy=f"pip install 'audiosearch[{extra}]'",
        ) from error
