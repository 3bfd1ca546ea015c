"""
The one place where a setting is named, typed, defaulted and checked.

`Settings.from_env(environment)` reads the variables in the table below once, at the edge, and gives one frozen value, or raises
Misconfigured with the variable's name, what is wrong with its value, and the form that would be right. A secret's value is
never part of a message or of a repr. Files are only named here: whoever opens them says what is wrong with them.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from .errors import Misconfigured
from .vin import is_vin

MIB = 1 << 20
LEAST_RING_BYTES = 1 * MIB
LONGEST_NUMBER = 20  # digits of a size or duration; a float of 400 would be infinity
LONGEST_CREDIT = 200  # characters

LEAST_SECRET_BYTES = {"HS256": 32, "HS384": 48, "HS512": 64}  # RFC 7518, 3.2: as long as the hash; PyJWT takes no shorter one
HMAC_ALGORITHMS = frozenset(LEAST_SECRET_BYTES)
KEY_ALGORITHMS = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"})

_TIME_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIZE_UNITS = {"": 1, "B": 1, "K": 1 << 10, "KiB": 1 << 10, "kB": 1000, "M": 1 << 20, "MiB": 1 << 20, "MB": 10**6}
_SIZE_UNITS |= {"G": 1 << 30, "GiB": 1 << 30, "GB": 10**9}

# A host that a Content-Security-Policy can name (no `*`, no IPv6), then what ends neither a policy's rule nor an attribute.
_TILES = re.compile(r"https?://[a-z0-9][a-z0-9.-]{0,252}(?::\d+)?/[a-z0-9._~:/?@!$&()*+=%{}-]{1,1000}", re.IGNORECASE)
_PLACES = ["{x}", "{y}", "{z}"]


def parse_duration(text: str) -> float:
    """Seconds of `20`, `20s`, `500ms`, `15m`, `1h`, `30d`. Raises ValueError."""
    number, unit = _split(text)
    return float(number) * _TIME_UNITS[unit or "s"] if (unit or "s") in _TIME_UNITS else _refuse(text)


def parse_size(text: str) -> int:
    """Bytes of `1048576`, `64MiB`, `1 GB`. Raises ValueError."""
    number, unit = _split(text)
    return int(float(number) * _SIZE_UNITS[unit]) if unit in _SIZE_UNITS else _refuse(text)


def _split(text: str) -> tuple[str, str]:
    stripped = text.strip()
    digits = len(stripped) - len(stripped.lstrip("0123456789."))
    if not 0 < digits <= LONGEST_NUMBER or stripped.count(".", 0, digits) > 1:
        _refuse(text)
    return stripped[:digits], stripped[digits:].strip()


def _refuse(text: str) -> Any:
    raise ValueError(text)


def _whole(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        number = int(text) if text.isascii() and text.strip().isdigit() else _refuse(text)
        return number if low <= number <= high else _refuse(text)

    return parse


def _seconds(low: float, high: float) -> Callable[[str], float]:
    def parse(text: str) -> float:
        number = parse_duration(text)
        return number if low <= number <= high else _refuse(text)

    return parse


def _size(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        number = parse_size(text)
        return number if low <= number <= high else _refuse(text)

    return parse


def _choice(*words: str) -> Callable[[str], str]:
    return lambda text: text.strip().lower() if text.strip().lower() in words else _refuse(text)


def _boolean(text: str) -> bool:
    words = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
    lowered = text.strip().lower()
    return words[lowered] if lowered in words else bool(_refuse(text))


def _words(text: str) -> tuple[str, ...]:
    return tuple(word for word in (part.strip() for part in text.split(",")) if word)


def _algorithms(text: str) -> tuple[str, ...]:
    words = _words(text)
    return words if words and set(words) <= HMAC_ALGORITHMS | KEY_ALGORITHMS else _refuse(text)


def _origins(text: str) -> tuple[str, ...]:
    words = tuple(word.rstrip("/").lower() for word in _words(text))
    return words if all(word.startswith(("http://", "https://")) for word in words) else _refuse(text)


def _vins(text: str) -> frozenset[str]:
    words = _words(text)
    return frozenset(words) if all(is_vin(word) for word in words) else _refuse(text)


def _tiles(text: str) -> str:
    address = text.strip()
    placed = sorted(re.findall(r"{.*?}|[{}]", address)) == _PLACES
    return address if placed and _TILES.fullmatch(address) and urlsplit(address).port != 0 else _refuse(text)


def _credit(text: str) -> str:
    words = text.strip()
    return words if len(words) <= LONGEST_CREDIT and words.isprintable() else _refuse(text)


def _setting(variable: str, default: Any, parse: Callable[[str], Any], form: str, meaning: str, secret: bool = False) -> Any:
    """One row of the table: what README shows and `from_env` obeys."""
    metadata = {"variable": variable, "parse": parse, "form": form, "meaning": meaning, "secret": secret}
    return field(default=default, repr=not secret, metadata=metadata)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The server's settings; each field's metadata holds its variable, its allowed form and what it means."""

    port: int = _setting("PORT", 3000, _whole(0, 65535), "a port, 0 to 65535", "listener; 0 = any free one, said at start")
    host: str = _setting("HOST", "", str.strip, "an address or name", "address to listen on; empty = all interfaces")
    vehicle_port: int | None = _setting(
        "VEHICLE_PORT", None, _whole(0, 65535), "a port, 0 to 65535", "second listener, vehicles only, certificate required"
    )
    node_env: str = _setting(
        "NODE_ENV", "production", _choice("development", "production"), "development or production", "how strict to be"
    )
    jwt_secret: bytes = _setting(
        "JWT_SECRET", b"", str.encode, "32 bytes or more", "HMAC secret of dashboards' tokens; required in production", True
    )
    jwt_algorithms: tuple[str, ...] = _setting(
        "JWT_ALGORITHMS", ("HS256",), _algorithms, "comma list of HS256 … or of RS256, ES256, EdDSA …", "algorithms allowed"
    )
    jwt_audience: str | None = _setting("JWT_AUDIENCE", None, str.strip, "text", "`aud` that a token must carry")
    jwt_issuer: str | None = _setting("JWT_ISSUER", None, str.strip, "text", "`iss` that a token must carry")
    jwt_public_key_path: Path | None = _setting(
        "JWT_PUBLIC_KEY_PATH", None, Path, "path of a PEM file", "public key for RS, PS, ES and EdDSA tokens"
    )
    jwt_previous_secrets: tuple[bytes, ...] = _setting(
        "JWT_PREVIOUS_SECRETS",
        (),
        lambda text: tuple(word.encode() for word in _words(text)),
        "comma list, 32 bytes or more each",
        "secrets still accepted while rotating",
        True,
    )
    cert_path: Path | None = _setting(
        "CERT_PATH", None, Path, "path of a PEM file", "server certificate chain; with KEY_PATH: TLS on every listener"
    )
    key_path: Path | None = _setting("KEY_PATH", None, Path, "path of a PEM file", "the server certificate's private key")
    ca_path: Path | None = _setting("CA_PATH", None, Path, "path of a PEM file", "anchors of vehicles' client certificates")
    request_client_cert: bool = _setting(
        "REQUEST_CLIENT_CERT", False, _boolean, "true or false", "ask for client certificates on PORT"
    )
    dashboard_tls: bool = _setting(
        "DASHBOARD_TLS",
        True,
        _boolean,
        "true or false",
        "false: PORT speaks plain, behind a proxy that ends TLS; needs VEHICLE_PORT",
    )
    kernel_tls: bool = _setting(
        "KERNEL_TLS", False, _boolean, "true or false", "let the kernel encrypt, where it can (Python 3.12, module tls)"
    )
    tesla_vin: frozenset[str] = _setting(
        "TESLA_VIN", frozenset(), _vins, "comma list of VINs", "vehicles that may connect; empty = every verified one"
    )
    allowed_origins: tuple[str, ...] = _setting(
        "ALLOWED_ORIGINS", (), _origins, "comma list of http(s)://host", "browsers' `Origin`; empty = same host only"
    )
    map_tiles: str = _setting(
        "MAP_TILES",
        "",
        _tiles,
        "https://host/{z}/{x}/{y}.png, each of the three once, without spaces, quotes, commas or semicolons",
        "map under the page's tracks, `https://host/{z}/{x}/{y}.png`; empty = no map, and no host asked but this",
    )
    map_credit: str = _setting(
        "MAP_CREDIT", "", _credit, f"printable text of {LONGEST_CREDIT} characters at most", "whom the page credits for the map"
    )
    coalesce_ms: int = _setting(
        "COALESCE_MS", 0, _whole(0, 10_000), "milliseconds, 0 to 10000", "flush at most once per so many ms"
    )
    ring_bytes: int = _setting(
        "RING_BYTES", 64 * MIB, _size(LEAST_RING_BYTES, 1 << 40), "bytes (64MiB), at least 1MiB", "the replay window"
    )
    journal_path: Path | None = _setting(
        "JOURNAL_PATH", None, Path, "path of a file", "keeps the ring and the last values when the process ends"
    )
    journal_sync_ms: int = _setting(
        "JOURNAL_SYNC_MS", 0, _whole(0, 10_000), "milliseconds, 0 = off", "acks wait for the disk, in such steps"
    )
    max_frame_bytes: int = _setting(
        "MAX_FRAME_BYTES", 1_000_000, _size(1024, 64 * MIB), "bytes, 1024 to 64MiB", "largest vehicle message"
    )
    vehicle_rate_limit: float = _setting(
        "VEHICLE_RATE_LIMIT",
        0.0,
        lambda text: float(_whole(0, 1_000_000)(text)),
        "messages per second, 0 = off",
        "per vehicle, burst of 2 s worth; over it an error reply",
    )
    max_vehicles: int = _setting("MAX_VEHICLES", 0, _whole(0, 10_000_000), "a number, 0 = no limit", "over it: 503")
    max_dashboards: int = _setting("MAX_DASHBOARDS", 0, _whole(0, 10_000_000), "a number, 0 = no limit", "over it: 503")
    ping_interval: float = _setting(
        "PING_INTERVAL", 20.0, _seconds(0.1, 3600), "seconds (20, 20s, 1m)", "ping when idle so long; no answer in as long: ended"
    )
    handshake_timeout: float = _setting(
        "HANDSHAKE_TIMEOUT", 10.0, _seconds(0.1, 300), "seconds (10, 10s)", "from TCP accept to upgraded"
    )
    drain_seconds: float = _setting("DRAIN_SECONDS", 25.0, _seconds(0, 3600), "seconds (25, 25s)", "how long a drain may take")
    log_level: str = _setting(
        "LOG_LEVEL", "info", _choice("debug", "info", "warning", "error"), "debug, info, warning or error", "least that is logged"
    )
    log_format: str | None = _setting(
        "LOG_FORMAT", None, _choice("console", "json"), "console or json", "default: console on a terminal, else json"
    )

    @property
    def production(self) -> bool:
        return self.node_env == "production"

    @property
    def tls(self) -> bool:
        return self.cert_path is not None

    @classmethod
    def from_env(cls, environment: Mapping[str, str], **overrides: Any) -> Settings:
        """
        Reads the variables; an empty one counts as not set. `overrides` (the command line's words) go before them.

        In development a missing JWT_SECRET is made at random (`secret_was_made`). Raises Misconfigured.
        """
        values = {key: value for key, value in overrides.items() if value is not None}
        values = read_rows(cls, environment, values)
        settings = cls(**values)
        if settings.needs_secret and not settings.jwt_secret and not settings.production:
            settings = cls(**values | {"jwt_secret": secrets.token_urlsafe(48).encode()})
        _check(settings)
        return settings

    @property
    def needs_secret(self) -> bool:
        """Whether dashboards' tokens are signed with a shared secret (rather than verified with a public key)."""
        return bool(set(self.jwt_algorithms) & HMAC_ALGORITHMS)


