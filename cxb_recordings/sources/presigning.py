"""Signed URLs, by boto3: for what reads from object storage without this library. No request is ever made here."""

from __future__ import annotations

import os
import threading
from functools import cache, lru_cache
from typing import Any

from ..settings import StorageSettings


def presign_get_object(storage: StorageSettings, key: str, expires_in: int) -> str:
    """A SigV4 URL that reads `key` for `expires_in` seconds."""
    url: str = make_client(storage).generate_presigned_url(
        "get_object", Params={"Bucket": storage.bucket, "Key": key}, ExpiresIn=expires_in
    )
    return url


_one_at_a_time = threading.Lock()  # boto3: a session is not for several threads at once, its clients are


@lru_cache(maxsize=8)  # signs only, so it may be remembered for the process and survive a fork
def make_client(storage: StorageSettings) -> Any:
    """A boto3 S3 client that nothing of the environment changes. The first takes some 100 ms, the others 10 ms."""
    from botocore.config import Config

    with _one_at_a_time:
        return _session().client(
            "s3",
            endpoint_url=storage.endpoint_url,
            region_name=storage.region,
            aws_access_key_id=storage.access_key,
            aws_secret_access_key=storage.secret_key,
            aws_session_token=storage.session_token,
            verify=True,  # not the bundle of AWS_CA_BUNDLE, which is read though nothing is ever connected
            config=Config(
                signature_version="s3v4",  # botocore presigns the old SigV2 for us-east-1 when left alone
                s3={"addressing_style": "path"},  # a dotted bucket as a host name fits no wildcard certificate
                proxies={},  # not None, which means those of the environment
                use_fips_endpoint=False,
                use_dualstack_endpoint=False,
            ),
        )


@cache  # it reads S3's service model, which is most of what a client costs
def _session() -> Any:
    import boto3  # here: a host that hands out no signed URL, and does without `offload`, never needs it
    import botocore.session

    variables = {
        name: (None, None, default, convert)
        for name, (_, _, default, convert) in botocore.session.Session.SESSION_VARIABLES.items()
    }
    for name in ("config_file", "credentials_file"):
        variables[name] = (None, None, os.devnull, None)
    return boto3.session.Session(botocore_session=botocore.session.Session(session_vars=variables))
