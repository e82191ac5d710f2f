"""Host names and URLs of S3 stores: what they say of region, bucket and key.

Pure string work, with no client and no settings. Whether an endpoint is used, and for what, is decided elsewhere.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv6Address
from urllib.parse import SplitResult, unquote, urlsplit

DEFAULT_REGION = "us-east-1"  # what S3-compatible stores without regions expect in a signature
DEFAULT_PORTS = {"http": 80, "https": 443}
LONGEST_HOST = 253  # characters: RFC 1035 §2.3.4, without the root's dot

_SPACES = re.compile(r"(?:(?P<bucket>.+)\.)?(?P<region>[a-z]{3}[0-9]+)(?:\.cdn)?\.digitaloceanspaces\.com", re.ASCII)
# Hosts of AWS that take a bucket in front (https://docs.aws.amazon.com/general/latest/gr/s3.html), and after them those
# of other doors to S3: access points, Outposts, S3 Control. What is in front there is no bucket.
_AWS_BUCKETS = r"s3(?:-fips|-external-[12]|-accelerate|-website|express-(?!control)[a-z0-9-]+)?"
_AWS_OTHERS = r"s3express-control|s3-[a-z-]+"
_AWS = re.compile(
    rf"(?:(?P<bucket>.+)\.)?(?:(?P<service>{_AWS_BUCKETS})|(?:{_AWS_OTHERS}))(?P<dualstack>\.dualstack)?"
    r"(?:[.-](?P<region>[a-z]{2,4}(?:-[a-z]+)+-[0-9]+))?\.(?P<suffix>amazonaws\.(?:com|com\.cn|eu))",
    re.ASCII,
)
# The same by AWS PrivateLink (https://docs.aws.amazon.com/AmazonS3/latest/userguide/privatelink-interface-endpoints.html):
# only behind `bucket.` a bucket may be in front.
_PRIVATE = re.compile(
    r"(?:(?:(?P<bucket>.+)\.)?(?P<door>bucket)\.|(?:.+\.)?)"
    r"(?P<origin>vpce-[a-z0-9-]+\.s3\.(?P<region>[a-z0-9-]+)\.vpce\.amazonaws\.com(?:\.cn)?)",
    re.ASCII,
)
# What botocore takes for an endpoint: no underscore, and no label that begins or ends with a hyphen.
_LABEL = r"(?!-)[a-z0-9-]{1,63}(?<!-)"
_STORAGE_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*|\[[0-9a-f:.]+\]", re.ASCII)
_HOST = re.compile(r"[a-z0-9_](?:[a-z0-9._-]{0,251}[a-z0-9_])?|\[[0-9a-f:.]{2,45}\]", re.ASCII)
_NO_SERVER = "a URL with a host name and, perhaps, a port is needed"


@dataclass(frozen=True, slots=True)
class StorageHost:
    """What a host name says of the store behind it.

    Attributes:
        origin: the host to sign for: without a bucket in front, and without ``cdn.``.
        bucket: the bucket in front; None where there is none.
        region: the region that the name holds; None where it holds none.
        is_known: whether it belongs to Spaces or to AWS; of others nothing can be read from the name.
        has_buckets: False where it leads to S3 by another way than a bucket's name, such as an access point.
    """

    origin: str
    bucket: str | None = None
    region: str | None = None
    is_known: bool = False
    has_buckets: bool = True

    @classmethod
    def parse(cls, host: str, endpoint: str | None = None) -> StorageHost:
        """Read a host name.

        Args:
            host: without a port.
            endpoint: the URL of the configured endpoint (:func:`endpoint_url`), where it is known: what is in front
                of its host is a bucket.
        """
        host = host.lower().removesuffix(".")  # an absolute name is the same host
        if len(host) > LONGEST_HOST:  # no resolver has it, and the patterns would take long
            return cls(host)
        if match := _SPACES.fullmatch(host):
            return cls(f"{match['region']}.digitaloceanspaces.com", match["bucket"], match["region"], is_known=True)
        if match := _AWS.fullmatch(host):
            if match["service"] is None:
                return cls(host, None, match["region"], is_known=True, has_buckets=False)
            service = match["service"] + (match["dualstack"] or "")
            origin = ".".join(part for part in (service, match["region"], match["suffix"]) if part)
            return cls(origin, match["bucket"], match["region"], is_known=True)
        if match := _PRIVATE.fullmatch(host):
            origin = f"bucket.{match['origin']}" if match["door"] else host
            return cls(origin, match["bucket"], match["region"], is_known=True, has_buckets=bool(match["door"]))
        own = urlsplit(endpoint or "").hostname
        if own and host.endswith(f".{own}"):
            return cls(own, host.removesuffix(f".{own}"))
        return cls(host)


def find_object(url: object, endpoint: str | None = None, bucket: str | None = None) -> str | None:
    """The key in a URL of an object.

    Args:
        url: of a store that is known, of the configured endpoint, or of any other host, which is read as
            ``/{bucket}/{key}``.
        endpoint: see :meth:`StorageHost.parse`.
        bucket: the bucket that the URL must name; None accepts any.

    Returns:
        The key, decoded once; None where `url` is no such URL, holds no key or names another bucket.
    """
    if not isinstance(url, str) or any(char < " " for char in url):  # urlsplit would drop line breaks and tabs
        return None
    try:
        parts = urlsplit(url)
        _ = parts.port  # ValueError where it is none
        host = StorageHost.parse(parts.hostname or "", endpoint)
        path = parts.path.removeprefix("/")
        named, key = (host.bucket, path) if host.bucket else path.split("/", 1)
        named, key = unquote(named, errors="strict"), unquote(key, errors="strict")
    except ValueError:  # no URL, no second segment, or escapes that are no UTF-8
        return None
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname or not key or not named or not host.has_buckets:
        return None
    return key if bucket is None or bucket == named else None


def region_from_endpoint(endpoint: str) -> str:
    """The S3 region that an endpoint implies.

    Args:
        endpoint: with or without scheme, port and bucket.

    Returns:
        The data centre of a Spaces endpoint (``nyc3``), the region of an AWS one, else ``us-east-1``; also for
        what is no endpoint at all.
    """
    try:
        host = split_base_url(_with_scheme(endpoint)).hostname
    except ValueError:
        return DEFAULT_REGION
    return StorageHost.parse(host or "").region or DEFAULT_REGION


def endpoint_url(endpoint: str, *, secure: bool = True) -> str:
    """An endpoint with a scheme, normalised: lower case, no bucket, no ``cdn.``, no default port, no trailing slash.

    Args:
        endpoint: with or without scheme, port and bucket.
        secure: whether https is meant where the endpoint has no scheme.

    Raises:
        ValueError: it is no endpoint; the message says why, without the value.
    """
    parts = split_base_url(_with_scheme(endpoint, "https" if secure else "http"))
    if parts.path:
        raise ValueError("a host without a path is needed (the bucket has a field of its own)")
    host = parts.netloc.rpartition(":")[0] if parts.port is not None else parts.netloc
    port = "" if parts.port is None else f":{parts.port}"
    origin = StorageHost.parse(host).origin
    if not _STORAGE_HOST.fullmatch(origin):
        raise ValueError("a host name of letters, digits and hyphens is needed (S3 clients refuse underscores)")
    return f"{parts.scheme}://{origin}{port}"


def split_base_url(url: object) -> SplitResult:
    """Split and normalise the URL of a server: scheme, host, port where it is not the default one, path.

    Returns:
        Scheme and host in lower case; the path without a trailing slash; neither query nor fragment.

    Raises:
        ValueError: it is no such URL; the message says why, without the value, which may hold a password.
    """
    if not isinstance(url, str) or not url:
        raise ValueError("a non-empty string is needed")
    if not url.isascii() or any(char <= " " or char in '\x7f\\"<>^`{|}' for char in url):
        raise ValueError("a URL of ASCII characters without spaces is needed")
    parts, port = _split(url)
    if parts.scheme not in DEFAULT_PORTS:
        raise ValueError("a URL that begins with http:// or https:// is needed")
    if "@" in parts.netloc:
        raise ValueError("a URL without user and password is needed")
    if "?" in url or "#" in url:
        raise ValueError("a URL without query and fragment is needed")
    host = parts.netloc.lower()
    if parts.netloc.endswith(":") or port is not None:
        host = host.rpartition(":")[0]
    if not _HOST.fullmatch(host) or ".." in host or port == 0:
        raise ValueError(_NO_SERVER)
    path = parts.path.rstrip("/")
    if any(unquote(segment) in ("", ".", "..") for segment in path.split("/")[1:]):  # requests decodes the dots
        raise ValueError("a URL without empty, '.' and '..' segments is needed")
    netloc = host if port in (None, DEFAULT_PORTS[parts.scheme]) else f"{host}:{port}"
    return SplitResult(parts.scheme, netloc, path, "", "")


def origin_of(url: str) -> str:
    """Scheme and host of a URL, which may be shown: its path or query may hold a secret. Empty where it has none."""
    try:
        parts = split_base_url(url.partition("?")[0].partition("#")[0])
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.netloc}"


def _split(url: str) -> tuple[SplitResult, int | None]:
    try:
        parts = urlsplit(url)
        if parts.netloc.startswith("["):
            IPv6Address(parts.hostname or "")  # urlsplit itself looks only since Python 3.11.4
        return parts, parts.port
    except ValueError:
        raise ValueError(_NO_SERVER) from None  # its own message shows a part of the value


def _with_scheme(endpoint: object, scheme: str = "https") -> object:
    return f"{scheme}://{endpoint}" if isinstance(endpoint, str) and endpoint and "://" not in endpoint else endpoint
