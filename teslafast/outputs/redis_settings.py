"""
What may be set for Redis. No message shows the URL: it holds a password.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote

from ..config import Settings
from ..environment import Rule, boolean, comma_list, refuse, setting
from ..errors import Misconfigured
from ..urls import parse_url

REDIS_PORT = 6379
TLS_FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
_SCHEMES = ("redis", "rediss")
_FORM = (
    "redis[s]://[user:password@]host[:port][/db], or a comma list of a cluster's; percent-encode what is special in the password"
)


@dataclass(frozen=True, slots=True)
class RedisServers:
    """One address is a server, several are a cluster's. `files`: what TLS needs, by redis-py's names."""

    addresses: tuple[tuple[str, int], ...]
    encrypted: bool = False
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    db: int = 0
    files: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_cluster(self) -> bool:
        return len(self.addresses) > 1

    def missing_file(self) -> str:
        """The first of the TLS files that cannot be read, "" if there is none."""
        return next((f"{name}={path}" for name, path in self.files.items() if not Path(path).is_file()), "")

    def options(self) -> dict[str, Any]:
        """For a connection of redis-py, but for the address."""
        tls = {"ssl_cert_reqs": "required", "ssl_check_hostname": True, **self.files} if self.encrypted else {}
        return {"username": self.username, "password": self.password, **tls}


def redis_servers(text: str) -> RedisServers:
    """What the first URL says beside its address holds for all: the others must say the same, or be `host:port`."""
    words = comma_list(text)
    urls = [_url(word) for word in words] or refuse(text)
    first = urls[0]
    for word, url in zip(words, urls, strict=True):
        if "://" in word and _beside_the_address(url) != _beside_the_address(first):
            refuse(text)
    query = dict(parse_qsl(first.query, keep_blank_values=True, strict_parsing=bool(first.query)))
    path = first.path.strip("/")
    if first.fragment or not set(query) <= set(TLS_FILES) or (query and first.scheme != "rediss"):
        refuse(text)
    return RedisServers(
        addresses=tuple((url.hostname or "", url.port or REDIS_PORT) for url in urls),
        encrypted=first.scheme == "rediss",
        username=unquote(first.username) if first.username else None,
        password=unquote(first.password) if first.password else None,
        db=(int(path) if path.isascii() and path.isdigit() and len(path) < 6 else refuse(text)) if path else 0,
        files=query,
    )


def _url(word: str) -> SplitResult:
    try:
        return parse_url(word, _SCHEMES, default="redis", example="redis://host:6379")
    except Misconfigured:
        refuse(word)
        raise


def _beside_the_address(url: SplitResult) -> tuple[str, str | None, str | None, str, str]:
    return url.scheme, url.username, url.password, url.path.strip("/"), url.query


def _prefix(text: str) -> str:
    return text.strip() if text.strip().isprintable() and not set(text.strip()) & set("{}") else refuse(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisSettings:
    servers: RedisServers = setting(
        "REDIS_URL",
        None,
        redis_servers,
        _FORM,
        "publishes to this Redis: `redis[s]://[user:password@]host[:port][/db]`; a comma list is a cluster",
        secret=True,
    )
    vin_topics: bool = setting(
        "REDIS_PUBLISH_VIN_TOPICS", True, boolean, "true or false", "publishes to a channel for each vehicle and type of record"
    )
    subscriber_sets: str = setting(
        "REDIS_SUBSCRIBER_SET_PREFIX",
        "",
        _prefix,
        "text without braces",
        "publishes to the channels in the vehicle's sorted set, whose keys begin with this",
    )

    @staticmethod
    def rules(server: Settings) -> tuple[Rule[RedisSettings], ...]:
        """What no variable shows alone."""
        return (
            Rule(
                "REDIS_PUBLISH_VIN_TOPICS",
                lambda it: not it.vin_topics and not it.subscriber_sets,
                "is false, and REDIS_SUBSCRIBER_SET_PREFIX is not set: nothing would be published",
                "set one of them",
            ),
            Rule(
                "REDIS_URL",
                lambda it: it.servers.is_cluster and it.servers.db != 0,
                "names a database, which a cluster does not have",
                "leave the number after the address out",
            ),
            Rule(
                "REDIS_URL",
                lambda it: bool(it.servers.missing_file()),
                lambda it: f"{it.servers.missing_file()} is not a file that can be read",
                "give the path of a PEM file",
            ),
        )
