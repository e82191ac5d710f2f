"""A settings provider with a mapping for each tenant."""

from __future__ import annotations

from typing import Any

import pytest

from cxb_recordings.settings import SettingsReader, read_settings
from tests.test_settings import Provider, minio


def test_mappings_that_alternate_are_logged_once_each(caplog: pytest.LogCaptureFixture) -> None:
    tenants: list[Any] = [minio(bucket=""), minio(), {"cxbcore_fleet": 7}, {"cxbcore_fleet": ["http://f.example"]}]
    provider = Provider(None)
    read = SettingsReader(provider)

    for _ in range(3):
        for provider.document in tenants:
            assert read() == read_settings(provider.document)

    assert [record.levelname for record in caplog.records] == ["WARNING"] * 3


def test_what_is_remembered_of_mappings_is_bounded(caplog: pytest.LogCaptureFixture) -> None:
    provider = Provider(None)
    read = SettingsReader(provider)
    read.REMEMBERED = 4

    for number in (*range(20), 19, 0):  # the latest is known, the first is forgotten, and told again
        provider.document = minio(bucket=f"tenant {number}")
        assert read().storage is None

    assert len(caplog.records) == 21
