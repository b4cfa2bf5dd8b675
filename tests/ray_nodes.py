"""A real Ray of several nodes on this machine, each in a network of its own where rights allow."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

PORT = 6379
PATIENCE_S = 240.0


def run(*command: str) -> bool:
    """Whether a command of the system does what it should."""
    try:
        return not subprocess.run(command, check=False, capture_output=True, timeout=30).returncode
    except OSError:
        return False


@dataclass(frozen=True)
class Network:
    """Where a process lives: `before` its command stands what puts it there."""

    address: str
    before: tuple[str, ...] = ()
    outside: Path | None = None  # counts what comes out of it


@contextlib.contextmanager
def networks() -> Iterator[list[Network] | None]:
    """Two networks that reach each other and nothing else; None where rights are lacking."""
    mark = secrets.token_hex(3)
    names = [f"as{mark}{end}" for end in "ab"]
    made = []
    try:
        for name in names:
            if not run("ip", "netns", "add", name):
                yield None
                return
            made.append(name)
        pair = ("type", "veth", "peer", "name", "eth0", "netns", names[1])
        good = run("ip", "link", "add", "eth0", "netns", names[0], *pair)
        for name, address in zip(names, ("10.77.0.1", "10.77.0.2"), strict=True):
            for rest in (
                ("addr", "add", f"{address}/24", "dev", "eth0"),
                ("link", "set", "eth0", "up"),
                ("link", "set", "lo", "up"),
            ):
                good = run("ip", "-n", name, *rest) and good
        if not good:
            yield None
            return
        yield [
            Network(address, ("ip", "netns", "exec", name))
            for name, address in zip(names, ("10.77.0.1", "10.77.0.2"), strict=True)
        ]
    finally:
        for name in made:
            run("ip", "netns", "del", name)


@contextlib.contextmanager
def lone_network() -> Iterator[Network | None]:
    """A network from which packets can be sent to anywhere, and are counted; None without rights.

    What they come out at takes them all and answers none.
    """
    mark = secrets.token_hex(3)
    name, outside = f"as{mark}", f"asv{mark}"
    neighbour = ("lladdr", "02:00:00:00:00:01", "nud", "permanent", "dev", "eth0")
    steps = (
        ("ip", "netns", "add", name),
        ("ip", "link", "add", outside, "type", "veth", "peer", "name", "eth0", "netns", name),
        ("sysctl", "-qw", f"net.ipv6.conf.{outside}.disable_ipv6=1"),
        ("ip", "netns", "exec", name, "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1"),
        ("ip", "link", "set", outside, "up"),
        ("ip", "-n", name, "addr", "add", "10.77.1.2/24", "dev", "eth0"),
        ("ip", "-n", name, "link", "set", "lo", "up"),
        ("ip", "-n", name, "link", "set", "eth0", "up"),
        ("ip", "-n", name, "neigh", "add", "10.77.1.1", *neighbour),
        ("ip", "-n", name, "route", "add", "default", "via", "10.77.1.1"),
    )
    try:
        if all(run(*step) for step in steps):
            counter = Path(f"/sys/class/net/{outside}/statistics/rx_packets")
            yield Network("10.77.1.2", ("ip", "netns", "exec", name), counter)
        else:
            yield None
    finally:
        run("ip", "netns", "del", name)


def children(pid: int) -> dict[int, str]:
    """All processes below one, with their command lines."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with contextlib.suppress(OSError, IndexError):
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                parents.setdefault(parent, []).append(int(entry.name))
    found: dict[int, str] = {}
    waiting = [pid]
    while waiting:
        for child in parents.get(waiting.pop(), []):
            with contextlib.suppress(OSError):
                line = Path(f"/proc/{child}/cmdline").read_bytes()
                found[child] = line.replace(b"\0", b" ").decode(errors="replace")
                waiting.append(child)
    return found


@dataclass
class Node:
    """A node of Ray: the process that keeps it, and all below."""

    network: Network
    process: subprocess.Popen[bytes]

    def workers(self) -> list[int]:
        """The process ids of our workers on it."""
        found = children(self.process.pid)
        return [pid for pid, line in found.items() if line.startswith("ray::HearingWorker")]

    def kill(self) -> None:
        """Take the machine away, with all that runs on it."""
        for pid in [self.process.pid, *children(self.process.pid)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()


@dataclass
class RayNodes:
    """A head and further nodes, with one processor each."""

    networks: list[Network]
    environment: dict[str, str]
    folder: Path
    port: int
    nodes: list[Node] = field(default_factory=list)

    @property
    def address(self) -> str:
        """Of the head."""
        return f"{self.networks[0].address}:{self.port}"

    def add(self, number: int) -> Node:
        """Start a node, the head first, and wait until it is one; again where time was too short.

        Ray gives up a start within seconds, whatever else the machine does.
        """
        for _ in range(3):
            node = self._started(number)
            if node is not None:
                self.nodes.append(node)
                return node
        raise AssertionError((self.folder / "node.log").read_text())

    def _started(self, number: int) -> Node | None:
        network = self.networks[number]
        options = (
            ["--head", f"--port={self.port}", "--include-dashboard=false"]
            if not self.nodes
            else [f"--address={self.address}"]
        )
        said = self.folder / "node.log"
        with said.open("wb") as log:
            process = subprocess.Popen(
                [
                    *network.before,
                    *(sys.executable, "-m", "ray.scripts.scripts", "start", *options),
                    f"--node-ip-address={network.address}",
                    *("--num-cpus=1", "--num-gpus=0", "--object-store-memory=80000000"),
                    *("--disable-usage-stats", "--block"),
                    *(() if self.nodes else (f"--temp-dir={self.folder}",)),
                ],
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        node = Node(network, process)
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end and process.poll() is None:
            if b"Ray runtime started" in said.read_bytes():
                return node
            time.sleep(0.05)
        node.kill()
        return None


@contextlib.contextmanager
def ray_nodes(*, n_nodes: int = 2) -> Iterator[RayNodes]:
    """A Ray of so many nodes, in two networks where rights allow it; callers need its token."""
    folder = Path(tempfile.mkdtemp(prefix="asray", dir="/tmp"))  # a short path, for its sockets
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("RAY_")},
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_USAGE_STATS_REPORT_URL": "http://127.0.0.1:9/",
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "AUDIOSEARCH_FAULT": "",
    }
    with networks() as found:
        port = PORT if found else 20_000 + os.getpid() % 10_000
        cluster = RayNodes(found or [Network("127.0.0.1")] * 2, environment, folder, port)
        try:
            for number in range(n_nodes):
                cluster.add(number)
            yield cluster
        finally:
            for node in cluster.nodes:
                node.kill()
            shutil.rmtree(folder, ignore_errors=True)
