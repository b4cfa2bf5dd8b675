"""Refuses to build for a Python that the program does not run on, and says so by its number.

pip up to 23.0, which Python 3.10 brings along, looks for all dependencies before it looks at
`requires-python`: it downloads hundreds of megabytes and then blames one of them.
"""

import sys

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

LEAST = (3, 11)


class PythonCheck(BuildHookInterface):
    """Runs before anything is built."""

    def initialize(self, version, build_data):
        """Leave, if this Python is too old."""
        if sys.version_info < LEAST:
            raise SystemExit(
                "audiosearch needs Python {}.{} or later; this is Python {}.{}.{} ({})".format(
                    *LEAST, *sys.version_info[:3], sys.executable
                )
            )
