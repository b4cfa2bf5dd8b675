import subprocess
import sys

import pytest

from audiosearch import _failpoints

PASS_THRICE = """
from audiosearch._failpoints import failpoint
for n in range(3):
    failpoint("batch.commit"); failpoint("batch.done")
    print(n, flush=True)
"""


@pytest.mark.parametrize(
    ("setting", "printed"),
    [
        ("", "0 1 2"),
        ("batch.commit", ""),
        ("batch.commit:2", "0"),
        ("batch.done:3", "0 1"),
        ("batch.commit:9", "0 1 2"),
    ],
)
def test_the_process_dies_at_the_passage_named(setting: str, printed: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PASS_THRICE],
        env={_failpoints.VARIABLE: setting, "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == printed.split()
    assert (done.returncode == 0) == (printed == "0 1 2")
    assert done.stderr == ""
