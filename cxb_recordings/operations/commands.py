"""``flask recordings …``: the operator's commands. What they look at lives in ``doctor`` and ``trace``."""

from __future__ import annotations

import logging
import shlex
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import wraps
from typing import Any, cast

import click
from flask import Flask, current_app
from flask.cli import with_appcontext

from ..availability import Availability
from ..calls.repository import CallRepository, FindCall, TokenStore
from ..findings import what, worst_first
from ..service import RecordingService
from .doctor import diagnose, find_session
from .jwt import JudgeJwt, check_jwt, check_jwt_key
from .output import SCHEMA_VERSION, Command, ReaderGone, Show, json_text, printable, say, shown_as, shown_fields
from .public import check_public
from .ticket import describe_options, describe_settings, versions
from .trace import token_of, trace_session, trace_token

_logger = logging.getLogger(__name__)

_EXIT_STATUSES = {"available": 0, "missing": 1, "archived": 1, "unreachable": 3}
_STORE_METHODS = ("ensure_token", "rotate", "revoke", "sessions_without_token")


@dataclass(frozen=True, slots=True)
class Registration:
    """What the commands need of one call of ``register``.

    Attributes:
        service: the recording service.
        call_repo: the host's repository.
        judge_jwt: says what is wrong with the access token of the current request, as the admin route does; None where
            that has a decorator of the host's own.
    """

    service: RecordingService
    call_repo: CallRepository
    judge_jwt: JudgeJwt | None = None


class RecordingsGroup(click.Group):
    """The commands of one app, for each of its registrations."""

    def __init__(self) -> None:
        """Without a registration yet."""
        super().__init__("recordings", help="Look after call recordings and their links.")
        self.registrations: dict[str, Registration] = {}
        for command in (doctor, trace, report, availability, link, rotate, revoke, backfill):
            self.add_command(command)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command. Escape the errors about its arguments for a terminal: click prints some unescaped."""
        try:
            return super().invoke(ctx)
        except click.UsageError as exc:
            raise click.UsageError(printable(exc.format_message()), exc.ctx) from exc


def add_commands(app: Flask, name: str, registration: Registration) -> None:
    """Add a registration to the app's ``flask recordings``; a command of the host's own under that name stays."""
    group = app.cli.commands.get("recordings")
    if group is None:
        group = RecordingsGroup()
        app.cli.add_command(group)
    if isinstance(group, RecordingsGroup):
        group.registrations[name] = registration
    else:
        _logger.warning("flask recordings is a command of the host's own: doctor and trace are not added")


def _find_registration(ctx: click.Context, _: click.Parameter, name: str | None) -> Registration:
    group = cast(click.Context, ctx.parent).command  # the commands exist in the group only
    registrations = cast(RecordingsGroup, group).registrations
    if name is None and len(registrations) == 1:
        return next(iter(registrations.values()))
    if name is None or name not in registrations:
        raise click.BadParameter(f"this app has {', '.join(sorted(registrations))}: choose one with --name")
    return registrations[name]


def _command(function: Command) -> click.Command:
    """Make a command that knows its registration, works in the app's context, and fails without a traceback."""

    @wraps(function)
    def guarded(**arguments: Any) -> None:
        try:
            function(**arguments)
        except (click.ClickException, click.exceptions.Exit, click.Abort, ReaderGone):
            raise
        except Exception as exc:
            # Only the type: the text of a host's exception may hold a secret.
            raise click.ClickException(printable(what(exc))) from exc

    named = click.option("--name", "registration", callback=_find_registration, help="Which registration of the app.")
    return click.command()(named(with_appcontext(guarded)))


