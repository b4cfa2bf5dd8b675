"""`audiosearch models`: the bundles that there are, what they are, and whether they are sound."""

from __future__ import annotations

import click

from audiosearch.cli.options import json_option, library_options
from audiosearch.cli.output import print_json, size
from audiosearch.config import Config
from audiosearch.errors import BundleError
from audiosearch.library import bundle_paths, find_model
from audiosearch.model.bundle import Bundle, load_bundle


@click.group()
def models() -> None:
    """The models that listen and answer."""


@models.command("list")
@json_option
@library_options
def list_(as_json: bool, config: Config, quiet: bool) -> None:  # noqa: ARG001
    """List the bundles, the one in use marked."""
    used = find_model(config, config.model.bundle)
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
            click.echo(f"{mark} {path.name}  {about}")


@models.command()
@click.argument("name", required=False)
@json_option
@library_options
def info(name: str | None, as_json: bool, config: Config, quiet: bool) -> None:  # noqa: ARG001
    """Tell what the bundle NAME is (without NAME, the one in use)."""
    bundle = load_bundle(find_model(config, name or config.model.bundle))
    row: dict[str, object] = {
        "name": bundle.name,
        "version": bundle.version,
        "licence": bundle.licence,
        "description": bundle.description,
        "path": str(bundle.path),
        "bytes": bundle.size,
        "fingerprint": bundle.fingerprint,
        "sample_rate": bundle.sample_rate,
        "window_s": bundle.window_s,
        "frame_dim": bundle.frame_dim,
        "embedding_dim": bundle.embedding_dim,
        "joint_dim": bundle.joint_dim,
        "words": len(bundle.vocabulary),
        "tags": len(bundle.tags),
        "min_score": bundle.score.min_score,
    }
    if as_json:
        print_json(row)
        return
    row["bytes"] = size(bundle.size)
    for key, value in row.items():
        click.echo(f"{click.style(f'{key:<14}', dim=True)} {value}")


@models.command()
@click.argument("name", required=False)
@library_options
def verify(name: str | None, config: Config, quiet: bool) -> None:
    """Check the files of the bundle NAME against their listed hashes (default: the one in use)."""
    bundle = load_bundle(find_model(config, name or config.model.bundle))
    if not quiet:
        click.echo(
            f"{bundle.name} {bundle.version}: every file is as listed ({bundle.fingerprint})"
        )
