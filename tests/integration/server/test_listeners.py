"""Many listen at once: all get their sound, and whoever asks something else is not kept waiting."""

from __future__ import annotations

import threading
import time
from contextlib import closing
from http.client import HTTPConnection

import pytest

from tests.served_library import Served

N_LISTENERS = 50


@pytest.mark.parametrize("name", ["plain.wav", "apple.aiff"])
def test_fifty_listeners(served: Served, name: str) -> None:
    """Half of them stop reading after a bit, as a player does whose buffer is full."""
    url = served.audio(name)
    whole = served.client.get(url).content
    found: list[bytes] = []
    problems: list[Exception] = []
    done = threading.Event()

    def listen(number: int) -> None:
        try:
            start = 1000 * number
            connection = HTTPConnection("127.0.0.1", served.client.port, timeout=60)
            with closing(connection):
                connection.request("GET", url, headers={"range": f"bytes={start}-"})
                response = connection.getresponse()
                assert response.status == 206
                head = response.read(4096)
                assert head == whole[start : start + 4096]
                if number % 2:
                    assert done.wait(60.0)  # slowly, while the others listen to the end
                found.append(head + response.read())
                assert found[-1] == whole[start:]
        except Exception as error:  # noqa: BLE001 - told by the test
            problems.append(error)

    threads = [threading.Thread(target=listen, args=(number,)) for number in range(N_LISTENERS)]
    for thread in threads:
        thread.start()
    for thread in threads[::2]:
        thread.join()
    began = time.monotonic()
    assert served.client.get("/api/tags").status_code == 200
    asked_s = time.monotonic() - began
    done.set()
    for thread in threads:
        thread.join()
    assert problems == []
    assert len(found) == N_LISTENERS
    assert asked_s < 5.0


def test_who_leaves_costs_nothing(served: Served) -> None:
    """Players leave all the time, in the middle of what they asked for."""
    url = served.audio("apple.aiff")
    for _ in range(30):
        with closing(HTTPConnection("127.0.0.1", served.client.port, timeout=60)) as connection:
            connection.request("GET", url)
            assert len(connection.getresponse().read(10_000)) == 10_000
    assert served.client.get(url).status_code == 200
