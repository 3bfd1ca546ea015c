"""
The server's settings: a row for each, and a rule for each pair that cannot stand together.

`Settings.from_env(environment)` reads the variables once, at the edge, and gives one frozen value, or raises Misconfigured with
the variable's name, what is wrong with its value, and the form that would be right (environment.py has the machinery).
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from . import setting_values as values
from .environment import Rule, boolean, check, choice, comma_list, read, seconds, setting, size, whole
from .hosts import WebOrigin
from .setting_values import HMAC_ALGORITHMS, LEAST_SECRET_BYTES, LONGEST_CREDIT, Network

MIB = 1 << 20
LEAST_RING_BYTES = 1 * MIB  # a few of the largest vehicle messages; RULES asks for four


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The server's settings; each field's metadata holds its variable, its allowed form and what it means."""

    port: int = setting("PORT", 3000, whole(0, 65535), "a port, 0 to 65535", "listener; 0 = any free one, said at start")
    status_port: int | None = setting(
        "STATUS_PORT", None, whole(0, 65535), "a port, 0 to 65535", "a plain listener that answers `/status` alone, with `ok`"
    )
    metrics_port: int | None = setting(
        "METRICS_PORT", None, whole(0, 65535), "a port, 0 to 65535", "a plain listener that answers `/metrics` alone"
    )
    metrics_host: str = setting(
        "METRICS_HOST", "127.0.0.1", str.strip, "an address or name", "address on which METRICS_PORT listens"
    )
    fleet_telemetry_config: Path | None = setting(
        "FLEET_TELEMETRY_CONFIG",
        None,
        Path,
        "path of a JSON file",
        "a `config.json` of Tesla's own server, unchanged; a variable that is set goes before it",
    )
    host: str = setting("HOST", "", str.strip, "an address or name", "address to listen on; empty = all interfaces")
    vehicle_port: int | None = setting(
        "VEHICLE_PORT", None, whole(0, 65535), "a port, 0 to 65535", "second listener, vehicles only, certificate required"
    )
    node_env: str = setting(
        "NODE_ENV", "production", choice("development", "production"), "development or production", "how strict to be"
    )
    jwt_secret: bytes = setting(
        "JWT_SECRET", b"", str.encode, "32 bytes or more", "HMAC secret of dashboards' tokens; required in production", True
    )
    jwt_algorithms: tuple[str, ...] = setting(
        "JWT_ALGORITHMS", ("HS256",), values.algorithms, "comma list of HS256 … or of RS256, ES256, EdDSA …", "algorithms allowed"
    )
    jwt_audience: str | None = setting("JWT_AUDIENCE", None, str.strip, "text", "`aud` that a token must carry")
    jwt_issuer: str | None = setting("JWT_ISSUER", None, str.strip, "text", "`iss` that a token must carry")
    jwt_public_key_path: Path | None = setting(
        "JWT_PUBLIC_KEY_PATH", None, Path, "path of a PEM file", "public key for RS, PS, ES and EdDSA tokens"
    )
    jwt_previous_secrets: tuple[bytes, ...] = setting(
        "JWT_PREVIOUS_SECRETS",
        (),
        lambda text: tuple(word.encode() for word in comma_list(text)),
        "comma list, 32 bytes or more each",
        "secrets still accepted while rotating",
        True,
    )
    cert_path: Path | None = setting(
        "CERT_PATH", None, Path, "path of a PEM file", "server certificate chain; with KEY_PATH: TLS on every listener"
    )
    key_path: Path | None = setting("KEY_PATH", None, Path, "path of a PEM file", "the server certificate's private key")
    ca_path: Path | None = setting("CA_PATH", None, Path, "path of a PEM file", "anchors of vehicles' client certificates")
    request_client_cert: bool = setting(
        "REQUEST_CLIENT_CERT", False, boolean, "true or false", "ask for client certificates on PORT"
    )
    dashboard_tls: bool = setting(
        "DASHBOARD_TLS",
        True,
        boolean,
        "true or false",
        "false: PORT speaks plain, behind a proxy that ends TLS; needs VEHICLE_PORT",
    )
    kernel_tls: bool = setting(
        "KERNEL_TLS", False, boolean, "true or false", "let the kernel encrypt, where it can (Python 3.12, module tls)"
    )
    tesla_vin: frozenset[str] = setting(
        "TESLA_VIN", frozenset(), values.vins, "comma list of VINs", "vehicles that may connect; empty = every verified one"
    )
    tesla_public_key_path: Path | None = setting(
        "TESLA_PUBLIC_KEY_PATH",
        None,
        Path,
        "path of a PEM file",
        "the app's public key (P-256), served where Tesla looks for it: `/.well-known/appspecific/com.tesla.3p.public-key.pem`",
    )
    state_folder: Path | None = setting(
        "TESLAFAST_STATE",
        None,
        Path,
        "path of a folder",
        "the set-up's folder: configs and the login at Tesla are renewed from it",
    )
    doors: tuple[str, ...] = setting(
        "DOORS", values.DOOR_NAMES, values.doors, values.FORM_OF_DOORS, "clients' protocols that PORT speaks"
    )
    allowed_origins: frozenset[WebOrigin | None] = setting(
        "ALLOWED_ORIGINS",
        frozenset(),
        values.origins,
        "comma list of scheme://host[:port] without a path or `*`, or null",
        "other sites whose pages may connect, by their `Origin`; the server's own page always may",
    )
    base_path: str = setting(
        "BASE_PATH",
        "",
        values.base_path,
        "a path such as /car, of letters, digits and - . _ ~",
        "the page, `/stream` and the HTTP pages also answer below it",
    )
    trusted_proxies: tuple[Network, ...] = setting(
        "TRUSTED_PROXIES",
        (),
        values.networks,
        "comma list of addresses or networks, such as 127.0.0.1,10.0.0.0/8",
        "whose PROXY protocol, `Forwarded` and `X-Forwarded-For` name the client",
    )
    client_cert_header: bool = setting(
        "CLIENT_CERT_HEADER",
        False,
        boolean,
        "true or false",
        "a trusted proxy's `Client-Cert` (RFC 9440) stands for a vehicle's certificate",
    )
    map_tiles: str = setting(
        "MAP_TILES",
        "",
        values.tiles,
        "https://host/{z}/{x}/{y}.png, each of the three once, without spaces, quotes, commas or semicolons",
        "tiles under the page's maps, `https://host/{z}/{x}/{y}.png`; empty = a drawn sheet, and no host asked but this",
    )
    map_credit: str = setting(
        "MAP_CREDIT",
        "",
        values.credit,
        f"printable text of {LONGEST_CREDIT} characters at most",
        "whom the page credits for the map",
    )
    teslamate_api: bool = setting("TESLAMATE_API", False, boolean, "true or false", "answers TeslaMate's REST requests at /api/1")
    vehicle_metrics: bool = setting(
        "VEHICLE_METRICS", False, boolean, "true or false", "last values for Prometheus at `/metrics/vehicles`, with a token"
    )
    elevation_path: Path | None = setting(
        "ELEVATION_PATH", None, Path, "path of a folder or a file", "SRTM tiles or a GeoTIFF: heights for TeslaMate"
    )
    coalesce_ms: int = setting(
        "COALESCE_MS", 0, whole(0, 10_000), "milliseconds, 0 to 10000", "flush at most once per so many ms"
    )
    ring_bytes: int = setting(
        "RING_BYTES",
        64 * MIB,
        size(LEAST_RING_BYTES, 1 << 40),
        "bytes (64MiB), at least 1MiB and 4 × MAX_FRAME_BYTES",
        "the replay window",
    )
    journal_path: Path | None = setting(
        "JOURNAL_PATH", None, Path, "path of a file", "keeps the ring and the last values when the process ends"
    )
    journal_sync_ms: int = setting(
        "JOURNAL_SYNC_MS", 0, whole(0, 10_000), "milliseconds, 0 = off", "acks wait for the disk, in such steps"
    )
    cluster_url: tuple[str, ...] = setting(
        "CLUSTER_URL",
        (),
        values.nats_urls,
        "comma list of nats://host:port, or of tls://host:port",
        "NATS servers whose stream several nodes share as their log; needs teslafast[cluster]",
    )
    cluster_stream: str = setting(
        "CLUSTER_STREAM", "TF", values.stream_name, "32 letters, digits, - and _ at most", "the stream; made if it is missing"
    )
    cluster_replicas: int = setting(
        "CLUSTER_REPLICAS", 3, whole(1, 5), "a number, 1 to 5", "servers that keep the stream; 1 = a single NATS server"
    )
    cluster_max_bytes: int = setting(
        "CLUSTER_MAX_BYTES", 4096 * MIB, size(MIB, 1 << 44), "bytes (4GiB), at least 1MiB", "how much the stream keeps"
    )
    cluster_max_age: float = setting(
        "CLUSTER_MAX_AGE",
        72 * 3600.0,
        seconds(60, 3650 * 86400),
        "seconds (72h), at least 1m",
        "for how long it keeps it",
    )
    cluster_nkey_path: Path | None = setting(
        "CLUSTER_NKEY_PATH", None, Path, "path of a file", "nkey seed by which this node logs in to NATS"
    )
    cluster_creds_path: Path | None = setting(
        "CLUSTER_CREDS_PATH", None, Path, "path of a file", "credentials (JWT and seed) by which this node logs in to NATS"
    )
    cluster_ca_path: Path | None = setting(
        "CLUSTER_CA_PATH", None, Path, "path of a PEM file", "CA of the NATS servers; default: the system's"
    )
    cluster_monitor_url: tuple[str, ...] = setting(
        "CLUSTER_MONITOR_URL",
        (),
        values.monitor_urls,
        "comma list of http://host:8222",
        "monitoring pages (/varz) of the NATS servers; `doctor` reads there whether sync_interval is always",
    )
    state_path: Path | None = setting(
        "STATE_PATH", None, Path, "path of a file", "with CLUSTER_URL: keeps this node's last values when the process ends"
    )
    node_dead_seconds: float = setting(
        "NODE_DEAD_SECONDS",
        10.0,
        seconds(3, 3600),
        "seconds (10, 10s), at least 3",
        "silence after which other nodes say that a node's vehicles are gone",
    )
    nodes_store_path: Path | None = setting(
        "NODES_STORE_PATH",
        None,
        Path,
        "path of a folder",
        "where `serve --nodes` keeps the log of its own NATS server; default: nodes-PORT in the state folder",
    )
    reuse_port: bool = setting("REUSE_PORT", False, boolean, "true or false", "lets several processes listen on the same port")
    max_frame_bytes: int = setting(
        "MAX_FRAME_BYTES", 1_000_000, size(1024, 64 * MIB), "bytes, 1024 to 64MiB", "largest vehicle message"
    )
    vehicle_rate_limit: float = setting(
        "VEHICLE_RATE_LIMIT",
        0.0,
        lambda text: float(whole(0, 1_000_000)(text)),
        "messages per second, 0 = off",
        "per vehicle, burst of 2 s worth; over it an error reply",
    )
    max_vehicles: int = setting("MAX_VEHICLES", 0, whole(0, 10_000_000), "a number, 0 = no limit", "over it: 503")
    max_dashboards: int = setting("MAX_DASHBOARDS", 0, whole(0, 10_000_000), "a number, 0 = no limit", "over it: 503")
    ping_interval: float = setting(
        "PING_INTERVAL", 20.0, seconds(0.1, 3600), "seconds (20, 20s, 1m)", "ping when idle so long; no answer in as long: ended"
    )
    handshake_timeout: float = setting(
        "HANDSHAKE_TIMEOUT", 10.0, seconds(0.1, 300), "seconds (10, 10s)", "from TCP accept to upgraded"
    )
    drain_seconds: float = setting("DRAIN_SECONDS", 25.0, seconds(0, 3600), "seconds (25, 25s)", "how long a drain may take")
    log_level: str = setting(
        "LOG_LEVEL", "info", choice("debug", "info", "warning", "error"), "debug, info, warning or error", "least that is logged"
    )
    log_format: str | None = setting(
        "LOG_FORMAT", None, choice("console", "json"), "console or json", "default: console on a terminal, else json"
    )

    @property
    def production(self) -> bool:
        return self.node_env == "production"

    @property
    def tls(self) -> bool:
        return self.cert_path is not None

    @property
    def needs_secret(self) -> bool:
        """Whether dashboards' tokens are signed with a shared secret (rather than verified with a public key)."""
        return bool(set(self.jwt_algorithms) & HMAC_ALGORITHMS)

    @property
    def least_secret_bytes(self) -> int:
        """How long a secret has to be for the algorithms allowed; 0 if none of them takes one."""
        return max((LEAST_SECRET_BYTES.get(name, 0) for name in self.jwt_algorithms), default=0)

    @property
    def mutual_tls(self) -> bool:
        return self.tls and self.ca_path is not None

    @classmethod
    def from_env(cls, environment: Mapping[str, str], **overrides: Any) -> Settings:
        """
        Reads the variables; `overrides` (the command line's words) go before them. Raises Misconfigured.

        In development a missing JWT_SECRET is made at random: tokens end with the process. So it is with a configuration of
        Tesla's server, which knows no dashboards.
        """
        settings = read(cls, environment, **overrides)
        without = not settings.production or settings.fleet_telemetry_config is not None
        if settings.needs_secret and not settings.jwt_secret and without:
            settings = replace(settings, jwt_secret=secrets.token_urlsafe(48).encode())
        check(settings, RULES)
        return settings


