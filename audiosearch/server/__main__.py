"""Answers for a library until it is interrupted: `python -m audiosearch.server`.

For tests and measurements; users have `audiosearch watch`, which keeps the library true as well.
"""

from __future__ import annotations

import logging

from audiosearch._signals import stop_on_signals
from audiosearch.config import load_config
from audiosearch.server.server import AnswerServer


def main() -> None:
    """Serve with the settings of the environment."""
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")
    with stop_on_signals(on_second=lambda _: None) as stop, AnswerServer(load_config()):
        stop.wait()


if __name__ == "__main__":
    main()
