"""Tells systemd that the daemon is ready, and what it does: sd_notify(3), without its library.

The protocol is a datagram of `KEY=value` lines to the socket that `NOTIFY_SOCKET` names
(https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html). Not started by systemd, it
does nothing.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Mapping

from audiosearch.watch.state import WatchActivity, WatchState
from audiosearch.watch.status import progress_line

log = logging.getLogger(__name__)


class Notifier:
    """What the daemon says to the service manager; each thing once."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._address = environ.get("NOTIFY_SOCKET", "")
        self._is_ready = False
        self._said = ""

    def ready(self) -> None:
        """It has started, and works."""
        if not self._is_ready:
            self._is_ready = True
            self._send("READY=1")

    def status(self, state: WatchState) -> None:
        """What it does now, for `systemctl status`."""
        text = state.activity if state.progress is None else progress_line(state.progress)
        if state.activity is WatchActivity.WAITING and state.note:
            text = f"waiting: {state.note}"
        if state.activity is WatchActivity.STOPPING and self._said != text:
            self._send("STOPPING=1")
        if text != self._said:
            self._said = text
            self._send("STATUS=" + text.replace("\n", " "))

    def _send(self, message: str) -> None:
        if not self._address or not hasattr(socket, "AF_UNIX"):
            return
        # A leading @ stands for the zero byte of Linux's abstract names.
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as to:
                to.connect(address)
                to.sendall(message.encode())
        except OSError as error:
            log.debug("systemd cannot be told: %s", error)
