"""A reference model of the two routes, written from RFC 9110 and independent of the library: what must be answered.

It reads headers by hand and slowly, and knows the whole file. Section numbers are those of RFC 9110.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone


@dataclass(frozen=True, slots=True)
class File:
    """What the origin server has.

    Attributes:
        data: its bytes.
        etag: as in the ETag header, with quotes and, perhaps, ``W/``; None for none.
        modified: seconds since 1970; None where it is not known.
    """

    data: bytes
    etag: str | None
    modified: int | None


@dataclass(frozen=True, slots=True)
class Answer:
    """What the client must get; `content_range` None: no such header."""

    status: int
    body: bytes = b""
    content_range: str | None = None


def answer(file: File, method: str, headers: dict[str, str]) -> Answer:
    """§13.2.2, step by step."""
    if "If-Match" in headers:
        if not if_match(headers["If-Match"], file.etag):
            return Answer(412)
    elif "If-Unmodified-Since" in headers:
        date = http_date(headers["If-Unmodified-Since"])
        if date is not None and file.modified is not None and file.modified > date:
            return Answer(412)
    if "If-None-Match" in headers:
        if not if_none_match(headers["If-None-Match"], file.etag):
            return Answer(304)
    elif "If-Modified-Since" in headers:
        date = http_date(headers["If-Modified-Since"])
        if date is not None and file.modified is not None and file.modified <= date:
            return Answer(304)
    whole = Answer(200, file.data if method == "GET" else b"")
    positions = one_range(headers.get("Range"))
    if method != "GET" or positions is None:  # §14.2
        return whole
    if "If-Range" in headers and not if_range(headers["If-Range"], file):
        return whole
    return part(file.data, *positions)


def part(data: bytes, first: int | None, last: int | None) -> Answer:
    """§14.1.2 and §15.3.7, by going through the positions of the file."""
    total = len(data)
    if first is None:
        assert last is not None
        chosen = [position for position in range(total) if position >= total - last]
        if total == 0 and last > 0:
            return Answer(200)  # a suffix longer than the file is the whole file; of nothing, there is no part
    else:
        chosen = [position for position in range(total) if position >= first and (last is None or position <= last)]
    if not chosen:
        return Answer(416, content_range=f"bytes */{total}")
    body = bytes(data[position] for position in chosen)
    return Answer(206, body, f"bytes {chosen[0]}-{chosen[-1]}/{total}")


def one_range(text: str | None) -> tuple[int | None, int | None] | None:
    """First and last of the one range (§14.1.1, §14.1.2); None where the header is absent or ignored."""
    unit, equals, ranges = (text or "").partition("=")
    if unit.lower() != "bytes" or not equals:
        return None
    elements = [element.strip(" \t") for element in ranges.split(",")]
    elements = [element for element in elements if element]  # §5.6.1.2: a recipient ignores empty elements
    if len(elements) != 1:
        return None
    first, dash, last = elements[0].partition("-")
    if not dash or not (first or last) or not digits(first) or not digits(last):
        return None
    if not first:
        return None, number(last)
    if last and number(last) < number(first):
        return None
    return number(first), number(last) if last else None


def digits(text: str) -> bool:
    return all(char in "0123456789" for char in text)


def number(text: str) -> int:
    value = 0
    for char in text.lstrip("0")[:30]:  # no file has 10**29 bytes
        value = value * 10 + "0123456789".index(char)
    return value


def entity_tags(text: str) -> list[str]:
    """The members of a list of entity tags (§8.8.3), read character by character; tags may hold commas."""
    tags, position = [], 0
    while position < len(text):
        if text[position] in " \t,":
            position += 1
            continue
        start = position
        if text.startswith("W/", position):
            position += 2
        assert text[position] == '"', "the test sends well-formed lists only"
        position = text.index('"', position + 1) + 1
        tags.append(text[start:position])
    return tags


def if_match(text: str, etag: str | None) -> bool:
    """§13.1.1, strong comparison (§8.8.3.2)."""
    return text == "*" or (etag is not None and not etag.startswith("W/") and etag in entity_tags(text))


def if_none_match(text: str, etag: str | None) -> bool:
    """§13.1.2, weak comparison."""
    if text == "*":
        return False
    return etag is None or etag.removeprefix("W/") not in [tag.removeprefix("W/") for tag in entity_tags(text)]


def if_range(text: str, file: File) -> bool:
    """§13.1.5."""
    if text.startswith(('"', "W/")):
        return file.etag == text and not text.startswith("W/")
    date = http_date(text)
    return date is not None and date == file.modified


def http_date(text: str) -> int | None:
    """§5.6.7: the preferred format and the two obsolete ones."""
    for form in ("%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %d %H:%M:%S %Y"):
        try:
            return int(datetime.strptime(text, form).replace(tzinfo=timezone.utc).timestamp())
        except ValueError:
            continue
    return None