def _make_secret(settings: Settings) -> str:
    least = settings.least_secret_bytes
    return f"set one of {least} bytes or more, for example from: openssl rand -hex {least}"


def _is_short(secret: bytes, settings: Settings) -> bool:
    return len(secret) < settings.least_secret_bytes


_ONLY_WITH_CLUSTER = (
    ("CLUSTER_NKEY_PATH", "cluster_nkey_path"),
    ("CLUSTER_CREDS_PATH", "cluster_creds_path"),
    ("CLUSTER_CA_PATH", "cluster_ca_path"),
    ("CLUSTER_MONITOR_URL", "cluster_monitor_url"),
    ("STATE_PATH", "state_path"),
)


def _only_with_cluster(variable: str, name: str) -> Rule[Settings]:
    return Rule(
        variable,
        lambda s: bool(getattr(s, name)) and not s.cluster_url,
        "is set, but CLUSTER_URL is not",
        f"set CLUSTER_URL, or leave {variable} out",
    )


# What no variable shows alone; the first that is broken is told.
RULES: tuple[Rule[Settings], ...] = (
    Rule(
        "JWT_ALGORITHMS",
        lambda s: s.needs_secret and not set(s.jwt_algorithms) <= HMAC_ALGORITHMS,
        "mixes HS with other algorithms",
        "name either HS algorithms or public-key ones",
    ),
    Rule(
        "JWT_PUBLIC_KEY_PATH",
        lambda s: not s.needs_secret and s.jwt_public_key_path is None,
        lambda s: f"is not set, but JWT_ALGORITHMS is {','.join(s.jwt_algorithms)}",
        "set it to the PEM file of the public key",
    ),
    Rule(
        "JWT_PUBLIC_KEY_PATH",
        lambda s: s.needs_secret and s.jwt_public_key_path is not None,
        "is set, but JWT_ALGORITHMS names only HS algorithms",
        "set JWT_ALGORITHMS to the key's kind, for example ES256",
    ),
    Rule("JWT_SECRET", lambda s: s.needs_secret and not s.jwt_secret, "is not set", _make_secret),
    Rule(
        "JWT_SECRET",
        lambda s: _is_short(s.jwt_secret, s),
        lambda s: f"is shorter than {s.least_secret_bytes} bytes",
        _make_secret,
    ),
    Rule(
        "JWT_PREVIOUS_SECRETS",
        lambda s: any(_is_short(secret, s) for secret in s.jwt_previous_secrets),
        lambda s: f"one is shorter than {s.least_secret_bytes} bytes",
        "leave it out",
    ),
    Rule("KEY_PATH", lambda s: s.tls and s.key_path is None, "is not set, but CERT_PATH is", "set both, or neither"),
    Rule("CERT_PATH", lambda s: not s.tls and s.key_path is not None, "is not set, but KEY_PATH is", "set both, or neither"),
    Rule(
        "VEHICLE_PORT",
        lambda s: s.vehicle_port is not None and not s.mutual_tls,
        "needs mutual TLS",
        "set CERT_PATH, KEY_PATH and CA_PATH, or leave VEHICLE_PORT out",
    ),
    Rule(
        "VEHICLE_PORT",
        lambda s: s.vehicle_port is not None and s.vehicle_port == s.port != 0,
        "is the same as PORT",
        "give vehicles a port of their own, or leave VEHICLE_PORT out",
    ),
    Rule(
        "STATUS_PORT",
        lambda s: bool(s.status_port) and s.status_port in (s.port, s.vehicle_port, s.metrics_port),
        "is the same as PORT, VEHICLE_PORT or METRICS_PORT",
        "give it a port of its own",
    ),
    Rule(
        "METRICS_PORT",
        lambda s: bool(s.metrics_port) and s.metrics_port in (s.port, s.vehicle_port) and s.host in ("", s.metrics_host),
        "is the same as PORT or VEHICLE_PORT",
        "give it a port of its own",
    ),
    Rule(
        "DASHBOARD_TLS",
        lambda s: not s.dashboard_tls and s.vehicle_port is None,
        "is false, but vehicles share PORT",
        "set VEHICLE_PORT: vehicles' TLS must reach this server itself",
    ),
    Rule(
        "REQUEST_CLIENT_CERT",
        lambda s: s.request_client_cert and not s.dashboard_tls,
        "asks on PORT, which DASHBOARD_TLS=false makes plain",
        "leave it out: on VEHICLE_PORT certificates are always asked for",
    ),
    Rule(
        "REQUEST_CLIENT_CERT",
        lambda s: s.request_client_cert and not s.mutual_tls,
        "needs TLS and anchors",
        "set CERT_PATH, KEY_PATH and CA_PATH too",
    ),
    Rule(
        "CLIENT_CERT_HEADER",
        lambda s: s.client_cert_header and not s.trusted_proxies,
        "is true, but TRUSTED_PROXIES is not set",
        "name the proxies that may speak for vehicles in TRUSTED_PROXIES",
    ),
    Rule(
        "CLIENT_CERT_HEADER",
        lambda s: s.client_cert_header and s.ca_path is None,
        "is true, but CA_PATH is not set",
        "set CA_PATH: the server verifies the certificates that proxies pass on",
    ),
    Rule(
        "MAP_CREDIT",
        lambda s: bool(s.map_credit) and not s.map_tiles,
        "is set, but MAP_TILES is not",
        "set MAP_TILES, or leave MAP_CREDIT out",
    ),
    Rule(
        "JOURNAL_SYNC_MS",
        lambda s: s.journal_sync_ms > 0 and s.journal_path is None,
        "is set, but JOURNAL_PATH is not",
        "set JOURNAL_PATH, or leave JOURNAL_SYNC_MS out",
    ),
    Rule(
        "JOURNAL_PATH",
        lambda s: s.journal_path is not None and bool(s.cluster_url),
        "is set, and CLUSTER_URL too: the cluster's stream is the log",
        "leave one of them out",
    ),
    *(_only_with_cluster(variable, name) for variable, name in _ONLY_WITH_CLUSTER),
    Rule(
        "CLUSTER_CREDS_PATH",
        lambda s: s.cluster_creds_path is not None and s.cluster_nkey_path is not None,
        "is set, and CLUSTER_NKEY_PATH too",
        "leave one of them out: a node logs in in one way",
    ),
    Rule(
        "CLUSTER_CA_PATH",
        lambda s: s.cluster_ca_path is not None and any(url.startswith("nats:") for url in s.cluster_url),
        "is set, but CLUSTER_URL speaks plain NATS",
        "write tls:// in CLUSTER_URL",
    ),
    Rule(
        "REUSE_PORT",
        lambda s: s.reuse_port and s.port == 0,
        "is true, but PORT is 0",
        "set PORT: processes share one that they know",
    ),
    Rule(
        "RING_BYTES",
        lambda s: s.ring_bytes < 4 * s.max_frame_bytes,
        lambda s: f"{s.ring_bytes} is less than 4 × MAX_FRAME_BYTES",
        lambda s: f"give at least {4 * s.max_frame_bytes}",
    ),
)
