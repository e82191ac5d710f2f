"""What an endpoint says of the store behind it: its normal form, its region, its bucket."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxb_recordings.endpoints import StorageHost, split_base_url
from cxb_recordings.sources.storage.settings import StorageSettings
from cxb_recordings.storage_urls import endpoint_url, region_from_endpoint
from tests.sources import signs_as_boto3

NORTH_AMERICA = ["nyc1", "nyc2", "nyc3", "sfo1", "sfo2", "sfo3", "tor1", "atl1"]
SPACES = [*NORTH_AMERICA, "ams2", "ams3", "lon1", "fra1", "sgp1", "blr1", "syd1"]

AWS = {
    "s3.amazonaws.com": "us-east-1",
    "s3.us-east-1.amazonaws.com": "us-east-1",
    "s3.eu-central-1.amazonaws.com": "eu-central-1",
    "s3-eu-west-1.amazonaws.com": "eu-west-1",
    "s3.dualstack.ap-southeast-2.amazonaws.com": "ap-southeast-2",
    "s3-fips.us-gov-west-1.amazonaws.com": "us-gov-west-1",
    "s3-fips.dualstack.us-east-1.amazonaws.com": "us-east-1",
    "s3-fips-us-gov-west-1.amazonaws.com": "us-gov-west-1",
    "s3.cn-north-1.amazonaws.com.cn": "cn-north-1",
    "s3.dualstack.cn-northwest-1.amazonaws.com.cn": "cn-northwest-1",
    "s3.eusc-de-east-1.amazonaws.eu": "eusc-de-east-1",
    "s3-external-1.amazonaws.com": "us-east-1",
    "s3-accelerate.amazonaws.com": "us-east-1",
    "s3-accelerate.dualstack.amazonaws.com": "us-east-1",
    "s3-website-eu-west-1.amazonaws.com": "eu-west-1",
    "s3-website.eu-central-1.amazonaws.com": "eu-central-1",
    "s3-website.cn-north-1.amazonaws.com.cn": "cn-north-1",
    "s3express-use1-az4.us-east-1.amazonaws.com": "us-east-1",
}

NORMAL_FORMS = {
    "minio": "https://minio",
    "minio:9000": "https://minio:9000",
    "MinIO.Internal:9000/": "https://minio.internal:9000",
    "http://127.0.0.1:9000": "http://127.0.0.1:9000",
    "https://minio.example:443/": "https://minio.example",
    "http://minio.example:80": "http://minio.example",
    "http://minio.example:443": "http://minio.example:443",
    "HTTPS://minio.example:": "https://minio.example",
    "[::1]:9000": "https://[::1]:9000",
    "http://[FD00::1]": "http://[fd00::1]",
    "cxb_recordings.nyc3.digitaloceanspaces.com": "https://nyc3.digitaloceanspaces.com",
}

JUNK = [
    None,
    7,
    b"minio",
    ["minio"],
    "",
    " ",
    "https://",
    "https:///bucket",
    "//minio",
    "ftp://minio",
    "javascript:alert(1)",
    "minio/bucket",
    "https://minio/bucket",
    "minio?x",
    "minio#x",
    "minio:port-that-is-a-secret",
    "minio:99999",
    "minio:0",
    "minio:-1",
    "minio:9000:9000",
    "user:password-that-is-a-secret@minio",
    "minio_1:9000",
    "-minio",
    "minio-.example",
    "minio..example",
    "a" * 64 + ".example",
    "http://[::::]",
    "http://[secret]",
    "http://[::1]x",
    "http://[::1",
    "mín.example",
    "minio\n",
    "mi nio",
    "minio\\x",
    "https://minio/../x",
]


@pytest.mark.parametrize("place", SPACES)
@pytest.mark.parametrize("front", ["", "https://", "HTTP://", "recordings.", "https://my.dotted.bucket."])
@pytest.mark.parametrize("cdn", ["", ".cdn"])
def test_an_endpoint_of_spaces_tells_its_data_centre_whatever_is_in_front(place: str, front: str, cdn: str) -> None:
    endpoint = f"{front}{place.upper()}{cdn}.digitaloceanspaces.com"

    assert region_from_endpoint(endpoint) == place
    scheme = "http" if front == "HTTP://" else "https"
    assert endpoint_url(endpoint) == f"{scheme}://{place}.digitaloceanspaces.com"
    bucket = front.removeprefix("https://").removeprefix("HTTP://").rstrip(".") or None
    host = endpoint.lower().removeprefix("https://").removeprefix("http://")
    expected = StorageHost(f"{place}.digitaloceanspaces.com", bucket, place, is_known=True)
    assert StorageHost.parse(host) == StorageHost.parse(f"{host}.") == expected


@pytest.mark.parametrize(("host", "region"), AWS.items())
@pytest.mark.parametrize("bucket", [None, "recordings", "my.dotted.bucket", "s3", "s3.eu-west-1"])
def test_an_endpoint_of_aws_tells_its_region_whatever_bucket_is_in_front(
    host: str, region: str, bucket: str | None
) -> None:
    endpoint = f"{bucket}.{host}" if bucket else host

    assert region_from_endpoint(endpoint) == region
    assert endpoint_url(endpoint) == f"https://{host.replace(f'-{region}', f'.{region}')}"  # the dot is the newer form
    assert StorageHost.parse(endpoint).bucket == bucket


@pytest.mark.parametrize(("endpoint", "normal"), NORMAL_FORMS.items())
def test_an_endpoint_has_one_normal_form(endpoint: str, normal: str) -> None:
    assert endpoint_url(endpoint) == normal
    assert endpoint_url(normal) == normal
    if "spaces" not in endpoint:
        assert region_from_endpoint(endpoint) == "us-east-1"


def test_secure_counts_only_where_the_endpoint_has_no_scheme() -> None:
    assert endpoint_url("minio:9000", secure=False) == "http://minio:9000"
    assert endpoint_url("minio:80", secure=False) == "http://minio"
    assert endpoint_url("https://minio:9000", secure=False) == "https://minio:9000"
    assert endpoint_url("http://minio:9000", secure=True) == "http://minio:9000"


@pytest.mark.parametrize("endpoint", JUNK)
def test_junk_is_refused_without_being_quoted_and_implies_the_default_region(endpoint: str) -> None:
    with pytest.raises(ValueError, match="needed") as refusal:
        endpoint_url(endpoint)

    assert "secret" not in str(refusal.value)
    assert refusal.value.__suppress_context__ or refusal.value.__context__ is None
    assert region_from_endpoint(endpoint) == "us-east-1"


def test_a_bucket_in_the_path_is_no_endpoint_but_the_region_is_told() -> None:
    with pytest.raises(ValueError, match="the bucket has a field of its own"):
        endpoint_url("https://nyc3.digitaloceanspaces.com/recordings")

    assert region_from_endpoint("https://nyc3.digitaloceanspaces.com/recordings") == "nyc3"


ACCESS_POINTS = {
    "ap-123456789012.s3-accesspoint.eu-west-1.amazonaws.com": "eu-west-1",
    "ap-123456789012.s3-accesspoint.dualstack.us-west-2.amazonaws.com": "us-west-2",
    "ap-123456789012.s3-accesspoint-fips.us-gov-east-1.amazonaws.com": "us-gov-east-1",
    "ap-123456789012.op-01.s3-outposts.us-east-1.amazonaws.com": "us-east-1",
    "ol-123456789012.s3-object-lambda.us-east-1.amazonaws.com": "us-east-1",
    "alias.mrap.accesspoint.s3-global.amazonaws.com": None,
    "123456789012.s3-control.us-east-1.amazonaws.com": "us-east-1",
    "s3-control-fips.dualstack.us-east-2.amazonaws.com": "us-east-2",
    "s3express-control.us-east-1.amazonaws.com": "us-east-1",
}


@pytest.mark.parametrize(("host", "region"), ACCESS_POINTS.items())
def test_a_host_that_leads_to_s3_by_another_way_than_a_bucket_names_none(host: str, region: str | None) -> None:
    assert StorageHost.parse(host) == StorageHost(host, None, region, is_known=True, has_buckets=False)
    assert endpoint_url(host) == f"https://{host}"


@pytest.mark.parametrize("bucket", [None, "recordings", "my.dotted.bucket", "bucket", "vpce-1.s3"])
@pytest.mark.parametrize("suffix", ["eu-west-1.vpce.amazonaws.com", "cn-north-1.vpce.amazonaws.com.cn"])
@pytest.mark.parametrize("name", ["vpce-0a1b2c-3d4e5f", "vpce-0a1b2c-3d4e5f-eu-west-1a"])
def test_an_endpoint_in_a_private_network_of_aws_tells_its_region(name: str, suffix: str, bucket: str | None) -> None:
    region = suffix.partition(".")[0]
    host = f"{name}.s3.{suffix}"
    front = f"{bucket}." if bucket else ""

    expected = StorageHost(f"bucket.{host}", bucket, region, is_known=True)
    assert StorageHost.parse(f"{front}bucket.{host}") == expected
    assert endpoint_url(f"{front}bucket.{host}") == f"https://bucket.{host}"
    assert region_from_endpoint(f"{front}bucket.{host}") == region
    for other in (host, f"accesspoint.{host}", f"ap-1.accesspoint.{host}", f"control.{host}"):
        assert StorageHost.parse(other) == StorageHost(other, None, region, is_known=True, has_buckets=False)
        assert endpoint_url(other) == f"https://{other}"


@pytest.mark.parametrize("host", ["minio.internal", "MinIO.Internal", "minio.internal."])
@pytest.mark.parametrize("endpoint", ["http://minio.internal:9000", "https://minio.internal"])
def test_what_is_in_front_of_the_configured_endpoint_is_a_bucket(host: str, endpoint: str) -> None:
    for bucket in ("recordings", "my.dotted.bucket"):
        assert StorageHost.parse(f"{bucket}.{host}", endpoint) == StorageHost("minio.internal", bucket)
    for other in ("minio.internal", "notminio.internal", "minio.internal.example", "internal"):
        assert StorageHost.parse(other, endpoint) == StorageHost(other)


@pytest.mark.parametrize("host", ["s3-a" * 20_000, "s3." * 20_000 + "amazonaws.com", ("s3-" + "a-" * 100 + ".") * 100])
def test_a_host_that_is_too_long_is_none_that_is_known(host: str) -> None:
    assert StorageHost.parse(host) == StorageHost(host.removesuffix("."))


@pytest.mark.parametrize(
    "host", ["nyc3.digitaloceanspaces.com.evil.example", "evilnyc3.digitaloceanspaces.com.example"]
)
def test_a_look_alike_of_a_known_store_is_not_known(host: str) -> None:
    assert StorageHost.parse(host) == StorageHost(host)


@pytest.mark.parametrize("url", ["http://fleet_1:8080/core/", "HTTP://Fleet_1:8080/core"])
def test_the_base_of_a_fleet_host_may_have_a_path_and_underscores(url: str) -> None:
    assert split_base_url(url).geturl() == "http://fleet_1:8080/core"


CHARACTERS = st.sampled_from("aZ0-._:/[]%@?#\\ é\n")


@given(st.text(CHARACTERS, max_size=12) | st.from_regex(r"\A[a-z0-9_.:\[\]-]{1,70}\Z") | st.text(max_size=12))
def test_whatever_is_accepted_is_a_normal_form_that_boto3_signs_for_alike(endpoint: str) -> None:
    try:
        normal = endpoint_url(endpoint)
    except ValueError:
        return

    assert endpoint_url(normal) == normal
    storage = StorageSettings(normal, region_from_endpoint(endpoint), "recordings", "key", "secret")
    assert signs_as_boto3(storage, "a b.wav")
