"""What the host tells its CRM: the stable link of a call, whenever it changes."""

from __future__ import annotations

from urllib.parse import urlsplit

import requests

from cxb_recordings import RecordingService, SettingsError, crm_url_problem, recording_key_from_call
from cxb_recordings.calls.repository import Call

from .calls import Calls

_TIMEOUT = (2, 5)  # seconds to connect and to be answered


class CrmUnavailable(Exception):
    """Raised when the CRM does not take a call; the message says why, without a link."""


class CrmClient:
    """The CRM of this host."""

    def __init__(self, url: str, key: str, *, recordings: RecordingService, calls: Calls, public_url: str) -> None:
        """Push to the CRM at `url`.

        Args:
            url: the CRM's address, without a trailing slash.
            key: opens its interface.
            recordings: builds the links.
            calls: gives the tokens.
            public_url: scheme and host under which listeners reach this host.
        """
        self.url = url
        self._key = key
        self._recordings = recordings
        self._calls = calls
        self._public = urlsplit(public_url)
        self._session = requests.Session()
        self._session.trust_env = False  # no proxy of the environment gets the links

    def link(self, session_id: str) -> str | None:
        """The stable link of a call, which gets a token where it has none; None for an unknown or a revoked call.

        It ends in a file name, since some CRMs take name and type of a recording from there. The library ignores it.
        """
        call, token = self._calls.summary(session_id), self._calls.ensure_token(session_id)
        if call is None or token is None:
            return None
        return self._recordings.build_public_recording_url(
            self._public.netloc, token, filename=call.filename, scheme=self._public.scheme
        )

    def push(self, session_id: str) -> None:
        """Tell the CRM of a call and its link.

        Raises:
            CrmUnavailable: it does not take it.
        """
        call, document = self._calls.summary(session_id), self._calls.find_by_session_id(session_id)
        link = self.link(session_id)
        if call is None or document is None or link is None:
            raise CrmUnavailable("the call has no link")
        problem = crm_url_problem(link, self._recordings.settings(document))
        if problem is not None:
            raise CrmUnavailable(f"the link can't go there: {problem}")
        activity = {"session_id": session_id, "contact": call.caller, "agent": call.agent, "recording_url": link}
        # Never send this one: it goes along for the CRM's page that shows why.
        activity["signed_url"] = self._signed_url(document)
        try:
            reply = self._session.post(
                f"{self.url}/api/activities", data=activity, headers={"X-Api-Key": self._key}, timeout=_TIMEOUT
            )
        except requests.RequestException as error:
            raise CrmUnavailable(f"it can't be reached ({type(error).__name__})") from None
        if reply.status_code != 201:
            raise CrmUnavailable(f"it answers {reply.status_code}")

    def _signed_url(self, call: Call) -> str:
        key = recording_key_from_call(call)
        if key is None:
            return ""
        try:
            return self._recordings.generate_signed_url(key, call=call)
        except (SettingsError, ValueError):  # no storage, or a key that it can't have
            return ""