def _secret(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    """An argument that is a secret: with ``-``, the first line of standard input, which no shell remembers."""
    return sys.stdin.readline().strip() if value == "-" else value


@_command
@click.option("--session-id", help="Of the call whose settings are checked, where they differ by call.")
@click.option(
    "--jwt", callback=_secret, help="An access token that the admin route should take; - reads it from stdin."
)
@click.option("--url", help="The application's public address: what proxies do to a reply is looked at.")
@click.option("--token", callback=_secret, help="With --url, a public link that should play, or its token; - is stdin.")
@shown_as
def doctor(
    registration: Registration, session_id: str | None, jwt: str | None, url: str | None, token: str | None, show: Show
) -> None:
    """Look for what is wrong with settings, storage, fleet, repository and JWT.

    Exit status 1 where there is a failure.
    """
    if token is not None and url is None:
        raise click.UsageError("--token: it is asked for through --url")
    findings = diagnose(registration.service, registration.call_repo, session_id)
    if registration.judge_jwt is not None:
        findings += check_jwt_key(current_app)
        if jwt is not None:
            findings += check_jwt(current_app, jwt, registration.judge_jwt)
    elif jwt is not None:
        raise click.UsageError("--jwt: the admin route of this registration has a decorator of the host's own")
    if url is not None:
        options = registration.service.options
        known, problem = ("", None) if token is None else token_of(token, options.public_url_prefix)
        findings += [problem] if problem else check_public(current_app, options, url, known or None)
    show(findings)


@_command
@click.option("--session-id", help="Of the call, as on the admin route.")
@click.option("--token", callback=_secret, help="The call's public link, or its token; - reads it from stdin.")
@shown_as
def trace(registration: Registration, session_id: str | None, token: str | None, show: Show) -> None:
    """Follow one recording through call, key, storage and each fleet host, without downloading it.

    Exit status 1 where there is a failure.
    """
    if (session_id is None) == (token is None):
        raise click.UsageError("either --session-id or --token is needed")
    service, call_repo = registration.service, registration.call_repo
    if token is not None:
        show(trace_token(service, call_repo, token))
    elif session_id is not None:
        show(trace_session(service, call_repo, session_id))


@_command
@click.option("--session-id", help="Of the call, as on the admin route.")
@click.option("--token", callback=_secret, help="The call's public link, or its token; - reads it from stdin.")
@click.option("--key", help="In storage, in place of a call.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def availability(
    registration: Registration, session_id: str | None, token: str | None, key: str | None, as_json: bool
) -> None:
    """Say whether a recording is there, without downloading it.

    Exit status 0 where it is available, 1 where it is missing or archived, 3 where that can't be told.
    """
    if (session_id, token, key).count(None) != 2:
        raise click.UsageError("one of --session-id, --token and --key is needed")
    call_repo = registration.call_repo
    if key is not None:
        found = registration.service.availability(key)
    elif token is not None:
        known, problem = token_of(token, registration.service.options.public_url_prefix)
        found = _availability_of(registration, lambda: None if problem else call_repo.find_by_access_token(known))
    else:
        found = _availability_of(registration, lambda: call_repo.find_by_session_id(cast(str, session_id)))
    if as_json:
        shown = {name: value for name, value in asdict(found).items() if value is not None}
        say(json_text(shown | {"reasons": dict(found.reasons)}))
    else:
        facts = [found.source, found.length is not None and f"{found.length} bytes", found.media_type]
        say(printable(": ".join([found.status, ", ".join(fact for fact in facts if fact)]).removesuffix(": ")))
        for name, reason in found.reasons:
            say(printable(f"  {name}: {reason}"))
    click.get_current_context().exit(_EXIT_STATUSES[found.status])


@_command
@click.option("--session-id", help="Of the call whose settings are told, where they differ by call.")
def report(registration: Registration, session_id: str | None) -> None:
    """Print what a ticket needs: settings without secrets, options, versions and what the doctor finds."""
    service = registration.service
    findings = diagnose(service, registration.call_repo, session_id)
    if registration.judge_jwt is not None:
        findings += check_jwt_key(current_app)
    call, absence = (None, []) if session_id is None else find_session(registration.call_repo, session_id)
    try:
        settings = {} if absence else describe_settings(service.settings.document(call))
    except Exception:  # noqa: BLE001 - the provider is the host's code; the findings say what it raised
        settings = {}
    say(
        json_text(
            {
                "schema_version": SCHEMA_VERSION,
                "versions": versions(),
                "options": describe_options(service.options),
                "settings": settings,
                "findings": [shown_fields(finding) for finding in worst_first(findings)],
            }
        )
    )


def _availability_of(registration: Registration, find: FindCall) -> Availability:
    """Of the call that the repository finds; unreachable where that raises, since nothing is known then."""
    try:
        call = find()
        if call is None:
            return Availability("missing", reasons=(("call", "the repository finds none"),))
        return registration.service.availability(call)
    except Exception as exc:  # noqa: BLE001 - the repository is the host's code and may raise anything
        return Availability("unreachable", reasons=(("call", f"the repository raised {what(exc)}"),))


@_command
@click.argument("session_id")
@click.option("--host", required=True, help="The public host name, with a port where that is not the usual one.")
@click.option("--scheme", type=click.Choice(["https", "http"]), default="https", show_default=True)
def link(registration: Registration, session_id: str, host: str, scheme: str) -> None:
    """Print a call's public link; a call without a token gets one."""
    service = registration.service
    try:
        service.build_public_recording_url(host, "probe", scheme=scheme)  # before a token is minted for nothing
    except ValueError as exc:
        raise click.BadParameter(str(exc)) from exc
    token = _token_store(registration).ensure_token(session_id)
    if token is None:
        raise click.ClickException("no such call, or its link is revoked: `flask recordings rotate` makes a new one")
    click.echo(service.build_public_recording_url(host, token, scheme=scheme))


@_command
@click.argument("session_id")
def rotate(registration: Registration, session_id: str) -> None:
    """Give a call a new token: the old link is closed at once, a revoked one opens anew."""
    if _token_store(registration).rotate(session_id) is None:
        raise click.ClickException("no such call")
    click.echo("The call has a new token; `flask recordings link` prints the link.")


@_command
@click.argument("session_id")
def revoke(registration: Registration, session_id: str) -> None:
    """Close a call's public link until `rotate`."""
    if not _token_store(registration).revoke(session_id):
        raise click.ClickException("no such call")
    click.echo("The call's public link is closed.")


@_command
@click.option("--batch", type=click.IntRange(1, 100_000), default=1000, show_default=True, help="Calls in a query.")
@click.option("--after", default="", help="Go on behind this session id, where an earlier run ended.")
def backfill(registration: Registration, batch: int, after: str) -> None:
    """Give a token to every call that has none and is not revoked. Safe to end and to repeat."""
    store = _token_store(registration)
    given, last = 0, after

    def sessions() -> Iterator[str]:
        behind = after
        while found := store.sessions_without_token(behind, batch):
            yield from found
            behind = found[-1]

    try:
        with click.progressbar(sessions(), label="Calls given a token", show_pos=True) as bar:
            for session_id in bar:
                given += store.ensure_token(session_id) is not None
                last = session_id
    except BaseException:
        click.echo(f"Ended after {given} calls; go on with --after {_shell_word(last)}", err=True)
        raise
    click.echo(f"{given} calls were given a token.")


def _token_store(registration: Registration) -> TokenStore:
    store = registration.call_repo
    lacking = [name for name in _STORE_METHODS if not callable(getattr(store, name, None))]
    if lacking:
        needs = "a TokenStore, such as MongoCallRepository, is needed"
        raise click.ClickException(f"{type(store).__name__} has no {', '.join(lacking)}: {needs}")
    return cast(TokenStore, store)


def _shell_word(text: str) -> str:
    """A text as one word to type into a shell; one that is not printable, as bash, zsh and ksh read it."""
    if text.isprintable():
        return shlex.quote(text)
    escaped = (char if char.isprintable() and char not in "\\'" else f"\\U{ord(char):08x}" for char in text)
    return f"$'{''.join(escaped)}'"
