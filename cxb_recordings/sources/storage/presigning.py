"""Signed URLs, by botocore: for what reads from object storage without this library. No request is ever made here."""

from __future__ import annotations

from urllib.parse import quote

from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from .settings import StorageSettings


def presign_get_object(storage: StorageSettings, key: str, expires_in: int) -> str:
    """A SigV4 URL that reads `key` for `expires_in` seconds: the one that a boto3 client with path style makes.

    Such a client takes 10 ms and 0.4 MB for each store, and four times as long for each URL.
    """
    request = AWSRequest("GET", storage.endpoint_url + object_path(storage.bucket, key))
    credentials = Credentials(storage.access_key, storage.secret_key, storage.session_token)
    S3SigV4QueryAuth(credentials, "s3", storage.region, expires=expires_in).add_auth(request)
    return str(request.url)


def object_path(bucket: str, key: str) -> str:
    """The path of `key`, with the bucket in it: as a host name, one with dots fits no wildcard certificate."""
    return f"/{bucket}/{quote(key, safe='/~')}"
