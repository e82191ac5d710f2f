"""The URL helpers of a service: those of ``links``, ``storage_urls`` and ``playback_urls``, on live settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import links, storage_urls
from .calls.repository import Call
from .endpoints import find_object
from .options import Options
from .playback_urls import USUAL_LIFE, PlaybackUrls
from .settings import SettingsReader


class ServiceUrls:
    """What a service offers around URLs; see :class:`cxb_recordings.RecordingService`.

    Attributes:
        options: how it behaves.
        settings: gives the system settings as they are now.
        playback_urls: makes and reads those of the registration; None where it has no `playback_url_prefix`.
    """

    def __init__(self, options: Options, settings: SettingsReader, playback_urls: PlaybackUrls | None) -> None:
        """Make them by `options`."""
        self.options = options
        self.settings = settings
        self.playback_urls = playback_urls

    def build_public_recording_url(
        self, host: str, token: str, *, filename: str | None = None, scheme: str = "https"
    ) -> str:
        """See :func:`cxb_recordings.build_public_recording_url`; with this registration's own prefix."""
        prefix = self.options.public_url_prefix
        return links.build_public_recording_url(host, token, filename=filename, scheme=scheme, prefix=prefix)

    def playback_url(
        self,
        session_id: str,
        host: str | None = None,
        *,
        seconds: int = USUAL_LIFE,
        identity: str | None = None,
        scheme: str = "https",
    ) -> str:
        """A URL on the host's own address that plays one recording, also in a page of another site, until it expires.

        Args:
            session_id: of the call. It is not looked up here, but at each request: the URL of a call that was deleted
                plays nothing.
            host: the host application's public name, with a port where that is not the usual one; None for scheme, host
                and path of the current request.
            seconds: for which it plays, 1 to 86,400.
            identity: for whom it is; signals and log records name them. At most 128 characters, which anyone who has
                the URL can read, as well as the session id.
            scheme: ``https``, or ``http`` on a developer's machine; only with `host`.

        Returns:
            The URL; a secret until it expires.

        Raises:
            ValueError: an argument can't be part of a URL, no `host` is given outside a request, the registration has
                no `playback_url_prefix`, or a key of the app is too short; the message names it.
            werkzeug.exceptions.SecurityError: the host of the current request is malformed, or not one of
                ``TRUSTED_HOSTS``; Flask answers 400.
        """
        if self.playback_urls is None:
            raise ValueError("playback_url_prefix: there are no playback URLs without it; pass it to register()")
        return self.playback_urls.make(session_id, host, seconds=seconds, identity=identity, scheme=scheme).url

    def crm_recording_url(
        self, call: Mapping[str, Any], host: str, *, filename: str | None = None, allow_signed_fallback: bool = False
    ) -> str:
        """See :func:`cxb_recordings.crm_recording_url`; on live settings and this registration's prefix."""
        return links.crm_recording_url(
            call,
            host,
            filename=filename,
            allow_signed_fallback=allow_signed_fallback,
            settings=self.settings(call) if allow_signed_fallback else None,
            prefix=self.options.public_url_prefix,
        )

    def generate_signed_url(self, key: str, expires_in: int = storage_urls.DAY, *, call: Call | None = None) -> str:
        """See :func:`cxb_recordings.generate_signed_url`; on live settings, those of `call`."""
        return storage_urls.generate_signed_url(self.settings(call), key, expires_in)

    def generate_temporary_public_url(self, key: str, minutes: int = 15, *, call: Call | None = None) -> str:
        """See :func:`cxb_recordings.generate_temporary_public_url`; on live settings, those of `call`."""
        return storage_urls.generate_temporary_public_url(self.settings(call), key, minutes)

    def extract_s3_key_from_url(self, url: str, bucket: str | None = None, *, call: Call | None = None) -> str | None:
        """See :func:`cxb_recordings.extract_s3_key_from_url`; with the endpoint of live settings, those of `call`."""
        storage = self.settings(call).storage
        return find_object(url, None if storage is None else storage.endpoint_url, bucket)

    def enrich_call_with_accessible_url(self, call: Mapping[str, Any]) -> dict[str, Any]:
        """See :func:`cxb_recordings.enrich_call_with_accessible_url`; on live settings."""
        return storage_urls.enrich_call_with_accessible_url(call, self.settings(call))
