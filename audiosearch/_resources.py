"""Where the files that travel with the package are: migrations, models, example settings.

In a checkout they stand beside the package (`migrations/`, `models/` ...), which is where
people edit them; a wheel carries them inside the package (`_migrations`, `_models` ...).
"""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


def _resource(name: str) -> Path:
    installed = PACKAGE / f"_{name}"
    return installed if installed.exists() else PACKAGE.parent / name


def migrations_path() -> Path:
    """The Alembic script folder."""
    return _resource("migrations")


def bundled_models_path() -> Path:
    """The folder of model bundles shipped with the program."""
    return _resource("models")


def model_hashes_path() -> Path | None:
    """Where a wheel lists the hashes of its models' files; None in a checkout, where models change.

    It is named where it must be, whether it is there or not.
    """
    return PACKAGE / "_model_hashes.json" if (PACKAGE / "_models").exists() else None


def example_config_path() -> Path:
    """The settings file that names every key."""
    return _resource("config.example.toml")
