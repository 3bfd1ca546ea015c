"""
What may be set for webhooks. No message shows an address: many hold a secret.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, replace
from ipaddress import ip_address
from urllib.parse import SplitResult, urldefrag

from ..config import Settings
from ..environment import Rule, boolean, comma_list, refuse, setting
from ..errors import Misconfigured
from ..urls import is_this_machine, parse_url
from .http_client import is_public
from .shared import KINDS_FORM, kinds

MOST_URLS = 8  # the file of cursors has room for 31 outputs


def _urls(text: str) -> tuple[str, ...]:
    given = comma_list(text)
    try:
        for url in given:
            parts_of(url)
    except Misconfigured:
        return refuse(text)  # type: ignore[no-any-return]  # it raises
    return given or refuse(text)


def parts_of(url: str) -> SplitResult:
    return parse_url(url, ("https", "http"), default="https", example="https://example.com/hook", subject="WEBHOOK_URL")


def _secrets(text: str) -> tuple[bytes, ...]:
    found = []
    for word in comma_list(text):
        try:
            found.append(base64.b64decode(word.removeprefix("whsec_"), validate=True))
        except binascii.Error:
            refuse(text)
        if not word.startswith("whsec_") or not 24 <= len(found[-1]) <= 64:
            refuse(text)
    return tuple(found) or refuse(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSettings:
    urls: tuple[str, ...] = setting(
        "WEBHOOK_URL",
        (),
        _urls,
        "a comma list of https:// addresses",
        "posts events to these addresses; `#FILE` after one of them: the body is made from this template",
        secret=True,
    )
    secrets: tuple[bytes, ...] = setting(
        "WEBHOOK_SECRET",
        (),
        _secrets,
        "whsec_ and 24 to 64 bytes in base64; two separated by a comma while you change it",
        "signs what is posted, as Standard Webhooks says; empty = unsigned",
        secret=True,
    )
    types: tuple[str, ...] = setting(
        "WEBHOOK_TYPES", ("alerts", "errors", "connectivity"), kinds, KINDS_FORM, "which kinds of events are posted"
    )
    private: bool = setting(
        "WEBHOOK_PRIVATE",
        False,
        boolean,
        "true or false",
        "allows http://, and addresses of this machine and of private networks",
    )

    @staticmethod
    def rules(server: Settings) -> tuple[Rule[WebhookSettings], ...]:
        """What no variable shows alone. No text names a URL: many hold a secret."""
        mine = "set WEBHOOK_PRIVATE=true if that is your own network"
        return (
            Rule("WEBHOOK_URL", lambda it: len(it.urls) > MOST_URLS, f"has more than {MOST_URLS} addresses", "give fewer"),
            Rule("WEBHOOK_URL", _has_doubles, "has an address twice", "give each once"),
            Rule("WEBHOOK_URL", lambda it: not it.private and any(map(_is_clear, it.urls)), "has an http:// address", mine),
            Rule("WEBHOOK_URL", lambda it: not it.private and any(map(_is_private, it.urls)), "has a private address", mine),
        )

    def parts(self) -> list[tuple[str, WebhookSettings]]:
        """One for each URL, and what names its cursor: a template may be changed without that."""
        return [(urldefrag(url).url, replace(self, urls=(url,))) for url in self.urls]


def _has_doubles(settings: WebhookSettings) -> bool:
    return len({urldefrag(url).url for url in settings.urls}) < len(settings.urls)


def _is_clear(url: str) -> bool:
    return parts_of(url).scheme == "http"


def _is_private(url: str) -> bool:
    host = parts_of(url).hostname or ""
    try:
        ip_address(host)
    except ValueError:
        return is_this_machine(host)
    return not is_public(host)
