#!/bin/sh
# ray.init(log_to_driver=False) keeps the output of workers from the driver's terminal, but not what
# Ray itself has to say when one of them dies: that is printed to the driver's stdout, not its stderr,
# where it ends up amid a program's results. Only sys.stdout itself can be turned elsewhere.
# Exits with 1 if nothing is printed to stdout any more.
# Usage: PYTHON=python3.11 findings/ray-prints-to-stdout-unasked.sh
set -eu
work=$(mktemp -d /tmp/rayXXXXXX)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install -q 'ray==2.60.0'
cat > "$work/driver.py" <<'PYTHON'
import logging
import os
import signal
import sys
import time

import ray

ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, logging_level=logging.CRITICAL)


@ray.remote(max_restarts=1, max_task_retries=1)
class Worker:
    def pid(self):
        return os.getpid()

    def wait(self):
        time.sleep(2)


worker = Worker.remote()
pid = ray.get(worker.pid.remote())
waiting = worker.wait.remote()
time.sleep(1)
os.kill(pid, signal.SIGKILL)
ray.get(waiting)
time.sleep(1)
PYTHON
RAY_USAGE_STATS_ENABLED=0 HOME=$work "$work/venv/bin/python" "$work/driver.py" \
    > "$work/stdout" 2> "$work/stderr"
"$work/venv/bin/python" -c "import ray; print('ray', ray.__version__, 'log_to_driver=False, a worker killed')"
echo "on the driver's stdout: $(grep -c . "$work/stdout" || true) lines"
cut -c1-110 "$work/stdout" | head -3
if grep -q raylet "$work/stdout"; then echo "as found: Ray prints to stdout"; else echo CHANGED; exit 1; fi
