"""Fixtures for every test. Real servers live in ``tests/servers``, each module with its own fixtures."""

from __future__ import annotations

import hypothesis
import pytest

# The machines that tests run on are shared: how long one example takes says nothing. Tests that want more examples, or
# fewer, ask for a multiple of what the profile says.
hypothesis.settings.register_profile("full", deadline=None)
hypothesis.settings.register_profile("quick", deadline=None, max_examples=25)

pytest_plugins = [
    "cxb_recordings.pytest_plugin",
    "tests.servers.moto_s3",  # first, since others import it: pytest rewrites the assertions of what it imports itself
    "tests.servers.ceph",
    "tests.servers.example",
    "tests.servers.gunicorn",
    "tests.servers.mongod",
    "tests.servers.nginx",
    "tests.servers.origin",
    "tests.servers.rclone",
    "tests.servers.seaweedfs",
    "tests.servers.tls",
]


def pytest_configure(config: pytest.Config) -> None:
    hypothesis.settings.load_profile("full" if config.getoption("--require-servers") else "quick")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--require-servers",
        action="store_true",
        help="run every test, those of minutes, too, and fail where a server that one needs is not installed; without "
        "this, the long tests, and those without their server, are skipped by name",
    )


# Rooms and servers that take minutes: the quick run leaves them out, CI has them all.
LONG_ROOMS = ("tests/clients/", "tests/survival/")
LONG_FIXTURES = {"ceph", "own_mongod", "rclone", "seaweedfs"}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--require-servers"):
        return
    skip = pytest.mark.skip(reason="full: runs with --require-servers only")
    for item in items:
        # A parameter may be the name of a fixture that is asked for by request.getfixturevalue().
        parameters = item.nodeid.partition("[")[2].rstrip("]").split("-")
        needs = {*getattr(item, "fixturenames", ()), *parameters}
        if item.get_closest_marker("full") or item.nodeid.startswith(LONG_ROOMS) or needs & LONG_FIXTURES:
            item.add_marker(skip)
