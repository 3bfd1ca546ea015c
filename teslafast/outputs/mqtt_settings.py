"""
MQTT's settings, and the broker's address as they give it.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote

from ..config import Settings
from ..environment import Rule, boolean, choice, comma_list, refuse, seconds, setting, whole
from ..errors import Misconfigured
from ..urls import parse_url
from .mqtt_broker import Address
from .mqtt_topics import NO_TOPIC

Loaded = TypeVar("Loaded")

PLAIN, ENCRYPTED = ("mqtt", "tcp"), ("mqtts", "ssl", "tls")
PORTS = dict.fromkeys(PLAIN, 1883) | dict.fromkeys(ENCRYPTED, 8883)
FLEET, TESLAMATE = "fleet", "teslamate"
CLIENT_ID_AT_MOST = 128  # characters; every broker takes 23, and those that we know take as many


@dataclass(frozen=True, slots=True)
class BrokerUrl:
    """`login`: the user and the password; it is in no message and no repr."""

    host: str
    port: int
    encrypted: bool
    login: tuple[str, str | None] | None

    def __repr__(self) -> str:
        return f"BrokerUrl({self.host!r}, {self.port})"


def broker_url(text: str) -> BrokerUrl:
    try:
        parts = parse_url(text.strip(), PORTS, default="mqtt", example="mqtt://host")
    except Misconfigured:
        raise ValueError(text) from None
    if parts.hostname is None or parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError(text)
    password = unquote(parts.password) if parts.password is not None else None
    login = (unquote(parts.username), password) if parts.username is not None else None
    return BrokerUrl(parts.hostname, parts.port or PORTS[parts.scheme], parts.scheme in ENCRYPTED, login)


def topic(text: str) -> str:
    """Levels without wildcards, without an empty one."""
    stripped = text.strip()
    levels = stripped.split("/")
    usable = all(one and not NO_TOPIC.search(one) for one in levels) and not stripped.startswith("$")
    return stripped if usable else refuse(text)


def topic_or_none(text: str) -> str:
    return topic(text) if text.strip() else ""


def client_id(text: str) -> str:
    usable = len(text) <= CLIENT_ID_AT_MOST and text.isprintable()
    return text.strip() if usable else refuse(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttSettings:
    url: BrokerUrl = setting(
        "MQTT_URL",
        None,
        broker_url,
        "mqtt://host, or mqtts:// for TLS, with user:password@ before the host and :port behind it where needed",
        "the broker: `mqtt://[user:password@]host[:port]`, `mqtts://` with TLS",
        secret=True,
    )
    ca_path: Path | None = setting("MQTT_CA_PATH", None, Path, "path of a PEM file", "whom to trust; empty = the system's")
    cert_path: Path | None = setting("MQTT_CERT_PATH", None, Path, "path of a PEM file", "our client certificate, if asked for")
    key_path: Path | None = setting("MQTT_KEY_PATH", None, Path, "path of a PEM file", "its private key")
    client_id: str = setting("MQTT_CLIENT_ID", "", client_id, "printable text", "our name at the broker; empty = a random one")
    topic_base: str = setting("MQTT_TOPIC_BASE", "telemetry", topic, "a topic without wildcards", "how all topics begin")
    qos: int = setting("MQTT_QOS", 1, whole(0, 2), "0, 1 or 2", "quality of service")
    retain: bool = setting("MQTT_RETAIN", True, boolean, "true or false", "the broker keeps the last value of each topic")
    interval_s: float = setting(
        "MQTT_INTERVAL", 1.0, seconds(0, 3600), "seconds (1, 500ms), 0 = no limit", "a field is published once in so long at most"
    )
    layout: str = setting("MQTT_LAYOUT", FLEET, choice(FLEET, TESLAMATE), "fleet or teslamate", "which topics: see below")
    discovery_prefix: str = setting(
        "MQTT_DISCOVERY_PREFIX",
        "homeassistant",
        topic_or_none,
        "a topic without wildcards, or nothing",
        "Home Assistant's prefix; empty = nothing is announced to it",
        empty=True,
    )
    forget: tuple[str, ...] = setting(
        "MQTT_FORGET", (), comma_list, "comma list of VINs", "vehicles to remove from Home Assistant and the broker"
    )
    vehicles: tuple[str, ...] = setting(
        "TESLA_VIN", (), comma_list, "comma list of VINs", "with `MQTT_LAYOUT=teslamate`: these are `cars/1`, `cars/2`, …"
    )

    @staticmethod
    def rules(server: Settings) -> tuple[Rule[MqttSettings], ...]:
        """What no variable shows alone."""
        both = "set MQTT_CERT_PATH and MQTT_KEY_PATH, or neither"
        return (
            Rule("MQTT_CERT_PATH", lambda it: it.cert_path is not None and it.key_path is None, "is set without its key", both),
            Rule(
                "MQTT_KEY_PATH", lambda it: it.key_path is not None and it.cert_path is None, "is set without a certificate", both
            ),
            Rule(
                "MQTT_CA_PATH",
                lambda it: not it.url.encrypted and (it.ca_path is not None or it.cert_path is not None),
                "or MQTT_CERT_PATH is set, but MQTT_URL is not encrypted",
                "write mqtts:// in MQTT_URL",
            ),
        )


def address(settings: MqttSettings) -> Address:
    """Raises Misconfigured if a file cannot be used."""
    tls = None
    if settings.url.encrypted:
        tls = _loaded(
            "MQTT_CA_PATH",
            settings.ca_path,
            lambda: ssl.create_default_context(cafile=settings.ca_path),
        )
        if settings.cert_path is not None:
            chain, key = settings.cert_path, settings.key_path
            _loaded("MQTT_CERT_PATH", chain, lambda: tls.load_cert_chain(chain, key, password=_no_password))
    return Address(settings.url.host, settings.url.port, tls, settings.url.login)


def _loaded(variable: str, path: Path | None, load: Callable[[], Loaded]) -> Loaded:
    try:
        return load()
    except FileNotFoundError:
        raise Misconfigured(variable, f"{path} or its key does not exist", "give the path of a PEM file") from None
    except ssl.SSLError as error:
        fault = f"{path} cannot be used: {error.reason or error}"
        raise Misconfigured(variable, fault, "give a PEM file; a key must fit its certificate") from None
    except (OSError, ValueError) as error:
        raise Misconfigured(variable, f"{path} cannot be read: {error}", "give the path of a PEM file") from None


def _no_password() -> str:
    """OpenSSL would ask on the terminal."""
    raise ValueError("its key is encrypted with a password")
