"""The side of a command: reaches the process that answers for a library, and asks it.

Imports nothing that computes: a question costs no more than the start of the interpreter.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from audiosearch import __version__
from audiosearch.server.address import NoAnswer, connect, is_proved, prove, read_address
from audiosearch.server.connection import Connection, ConnectionBroken
from audiosearch.server.messages import (
    PROTOCOL,
    DescribeEnd,
    DescribeQuestion,
    Descriptions,
    FindQuestion,
    FoundEnd,
    Hello,
    Hits,
    Proof,
    Question,
    Refusal,
    SimilarQuestion,
    Wait,
    Welcome,
)

HELLO_S: Final = 3.0  # to connect, and to be greeted
SILENCE_S: Final = 20.0  # a server at work sends a sign of life far more often
TURN_S: Final = 5.0  # for questions of others; after that it is quicker to do it oneself


class Refused(Exception):
    """The server leaves this question to the command; others may still be put to it."""


class Server:
    """A connection to a process that answers; made by `reach`."""

    def __init__(self, connection: Connection, pid: int) -> None:
        self._connection = connection
        self.pid = pid

    @classmethod
    def reach(cls, data_dir: Path) -> Server:
        """The process that answers for the library in `data_dir`.

        Raises:
            NoAnswer: there is none, or it is of another version.
        """
        address = read_address(data_dir)
        connection = Connection(connect(address, timeout_s=HELLO_S))
        challenge = os.urandom(16).hex()
        try:
            connection.send(
                Hello(
                    protocol=PROTOCOL,
                    version=__version__,
                    library=os.path.realpath(data_dir),
                    challenge=challenge,
                ),
                timeout_s=HELLO_S,
            )
            reply = connection.receive(Welcome, Refusal, timeout_s=HELLO_S)
            if isinstance(reply, Refusal):
                raise NoAnswer(reply.reason)
            if not is_proved(reply.proof, address.token, by="server", challenge=challenge):
                raise NoAnswer("what listens there is no daemon of this library")
            if address.token:
                proof = prove(address.token, by="command", challenge=reply.challenge)
                connection.send(Proof(proof=proof), timeout_s=HELLO_S)
        except ConnectionBroken as error:
            connection.hang_up()
            raise NoAnswer(f"the daemon (process {address.pid}) says nothing: {error}") from error
        except BaseException:
            connection.hang_up()
            raise
        return cls(connection, reply.pid)

    def found(self, question: FindQuestion | SimilarQuestion) -> tuple[tuple[Any, ...], FoundEnd]:
        """The hits of a question, and the rest of its answer.

        Raises:
            Refused: the server leaves it to the command.
            NoAnswer: it is gone, or busy.
        """
        rows: list[Any] = []
        self._ask(question)
        while isinstance(reply := self._next(Hits, FoundEnd), Hits):
            rows += reply.rows
        return tuple(rows), reply

    def described(self, question: DescribeQuestion) -> Iterator[Descriptions | DescribeEnd]:
        """Descriptions as they are made, then the end.

        Raises:
            Refused: the server leaves it, or the rest of it, to the command.
            NoAnswer: it is gone, or busy.
        """
        self._ask(question)
        while isinstance(reply := self._next(Descriptions, DescribeEnd), Descriptions):
            yield reply
        yield reply

    def hang_up(self) -> None:
        """End the connection."""
        self._connection.hang_up()

    def _ask(self, question: Question) -> None:
        try:
            self._connection.send(question, timeout_s=SILENCE_S)
        except ConnectionBroken as error:
            raise NoAnswer(f"the daemon took no question: {error}") from error

    def _next(self, *kinds: type[Any]) -> Any:
        """The next part of an answer, signs of life passed over."""
        waited_s = 0.0
        while True:
            try:
                reply = self._connection.receive(*kinds, Wait, Refusal, timeout_s=SILENCE_S)
            except ConnectionBroken as error:
                raise NoAnswer(f"the daemon gave no answer: {error}") from error
            if isinstance(reply, Refusal):
                raise Refused(reply.reason)
            if not isinstance(reply, Wait):
                return reply
            waited_s = 0.0 if reply.begun else waited_s + reply.after_s
            if waited_s > TURN_S:
                raise NoAnswer("the daemon is busy with other questions")
