"""The storage key of a call's recording, from whatever a call holds."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxb_recordings import recording_key_from_call

URL = "https://storage.example/recordings/2024/s-1.mp3"

KEYS = ["s-1.mp3", "2024/05/s 1.mp3", "100%.wav", "%2e%2e", "a+b", "a#b", "a?b", "ü/日本語", " ", "..", "/", "a" * 5000]

FROM_URL: dict[Any, str | None] = {
    URL: "s-1.mp3",
    f"{URL}?X-Amz-Signature=abc/def&x=y": "s-1.mp3",
    f"{URL}#t=10/20": "s-1.mp3",
    f"{URL}?#": "s-1.mp3",
    "https://storage.example/s-1.mp3": "s-1.mp3",
    "s-1.mp3": "s-1.mp3",
    "/recordings/s-1.mp3": "s-1.mp3",
    "https://h/b/call%20one%2B%C3%BC%281%29.mp3": "call one+ü(1).mp3",
    "https://h/b/a+b.mp3": "a+b.mp3",
    "https://h/b/a%2520b.mp3": "a%20b.mp3",
    "https://h/b/2024%2F05%2Fs-1.mp3": "2024/05/s-1.mp3",
    "https://h/b/%3Fa%23b": "?a#b",
    "https://h/b/ü.mp3": "ü.mp3",
    "https://h/b/100%.mp3": "100%.mp3",
    "https://h/b/%zz": "%zz",
    "https://h/b/..": "..",
    "https://h/b/a;v=1": "a;v=1",
    "https://h/b/": None,
    "https://h/b/?key=s-1.mp3": None,
    "https://h/b/#s-1.mp3": None,
    "https://h/": None,
    "https://h": None,
    "https://h?s-1.mp3": None,
    "": None,
    "/": None,
    "#": None,
    "?": None,
    "https://h/b/%ff.mp3": None,  # no UTF-8, and so no key of any store
    "https://[h/b/s-1.mp3": None,
    None: None,
    7: None,
    True: None,
    b"https://h/b/s-1.mp3": None,
    ("https://h/b/s-1.mp3",): None,
}


@pytest.mark.parametrize("key", KEYS)
def test_a_stored_key_is_taken_as_it_is(key: str) -> None:
    assert recording_key_from_call({"recording_key": key, "recording_url": URL}) == key


@pytest.mark.parametrize("key", [None, "", 0, 7, True, b"key", ["key"], {"key": 1}])
def test_what_is_no_key_gives_way_to_the_url(key: object) -> None:
    assert recording_key_from_call({"recording_key": key, "recording_url": URL}) == "s-1.mp3"
    assert recording_key_from_call({"recording_key": key}) is None


@pytest.mark.parametrize(("url", "key"), FROM_URL.items())
def test_a_url_gives_the_last_segment_of_its_path_decoded_once(url: Any, key: str | None) -> None:
    assert recording_key_from_call({"recording_url": url}) == key


def test_a_call_without_either_has_no_key() -> None:
    assert recording_key_from_call({}) is None
    assert recording_key_from_call({"recording_url": [URL]}) is None


@given(st.text() | st.text(alphabet="ah:/?#[]@%2fü\ud800\n."))
def test_no_url_is_an_error(url: str) -> None:
    for text in (url, f"https://{url}", f"https://h/{url}"):
        assert recording_key_from_call({"recording_url": text}) != ""
