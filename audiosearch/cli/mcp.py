"""`audiosearch mcp`: the library for assistants, over the Model Context Protocol on stdio."""

from __future__ import annotations

from pathlib import Path

import click

from audiosearch.cli.options import library_options
from audiosearch.config import Config
from audiosearch.errors import FeatureUnavailable


@click.command()
@click.option(
    "--allow-write",
    is_flag=True,
    help="Let assistants cut clips into files too; the library itself is never changed.",
)
@click.option(
    "--export-to",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for these clips (default: exports, in the library's folder).",
)
@library_options
def mcp(allow_write: bool, export_to: Path | None, config: Config, quiet: bool) -> int:  # noqa: ARG001
    """Give the library to an assistant as tools of the Model Context Protocol.

    It speaks on stdin and stdout, and is started by the assistant's program. Tools: find, moments,
    similar, describe, label, info, export. It needs the extra [mcp].
    """
    if export_to is not None and not allow_write:
        raise click.UsageError("--export-to needs --allow-write")
    try:
        from audiosearch.mcp_tools import LibraryTools, tool_server  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("audiosearch"):
            raise
        raise FeatureUnavailable(
            f"this needs the extra [mcp]: {error.name} is not installed",
            remedy="pip install 'audiosearch[mcp]'",
        ) from error
    folder = (export_to or config.data_dir / "exports") if allow_write else None
    tools = LibraryTools(config, export_to=folder)
    try:
        tool_server(tools, may_write=allow_write).run("stdio")
    finally:
        tools.close()
    return 0
