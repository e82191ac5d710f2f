"""S3-compatible object storage, and the one place where a boto3 client is made.

Which bytes are asked for when storage breaks, and what a client is told, is not decided here.
"""

from __future__ import annotations

import os
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ConnectionClosedError
from urllib3.exceptions import HTTPError

from ..errors import RecordingMissing, SourceUnavailable
from ..playback.byte_range import RangeRequest
from ..playback.source import ContentInfo, OpenedRecording
from ..settings import StorageSettings
from .reply import UpstreamBody, believe, refuse, why, word

if TYPE_CHECKING:
    from collections.abc import Mapping

# What a reply raises that can't be read: urllib3's own, out of an error's body, and botocore's slips over a header, or
# over an error document that is too deep, or has several codes or a tree in place of one.
UNREADABLE = (AttributeError, HTTPError, RecursionError, TypeError, ValueError)

POOL_SIZE = 100  # connections kept for reuse; more may be open while more requests are in progress


def deaf_session() -> boto3.session.Session:
    """A boto3 session that no AWS variable, profile or file of the environment changes, and no odd date breaks."""
    variables = {
        name: (None, None, default, convert)
        for name, (_, _, default, convert) in botocore.session.Session.SESSION_VARIABLES.items()
    }
    for name in ("config_file", "credentials_file"):
        variables[name] = (None, None, os.devnull, None)
    core = botocore.session.Session(session_vars=variables)
    # botocore fails on a date that it can't read; validators are read in `reply`, where a malformed one counts as none.
    core.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=str)
    return boto3.session.Session(botocore_session=core)


def make_client(
    session: boto3.session.Session,
    storage: StorageSettings,
    *,
    connect_timeout: float,
    read_timeout: float,
    ca_bundle: str | None,
) -> Any:
    """Make a boto3 S3 client; about 100 ms for a session's first, 4 ms for a later one.

    Args:
        session: from :func:`deaf_session`. Not thread-safe: creation belongs under a lock.
        storage: whose endpoint and credentials.
        connect_timeout: seconds for each attempt to connect.
        read_timeout: seconds without a byte.
        ca_bundle: path of the certificates to trust instead of the usual ones.
    """
    client = session.client(
        "s3",
        endpoint_url=storage.endpoint_url,
        region_name=storage.region,
        aws_access_key_id=storage.access_key,
        aws_secret_access_key=storage.secret_key,
        verify=ca_bundle or True,
        config=Config(
            signature_version="s3v4",  # botocore presigns the old SigV2 for us-east-1 when left alone
            s3={"addressing_style": "path"},  # a dotted bucket as a host name fits no wildcard certificate
            # The newer defaults ask for checksums of whole objects, which break ranged reads on S3-compatible stores.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            retries={"total_max_attempts": 1, "mode": "standard"},  # another try is the stream's decision
            connect_timeout=connect_timeout,
            read_timeout=read_timeout,
            max_pool_connections=POOL_SIZE,
            proxies={},  # not None, which means those of the environment
            use_fips_endpoint=False,
            use_dualstack_endpoint=False,
        ),
    )
    client.meta.events.register("before-call.s3", _follow_no_redirect)
    return client


def _follow_no_redirect(context: dict[str, Any], **_: object) -> None:
    # Measured on botocore 1.44: to a 301, 302 or 307 it asks for the bucket's region, 80 times where that is redirected
    # too, and signs for whatever region it is told.
    context.setdefault("s3_redirect", {})["redirected"] = True


class ObjectStorage:
    """A bucket as a source of recordings."""

    name = "storage"

    def __init__(self, client: Any, bucket: str) -> None:
        """Read from `bucket` through a boto3 S3 `client`."""
        self._client = client
        self._bucket = bucket

    def open(self, key: str, wanted: RangeRequest | None = None, *, unless_etag: str | None = None) -> OpenedRecording:
        """See :meth:`cxb_recordings.playback.source.RecordingSource.open`."""
        conditions = {}
        if wanted is not None:
            conditions["Range"] = str(wanted)
        if unless_etag is not None:
            conditions["IfNoneMatch"] = f'"{unless_etag}"'
        status, headers, body = self._call("get_object", key, conditions)
        try:
            info, span = believe(status, headers, wanted, unless_etag)
        except BaseException:
            if body is not None:
                body.close()
            raise
        if body is None:
            refuse(status)
        return OpenedRecording(info, span, body, self)

    def describe(self, key: str) -> ContentInfo:
        """See :meth:`cxb_recordings.playback.source.RecordingSource.describe`."""
        try:
            status, headers, _ = self._call("head_object", key, {})
        except RecordingMissing:
            # The 404 of a HEAD has no body that could tell an absent key from an absent bucket; that of a GET has.
            opened = self.open(key)
            opened.body.close()
            return opened.info
        info, _ = believe(status, headers, None, None)
        return info

    def _call(
        self, operation: str, key: str, conditions: Mapping[str, str]
    ) -> tuple[int, Mapping[str, str], UpstreamBody | None]:
        call = getattr(self._client, operation)
        try:
            try:
                reply = call(Bucket=self._bucket, Key=key, **conditions)
            except ConnectionClosedError:
                # A kept-alive connection that the store had closed meanwhile; a new one is tried once.
                reply = call(Bucket=self._bucket, Key=key, **conditions)
        except ClientError as exc:
            return self._refusal(exc)
        except UNREADABLE as exc:
            raise SourceUnavailable(why(exc)) from exc
        except (BotoCoreError, OSError) as exc:
            raise SourceUnavailable(why(exc), responded=False) from exc
        metadata = reply["ResponseMetadata"]
        # StreamingBody has no public read1, and its read waits until the whole amount is there: the urllib3 response
        # below it is used. This is the one place; the contract suite runs on the oldest and newest boto3.
        body = UpstreamBody(reply["Body"]._raw_stream) if "Body" in reply else None
        return metadata["HTTPStatusCode"], metadata["HTTPHeaders"], body

    def _refusal(self, exc: ClientError) -> tuple[int, Mapping[str, str], None]:
        metadata = exc.response.get("ResponseMetadata", {})
        status = metadata.get("HTTPStatusCode", 0)
        code = word(exc.response.get("Error", {}).get("Code")).removeprefix(str(status))  # without a body, the status
        if status == 404 and code != "NoSuchBucket":
            raise RecordingMissing("storage has no such key") from exc
        if status in (304, 416):
            return status, metadata.get("HTTPHeaders", {}), None
        raise SourceUnavailable(f"status {status} {code}".rstrip(), status=status) from exc


def presign_get_object(storage: StorageSettings, key: str, expires_in: int) -> str:
    """A SigV4 URL that reads `key` for `expires_in` seconds. No request is made."""
    url: str = _presigning_client(storage).generate_presigned_url(
        "get_object", Params={"Bucket": storage.bucket, "Key": key}, ExpiresIn=expires_in
    )
    return url


@lru_cache(maxsize=8)
def _presigning_client(storage: StorageSettings) -> Any:
    # Signs only, so it may be remembered for the process and survive a fork: it never opens a socket.
    return make_client(deaf_session(), storage, connect_timeout=1, read_timeout=1, ca_bundle=None)
