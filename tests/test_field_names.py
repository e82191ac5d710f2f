"""A field whose name is nearly right is named with the right one; a field of somebody else's is not."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxb_recordings.fields import misnamed
from cxb_recordings.operations.doctor import check_settings
from cxb_recordings.settings import SettingsReader, read_settings
from cxb_recordings.sources.kinds import KINDS
from cxb_recordings.sources.storage.settings import FIELDS

SECRET = "a value that must not be shown"
MINIO = {"endpoint": "minio.example", "access_key": SECRET, "secret_key": SECRET, "bucket": "recordings"}

MEANT = {
    "endpoint": [
        *("Endpoint", "ENDPOINT", "end_point", "enpoint"),
        *("endpiont", "endpoint_url", "endpointUrl", "host", "url"),
    ],
    "access_key": [
        *("accessKey", "AccessKey", "access-key"),
        *("ACCESS_KEY", "acces_key", "access_key_id", "aws_access_key_id"),
    ],
    "secret_key": ["secretKey", "secret-key", "secert_key", "secret_access_key", "aws_secret_access_key"],
    "bucket": ["Bucket", "BUCKET", "bukcet", "buket", "bucket_name", "bucketName"],
    "region": ["Region", "regoin", "region_name", "aws_region", "AWS_DEFAULT_REGION"],
    "secure": [
        *("Secure", "secrue", "use_ssl", "useSSL", "ssl", "tls", "use_tls", "use_https", "https"),
        *("isSecure", "insecure"),
    ],
    "session_token": [
        *("sessionToken", "session-token", "SESSION_TOKEN", "aws_session_token", "sesion_token", "security_token"),
        *("X-Amz-Security-Token", "sts_token"),
    ],
}
MEANT_SECTIONS = {
    "minio": ["MINIO", "Minio", "MinIO", "mino", "mini_o", "mniio"],
    "cxbcore_fleet": [
        *("cxb_core_fleet", "cxbcore-fleet", "cxbCoreFleet", "CXBCORE_FLEET", "cxbcore_flet", "cxb_fleet"),
        *("cxbcore_fleets", "cxbcore_hosts"),
    ],
    "cxbcore_secret": [
        *("cxb_core_secret", "cxbcoreSecret", "CXBCORE_SECRET", "cxbcore_secert", "cxbcore.secret"),
        *("cxbcore_secrets", "X-CXBCore-Secret"),
    ],
}
MEANT_OF_HOST = {
    "url": ["URL", "Url", "base_url", "baseUrl", "uri", "host", "hostname", "address"],
    "secret": ["Secret", "SECRET", "secert", "cxbcore_secret", "X-CXBCore-Secret", "secret_key"],
}
OTHERS = [
    *["public_endpoint", "console_url", "bucket_prefix", "backup_bucket", "buckets", "access_keys", "old_access_key"],
    *["secret_name", "secret_key_2", "region_id", "timeout", "path_style", "verify", "proxy", "lifecycle_days", "acl"],
    *[
        *("part_size", "public", "prefix", "expires", "port", "user", "cert", "name", "id", "_id", "updated_at", ""),
        *(" ", "x"),
    ],
]
OTHER_SECTIONS = [
    *("smtp", "mongo", "redis", "cxbcore", "cxbcore_timeout"),
    *("cxbcore_url", "minio_console", "fleet", "s3", "crm"),
]


def told(document: dict[Any, Any]) -> list[tuple[str, str]]:
    return [(fault.field, fault.problem) for fault in read_settings(document).misnamed]


def problem(field: str) -> str:
    return f"it is not read; {field} is the field's name"


@pytest.mark.parametrize(("field", "name"), [(field, name) for field in MEANT for name in MEANT[field]])
def test_a_field_of_storage_that_was_meant_is_named(field: str, name: str) -> None:
    section = {known: value for known, value in MINIO.items() if known != field}

    assert told({"minio": section | {name: SECRET}}) == [(f"minio.{name}", problem(field))]
    there = {**MINIO, "region": "eu-1", "secure": True, "session_token": SECRET}
    assert told({"minio": there | {name: SECRET}}) == []


@pytest.mark.parametrize(("field", "name"), [(f, name) for f in MEANT_SECTIONS for name in MEANT_SECTIONS[f]])
def test_a_section_that_was_meant_is_named(field: str, name: str) -> None:
    assert told({name: {}}) == [(name, problem(field))]
    assert told({name: {}, "minio": MINIO, "cxbcore_fleet": ["https://f.example"], "cxbcore_secret": SECRET}) == []


@pytest.mark.parametrize(("field", "name"), [(f, name) for f in MEANT_OF_HOST for name in MEANT_OF_HOST[f]])
def test_a_field_of_a_fleet_host_that_was_meant_is_named(field: str, name: str) -> None:
    entry = {"url": "https://f.example", "secret": SECRET} | {name: SECRET}
    del entry[field]

    assert told({"cxbcore_fleet": ["https://e.example", entry]}) == [(f"cxbcore_fleet[1].{name}", problem(field))]


def test_other_fields_of_a_shared_section_are_not_named() -> None:
    assert told({"minio": MINIO | dict.fromkeys(OTHERS, SECRET)} | dict.fromkeys(OTHER_SECTIONS, SECRET)) == []
    assert told({"minio": dict.fromkeys(OTHERS, SECRET)}) == []
    assert told({"cxbcore_fleet": [dict.fromkeys(["name", "region", "weight", "zone", "id"], SECRET)]}) == []
    assert (
        told({"minio": {"access": SECRET, "secret": SECRET, "Access": 1, 7: 1, None: 1, ("a",): 1, b"bucket": 1}}) == []
    )


def test_a_name_that_is_nearly_right_costs_nothing_but_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    document = {"minio": MINIO | {"use_ssl": False}, "cxb_core_fleet": [SECRET]}
    read = SettingsReader(lambda: document)

    for _ in range(3):
        assert read().storage == read_settings({"minio": MINIO}).storage

    [record] = caplog.records
    assert record.levelno == logging.WARNING
    for text in (
        "minio.use_ssl: ",
        "secure is the field's name",
        "cxb_core_fleet: ",
        "cxbcore_fleet is the field's name",
    ):
        assert text in record.getMessage()
    assert record.__dict__["settings_fields"] == ["cxb_core_fleet", "minio.use_ssl"]
    assert SECRET not in caplog.text
    findings = list(check_settings(read()))
    assert [(finding.status, finding.check) for finding in findings] == [
        ("warning", "cxb_core_fleet"),
        ("warning", "minio.use_ssl"),
        ("ok", "settings"),
    ]


@given(st.dictionaries(st.text(max_size=20) | st.from_regex(r"\A[\x00-\x7f]*secret[\n_ -]?key\Z"), st.text()))
def test_no_name_that_is_shown_makes_a_line_of_its_own(section: dict[object, object]) -> None:
    for each in (FIELDS, *(kind.fields for kind in KINDS)):
        for name, meant in misnamed(section, each):
            assert meant in [field.name for field in each]
            assert name.isprintable()
