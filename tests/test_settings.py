"""The system settings: whatever a provider returns, what can be used is used and what can't is named."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxb_recordings.errors import SettingsError
from cxb_recordings.settings import SettingsReader, read_settings
from cxb_recordings.sources.fleet import FLEET, FleetHostSettings
from cxb_recordings.sources.storage.settings import StorageSettings
from cxb_recordings.storage_urls import generate_signed_url
from tests.sources import signs_as_boto3

SECRETS = ("access-key-of-storage", "secret-key-of-storage", "secret-of-the-fleet", "secret-of-one-host")
MINIO = {
    "endpoint": "nyc3.digitaloceanspaces.com",
    "access_key": SECRETS[0],
    "secret_key": SECRETS[1],
    "bucket": "recordings",
}
STORAGE = StorageSettings("https://nyc3.digitaloceanspaces.com", "nyc3", "recordings", SECRETS[0], SECRETS[1])


def minio(**changes: object) -> dict[str, Any]:
    return {"minio": {**MINIO, **changes}}


def faulty_fields(document: object) -> list[str]:
    return [fault.field for fault in read_settings(document).faults]


def aliases(section: dict[str, str]) -> dict[str, Any]:
    return {
        "minio": {{"access_key": "access", "secret_key": "secret"}.get(name, name): section[name] for name in section}
    }


GOOD_STORAGE: dict[str, tuple[dict[str, Any], StorageSettings]] = {
    "as in the docs": (minio(), STORAGE),
    "aliases": (aliases(MINIO), STORAGE),
    "aliases beside empty fields": (
        minio(access_key="", access=SECRETS[0], secret_key=None, secret=SECRETS[1]),
        STORAGE,
    ),
    "the full name goes before the alias": (minio(access="other", secret="other"), STORAGE),
    "bucket in the endpoint": (minio(endpoint="https://recordings.nyc3.digitaloceanspaces.com/"), STORAGE),
    "cdn host": (minio(endpoint="recordings.nyc3.cdn.digitaloceanspaces.com"), STORAGE),
    "absent values": (minio(region=None, secure=None), STORAGE),
    "empty region": (minio(region=""), STORAGE),
    "no session token": (minio(session_token=None), STORAGE),
    "an empty session token": (minio(session_token=""), STORAGE),
    "something that nobody asked for": (minio(extra=[object()]), STORAGE),
    "a region of its own": (
        minio(endpoint="minio:9000", region="eu-1"),
        StorageSettings("https://minio:9000", "eu-1", "recordings", *SECRETS[:2]),
    ),
    "not secure": (
        minio(endpoint="minio:9000", secure=False),
        StorageSettings("http://minio:9000", "us-east-1", "recordings", *SECRETS[:2]),
    ),
    "secure, and a scheme that says otherwise": (
        minio(endpoint="http://minio:9000", secure=True),
        StorageSettings("http://minio:9000", "us-east-1", "recordings", *SECRETS[:2]),
    ),
    "dotted bucket": (
        minio(bucket="my.dotted.bucket"),
        StorageSettings("https://nyc3.digitaloceanspaces.com", "nyc3", "my.dotted.bucket", *SECRETS[:2]),
    ),
}


@pytest.mark.parametrize(("document", "expected"), GOOD_STORAGE.values(), ids=GOOD_STORAGE)
def test_storage_settings_are_read(document: dict[str, Any], expected: StorageSettings) -> None:
    found = read_settings(document)
    assert found.sources == (expected,)
    assert (found.require_storage(), found.faults, found.misnamed) == (expected, (), ())


WRONG_TYPES: list[Any] = [0, 1.5, True, False, [], ["x"], {}, {"x": "y"}, b"x"]
NOT_THERE: list[Any] = [None, ""]

BAD_STORAGE: dict[str, list[Any]] = {
    "endpoint": [*NOT_THERE, *WRONG_TYPES, " ", "minio/path", "minio_1", "ftp://minio", "minio:x", "http://a:b@minio"],
    "access_key": [*NOT_THERE, *WRONG_TYPES, " ", "with\nbreak", " spaces ", "ümlaut", "\ud800", "x" * 5000],
    "secret_key": [*NOT_THERE, *WRONG_TYPES, " ", "with\nbreak", " spaces ", "ümlaut", "\ud800", "x" * 5000],
    "bucket": [
        *NOT_THERE,
        *WRONG_TYPES,
        " ",
        "..",
        "a/b",
        "a b",
        "b?c",
        "bücket",
        "x" * 256,
        "express--use1-az4--x-s3",
        "an-outposts-alias--op-s3",
    ],
    "region": [*WRONG_TYPES, " ", "123", "-x", "a b", "nyc3.digitaloceanspaces.com", "x" * 64],
    "secure": [0, 1, "", "false", [], {}],
    "session_token": [7, True, ["t"], b"t", " t", "t\n", "t\r\nX-Evil: 1", "ü", "t" * 5000],
}


@pytest.mark.parametrize("name", BAD_STORAGE)
def test_a_missing_or_wrong_field_is_named_once_and_storage_is_not_used(name: str) -> None:
    for value in BAD_STORAGE[name]:
        found = read_settings(minio(**{name: value}))

        assert found.storage is None, value
        assert [fault.field for fault in found.faults] == [f"minio.{name}"], value
        with pytest.raises(SettingsError, match=rf"minio\.{name}") as refusal:
            found.require_storage()
        assert refusal.value.fields == (f"minio.{name}",)


def test_every_missing_field_is_named() -> None:
    required = ["minio.endpoint", "minio.access_key", "minio.secret_key", "minio.bucket"]

    assert faulty_fields({"minio": {}}) == required
    with pytest.raises(SettingsError) as refusal:
        generate_signed_url({}, "key")
    assert list(refusal.value.fields) == required


@pytest.mark.parametrize("value", [0, True, False, "x", "", [], [MINIO]])
def test_a_section_of_the_wrong_type_is_named(value: object) -> None:
    assert faulty_fields({"minio": value}) == ["minio"]
    if not isinstance(value, list):
        assert faulty_fields({"cxbcore_fleet": value}) == ["cxbcore_fleet"]


@pytest.mark.parametrize("document", [None, 0, "", "x", True, [], [("minio", {})], b"{}", object()])
def test_settings_that_are_no_mapping_are_named(document: object) -> None:
    found = read_settings(document)

    assert [fault.field for fault in found.faults] == ["settings"]
    assert (found.storage, found.sources) == (None, ())


@pytest.mark.parametrize("document", [{}, {"minio": None, "cxbcore_fleet": None, "cxbcore_secret": None}])
def test_both_sections_may_be_missing(document: object) -> None:
    found = read_settings(document)
    assert (found.sources, found.faults, found.misnamed) == ((), (), ())


FLEETS: dict[str, tuple[Any, list[FleetHostSettings], list[str]]] = {
    "strings and mappings": (
        ["https://fleet-1.example/", {"url": "HTTPS://Fleet-2.example:443/core/", "secret": SECRETS[3]}],
        [
            FleetHostSettings("https://fleet-1.example", SECRETS[2]),
            FleetHostSettings("https://fleet-2.example/core", SECRETS[3]),
        ],
        [],
    ),
    "a tuple": (("http://10.0.0.1:8080",), [FleetHostSettings("http://10.0.0.1:8080", SECRETS[2])], []),
    "an empty secret is none": (
        [{"url": "https://f.example", "secret": ""}],
        [FleetHostSettings("https://f.example", SECRETS[2])],
        [],
    ),
    "malformed ones are left out, the rest stays in order": (
        [
            "https://a.example",
            "fleet.example",
            None,
            7,
            {},
            {"url": ["x"]},
            [],
            "https://u:p@b.example",
            "https://c.example",
            "https://d.example/%2e%2E/core",
        ],
        [FleetHostSettings("https://a.example", SECRETS[2]), FleetHostSettings("https://c.example", SECRETS[2])],
        [f"cxbcore_fleet[{number}]" for number in (1, 2, 3)]
        + ["cxbcore_fleet[4].url", "cxbcore_fleet[5].url", *(f"cxbcore_fleet[{number}]" for number in (6, 7, 9))],
    ),
    "a malformed secret leaves its host out": (
        [{"url": "https://a.example", "secret": "line\nbreak"}, {"url": "x", "secret": 7}],
        [],
        ["cxbcore_fleet[0].secret", "cxbcore_fleet[1].secret", "cxbcore_fleet[1].url"],
    ),
}


@pytest.mark.parametrize(("fleet", "hosts", "faults"), FLEETS.values(), ids=FLEETS)
def test_fleet_hosts_are_read_in_order(fleet: Any, hosts: list[FleetHostSettings], faults: list[str]) -> None:
    found = read_settings({"cxbcore_fleet": fleet, "cxbcore_secret": SECRETS[2]})

    assert list(found.sources) == hosts
    assert [fault.field for fault in found.faults] == faults


@pytest.mark.parametrize("secret", [None, "", 7, False, ["x"], " x", "x\r\nX-Other: y", "ü"])
def test_a_host_is_asked_also_without_a_secret(secret: object) -> None:
    found = read_settings({"cxbcore_fleet": ["https://f.example"], "cxbcore_secret": secret})

    assert found.sources == (FleetHostSettings("https://f.example"),)
    assert [fault.field for fault in found.faults] == ([] if secret in (None, "") else ["cxbcore_secret"])


class Provider:
    """Returns one mapping, which a test changes in place."""

    def __init__(self, document: Any) -> None:
        self.document = document

    def __call__(self) -> Any:
        return self.document


@pytest.fixture
def warnings(caplog: pytest.LogCaptureFixture) -> Callable[[], list[logging.LogRecord]]:
    """The log records since the last call."""

    def take() -> list[logging.LogRecord]:
        records = [record for record in caplog.records if record.name.startswith("cxb_recordings")]
        caplog.clear()
        return records

    return take


def test_each_change_is_noticed_in_place_and_logged_once(warnings: Callable[[], list[logging.LogRecord]]) -> None:
    provider = Provider({**minio(bucket="", region=7), "cxbcore_fleet": ["nonsense", {"url": "https://f.example"}]})
    read = SettingsReader(provider)

    first = [read() for _ in range(3)]
    assert first[0] is first[2]
    [record] = warnings()
    assert record.levelno == logging.WARNING
    assert record.__dict__["settings_fields"] == ["minio.bucket", "minio.region", "cxbcore_fleet[0]"]
    for field in ("minio.bucket: missing", "minio.region: ", "cxbcore_fleet[0]: "):
        assert record.getMessage().count(field) == 1

    provider.document["minio"]["bucket"] = "recordings"
    assert read().storage is None
    assert [record.__dict__["settings_fields"] for record in warnings()] == [["minio.region", "cxbcore_fleet[0]"]]

    del provider.document["minio"]["region"]
    provider.document["cxbcore_fleet"][0] = "https://fleet.example"
    provider.document["cxbcore_fleet"][1]["secret"] = SECRETS[3]
    assert read().storage == STORAGE
    assert [host.secret for host in read().section(FLEET).sources] == [None, SECRETS[3]]
    assert warnings() == []

    provider.document["minio"]["secret_key"] = ""
    assert read().storage is None
    assert len(warnings()) == 1


def test_plain_http_in_the_fleet_gives_one_warning(warnings: Callable[[], list[logging.LogRecord]]) -> None:
    read = SettingsReader(
        Provider({"cxbcore_fleet": ["http://a.example", "https://b.example"], "cxbcore_secret": SECRETS[2]})
    )

    read()
    read()

    [record] = warnings()
    assert "http://a.example" in record.getMessage()
    assert "b.example" not in record.getMessage()


def test_what_a_provider_raises_is_passed_on_and_the_next_call_works() -> None:
    answers = iter([KeyError("database"), minio()])

    def provider() -> Any:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    read = SettingsReader(provider)
    with pytest.raises(KeyError):
        read()

    assert read().storage == STORAGE


JUNK = ("a:junk-password@host", "host:junk-password", "http://[junk-password]", "junk-password\n", ["junk-password"])


@pytest.mark.parametrize("junk", JUNK)
def test_no_value_is_in_a_log_a_repr_or_an_error(junk: Any, warnings: Callable[[], list[logging.LogRecord]]) -> None:
    fleet = [junk, {"url": junk, "secret": SECRETS[3]}, {"url": "http://f.example", "secret": SECRETS[3]}]
    broken = dict.fromkeys(
        ("endpoint", "access_key", "secret_key", "bucket", "region", "secure", "session_token"), junk
    )
    texts = []
    for section in (MINIO, MINIO | {"bucket": junk}, broken):
        document = {"minio": section, "cxbcore_fleet": fleet, "cxbcore_secret": SECRETS[2]}
        found = (read := SettingsReader(Provider(document)))()
        texts += [repr(vars(read)), repr(found), str(found), repr(found.sources), repr(found.faults)]
        try:
            found.require_storage()
        except SettingsError as exc:
            texts += [str(exc), repr(exc), repr(exc.fields)]
    texts += [f"{record.getMessage()} {record.__dict__}" for record in warnings()]

    for text in texts:
        assert not any(secret in text for secret in (*SECRETS, "junk-password"))


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["minio:9000", "https://f.example", "recordings", "nyc3", "http://[::1", "\ud800", "a" * 300])
)
NAMES = st.sampled_from(
    ["endpoint", "access_key", "access", "secret_key", "secret", "bucket", "region", "secure", "url"]
)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES | st.text(max_size=3), inner, max_size=4)
)


MINIO_JSON = st.fixed_dictionaries(dict.fromkeys(MINIO, JSON), optional={"region": JSON, "secure": JSON})
SECTIONS = {"minio": JSON | MINIO_JSON, "cxbcore_fleet": JSON, "cxbcore_secret": JSON}


@given(JSON | st.fixed_dictionaries({}, optional=SECTIONS))
def test_any_json_anywhere_gives_settings_or_named_faults_and_never_an_exception(document: Any) -> None:
    found = SettingsReader(Provider(document))()

    assert found == read_settings(document)
    fields = [fault.field for fault in found.faults]
    assert len(fields) == len(set(fields))
    if found.storage is None and isinstance(document, dict) and document.get("minio") is not None:
        assert any(field.startswith("minio") for field in fields)


@settings(max_examples=settings().max_examples * 2 // 5)  # a boto3 client for each
@given(st.sampled_from(sorted(MINIO)), st.text(max_size=5) | st.from_regex(r"\A[a-z0-9.:_-]{1,70}\Z"))
def test_whatever_storage_settings_are_accepted_boto3_accepts_too_and_signs_for_alike(name: str, value: str) -> None:
    accepted = read_settings(minio(**{name: value}))
    if accepted.storage is not None:
        assert signs_as_boto3(accepted.storage, "key")
