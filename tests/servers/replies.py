"""Replies as bytes, for an origin that answers as a test says."""

from __future__ import annotations

from collections.abc import Mapping

from .conversation import Received


def reply(status: int, headers: Mapping[str, str] | None = None, body: bytes = b"", *, length: bool = True) -> bytes:
    """A reply with `body`, and with its Content-Length unless `headers` or `length` say otherwise."""
    lines = [f"HTTP/1.1 {status} Reason", *(f"{name}: {value}" for name, value in (headers or {}).items())]
    if length and not any(name.lower() == "content-length" for name in headers or {}):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def s3_error(status: int, code: str, extra: str = "", headers: Mapping[str, str] | None = None) -> bytes:
    """A store's refusal, with `extra` elements in its document."""
    document = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>secret detail</Message>{extra}</Error>"
    return reply(status, {"Content-Type": "application/xml", **(headers or {})}, document.encode())


def archived(received: Received) -> bytes:
    """What a store answers for an object in an archive: its head to HEAD, a refusal to GET."""
    if received.method == "HEAD":
        return reply(200, {"Content-Length": "1000", "Content-Type": "audio/wav", "x-amz-storage-class": "GLACIER"})
    return s3_error(403, "InvalidObjectState", "<StorageClass>GLACIER</StorageClass>")


def chunked(*parts: bytes, headers: Mapping[str, str] | None = None, status: int = 200) -> bytes:
    """A reply in chunks, one for each part, with its end."""
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts if part)
    return reply(status, {**(headers or {}), "Transfer-Encoding": "chunked"}, chunks + b"0\r\n\r\n", length=False)
