"""Whatever comes in from outside: no 500, no exception, no secret in any output, no host that no setting names."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.servers.origin import Origin

from .doors import DATA, DOORS, FLEET_SECRET, KEY, World


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    fleet = Origin({KEY: DATA}, secret=FLEET_SECRET)
    yield World(fleet)
    fleet.stop()


@pytest.mark.parametrize("door", DOORS)
@settings(max_examples=10 * settings().max_examples, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_nothing_from_outside_breaks_in(world: World, door: str, data: st.DataObject) -> None:
    check, strategy = DOORS[door]
    check(world, data.draw(strategy))
