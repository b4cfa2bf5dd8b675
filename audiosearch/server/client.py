"""The side of a command: reaches the process that answers for a library, and asks it.

Imports nothing that computes: a question costs no more than the start of the interpreter.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPException, HTTPResponse
from pathlib import Path
from typing import Any, Final

from audiosearch import __version__
from audiosearch.server.address import NoAnswer, Refused, connect, is_proved, prove, read_address
from audiosearch.server.codec import MalformedMessage, from_json, to_json
from audiosearch.server.messages import (
    ANSWER_PATH,
    CHALLENGE_HEADER,
    GREETING_PATH,
    LIBRARY_HEADER,
    PROOF_SCHEME,
    VERSION_HEADER,
    DescribeEnd,
    DescribeQuestion,
    Descriptions,
    FindQuestion,
    FoundEnd,
    Hits,
    Question,
    Refusal,
    SimilarQuestion,
    Wait,
    Welcome,
    library_line,
    version_line,
)

HELLO_S: Final = 3.0  # to connect, and for the first word of an answer
SILENCE_S: Final = 20.0  # a server at work sends a sign of life far more often
TURN_S: Final = 5.0  # for questions of others; after that it is quicker to do it oneself
MOST_LINE: Final = 16 << 20  # bytes of one message; answers with more rows come in several


class Server:
    """A connection to a process that answers; made by `reach`."""

    def __init__(self, connection: HTTPConnection, pid: int, headers: dict[str, str]) -> None:
        self._connection = connection
        self._headers = headers
        self.pid = pid

    @classmethod
    def reach(cls, data_dir: Path) -> Server:
        """The process that answers for the library in `data_dir`.

        Raises:
            NoAnswer: there is none, or it does not know the token.
        """
        address = read_address(data_dir)
        connection = HTTPConnection("127.0.0.1", address.port or None)
        connection.auto_open = 0  # one that has gone is not looked for again
        connection.sock = connect(address, timeout_s=HELLO_S)
        headers = {
            VERSION_HEADER: version_line(__version__),
            LIBRARY_HEADER: library_line(data_dir),
            "Content-Type": "application/json",
        }
        server = cls(connection, address.pid, headers)
        if address.token:
            server._prove(address.token)
        return server

    def found(self, question: FindQuestion | SimilarQuestion) -> tuple[tuple[Any, ...], FoundEnd]:
        """The hits of a question, and the rest of its answer.

        Raises:
            Refused: the server leaves it to the command.
            NoAnswer: it is gone, busy, or of another version.
        """
        rows: list[Any] = []
        response = self._ask(question)
        while isinstance(reply := self._next(response, Hits, FoundEnd), Hits):
            rows += reply.rows
        self._end(response)
        return tuple(rows), reply

    def described(self, question: DescribeQuestion) -> Iterator[Descriptions | DescribeEnd]:
        """Descriptions as they are made, then the end.

        Raises:
            Refused: the server leaves it, or the rest of it, to the command.
            NoAnswer: it is gone, busy, or of another version.
        """
        response = self._ask(question)
        while isinstance(reply := self._next(response, Descriptions, DescribeEnd), Descriptions):
            yield reply
        self._end(response)
        yield reply

    def hang_up(self) -> None:
        """End the connection."""
        self._connection.close()

    def _prove(self, token: str) -> None:
        """See that the server knows the token, and show that this process does.

        Raises:
            NoAnswer: it does not.
        """
        challenge = os.urandom(16).hex()
        try:
            response = self._request("GET", GREETING_PATH, None, {CHALLENGE_HEADER: challenge})
            welcome = from_json(response.read(MOST_LINE), (Welcome,))
            if not is_proved(welcome.proof, token, by="server", challenge=challenge):
                raise NoAnswer("what listens there is no daemon of this library")
        except MalformedMessage as error:
            self.hang_up()
            raise NoAnswer("what listens there is no daemon of this library") from error
        except BaseException:
            self.hang_up()
            raise
        proof = prove(token, by="command", challenge=welcome.challenge)
        self._headers["Authorization"] = f"{PROOF_SCHEME} {proof}"

    def _ask(self, question: Question) -> HTTPResponse:
        """The answer to a question, of which nothing is read yet."""
        response = self._request("POST", ANSWER_PATH, to_json(question), {})
        if response.status == 200:
            self._set_timeout(SILENCE_S)
            return response
        try:
            refusal = from_json(response.read(MOST_LINE), (Refusal,))
        except (OSError, HTTPException, MalformedMessage) as error:
            reason = f"the daemon takes no question (status {response.status})"
            raise NoAnswer(reason) from error
        raise NoAnswer(refusal.reason)

    def _request(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str]
    ) -> HTTPResponse:
        self._set_timeout(HELLO_S)
        try:
            self._connection.request(method, path, body, {**self._headers, **headers})
            return self._connection.getresponse()
        except (OSError, HTTPException) as error:
            reason = f"the daemon (process {self.pid}) says nothing: {_why(error)}"
            raise NoAnswer(reason) from error

    def _next(self, response: HTTPResponse, *kinds: type[Any]) -> Any:
        """The next part of an answer, signs of life passed over."""
        waited_s = 0.0
        while True:
            try:
                line = response.readline(MOST_LINE)
                if not line.endswith(b"\n"):
                    raise NoAnswer("the daemon gave no answer: the connection was closed")
                reply = from_json(line, (*kinds, Wait, Refusal))
            except (OSError, HTTPException, MalformedMessage) as error:
                raise NoAnswer(f"the daemon gave no answer: {_why(error)}") from error
            if isinstance(reply, Refusal):
                self._end(response)
                raise Refused(reply.reason)
            if not isinstance(reply, Wait):
                return reply
            waited_s = 0.0 if reply.begun else waited_s + reply.after_s
            if waited_s > TURN_S:
                raise NoAnswer("the daemon is busy with other questions")

    def _end(self, response: HTTPResponse) -> None:
        """Read the end of an answer, so that another question can be put."""
        try:
            response.read(1)
        except (OSError, HTTPException) as error:
            raise NoAnswer(f"the daemon gave no answer: {_why(error)}") from error

    def _set_timeout(self, seconds: float) -> None:
        if self._connection.sock is not None:
            self._connection.sock.settimeout(seconds)


def _why(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no word in time"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
