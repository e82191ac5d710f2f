"""An expiry that is no datetime is the host's mistake, and told at once."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pymongo
import pytest

from cxb_recordings import InMemoryCallRepository, MongoCallRepository


@pytest.mark.parametrize("expires_at", ["2099-01-01", 4_102_444_800, True, date(2099, 1, 1), timedelta(days=1)])
def test_an_expiry_that_is_no_datetime_is_refused_before_anything_is_asked(expires_at: Any) -> None:
    absent: Any = pymongo.MongoClient("mongodb://127.0.0.1:9", connect=False)["calls"]["calls"]

    for repository in (InMemoryCallRepository([{"session_id": "s-1"}]), MongoCallRepository(absent)):
        with pytest.raises(TypeError, match="expires_at: a datetime or None is needed, not "):
            repository.set_expiry("s-1", expires_at)
