#!/bin/sh
# Ray, told to report nothing (RAY_USAGE_STATS_ENABLED=0), reports that: the head of a cluster sends
# the collector a report with all but the time left empty, from which it learns the address and when
# a cluster was started. Before that it asks the metadata servers of three clouds, by address and by
# name, where it runs. `ray.init()` alone, which starts a Ray of its own, leaves out the report, but
# not the questions. What keeps the report in is RAY_USAGE_STATS_REPORT_URL, and the questions a file
# ~/ray_bootstrap_config.yaml.
# Exits with 1 if a head no longer reports so.
# Usage: PYTHON=python3.11 findings/ray-reports-that-it-reports-nothing.sh
set -eu
work=$(mktemp -d /tmp/rayXXXXXX)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install -q 'ray==2.60.0'
HOME=$work "$work/venv/bin/python" - "$work" <<'PYTHON'
import http.server
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

work = Path(sys.argv[1])
said = []


class Collector(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        said.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Collector)
threading.Thread(target=server.serve_forever, daemon=True).start()
(work / "ray_bootstrap_config.yaml").write_text("{}\n")  # no questions to clouds: quicker
told = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
told |= {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_USAGE_STATS_REPORT_URL": f"http://127.0.0.1:{server.server_port}/",
}
ray = [sys.executable, "-m", "ray.scripts.scripts"]
head = subprocess.Popen(
    [*ray, "start", "--head", "--block", "--num-cpus=1", "--port=0", "--disable-usage-stats"]
    + ["--include-dashboard=false", f"--temp-dir={work}/r", "--object-store-memory=80000000"],
    env=told,
    stdout=subprocess.DEVNULL,
    stderr=subprocess.DEVNULL,
)
end = time.monotonic() + 90
while not said and time.monotonic() < end and head.poll() is None:
    time.sleep(0.2)
head.terminate()
head.wait()
version = subprocess.run([*ray, "--version"], capture_output=True, text=True).stdout.strip()
print(f"{version}, ray start --head --disable-usage-stats, RAY_USAGE_STATS_ENABLED=0")
print("sent to the collector:", json.dumps(said[0]) if said else "nothing")
print("as found: it reports that it reports nothing" if said else "CHANGED")
sys.exit(0 if said else 1)
PYTHON
