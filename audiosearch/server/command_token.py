"""Where there are no Unix sockets: both sides prove that they know the token beside the address."""

from __future__ import annotations

import os

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Scope

from audiosearch.server.address import is_proved, prove
from audiosearch.server.messages import GREETING_PATH, PROOF_SCHEME, Welcome
from audiosearch.server.replies import error_reply


class CommandToken:
    """The token of a process, which it never tells; empty where the file system guards it."""

    def __init__(self, token: str) -> None:
        self._token = token
        self._challenge = os.urandom(16).hex()

    def welcome(self, challenge: str) -> Welcome:
        """The server's own proof, and what the command has to prove."""
        proof = prove(self._token, by="server", challenge=challenge)
        return Welcome(pid=os.getpid(), proof=proof, challenge=self._challenge)

    def admit(self, scope: Scope) -> Response | None:
        """What to answer to a command that proves nothing; None: it does, or only greets."""
        if scope["path"] == GREETING_PATH:
            return None
        scheme, _, proof = Headers(scope=scope).get("authorization", "").partition(" ")
        if scheme == PROOF_SCHEME and is_proved(
            proof, self._token, by="command", challenge=self._challenge
        ):
            return None
        return error_reply(401, "this port is for the commands of its owner")
