"""What the CUDA driver is asked, with a driver that is pretended."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from typing import Any

import pytest

from audiosearch.model.runtime import providers
from audiosearch.model.runtime.providers import card_name, count_cuda_devices, free_card_memory


class Driver:
    """A CUDA driver with one card; `broken` names the calls that fail."""

    def __init__(self, *broken: str) -> None:
        self.broken = broken
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        def call(*given: Any) -> int:
            self.calls.append(name)
            if name in self.broken:
                return 2
            if name == "cuDeviceGetCount":
                given[0]._obj.value = 1
            if name == "cuMemGetInfo_v2":
                given[0]._obj.value, given[1]._obj.value = 6_000_000_000, 8_000_000_000
            if name == "cuDeviceGetName":
                given[0].value = b"Card 1"
            return 0

        return call


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    for told in (providers._driver, providers.count_cuda_devices):
        told.cache_clear()
    yield
    for told in (providers._driver, providers.count_cuda_devices):
        told.cache_clear()


def installed(monkeypatch: pytest.MonkeyPatch, driver: Driver) -> Driver:
    monkeypatch.setattr(ctypes, "CDLL", lambda _: driver)
    return driver


def test_a_card_tells_its_memory_and_its_context_is_given_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    driver = installed(monkeypatch, Driver())
    assert count_cuda_devices() == 1
    assert free_card_memory() == 6_000_000_000
    assert card_name() == "Card 1"
    assert driver.calls.count("cuCtxPushCurrent_v2") == driver.calls.count("cuCtxPopCurrent_v2")
    retained, released = "cuDevicePrimaryCtxRetain", "cuDevicePrimaryCtxRelease_v2"
    assert driver.calls.count(retained) == driver.calls.count(released) == 1


@pytest.mark.parametrize(
    ("broken", "released"),
    [
        ("cuInit", 0),
        ("cuDeviceGet", 0),
        ("cuDevicePrimaryCtxRetain", 0),
        ("cuCtxPushCurrent_v2", 1),
        ("cuMemGetInfo_v2", 1),
    ],
)
def test_a_driver_that_fails_tells_nothing(
    monkeypatch: pytest.MonkeyPatch, broken: str, released: int
) -> None:
    driver = installed(monkeypatch, Driver(broken))
    assert free_card_memory() is None
    assert driver.calls.count("cuDevicePrimaryCtxRelease_v2") == released


def test_without_a_driver_there_is_no_card(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr(ctypes, "CDLL", missing)
    assert count_cuda_devices() == 0
    assert free_card_memory() is None
    assert card_name() is None
