"""``flask recordings report``: what a ticket needs, and nothing that is a secret."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxb_recordings import __version__
from cxb_recordings.operations.ticket import describe_settings

from .stage import SECRETS, Case, Stage, stage

__all__ = ["stage"]  # fixture

SECRET = "Q7-the-secret-of-this-test"
HOSTS = [{"url": "https://a.example", "secret": SECRET}, "https://b.example/x", f"https://u:{SECRET}@c.example"]
SPACES: dict[str, object] = {
    "endpoint": "nyc3.digitaloceanspaces.com",
    "access": SECRET,
    "secret_key": SECRET,
    "bucket": "calls",
}


def settings(document: object) -> list[tuple[str, str, object]]:
    read: Any = describe_settings(document)["read"]
    return [(each["field"], each["origin"], each.get("value")) for each in read]


@pytest.mark.parametrize(
    ("changes", "endpoint", "region", "secure"),
    [
        ({}, "https://nyc3.digitaloceanspaces.com", ("inferred", "nyc3"), ("default", True)),
        ({"region": "fra1"}, "https://nyc3.digitaloceanspaces.com", ("given", "fra1"), ("default", True)),
        ({"endpoint": "http://minio:9000"}, "http://minio:9000", ("default", "us-east-1"), ("inferred", False)),
        ({"endpoint": "minio:9000", "secure": False}, "http://minio:9000", ("default", "us-east-1"), ("given", False)),
    ],
)
def test_each_setting_has_where_it_comes_from(
    changes: dict[str, object], endpoint: str, region: tuple[str, str], secure: tuple[str, bool]
) -> None:
    assert settings({"minio": SPACES | changes, "cxbcore_fleet": HOSTS, "cxbcore_secret": SECRET}) == [
        ("minio.endpoint", "given", endpoint),
        ("minio.access_key", "alias", None),
        ("minio.secret_key", "given", None),
        ("minio.bucket", "given", "calls"),
        ("minio.region", *region),
        ("minio.secure", *secure),
        ("cxbcore_fleet[0]", "given", "https://a.example"),
        ("cxbcore_fleet[0].secret", "given", None),
        ("cxbcore_fleet[1]", "given", "https://b.example/x"),
        ("cxbcore_fleet[2]", "given", None),
        ("cxbcore_secret", "given", None),
    ]


def test_a_malformed_section_has_no_values_and_unknown_fields_have_their_names_alone() -> None:
    document: dict[object, object] = {
        "minio": SPACES | {"bucket": "a b", "note": SECRET, "x\x1b": 1},
        "smtp": SECRET,
        7: SECRET,
    }
    document["cxbcore_fleet"] = [{"url": "https://a.example", "comment": SECRET}]

    assert ("minio.endpoint", "given", None) in settings(document)
    assert describe_settings(document)["unknown"] == [
        "smtp", "…", "minio.note", "minio.…", "cxbcore_fleet[0].comment",
    ]  # fmt: skip
    assert SECRET not in json.dumps(describe_settings(document))
    odds: list[object] = [None, [], SECRET, 7]
    for odd in odds:
        assert describe_settings(odd) == {"read": [], "unknown": [], "type": type(odd).__name__}


ODD = [SECRET, f"https://u:{SECRET}@h", f"http://h/?k={SECRET}", f"{SECRET} x", "https://h.example", None, 7, True]
NAMES = ["url", "secret", "endpoint", "access_key", "secret_key", "access", "note"]
values = st.recursive(
    st.sampled_from(ODD),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["minio", "cxbcore_fleet", "cxbcore_secret", "other"]), values))
def test_no_value_of_a_secret_field_is_told_wherever_it_is(document: dict[str, object]) -> None:
    assert SECRET not in json.dumps(describe_settings(document))


def test_the_command_prints_settings_options_versions_and_findings(stage: Stage) -> None:
    case = Case(stage.healthy(smtp=SECRET), ("report",), options={"read_timeout": 4.0, "ca_bundle": None})

    printed = stage.run(case)

    told = json.loads(printed)
    assert set(told) == {"schema_version", "versions", "options", "settings", "findings"}
    assert told["versions"]["cxb_recordings"] == __version__
    assert told["options"]["read_timeout"] == {"value": 4.0, "origin": "given"}
    assert told["options"]["connect_timeout"]["origin"] == "default"
    assert told["settings"]["unknown"] == ["smtp"]
    assert {finding["id"] for finding in told["findings"]} >= {"CXB001", "CXB020", "CXB030", "CXB040"}
    for hidden in (SECRET, *SECRETS.values()):
        assert hidden not in printed


def test_the_command_works_where_the_settings_provider_raises(stage: Stage) -> None:
    told = json.loads(stage.run(Case(LookupError(SECRET), ("report",))))

    assert (told["settings"], told["findings"][0]["id"]) == ({}, "CXB002")
    assert SECRET not in json.dumps(told)
