"""A pytest fixture for hosts' tests: ``pytest_plugins = ["cxb_recordings.pytest_plugin"]`` in their ``conftest.py``.

Not an entry point, which would import the library in every pytest run on a machine that has it. What the fixture gives
lives in ``testing``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Protocol

import pytest
from flask import Flask

from .options import DEFAULT_NAME
from .testing import InMemoryRecordings, InMemorySource, hold_in_memory


class HoldInMemory(Protocol):
    """Asks sources in memory for an app's recordings; see :func:`cxb_recordings.testing.hold_in_memory`."""

    def __call__(self, app: Flask, *sources: InMemorySource, name: str = DEFAULT_NAME) -> InMemoryRecordings: ...


@pytest.fixture
def recordings_in_memory() -> Iterator[HoldInMemory]:
    """Holds the recordings of apps in memory until the test ends."""
    with ExitStack() as stack:

        def hold(app: Flask, *sources: InMemorySource, name: str = DEFAULT_NAME) -> InMemoryRecordings:
            return stack.enter_context(hold_in_memory(app, *sources, name=name))

        yield hold
