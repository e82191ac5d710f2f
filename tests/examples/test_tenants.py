"""Storage by call: each tenant's recordings are in a bucket of its own, from ingestion to the link in the CRM."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest

from examples import audio
from examples.tenants import TENANTS, for_tenant, settings_by_call

from .conftest import CallCentre

STORAGE = {"endpoint": "s3.example", "access_key": "KEY", "secret_key": "SECRET", "bucket": "calls"}


@pytest.mark.parametrize(
    ("settings", "tenant", "bucket"),
    [
        ({"minio": STORAGE}, "nordic", "calls-nordic"),
        ({"minio": STORAGE}, None, "calls"),
        ({"minio": STORAGE}, "", "calls"),
        ({"minio": STORAGE}, "nobody", "calls"),
        ({"minio": STORAGE}, ["nordic"], "calls"),
        ({"minio": STORAGE | {"bucket": ""}}, "nordic", ""),
        ({"minio": None}, "nordic", None),
        ({}, "nordic", None),
    ],
)
def test_a_tenant_has_a_bucket_of_its_own_and_the_rest_of_the_settings(
    settings: dict[str, Any], tenant: Any, bucket: str | None
) -> None:
    settings = settings | {"cxbcore_fleet": []}

    found = for_tenant(settings, tenant)

    storage = found.get("minio") or {}
    assert storage.get("bucket") == bucket
    assert found == settings | ({"minio": STORAGE | storage} if storage else {})
    assert settings_by_call(lambda: settings)({"tenant": tenant}) == found
    assert settings_by_call(lambda: settings)(None) == settings


def test_each_tenants_recording_is_stored_played_and_signed_in_its_own_bucket(centre: CallCentre) -> None:
    buckets = {tenant: f"{centre.bucket.name}-{tenant}" for tenant in TENANTS}
    bodies = {tenant: audio.make_wav(seconds) for seconds, tenant in enumerate(TENANTS, start=1)}
    client = centre.bucket.client
    centre.log_in()
    for tenant, bucket in buckets.items():
        client.create_bucket(Bucket=bucket)
        reply = centre.ingest(session_id=tenant, tenant=tenant, audio=(io.BytesIO(bodies[tenant]), "call.wav"))
        assert reply.get_json()["crm"] == "told"

    for tenant, bucket in buckets.items():
        [stored] = client.list_objects_v2(Bucket=bucket)["Contents"]
        client.copy_object(Bucket=bucket, Key="same.wav", CopySource={"Bucket": bucket, "Key": stored["Key"]})
        again = centre.ingest(session_id=f"{tenant}-again", tenant=tenant, recording_key="same.wav")
        assert again.status_code == 201
        centre.ingest(session_id=f"{tenant}-later", tenant=tenant, audio_follows="wav")
        assert centre.put_recording(f"{tenant}-later", bodies[tenant]).status_code == 200
        links = [centre.link(tenant + suffix) for suffix in ("", "-again", "-later")]
        for path in (*links, f"/api/v1/recordings/{tenant}"):
            assert centre.client.get(path).data == bodies[tenant]
        assert f"/{bucket}/{stored['Key']}?" in centre.crm.page(f"/activities/{tenant}")
        page = centre.client.get(f"/calls/{tenant}").get_data(as_text=True)
        assert f" · {tenant}<" in page
        assert f"/{bucket}<" in page
        panel = centre.client.get(f"/calls/{tenant}/sources").get_data(as_text=True)
        assert re.findall(r'class="holding">([^<]+)<', panel) == ["has it", *["does not have it"] * 2]
        found = centre.client.get(f"/calls?q={tenant}+storage").get_data(as_text=True)
        assert f'href="/calls/{tenant}"' in found
    assert centre.ingest(session_id="other", recording_key="same.wav").status_code == 404
