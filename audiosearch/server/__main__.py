"""Answers for a library until it is interrupted: `python -m audiosearch.server`.

For tests and measurements; users have `audiosearch watch`, which keeps the library true as well.
"""

from __future__ import annotations

import logging
import signal
import threading

from audiosearch.config import load_config
from audiosearch.server.server import AnswerServer


def main() -> None:
    """Serve with the settings of the environment."""
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with AnswerServer(load_config()):
        stop.wait()


if __name__ == "__main__":
    main()
