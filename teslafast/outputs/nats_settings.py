"""
What may be set for NATS. No message shows the URL: it may hold a password.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ..config import Settings
from ..environment import Rule, comma_list, refuse, setting
from ..errors import Misconfigured
from ..urls import parse_url

_STREAM = re.compile(r"[^\s.*>/\\]{1,255}")


def _urls(text: str) -> tuple[str, ...]:
    given = comma_list(text)
    try:
        parsed = [parse_url(url, ("nats", "tls"), default="nats", example="nats://host:4222") for url in given]
    except Misconfigured:
        refuse(text)
    return tuple(url.geturl() for url in parsed) or refuse(text)


def _stream(text: str) -> str:
    return text.strip() if _STREAM.fullmatch(text.strip()) else refuse(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class NatsSettings:
    urls: tuple[str, ...] = setting(
        "NATS_URL",
        (),
        _urls,
        "nats://user:password@host:4222, tls:// for TLS; a comma list for several servers",
        "publishes events to one of these servers: `nats://[user:password@]host[:port]`, `tls://` for TLS",
        secret=True,
    )
    creds_path: Path | None = setting(
        "NATS_CREDS_PATH", None, Path, "path of a file", "credentials (JWT and seed) by which it logs in"
    )
    stream: str = setting(
        "NATS_STREAM", "", _stream, "the name of a JetStream stream", "a JetStream stream that must acknowledge each event"
    )

    @staticmethod
    def rules(server: Settings) -> tuple[Rule[NatsSettings], ...]:
        return (
            Rule(
                "NATS_CREDS_PATH",
                lambda it: it.creds_path is not None and not it.creds_path.is_file(),
                lambda it: f"{it.creds_path} is not a file",
                "give the .creds file of the user",
            ),
        )
