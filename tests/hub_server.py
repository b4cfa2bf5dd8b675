"""A local server that speaks as much of the Hugging Face Hub as its client asks of it."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Hub:
    """One repository, or loose files; `cut` stops the next answer after so many bytes."""

    folder: Path
    repo: str
    licence: str = "mit"
    commit: str = COMMIT
    cut: int | None = None
    lie: bool = False  # announce another hash than that of the content
    ranges: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    url: str = ""

    def sha256(self, name: str) -> str:
        digest = hashlib.sha256((self.folder / name).read_bytes()).hexdigest()
        return digest[::-1] if self.lie else digest

    def info(self) -> dict[str, object]:
        """What the hub's API says of the repository."""
        siblings = []
        for file in sorted(self.folder.iterdir()):
            entry: dict[str, object] = {"rfilename": file.name, "size": file.stat().st_size}
            if file.suffix != ".json":
                entry["lfs"] = {
                    "sha256": self.sha256(file.name),
                    "size": file.stat().st_size,
                    "pointerSize": 134,
                }
            siblings.append(entry)
        return {
            "id": self.repo,
            "modelId": self.repo,
            "sha": self.commit,
            "private": False,
            "downloads": 0,
            "likes": 0,
            "tags": [],
            "cardData": {"license": self.licence},
            "siblings": siblings,
        }


class _Handler(BaseHTTPRequestHandler):
    hub: Hub

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def answer(self, *, body: bool) -> None:
        hub = self.hub
        hub.requests.append(f"{self.command} {self.path}")
        if self.path.startswith(f"/api/models/{hub.repo}"):
            self.send(json.dumps(hub.info()).encode(), {"Content-Type": "application/json"})
            return
        file = hub.folder / self.path.rpartition("/")[2].partition("?")[0]
        if not file.is_file():
            self.send_response(404)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        etag = f'"{hub.sha256(file.name)}"'
        headers = {"X-Repo-Commit": hub.commit, "ETag": etag, "X-Linked-Etag": etag}
        self.send(file.read_bytes(), headers, body=body)

    def send(self, content: bytes, headers: dict[str, str], *, body: bool = True) -> None:
        hub, start = self.hub, 0
        if wanted := self.headers.get("Range"):
            hub.ranges.append(wanted)
            start = int(wanted.removeprefix("bytes=").split("-")[0])
            size = len(content)
            headers = headers | {"Content-Range": f"bytes {start}-{size - 1}/{size}"}
        self.send_response(206 if wanted else 200)
        part = content[start:]
        for name, value in {**headers, "Content-Length": str(len(part))}.items():
            self.send_header(name, value)
        self.end_headers()
        if not body:
            return
        if hub.cut is not None and len(part) > hub.cut:
            part, hub.cut = part[: hub.cut], None
            self.close_connection = True
        self.wfile.write(part)


@contextmanager
def serve(hub: Hub) -> Iterator[Hub]:
    """The server, for as long as the block runs; its address is `hub.url`."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
