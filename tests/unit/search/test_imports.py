"""What a query must not wait for."""

import subprocess
import sys


def test_importing_search_loads_no_runtime_and_no_decoder_of_sound() -> None:
    code = (
        "import sys, audiosearch.search.engine\n"
        "heavy = {'onnxruntime', 'torch', 'av', 'soxr', 'alembic', 'onnx'} & set(sys.modules)\n"
        "print(*sorted(heavy))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
