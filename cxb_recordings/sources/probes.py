"""Single questions to a source for the doctor and the trace: the whole reply, where playback needs a verdict only.

What a reply means for an operator is not decided here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ..errors import SourceUnavailable
from ..playback.conditions import parse_http_date
from ..settings import StorageSettings, SystemSettings
from .fleet import FleetHost, make_session
from .object_storage import UNREADABLE, ObjectStorage, deaf_session, make_client
from .reply import why, word


@dataclass(frozen=True, slots=True)
class StoreReply:
    """What a store answered.

    Attributes:
        status: the HTTP status.
        code: S3's word for an error, such as ``NoSuchBucket``; empty where there is none.
        region: the region that the store names; None where it names none.
        date: the store's clock, whole seconds; None where it does not tell.
        keys: of a listing, those of objects that are not empty.
    """

    status: int
    code: str
    region: str | None
    date: datetime | None
    keys: tuple[str, ...] = ()


class StorageProbe:
    """Asks a bucket as playback does: the same client, the same signature."""

    def __init__(
        self, storage: StorageSettings, *, connect_timeout: float, read_timeout: float, ca_bundle: str | None
    ) -> None:
        """See :func:`cxb_recordings.sources.object_storage.make_client`."""
        self._client = make_client(
            deaf_session(), storage, connect_timeout=connect_timeout, read_timeout=read_timeout, ca_bundle=ca_bundle
        )
        self._bucket = storage.bucket

    @property
    def source(self) -> ObjectStorage:
        """The bucket as playback uses it."""
        return ObjectStorage(self._client, self._bucket)

    def read_first_byte(self, key: str) -> StoreReply:
        """Ask for ``bytes=0-0`` of a key.

        Raises:
            SourceUnavailable: there was no reply.
        """
        return self._ask("get_object", Key=key, Range="bytes=0-0")

    def list_some(self) -> StoreReply:
        """Ask which keys there are, for a few of them.

        Raises:
            SourceUnavailable: there was no reply.
        """
        return self._ask("list_objects_v2", MaxKeys=10)

    def _ask(self, operation: str, **arguments: object) -> StoreReply:
        try:
            reply = getattr(self._client, operation)(Bucket=self._bucket, **arguments)
        except ClientError as exc:
            return _read(exc.response)
        except (BotoCoreError, OSError, *UNREADABLE) as exc:
            raise SourceUnavailable(why(exc), responded=False) from exc
        if "Body" in reply:
            reply["Body"].close()
        return _read(reply)


def _read(reply: Mapping[str, Any]) -> StoreReply:
    metadata = reply.get("ResponseMetadata", {})
    headers = metadata.get("HTTPHeaders", {})
    error = reply.get("Error", {})
    return StoreReply(
        status=metadata.get("HTTPStatusCode", 0),
        code=word(error.get("Code")),
        region=word(headers.get("x-amz-bucket-region")) or word(error.get("Region")) or None,
        date=parse_http_date(headers.get("date")),
        keys=tuple(item["Key"] for item in reply.get("Contents", []) if item.get("Size")),
    )


def fleet_hosts(
    settings: SystemSettings,
    *,
    connect_timeout: float,
    read_timeout: float,
    require_https: bool,
    ca_bundle: str | None,
) -> Iterator[FleetHost]:
    """The fleet hosts in order, on a session of their own."""
    session = make_session(ca_bundle)
    for host in settings.fleet:
        yield FleetHost(
            session, host, connect_timeout=connect_timeout, read_timeout=read_timeout, require_https=require_https
        )
