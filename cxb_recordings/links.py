"""The stable public link, and what may be sent to a CRM.

A CRM keeps a link for years, clips query strings and has short URL columns: a signed storage URL breaks there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from .calls.repository import Call, recording_key_from_call
from .calls.tokens import is_well_formed
from .endpoints import DEFAULT_PORTS, StorageHost
from .errors import MissingAccessToken
from .settings import SystemSettings, read_settings
from .storage_urls import generate_signed_url

PUBLIC_URL_PREFIX = "/api/v1/public/recordings"
LONGEST_CRM_URL = 255  # characters: no CRM is known whose URL column holds fewer
LONGEST_FILE_NAME = 255  # bytes of UTF-8, as on most file systems

_HOST = re.compile(r"(?:[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?", re.ASCII)
URL_PREFIX = re.compile(r"(?:/[A-Za-z0-9._~!$&'()*+,;=:@%-]+)*", re.ASCII)
# What browsers take as it is, and do not decode (`s3%2eamazonaws.com`), fold or end early (a backslash is a slash).
_PLAIN_HOST = re.compile(r"[a-z0-9_](?:[a-z0-9._-]*[a-z0-9_])?|[0-9a-f:.]*:[0-9a-f:.]*", re.ASCII)
_NOT_IN_URL = re.compile(r"[\x00-\x20\x7f]")  # urlsplit drops some of them


def build_public_recording_url(
    host: str, token: str, *, filename: str | None = None, scheme: str = "https", prefix: str = PUBLIC_URL_PREFIX
) -> str:
    """The stable public link ``{scheme}://{host}{prefix}/{token}``, with a file name behind it where one is wanted.

    Args:
        host: the host application's public name, with a port where that is not the usual one.
        token: a recording access token.
        filename: the name of the recording for the client, such as ``call.mp3``: some CRMs take name and type from the
            last segment of a link. Each name plays the same recording; it is quoted here.
        scheme: ``https``, or ``http`` on a developer's machine.
        prefix: where the public route is mounted, ``/api/v1/public/recordings`` by default.

    Returns:
        The link; nothing is looked up.

    Raises:
        ValueError: one of them can't be part of a link; the message names it, without the token.
    """
    address = public_address(host, scheme, prefix)
    if not is_well_formed(token):
        raise ValueError("token: 1 to 256 characters of A-Z, a-z, 0-9, '.', '_', '~' and '-' are needed")
    link = f"{address}/{token}"
    return link if filename is None else f"{link}/{_segment(filename)}"


def public_address(host: str, scheme: str, prefix: str) -> str:
    """The address of a route without its last part; see :func:`build_public_recording_url` for the arguments.

    Raises:
        ValueError: one of them can't be part of a link; the message names it.
    """
    if not isinstance(host, str) or not _HOST.fullmatch(host):
        raise ValueError("host: a host name with, perhaps, a port is needed; no scheme, no path")
    if scheme not in DEFAULT_PORTS:
        raise ValueError("scheme: https or http is needed")
    if not isinstance(prefix, str) or not URL_PREFIX.fullmatch(prefix):
        raise ValueError("prefix: a path that begins with a slash and does not end with one is needed")
    return f"{scheme}://{host}{prefix}"


def _segment(filename: object) -> str:
    """A file name as one segment of a path, which no client changes and no proxy decodes into two."""
    is_text = isinstance(filename, str) and filename.isprintable() and not set(filename) & set("/\\")
    if not isinstance(filename, str) or not is_text or filename in ("", ".", ".."):
        raise ValueError("filename: a name such as call.mp3 is needed, without slashes and control characters")
    if len(filename.encode()) > LONGEST_FILE_NAME:
        raise ValueError(f"filename: {LONGEST_FILE_NAME} bytes of UTF-8 at most are needed")
    return quote(filename, safe="")


def crm_recording_url(
    call: Call,
    host: str,
    *,
    filename: str | None = None,
    allow_signed_fallback: bool = False,
    settings: Mapping[str, Any] | SystemSettings | None = None,
    prefix: str = PUBLIC_URL_PREFIX,
) -> str:
    """What to send to a CRM for a call: the stable link.

    Args:
        call: with its ``recording_access_token``.
        host: see :func:`build_public_recording_url`.
        filename: see :func:`build_public_recording_url`; a signed URL has none.
        allow_signed_fallback: whether a signed URL, which expires after 24 hours, will do for a call without a token.
        settings: the system settings, for that fallback only.
        prefix: see :func:`build_public_recording_url`.

    Returns:
        The stable link, or the signed URL where there is no token and the fallback is allowed.

    Raises:
        MissingAccessToken: the call has no token, and no fallback is allowed or no key is known.
        SettingsError: the fallback is needed and storage is not configured.
        ValueError: `host`, `filename` or `prefix` can't be part of a link, or the call's key is none that a store can
            have.
    """
    token = call.get("recording_access_token")
    if is_well_formed(token):
        return build_public_recording_url(host, token, filename=filename, prefix=prefix)
    if not allow_signed_fallback:
        raise MissingAccessToken("the call has no recording_access_token: give it one with ensure_token(session_id)")
    key = recording_key_from_call(call)
    if key is None:
        raise MissingAccessToken("the call has no recording_access_token, and no key to sign a URL for")
    return generate_signed_url(read_settings(settings if settings is not None else {}), key)


def crm_url_problem(
    url: object, settings: Mapping[str, Any] | SystemSettings | None = None, *, longest: int = LONGEST_CRM_URL
) -> str | None:
    """Why a URL must not be sent to a CRM.

    Args:
        url: any URL, such as a call's stored ``recording_url``.
        settings: the system settings; with them the configured storage host is recognised too.
        longest: how many characters the CRM's URL column holds.

    Returns:
        The reason, without the URL; None where it may be sent.
    """
    if not isinstance(url, str):
        return "it is not a string"
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").removesuffix("."), parts.port
    except ValueError:
        host = ""
    if not _PLAIN_HOST.fullmatch(host) or _NOT_IN_URL.search(url) or parts.scheme not in DEFAULT_PORTS:
        return "it is not an http or https URL"
    if re.search(r"(?:^|&)X-Amz-", parts.query, re.IGNORECASE):
        return "it is a signed storage URL (X-Amz-…): it expires, and a CRM that clips the query gets AccessDenied"
    if StorageHost.parse(host).is_known:
        return "it leads to object storage itself, which answers AccessDenied to a CRM"
    storage = None if settings is None else read_settings(settings).storage
    if storage is not None:
        configured = urlsplit(storage.endpoint_url)
        is_same_port = _port(parts.scheme, port) == configured.port  # which is None where it is a scheme's own
        in_front = StorageHost.parse(host, storage.endpoint_url).bucket
        if (host == configured.hostname and is_same_port) or in_front == storage.bucket.lower():
            return "it leads to the configured storage host, which answers AccessDenied to a CRM"
    if "?" in url.partition("#")[0]:
        return "it has a query, which CRMs clip"
    if len(url) > longest:
        return f"it is longer than {longest} characters, more than the CRM's URL column holds"
    return None


def _port(scheme: str, port: int | None) -> int | None:
    return None if port == DEFAULT_PORTS[scheme] else port
