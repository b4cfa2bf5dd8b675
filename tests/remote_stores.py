"""Stores of sounds for tests: one in this process that fails as told, and a real S3 server."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import fsspec
from fsspec import AbstractFileSystem
from fsspec.implementations.memory import MemoryFileSystem

from audiosearch.remote import fetched_files


class FlakyStore(MemoryFileSystem):
    """Files at `flaky://`, in memory; `trouble` is what is asked before each answer, to raise.

    Folders are listed one by one, as most file systems do it. Each write gives a new version.
    """

    protocol = "flaky"
    cachable = False
    store: ClassVar[dict[str, Any]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]
    n_asked: ClassVar[list[str]] = []
    trouble: ClassVar[list[Callable[[str, str], None]]] = []
    find = AbstractFileSystem.find

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return MemoryFileSystem._strip_protocol(path.replace("flaky://", "memory://", 1))

    def _ask(self, what: str, path: str) -> None:
        self.n_asked.append(f"{what} {path}")
        for each in self.trouble:
            each(what, path)

    def ls(self, path: str, detail: bool = True, **kwargs: Any) -> Any:
        path = self._strip_protocol(path)
        self._ask("ls", path)
        return super().ls(path, detail=detail, **kwargs)

    def info(self, path: str, **kwargs: Any) -> Any:
        path = self._strip_protocol(path)
        self._ask("info", path)
        return super().info(path, **kwargs)

    def _open(self, path: str, mode: str = "rb", **kwargs: Any) -> Any:
        path = self._strip_protocol(path)
        if mode == "rb":
            self._ask("open", path)
        return super()._open(path, mode, **kwargs)


@contextmanager
def flaky_store() -> Iterator[FlakyStore]:
    """An empty store at `flaky://`."""
    fsspec.register_implementation("flaky", FlakyStore, clobber=True)
    FlakyStore.store.clear()
    FlakyStore.pseudo_dirs[:] = [""]
    FlakyStore.n_asked.clear()
    FlakyStore.trouble.clear()
    forget_stores()
    yield FlakyStore()
    FlakyStore.trouble.clear()
    forget_stores()


def forget_stores() -> None:
    """Whatever was learnt of stores that were away, as a new process would."""
    fetched_files.forget_stores()


def raises(error: Exception, *, what: str = "", below: str = "") -> Callable[[str, str], None]:
    """Trouble: this error for questions of a kind, about paths that begin so."""

    def trouble(asked: str, path: str) -> None:
        if asked.startswith(what) and path.startswith(below):
            raise error

    return trouble


@contextmanager
def s3_server() -> Iterator[dict[str, str]]:
    """A real server of S3 on this machine; gives the environment in which it is found."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_for(port, server)
        yield {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "AWS_ACCESS_KEY_ID": "KEYOFTESTS",
            "AWS_SECRET_ACCESS_KEY": "secret-of-tests",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }
    finally:
        server.kill()
        server.wait()


def _wait_for(port: int, server: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        assert server.poll() is None, "the server of S3 does not start"
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError("the server of S3 does not answer")
