"""What commands must not wait for."""

from __future__ import annotations

import subprocess
import sys

import pytest

FIND = "import audiosearch.cli.find"
BESIDE = "import audiosearch.cli.find, audiosearch.server.client"


@pytest.mark.parametrize(
    ("code", "without"),
    [
        (FIND, {"http", "ssl", "email", "asyncio"}),
        (BESIDE, {"asyncio"}),
    ],
    ids=["alone", "beside a daemon"],
)
def test_a_question_loads_no_server(code: str, without: set[str]) -> None:
    heavy = {"starlette", "uvicorn", "anyio", "h11", "numpy", "sqlalchemy", "onnxruntime"}
    looked_for = sorted(heavy | without)
    show = f"{code}, sys; print(*sorted(set({looked_for!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", show], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