def read_rows(kind: Any, environment: Mapping[str, str], given: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Field → value of a dataclass of settings, for each variable that is set; `given` goes before. Raises Misconfigured."""
    values = dict(given or {})
    for row in fields(kind):
        text = environment.get(row.metadata["variable"], "")
        if row.name not in values and text.strip():
            values[row.name] = _parse(row.metadata, text)
    return values


def _parse(metadata: Mapping[str, Any], text: str) -> Any:
    try:
        return metadata["parse"](text)
    except ValueError:
        shown = "its value is not usable" if metadata["secret"] else f"{text!r} is not usable"
        raise Misconfigured(metadata["variable"], shown, f"give {metadata['form']}") from None


def _check(settings: Settings) -> None:
    """What no variable shows alone. Raises Misconfigured."""
    for variable, wrong, fault, remedy in _contradictions(settings):
        if wrong:
            raise Misconfigured(variable, fault, remedy)


def _contradictions(settings: Settings) -> list[tuple[str, bool, str, str]]:
    """(variable, does it hold, what is wrong, what would be right): a row a rule."""
    mixed = settings.needs_secret and not set(settings.jwt_algorithms) <= HMAC_ALGORITHMS
    least = max((LEAST_SECRET_BYTES.get(name, 0) for name in settings.jwt_algorithms), default=0)
    short_before = any(len(secret) < least for secret in settings.jwt_previous_secrets)
    make_one = f"set one of {least} bytes or more, for example from: openssl rand -hex {least}"
    return [
        ("JWT_ALGORITHMS", mixed, "mixes HS with other algorithms", "name either HS algorithms or public-key ones"),
        (
            "JWT_PUBLIC_KEY_PATH",
            not settings.needs_secret and settings.jwt_public_key_path is None,
            f"is not set, but JWT_ALGORITHMS is {','.join(settings.jwt_algorithms)}",
            "set it to the PEM file of the public key",
        ),
        (
            "JWT_PUBLIC_KEY_PATH",
            settings.needs_secret and settings.jwt_public_key_path is not None,
            "is set, but JWT_ALGORITHMS names only HS algorithms",
            "set JWT_ALGORITHMS to the key's kind, for example ES256",
        ),
        ("JWT_SECRET", settings.needs_secret and not settings.jwt_secret, "is not set", make_one),
        ("JWT_SECRET", len(settings.jwt_secret) < least, f"is shorter than {least} bytes", make_one),
        ("JWT_PREVIOUS_SECRETS", short_before, f"one is shorter than {least} bytes", "leave it out"),
        ("KEY_PATH", settings.tls and settings.key_path is None, "is not set, but CERT_PATH is", "set both, or neither"),
        ("CERT_PATH", not settings.tls and settings.key_path is not None, "is not set, but KEY_PATH is", "set both, or neither"),
        (
            "VEHICLE_PORT",
            settings.vehicle_port is not None and not (settings.tls and settings.ca_path),
            "needs mutual TLS",
            "set CERT_PATH, KEY_PATH and CA_PATH, or leave VEHICLE_PORT out",
        ),
        (
            "VEHICLE_PORT",
            settings.vehicle_port is not None and settings.vehicle_port == settings.port != 0,
            "is the same as PORT",
            "give vehicles a port of their own, or leave VEHICLE_PORT out",
        ),
        (
            "DASHBOARD_TLS",
            not settings.dashboard_tls and settings.vehicle_port is None,
            "is false, but vehicles share PORT",
            "set VEHICLE_PORT: vehicles' TLS must reach this server itself",
        ),
        (
            "REQUEST_CLIENT_CERT",
            settings.request_client_cert and not settings.dashboard_tls,
            "asks on PORT, which DASHBOARD_TLS=false makes plain",
            "leave it out: on VEHICLE_PORT certificates are always asked for",
        ),
        (
            "REQUEST_CLIENT_CERT",
            settings.request_client_cert and not (settings.tls and settings.ca_path),
            "needs TLS and anchors",
            "set CERT_PATH, KEY_PATH and CA_PATH too",
        ),
        (
            "MAP_CREDIT",
            bool(settings.map_credit) and not settings.map_tiles,
            "is set, but MAP_TILES is not",
            "set MAP_TILES, or leave MAP_CREDIT out",
        ),
        (
            "JOURNAL_SYNC_MS",
            settings.journal_sync_ms > 0 and settings.journal_path is None,
            "is set, but JOURNAL_PATH is not",
            "set JOURNAL_PATH, or leave JOURNAL_SYNC_MS out",
        ),
        (
            "RING_BYTES",
            settings.ring_bytes < 4 * settings.max_frame_bytes,
            f"{settings.ring_bytes} is less than 4 × MAX_FRAME_BYTES",
            f"give at least {4 * settings.max_frame_bytes}",
        ),
    ]
