#!/bin/sh
# fsspec's find() and walk() with on_error="raise" raise only where the topmost folder cannot be
# listed: below it, a folder that is refused is left out without a word, since the recursion does not
# hand on_error on. A program that takes such a listing for whole believes all files in it deleted.
# Exits with 1 if that is no longer so.
# Usage: PYTHON=python3.11 findings/fsspec-walk-leaves-out-what-it-cannot-list.sh
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check "fsspec==${FSSPEC:-2026.9.0}"
"$work/venv/bin/python" - <<'PYTHON'
import sys

import fsspec
from fsspec import AbstractFileSystem
from fsspec.implementations.memory import MemoryFileSystem


class Refusing(MemoryFileSystem):
    """Files in memory, of which one folder may not be listed; found as most file systems do it."""

    cachable = False
    refused = "/box/deep"
    find = AbstractFileSystem.find

    def ls(self, path, detail=True, **kwargs):
        if self._strip_protocol(path).startswith(self.refused):
            raise PermissionError(path)
        return super().ls(path, detail=detail, **kwargs)


store = Refusing()
store.pipe({"/box/a.wav": b"1", "/box/deep/b.wav": b"2"})
found = store.find("/box", on_error="raise")
walked = [name for folder, _, files in store.walk("/box", on_error="raise") for name in files]
store.refused = "/box"
try:
    store.find("/box", on_error="raise")
    top = "nothing"
except PermissionError as error:
    top = type(error).__name__
print(f"fsspec {fsspec.__version__}; /box/a.wav, and /box/deep/b.wav whose folder is refused")
print(f"find(on_error='raise'): {found}; walk(on_error='raise'): {walked}")
print(f"where /box itself is refused: {top} is raised")
surprising = found == ["/box/a.wav"] and walked == ["a.wav"] and top == "PermissionError"
print("as found: what is refused below is left out" if surprising else "CHANGED")
sys.exit(0 if surprising else 1)
PYTHON
