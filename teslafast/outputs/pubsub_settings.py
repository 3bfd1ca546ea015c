"""What may be set for Pub/Sub, Google's own variables among them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult

from ..config import Settings
from ..environment import Rule, boolean, refuse, setting
from ..errors import Misconfigured
from ..urls import is_this_machine, parse_url

GOOGLE = "https://pubsub.googleapis.com"
METADATA_HOST = "metadata.google.internal"
_PROJECT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:_-]{0,99}")  # an emulator takes any; which one is there, the service says


def _project(text: str) -> str:
    return text.strip() if _PROJECT.fullmatch(text.strip()) else refuse(text)


def _url(text: str, default: str) -> SplitResult:
    try:
        parts = parse_url(text.strip(), ("http", "https"), default=default, example=GOOGLE)
    except Misconfigured:
        refuse(text)
    return refuse(text) if parts.path.strip("/") or parts.query or parts.fragment or parts.username else parts


def _endpoint(text: str) -> str:
    """A token goes there: in clear to this machine only."""
    parts = _url(text, "https")
    return parts.geturl() if parts.scheme == "https" or is_this_machine(parts.hostname or "") else refuse(text)


def _host(text: str) -> str:
    return _url(text, "http").geturl()


@dataclass(frozen=True, slots=True, kw_only=True)
class PubsubSettings:
    project: str = setting(
        "PUBSUB_PROJECT_ID", "", _project, "a project's ID or number", "publishes to the topics of this Google Cloud project"
    )
    credentials: Path | None = setting(
        "GOOGLE_APPLICATION_CREDENTIALS",
        None,
        Path,
        "a path",
        "a service account's key file; without it, the machine's own account",
    )
    emulator: str = setting("PUBSUB_EMULATOR_HOST", "", _host, "host:port", "an emulator in place of Google's service")
    ordering: bool = setting(
        "PUBSUB_ORDERING",
        False,
        boolean,
        "true or false",
        "gives each message its VIN as ordering key, which Tesla's server does not",
    )
    endpoint: str = setting(
        "PUBSUB_ENDPOINT",
        GOOGLE,
        _endpoint,
        "https://host",
        "the service's address: a regional one keeps the order of ordering keys",
    )
    metadata_host: str = setting(
        "GCE_METADATA_HOST", METADATA_HOST, str.strip, "a host", "where the machine's own account is asked for"
    )

    @staticmethod
    def rules(server: Settings) -> tuple[Rule[PubsubSettings], ...]:
        """What no variable shows alone."""
        return (
            Rule(
                "PUBSUB_EMULATOR_HOST",
                lambda it: bool(it.emulator) and it.credentials is not None,
                "and GOOGLE_APPLICATION_CREDENTIALS are both set",
                "set one of them",
            ),
        )
