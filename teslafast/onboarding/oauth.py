"""
Tesla's OAuth: the login page's address, and the three requests for tokens.

    client_credentials    a partner token: the app itself; registers the app, and lists vehicles' errors
    authorization_code    the owner's first pair, for the code that the login page gave
    refresh_token         the next pair: no client secret is needed

The secret, the code and the tokens travel in the body of a request, never in a URL, and they are taken out of whatever Tesla
answers before it is shown. The page's address holds nothing secret: PKCE's verifier stays here.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from .. import https
from ..errors import Declined
from ..text import one_line
from .access_token import is_token
from .answers_of_tesla import asked_pause_s, json_of, words_of
from .refusals_of_tesla import NOT_AN_ANSWER, explain
from .tesla_hosts import CONSENT_PAGE, TeslaHosts

OWNER_SCOPES = ("openid", "offline_access", "vehicle_device_data", "vehicle_location")
PARTNER_SCOPES = ("openid", "vehicle_device_data", "vehicle_location")
_SECRETS = ("client_secret", "refresh_token", "code", "code_verifier")


@dataclass(frozen=True)
class Attempt:
    """One login: `url` is opened in a browser, `state` must come back with the code, `verifier` goes with it."""

    url: str
    state: str
    verifier: str
    redirect: str


class OAuth:
    """One app at Tesla. `client_secret`: "" where it is not known; only refreshing works without it."""

    def __init__(
        self,
        hosts: TeslaHosts,
        client_id: str,
        client_secret: str = "",
        request: Callable[..., https.Reply] = https.request,
    ) -> None:
        self.hosts = hosts
        self.client_id = client_id
        self.client_secret = client_secret
        self._request = request

    def attempt(self, redirect: str, scopes: tuple[str, ...] = OWNER_SCOPES) -> Attempt:
        """A new login."""
        state, verifier = secrets.token_urlsafe(24), secrets.token_urlsafe(48)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        query = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": redirect,
            "scope": " ".join(scopes),
            "state": state,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            "locale": "en-US",
            "prompt": "login",
            # Without the first, Tesla reuses an earlier consent and drops new scopes without a word.
            "prompt_missing_scopes": "true",
            "require_requested_scopes": "true",
            "show_keypair_step": "true",
        }
        separator = "&" if "?" in self.hosts.login_page else "?"
        page = f"{self.hosts.login_page}{separator}{urlencode(query).replace('+', '%20')}"
        return Attempt(page, state, verifier, redirect)

    def exchange(self, code: str, attempt: Attempt, audience: str) -> dict[str, Any]:
        """The owner's first pair. `audience`: the base URL of a region. Raises Declined, Unhealthy."""
        fields = {
            "grant_type": "authorization_code",
            "client_id": self.client_id,
            "code": code,
            "audience": audience,
            "redirect_uri": attempt.redirect,
            "code_verifier": attempt.verifier,
        }
        if self.client_secret:
            fields["client_secret"] = self.client_secret
        return self._ask(fields)

    def refresh(self, refresh_token: str) -> dict[str, Any]:
        """The next pair; the refresh token is used up. Raises Declined, Unhealthy."""
        fields = {"grant_type": "refresh_token", "client_id": self.client_id, "refresh_token": refresh_token}
        return self._ask(fields)

    def partner_token(self, base_url: str) -> str:
        """The app's own access token for the region at this address. Raises Declined, Unhealthy."""
        fields = {
            "grant_type": "client_credentials",
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "scope": " ".join(PARTNER_SCOPES),
            "audience": base_url.rstrip("/"),
        }
        return str(self._ask(fields)["access_token"])

    def revocation_page(self, back: str) -> str:
        """Where the owner takes the consent back."""
        return f"{CONSENT_PAGE}?{urlencode({'revoke_client_id': self.client_id, 'back_url': back})}"

    def _ask(self, fields: Mapping[str, str]) -> dict[str, Any]:
        """The answer, which has an access token."""
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Accept": "application/json",
            "User-Agent": "teslafast",
        }
        reply = self._request("POST", self.hosts.token_endpoint, headers, urlencode(fields).encode())
        answer = json_of(reply)
        if reply.is_success and isinstance(answer, dict) and is_token(answer.get("access_token")):
            return answer
        raise _declined(reply, answer, fields)


def _declined(reply: https.Reply, answer: object, fields: Mapping[str, str]) -> Declined:
    words = words_of(reply, answer)
    if reply.is_success and not (isinstance(answer, dict) and words):
        words = f"{NOT_AN_ANSWER} Tesla's token endpoint"
    for name in _SECRETS:
        if fields.get(name):
            words = words.replace(fields[name], "…")
    text = one_line(words)
    fault = f"Tesla's login: HTTP {reply.status}" + (f", {text}" if text else "")
    if wait := asked_pause_s(reply):
        fault += f" (retry after {wait} s)"
    return Declined(reply.status, fault, explain(reply.status, text).remedy, text)
