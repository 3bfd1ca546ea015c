"""What is to be examined: the words of the command line and the environment, nothing looked at yet."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from ..errors import Misconfigured

# what only a server's environment has: PORT and HOST stand in many a shell, TESLA_VIN is for the `vehicle` commands too
_OF_SERVERS = ("CERT_PATH", "KEY_PATH", "CA_PATH", "VEHICLE_PORT", "REQUEST_CLIENT_CERT", "JWT_SECRET", "JWT_PUBLIC_KEY_PATH")


@dataclass(frozen=True, kw_only=True)
class Case:
    """
    url          where vehicles connect, https://HOST:PORT; None: only files and account are examined
    dashboards   where dashboards connect, if elsewhere
    address      an address to use for the host in `url` instead of asking DNS
    ca           file with the `ca` that vehicles have or will get; None: what stands above the leaf in CERT_PATH
    certs        folder of `teslafast certs init` whose test vehicle may try to connect
    token        a dashboard's token; empty: one is minted with JWT_SECRET
    vins         vehicles to ask Tesla about; empty: TESLA_VIN's
    """

    environment: Mapping[str, str]
    now: datetime.datetime
    url: str | None = None
    dashboards: str | None = None
    address: str | None = None
    ca: Path | None = None
    certs: Path | None = None
    token: str = ""
    vins: tuple[str, ...] = field(default=())

    @property
    def has_settings(self) -> bool:
        """Whether this environment is a server's: from elsewhere, only the outside can be examined."""
        return any(self.environment.get(variable) for variable in _OF_SERVERS)

    @property
    def vehicles_at(self) -> tuple[str, int] | None:
        """(host, port) that vehicles dial. Raises Misconfigured."""
        return None if self.url is None else _host_and_port(self.url)

    def address_of(self, host: str) -> str:
        """What to dial for this host. Raises Misconfigured."""
        at = self.vehicles_at
        return self.address if self.address is not None and at is not None and at[0] == host else host

    @property
    def dashboards_at(self) -> tuple[str, str, int] | None:
        """(scheme, host, port) that dashboards dial. Raises Misconfigured."""
        url = self.dashboards or self.url
        return None if url is None else (_scheme(url), *_host_and_port(url))


def _scheme(url: str) -> str:
    return "http" if url.startswith(("http://", "ws://")) else "https"


def _host_and_port(url: str) -> tuple[str, int]:
    parts = urlsplit(url if "://" in url else f"https://{url}")
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or parts.scheme not in ("https", "wss", "http", "ws"):
        raise Misconfigured("URL", f"{url!r} is no address", "give for example https://telemetry.example.com:443")
    return host, port or {"http": 80, "https": 443}[_scheme(url)]
