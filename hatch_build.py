"""Refuses to build for a Python that the program does not run on, and lists the models' hashes.

pip up to 23.0, which Python 3.10 brings along, looks for all dependencies before it looks at
`requires-python`: it downloads hundreds of megabytes and then blames one of them.
"""

import hashlib
import json
import sys
import tempfile
from pathlib import Path

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

LEAST = (3, 11)
HASHES = "audiosearch/_model_hashes.json"  # in a wheel; see audiosearch/model/bundle_files.py


class PythonCheck(BuildHookInterface):
    """Runs before anything is built."""

    def initialize(self, version, build_data):
        """Leave, if this Python is too old; in a wheel, put the hashes of the models."""
        if sys.version_info < LEAST:
            raise SystemExit(
                "audiosearch needs Python {}.{} or later; this is Python {}.{}.{} ({})".format(
                    *LEAST, *sys.version_info[:3], sys.executable
                )
            )
        if self.target_name == "wheel" and version == "standard":
            self._made = tempfile.TemporaryDirectory()
            listed = Path(self._made.name) / "hashes.json"
            hashes = model_hashes(Path(self.root) / "models")
            listed.write_text(json.dumps(hashes, indent=1, sort_keys=True) + "\n", "utf-8")
            build_data["force_include"][str(listed)] = HASHES

    def finalize(self, version, build_data, artifact_path):
        """Remove what was written for the wheel alone."""
        if hasattr(self, "_made"):
            self._made.cleanup()


def model_hashes(models):
    """SHA-256 of every file of every bundle in a folder, by `bundle/path`."""
    return {
        file.relative_to(models).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(models.rglob("*"))
        if file.is_file() and "__pycache__" not in file.parts
    }
