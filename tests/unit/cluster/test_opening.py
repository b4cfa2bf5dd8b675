"""What `--on` means, and where workers can be on a machine."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosearch.cluster.opening import RayPlace, parse_place
from audiosearch.cluster.ray_engine import spots_of
from audiosearch.errors import ConfigError
from audiosearch.model.runtime.parallel import MOST


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("local", None),
        ("ray", RayPlace(None)),
        ("ray://auto", RayPlace("auto")),
        ("ray://head:6379", RayPlace("head:6379")),
        ("ray://10.0.0.1:6379", RayPlace("10.0.0.1:6379")),
        ("ray://[fe80::1]:6379", RayPlace("[fe80::1]:6379")),
    ],
)
def test_places(text: str, place: RayPlace | None) -> None:
    assert parse_place(text) == place


@pytest.mark.parametrize(
    "text", ["", "Ray", "ray://", "ray:", "rays", "dask", "ray://head", "ray://:6379", "ray://h:x"]
)
def test_what_is_no_place_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_place(text)


@given(cores=st.integers(0, 300), accelerators=st.integers(0, 16))
def test_a_machine_is_shared_out_whole_and_evenly(cores: int, accelerators: int) -> None:
    spots = list(spots_of("id", "name", cores=cores, accelerators=accelerators))
    assert sum(spot.cores for spot in spots) == cores
    assert [spot.number for spot in spots] == list(range(len(spots)))
    if spots:
        shares = [spot.cores for spot in spots]
        assert max(shares) - min(shares) <= 1
        assert min(shares) >= 1
    if accelerators:
        assert len(spots) == min(cores, accelerators)
        assert all(spot.n_accelerators == 1 for spot in spots)
    else:
        assert all(spot.cores <= MOST and not spot.n_accelerators for spot in spots)


def test_nothing_of_it_loads_ray_before_it_must() -> None:
    code = (
        "import sys, audiosearch.cli.index, audiosearch.cluster.ray_engine;"
        "sys.exit('ray' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
