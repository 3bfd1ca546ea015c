"""What `doctor` is to examine: the command's options and the environment, before anything is looked up."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import Misconfigured
from ..urls import parse_url

# Only a server's environment has these: many shells set PORT and HOST, and the `vehicle` commands use TESLA_VIN, too.
_OF_SERVERS = (  # noqa: SIM905
    "CERT_PATH KEY_PATH CA_PATH VEHICLE_PORT REQUEST_CLIENT_CERT JWT_SECRET JWT_PUBLIC_KEY_PATH CLUSTER_URL"
).split()
_SCHEMES = {"https": "https", "wss": "https", "http": "http", "ws": "http"}
_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True, kw_only=True)
class DoctorOptions:
    """
    url          where vehicles connect, https://HOST:PORT; None: examine only files and the account
    dashboards   where dashboards connect, if elsewhere
    address      the address of the host in `url`, instead of asking DNS
    ca           file with the `ca` that vehicles have or will get; None: the certificates above the leaf in CERT_PATH
    certs        folder of `teslafast certs init` whose test vehicle may try to connect
    token        a dashboard's token; empty: doctor mints one with JWT_SECRET
    state        the set-up's folder; None: that of TESLAFAST_STATE, else ./teslafast.d
    vins         vehicles to ask Tesla about; empty: those in TESLA_VIN
    """

    environment: Mapping[str, str]
    now: datetime.datetime
    url: str | None = None
    dashboards: str | None = None
    address: str | None = None
    ca: Path | None = None
    certs: Path | None = None
    token: str = ""
    state: Path | None = None
    vins: tuple[str, ...] = field(default=())

    @property
    def has_settings(self) -> bool:
        """Whether this is a server's environment; from any other, doctor can examine only what is visible from outside."""
        return any(self.environment.get(variable) for variable in _OF_SERVERS)

    @property
    def vehicles_at(self) -> tuple[str, int] | None:
        """(host, port) to which vehicles connect. Raises Misconfigured."""
        if self.url is None:
            return None
        scheme, host, port = _parsed(self.url)
        if scheme == "http":
            remedy = "give https://HOST:PORT; name the address of dashboards without TLS with --dashboards"
            raise Misconfigured("URL", f"{self.url!r} is without TLS, vehicles connect only over TLS", remedy)
        return host, port

    def address_of(self, host: str) -> str:
        """The address to connect to for this host. Raises Misconfigured."""
        at = self.vehicles_at
        return self.address if self.address is not None and at is not None and at[0] == host else host

    @property
    def dashboards_at(self) -> tuple[str, str, int] | None:
        """(scheme, host, port) to which dashboards connect. Raises Misconfigured."""
        url = self.dashboards or self.url
        return None if url is None else _parsed(url)


def _parsed(url: str) -> tuple[str, str, int]:
    """Scheme http or https, host, and port."""
    parts = parse_url(url, _SCHEMES, default="https", example="https://telemetry.example.com:443")
    scheme = _SCHEMES[parts.scheme]
    return scheme, parts.hostname or "", parts.port or _PORTS[scheme]
