"""
What may be set for Kafka: librdkafka's own settings, each as a variable. `KAFKA_LINGER_MS` is its `linger.ms`.

What librdkafka makes of them is its to say: `kafka.made` asks it, and names the variable of what it does not take.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ..config import Settings
from ..environment import Rule, comma_list, doubtful, refuse, setting, setting_family
from ..errors import Misconfigured

PREFIX = "KAFKA_"
SWITCH = "KAFKA_BOOTSTRAP_SERVERS"
SECRETS = ("password", "secret", "key.pem", "certificate.pem", "oauthbearer.config", "oauthbearer.assertion", "ssl.keystore")
_SERVER = re.compile(r"(?:[A-Za-z0-9_]+://)?(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+)(?::([0-9]{1,5}))?")
# Kubernetes puts these into each container beside a service called `kafka` or `kafka-…`; librdkafka has no keys that end so.
_OF_KUBERNETES = re.compile(r".*_(SERVICE_HOST|SERVICE_PORT(_.*)?|PORT|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)")
_OURS = {"transactional.id": "no transaction is made here", "opaque": "it is not text"}


@dataclass(frozen=True, slots=True)
class Properties:
    """librdkafka's settings, by its names. No value is part of the repr: some are secrets."""

    values: tuple[tuple[str, str], ...] = ()

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self.values)

    def __repr__(self) -> str:
        return f"Properties({', '.join(key for key, _ in self.values)})"


def variable_of(key: str) -> str:
    return PREFIX + key.replace(".", "_").upper()


def is_secret(key: str) -> bool:
    return any(word in key for word in SECRETS)


def properties(variables: Mapping[str, str]) -> Properties:
    """Raises Misconfigured."""
    found: list[tuple[str, str]] = []
    for name, text in variables.items():
        key = name.removeprefix(PREFIX).lower().replace("_", ".")
        if _OF_KUBERNETES.fullmatch(name):
            continue
        if key in _OURS:
            raise Misconfigured(name, f"cannot be set: {_OURS[key]}", "leave it out")
        if (doubt := doubtful(text)) and "line break" not in doubt:  # a PEM text has some
            raise Misconfigured(name, f"its value {doubt}", "give it without")
        found.append((key, text))
    return Properties(tuple(found))


def _servers(text: str) -> str:
    given = comma_list(text)
    matched = [_SERVER.fullmatch(one) for one in given]
    fit = given and all(one and (one[1] is None or 0 < int(one[1]) <= 65535) for one in matched)
    return ",".join(given) if fit else refuse(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaSettings:
    servers: str = setting(SWITCH, "", _servers, "a comma list of host:port", "sends events to this cluster: some of its brokers")
    properties: Properties = setting_family(
        "KAFKA_X_Y",
        PREFIX,
        properties,
        "what librdkafka takes for it",
        "librdkafka's setting `x.y`, such as `KAFKA_SASL_PASSWORD`",
    )

    @property
    def files(self) -> list[Path]:
        """That librdkafka reads when a producer is made."""
        return [Path(value) for key, value in self.properties if key.endswith((".location", ".keytab"))]

    @staticmethod
    def rules(server: Settings) -> tuple[Rule[KafkaSettings], ...]:
        return ()
