"""A settings provider with a mapping for each tenant: it may take the call."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from typing import Any
from unittest.mock import Mock

import pytest
from pymongo.collection import Collection

from cxb_recordings import MongoCallRepository
from cxb_recordings.options import Options
from cxb_recordings.settings import SettingsReader, read_settings
from cxb_recordings.sources.sources import Pools
from tests.servers.moto_s3 import Bucket, S3Server
from tests.servers.origin import Origin
from tests.test_settings import Provider, minio
from tests.web.site import KEY, Site


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


CALL = {"session_id": "s", "tenant": "acme"}


class Taking:
    def method(self, call: Any) -> Any:
        return call

    def __call__(self, call: Any) -> Any:
        return call


@pytest.mark.parametrize(
    ("provider", "is_given"),
    [
        (lambda call: call, True),
        (lambda call, /, cache=True, *rest, **more: call, True),
        (Taking().method, True),
        (Taking(), True),
        (partial(lambda tenants, call: call, {}), True),
        (lambda: None, False),
        (lambda call=None: call, False),
        (lambda *calls: calls[0] if calls else None, False),
        (lambda **more: None, False),
        (Mock(return_value=None), False),
        (dict, False),
    ],
)
def test_a_provider_is_given_the_call_exactly_where_it_requires_an_argument(provider: Any, is_given: bool) -> None:
    given: list[object] = []

    def noted(found: object) -> Mapping[str, Any]:
        given.append(found or None)
        return {}

    # The signature counts; what it returns tells what it was given.
    reader = SettingsReader(provider)
    reader._provider = lambda *call: noted(provider(*call))

    reader(CALL)
    reader()

    assert given == ([CALL, None] if is_given else [None, None])


@pytest.fixture
def tenants(moto_s3: S3Server) -> dict[str, Bucket]:
    made = {name: moto_s3.new_bucket() for name in ("acme", "globex")}
    for name, bucket in made.items():
        bucket.put(KEY, name.encode() * 3000)
    return made


def test_each_call_plays_from_the_bucket_of_its_tenant(tenants: dict[str, Bucket]) -> None:
    asked: list[Any] = []

    def provider(call: Mapping[str, Any] | None) -> dict[str, Any]:
        asked.append(call)
        return {"minio": tenants[call["tenant"]].settings()} if call and "tenant" in call else {}

    site = Site(provider)
    for name in (*tenants, *tenants):
        call = {"session_id": name, "recording_key": KEY, "tenant": name}
        site.calls.add(call | {"recording_access_token": f"token-{name}"})
        for path, headers in (
            (f"/api/v1/public/recordings/token-{name}", {}),
            (f"/api/v1/recordings/{name}", site.admin),
        ):
            asked.clear()
            assert site.client.get(path, headers=headers).data == name.encode() * 3000
            assert [call["tenant"] for call in asked] == [name], "it is asked once"
        bucket = tenants[name].name
        assert f"/{bucket}/" in site.service.generate_signed_url(KEY, call=call)
        assert f"/{bucket}/" in site.service.generate_temporary_public_url(KEY, call=call)
        assert f"/{bucket}/" in site.service.enrich_call_with_accessible_url(call)["recording_url"]
        assert f"/{bucket}/" in site.service.crm_recording_url(call, "h.example", allow_signed_fallback=True)
        url = f"{tenants[name].server.endpoint}/{bucket}/{KEY}"
        assert site.service.extract_s3_key_from_url(url, bucket, call=call) == KEY
        ran = site.app.test_cli_runner().invoke(args=["recordings", "trace", "--session-id", name])
        assert "it plays, from storage" in ran.output

    asked.clear()
    site.service.warm_up()
    assert asked == [None]


def test_the_doctor_checks_the_settings_of_a_call(tenants: dict[str, Bucket]) -> None:
    def provider(call: Mapping[str, Any] | None) -> dict[str, Any]:
        return {"minio": tenants[call["tenant"]].settings()} if call else {}

    site = Site(provider)
    site.calls.add({"session_id": "s-1", "recording_key": KEY, "tenant": "acme"})

    def findings(*arguments: str) -> dict[str, str]:
        ran = site.app.test_cli_runner().invoke(args=["recordings", "doctor", "--json", *arguments])
        return {finding["check"]: finding["status"] for finding in json.loads(ran.output)["findings"]}

    assert findings("--session-id", "s-1")["storage endpoint"] == "ok"
    assert "storage endpoint" not in findings()
    unknown = findings("--session-id", "unknown")
    assert unknown["call"] == "failure"
    assert "settings" not in unknown


def test_500_tenants_of_one_store_make_their_sources_once_and_share_its_connections() -> None:
    with Origin({KEY: b"a recording"}) as origin:
        pools = Pools(Options().transport())
        documents = [read_settings(origin.storage(bucket=f"tenant-{number}")) for number in range(500)]

        first, again = ([next(iter(pools(document.sections))) for document in documents] for _ in range(2))
        for source in first[::50]:
            body = source.open(KEY).body
            while body.read(65536):
                pass
            body.close()

        assert first == again
        assert origin.accepted == 1


def test_the_finds_of_mongodb_return_the_fields_that_the_host_names(mongo_collection: Collection[Any]) -> None:
    mongo_collection.insert_one(CALL | {"recording_access_token": "t", "agent": "someone"})
    repository = MongoCallRepository(mongo_collection, fields=("tenant", "absent"))

    assert repository.find_by_session_id("s") == CALL
    assert repository.find_by_access_token("t") == CALL


@pytest.mark.parametrize("fields", ["tenant", ("",), (7,), ("$where",), ("a.",)])
def test_fields_that_are_no_names_are_refused(mongo_collection: Collection[Any], fields: Any) -> None:
    with pytest.raises(ValueError, match=r"fields: a tuple of field names is needed"):
        MongoCallRepository(mongo_collection, fields=fields)
