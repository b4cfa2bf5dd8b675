"""Messages on a socket: whole or not at all, within bounds and in time."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator

import pytest

from audiosearch.server.codec import to_json
from audiosearch.server.connection import MOST_BYTES, Connection, ConnectionBroken
from audiosearch.server.messages import Hello, Refusal, Wait

HELLO = Hello(protocol=1, version="1", library="/ü", challenge="c")


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, Connection]]:
    """A bare end, and a connection on the other."""
    one, other = socket.socketpair()
    connection = Connection(other)
    yield one, connection
    connection.hang_up()
    one.close()


def test_a_message_arrives(ends: tuple[socket.socket, Connection]) -> None:
    bare, connection = ends
    Connection(bare).send(HELLO, timeout_s=5)
    assert connection.receive(Hello, Wait, timeout_s=5) == HELLO


def test_a_message_in_many_parts_arrives(ends: tuple[socket.socket, Connection]) -> None:
    bare, connection = ends
    content = to_json(HELLO)

    def dribble() -> None:
        for byte in struct.pack(">I", len(content)) + content:
            bare.sendall(bytes([byte]))

    thread = threading.Thread(target=dribble)
    thread.start()
    assert connection.receive(Hello, timeout_s=30) == HELLO
    thread.join()


def test_messages_one_after_the_other(ends: tuple[socket.socket, Connection]) -> None:
    bare, connection = ends
    waits = [Wait(begun=bool(i % 2), after_s=float(i)) for i in range(20)]
    for each in waits:
        Connection(bare).send(each, timeout_s=5)
    assert [connection.receive(Wait, timeout_s=5) for _ in waits] == waits


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (struct.pack(">I", MOST_BYTES + 1), "too long"),
        (b"GET / HTTP/1.1\r\n\r\n", "too long"),
        (struct.pack(">I", 5) + b"hello", "not understood"),
        (struct.pack(">I", 0), "not understood"),
    ],
)
def test_another_language_is_noticed(
    ends: tuple[socket.socket, Connection], content: bytes, why: str
) -> None:
    bare, connection = ends
    bare.sendall(content)
    with pytest.raises(ConnectionBroken, match=why):
        connection.receive(Hello, timeout_s=5)


def test_half_a_message_is_none(ends: tuple[socket.socket, Connection]) -> None:
    bare, connection = ends
    bare.sendall(struct.pack(">I", 100) + b"half")
    bare.shutdown(socket.SHUT_WR)
    with pytest.raises(ConnectionBroken, match="closed"):
        connection.receive(Hello, timeout_s=5)


def test_silence_is_noticed(ends: tuple[socket.socket, Connection]) -> None:
    bare, connection = ends
    bare.sendall(b"\0\0")
    with pytest.raises(ConnectionBroken, match="no word in time"):
        connection.receive(Hello, timeout_s=0.05)


def test_a_peer_that_takes_nothing_is_given_up(ends: tuple[socket.socket, Connection]) -> None:
    _, connection = ends

    def fill() -> None:
        for _ in range(100):
            connection.send(Refusal(reason="x" * 1_000_000), timeout_s=0.05)

    with pytest.raises(ConnectionBroken, match="no word in time"):
        fill()


def test_nothing_too_long_is_sent(ends: tuple[socket.socket, Connection]) -> None:
    _, connection = ends
    with pytest.raises(ConnectionBroken, match="too long"):
        connection.send(Refusal(reason="x" * MOST_BYTES), timeout_s=5)
