"""How a repository is checked against its protocol, and how a failed check is said in words.

The checks are in ``finding_contract`` and ``token_contract``, the protocols in ``repository``. Hosts call the checks
through ``cxb_recordings.testing``.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta, timezone
from reprlib import Repr
from typing import Any

RepositoryFactory = Callable[[Sequence[Mapping[str, Any]]], Any]
Check = Callable[["Maker"], None]

TOKEN = "dGhlIHRva2VuIG9mIGEgY2FsbCBpbiB0aGUgdGVzdHM"  # invented  # noqa: S105  # nosec B105
_FIELDS = "session_id", "recording_key", "recording_url"
# No call in these checks has one of these session ids, but a careless comparison finds `s-1` or `s-2` by them.
NEAR_IDS = ["unknown", "", "S-1", "s-1 ", " s-1", "s-", "s-11", "s_1", "s-%", "%", "*", "' OR ''='", "s-1\0"]
NEAR_IDS.append("x" * 10_240)
DAY = timedelta(days=1)
_shortener = Repr()
_shortener.maxstring = _shortener.maxother = 60


class Broken(Exception):
    """Raised by a check that failed, with the sentence that says so."""


class Asked:
    """A repository, each of whose methods fails in words where it raises."""

    def __init__(self, repository: object) -> None:
        self._repository = repository

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._repository, name, None)
        if not callable(method):
            raise Broken(f"{type(self._repository).__name__} has no method {name}().")

        def ask(*arguments: object, **named: object) -> Any:
            try:
                return method(*arguments, **named)
            except Exception as exc:
                raise Broken(f"{said(name, *arguments, **named)} raised {_in_a_line(exc)}") from exc

        return ask

    def offers(self, name: str) -> bool:
        """Whether it has an optional method."""
        return hasattr(self._repository, name)

    def opens(self, token: object) -> bool:
        """Whether a call is found by `token`."""
        return self.find_by_access_token(token) is not None


Maker = Callable[..., Asked]


def run(checks: Sequence[Check], factory: RepositoryFactory) -> None:
    """Run each check with repositories of its own, and say of all that failed what is wrong."""
    failures, cause = [], None
    for check in checks:
        try:
            check(lambda *calls: _made(factory, calls))
        except Broken as exc:
            failures.append(f"- {check.__doc__} {exc}")
            cause = cause or exc.__cause__
    if failures:
        raise AssertionError("\n".join([f"{len(failures)} of {len(checks)} checks failed:", *failures])) from cause


def _made(factory: RepositoryFactory, calls: Sequence[Mapping[str, Any]]) -> Asked:
    try:
        return Asked(factory([dict(call) for call in calls]))
    except Exception as exc:
        raise Broken(f"The factory raised {_in_a_line(exc)}") from exc


def _in_a_line(exc: Exception) -> str:
    return f"{type(exc).__name__}: {str(exc).partition(chr(10))[0][:200]}"


def call_with(session_id: str = "s-1", **fields: object) -> dict[str, Any]:
    """A call with a key and a URL, and further fields."""
    names = {"recording_key": f"2024/05/{session_id}.mp3", "recording_url": f"https://storage.example/b/{session_id}"}
    return {"session_id": session_id, **names, **fields}


def shown(value: object) -> str:
    """A short form of a value, for a sentence."""
    return _shortener.repr(value)


def said(method: str, *arguments: object, **named: object) -> str:
    """A question to a repository, as Python writes it."""
    shown_named = (f"{name}={shown(value)}" for name, value in named.items())
    return f"{method}({', '.join([*map(shown, arguments), *shown_named])})"


def expect(is_so: object, sentence: str) -> None:
    """Fail with `sentence` unless `is_so`."""
    if not is_so:
        raise Broken(sentence)


def expect_call(found: object, wanted: Mapping[str, Any], question: str) -> None:
    """Fail unless `found` is the mapping of the call `wanted`."""
    expect(found is not None, f"{question} returned None.")
    if not isinstance(found, Mapping):
        raise Broken(f"{question} returned {named(found)}: return a mapping, such as a dict.")
    for field in _FIELDS:
        value, expected = found.get(field), wanted.get(field)
        expect(value == expected, f"{question} returned the {field} {shown(value)}, not {shown(expected)}.")


def expect_result(repository: Asked, wanted: object, method: str, *arguments: object) -> None:
    """Fail unless the method returns `wanted`: None, True and False themselves, and not what is merely false."""
    result = getattr(repository, method)(*arguments)
    is_it = result is wanted if wanted is None or isinstance(wanted, bool) else result == wanted
    expect(is_it, f"{said(method, *arguments)} returned {shown(result)}, not {shown(wanted)}.")


def expect_open(repository: Asked, token: object, why: str) -> None:
    """Fail unless the token finds a call."""
    expect(repository.opens(token), f"find_by_access_token() found no call {why}.")


def expect_closed(repository: Asked, token: object, why: str) -> None:
    """Fail where the token finds a call."""
    expect(not repository.opens(token), f"find_by_access_token() found a call {why}.")


def named(value: object) -> str:
    """The type of a value, for a sentence."""
    if value is None:
        return "nothing"
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"


def utc(hours: int) -> timezone:
    """The time zone so many hours ahead of UTC."""
    return timezone(timedelta(hours=hours))


def at_once(ask: Callable[[int], Any], threads: int = 8) -> list[Any]:
    """What `threads` threads, each with its number, got that asked at the same time."""
    together = threading.Barrier(threads, timeout=30)

    def one(number: int) -> Any:
        together.wait()
        return ask(number)

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(one, range(threads)))
