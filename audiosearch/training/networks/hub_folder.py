"""The folder of a published model as hubs keep it: settings in JSON, weights under usual names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from audiosearch.errors import BundleError

HUB_WEIGHTS = ("model.safetensors", "pytorch_model.bin")  # of equal weights, the safer form first


def hub_weights(folder: Path) -> Path:
    """The file of weights in a folder.

    Raises:
        BundleError: there is none.
    """
    for name in HUB_WEIGHTS:
        if (folder / name).is_file():
            return folder / name
    raise BundleError(f"holds no {' or '.join(HUB_WEIGHTS)}", path=folder)


def is_of_type(folder: Path, model_type: str) -> bool:
    """Whether a path is a folder whose `config.json` names that type of model."""
    try:
        return read_settings(folder / "config.json").get("model_type") == model_type
    except BundleError:
        return False


def read_settings(path: Path) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        BundleError: the file cannot be read, or holds anything else.
    """
    try:
        content = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise BundleError(
            f"cannot be read: {error.strerror}", path=path, remedy="fetch all files of the model"
        ) from error
    except ValueError as error:
        raise BundleError(f"no valid JSON: {error}", path=path) from error
    if not isinstance(content, dict):
        raise BundleError("must hold a JSON object", path=path)
    return content
