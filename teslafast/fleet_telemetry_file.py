"""
The `config.json` of Tesla's own server as a checked value: `read_config(text)` gives a Config, or Misconfigured with a path.

It is read as that server reads it: keys match in any case, the first JSON value of the file counts, `null` means nothing.
What that server does not know it passes over in silence; here such keys are named in `unknown`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .errors import Misconfigured
from .text import one_line

CONFIG_VARIABLE = "FLEET_TELEMETRY_CONFIG"
LONGEST_CONFIG = 1 << 20  # characters; 20 VINs and every key take some 5,000
LONGEST_CONFIG_VALUE = 60  # characters of a value in a message
_HIDES = ("password", "secret", ".pem", "oauthbearer", "keystore")  # in a key: its value is not shown, whatever is wrong with it


def wrong(path: str, fault: str, remedy: str) -> Misconfigured:
    """What is said of one key: `FLEET_TELEMETRY_CONFIG: tls.server_cert is not given — …`."""
    return Misconfigured(CONFIG_VARIABLE, f"{path} {fault}", remedy)


# ---- types: (path, value) → value, or Misconfigured


def _refused(path: str, value: Any, form: str) -> Misconfigured:
    if any(word in path for word in _HIDES):
        return wrong(path, "is not usable", f"give {form}")
    return wrong(path, f"is {shown_value(json.dumps(value))}", f"give {form}")


def shown_value(value: str) -> str:
    """A value in a message. What may hold a login, as a URL does before its `@`, is not shown."""
    return "a value with a login, which is not shown here" if "@" in value else one_line(value, LONGEST_CONFIG_VALUE)


def text(path: str, value: Any) -> str:
    if not isinstance(value, str):
        raise _refused(path, value, "a string")
    if not value.isprintable():
        raise _refused(path, value, "a string without control characters")
    return value


def secret(path: str, value: Any) -> str:
    if not isinstance(value, str) or not value.isprintable():
        raise wrong(path, "is not usable", "give a string without control characters")
    return value


def flag(path: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise _refused(path, value, "true or false")
    return value


def number(low: int, high: int) -> Callable[[str, Any], int]:
    def check(path: str, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise _refused(path, value, f"a whole number from {low} to {high}")
        return value

    return check


def texts(path: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise _refused(path, value, "a list of strings")
    return tuple(text(f"{path}[{place}]", one) for place, one in enumerate(value))


def scalar(path: str, value: Any) -> str:
    """Of librdkafka: a string, a number (without its fraction, as Tesla's server has it) or a boolean."""
    match value:
        case bool():
            return str(value).lower()
        case int():
            return str(value)
        case float() if abs(value) < 1 << 63:
            return str(int(value))
    return text(path, value)


def mapping(of: Callable[[str, Any], Any]) -> Callable[[str, Any], dict[str, Any]]:
    """An object whose keys are the operator's, and therefore keep their case."""

    def check(path: str, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise _refused(path, value, "an object")
        return {text(path, key): of(f"{path}.{key}", one) for key, one in value.items() if one is not None}

    return check


PORT = number(0, 65535)
COUNT = number(0, 1 << 53)
STREAMS = mapping(text)

KEYS: Mapping[str, Callable[[str, Any], Any]] = {
    "host": text,
    "port": PORT,
    "status_port": PORT,
    "tls.server_cert": text,
    "tls.server_key": text,
    "tls.ca_file": text,
    "use_default_eng_ca": flag,
    "namespace": text,
    "log_level": text,
    "json_log_enable": flag,
    "records": mapping(texts),
    "reliable_ack_sources": mapping(text),
    "reliable_ack": flag,
    "transmit_decoded_records": flag,
    "rate_limit.enabled": flag,
    "rate_limit.message_limit": COUNT,
    "rate_limit.message_interval_time": COUNT,
    "vins_signal_tracking_enabled": texts,
    "kafka": mapping(scalar),
    "kinesis.max_retries": COUNT,
    "kinesis.override_host": text,
    "kinesis.streams": STREAMS,
    "pubsub.gcp_project_id": text,
    "zmq.addr": text,
    "zmq.server_key_json_path": text,
    "zmq.allowed_public_keys_json_path": text,
    "zmq.verbose": flag,
    "mqtt.broker": text,
    "mqtt.client_id": text,
    "mqtt.username": text,
    "mqtt.password": secret,
    "mqtt.topic_base": text,
    "mqtt.qos": number(0, 2),
    "mqtt.retained": flag,
    "mqtt.connect_timeout_ms": COUNT,
    "mqtt.publish_timeout_ms": COUNT,
    "mqtt.disconnect_timeout_ms": COUNT,
    "mqtt.connect_retry_interval_ms": COUNT,
    "mqtt.keep_alive_seconds": COUNT,
    "redis.addrs": texts,
    "redis.username": text,
    "redis.password": secret,
    "redis.db": number(0, 1 << 16),
    "redis.cluster_mode": flag,
    "redis.tls.ca_file": text,
    "redis.tls.server_cert": text,
    "redis.tls.server_key": text,
    "redis.override_tls_server_name": flag,
    "redis.publish_vin_topics": flag,
    "redis.subscriber_set_prefix": text,
    "redis.publish_timeout": COUNT,
    "redis.pool": mapping(scalar),
    "nats.url": secret,
    "nats.name": text,
    "logger.verbose": flag,
    "monitoring.prometheus_metrics_port": PORT,
    "monitoring.prometheus_metrics_host": text,
    "monitoring.statsd": mapping(scalar),
    "monitoring.profiler_port": PORT,
    "monitoring.profiler_host": text,
    "monitoring.profiling_path": text,
    "airbrake": mapping(lambda path, value: value),
}
_BLOCKS = {key[:end] for key in KEYS for end, one in enumerate(key) if one == "."}


@dataclass(frozen=True, slots=True, repr=False)
class Config:
    """`values`: path → checked value, of what the file gives; `unknown`: paths that mean nothing to Tesla's server either."""

    values: Mapping[str, Any]
    unknown: tuple[str, ...]

    def __call__(self, path: str, default: Any = None) -> Any:
        return self.values.get(path, default)

    def has(self, block: str) -> bool:
        return any(path == block or path.startswith(f"{block}.") for path in self.values)


def read_config(content: str) -> Config:
    """Raises Misconfigured."""
    if len(content) > LONGEST_CONFIG:
        raise Misconfigured(CONFIG_VARIABLE, f"the file is longer than {LONGEST_CONFIG} characters", "give Tesla's config.json")
    try:
        whole, _ = json.JSONDecoder(parse_constant=_no_number).raw_decode(content.removeprefix("\ufeff").lstrip())
    except json.JSONDecodeError as error:
        fault = f"the file is not JSON: {error.msg} in line {error.lineno}, column {error.colno}"
        raise Misconfigured(CONFIG_VARIABLE, fault, "mend it there") from None
    except (ValueError, RecursionError) as error:
        raise Misconfigured(
            CONFIG_VARIABLE, f"the file is not usable JSON: {one_line(str(error))}", "give Tesla's config.json"
        ) from None
    if not isinstance(whole, dict):
        raise Misconfigured(CONFIG_VARIABLE, "the file holds no JSON object", "give Tesla's config.json")
    values: dict[str, Any] = {}
    unknown: dict[str, None] = {}
    for path, shown, value in _leaves(whole, "", ""):
        if path in KEYS:
            values[path] = KEYS[path](path, value)
        else:
            unknown[one_line(shown, LONGEST_CONFIG_VALUE)] = None
    return Config(values, tuple(unknown))


def _no_number(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def _leaves(block: Mapping[str, Any], above: str, shown_above: str) -> Iterator[tuple[str, str, Any]]:
    """Path in lower case, path as written, value; the last of two keys that are the same wins, as with Tesla's server."""
    for key, value in block.items():
        path, shown = f"{above}{key.lower()}", f"{shown_above}{key}"
        if value is None:
            continue
        if path in _BLOCKS and path not in KEYS:
            if not isinstance(value, dict):
                raise _refused(path, value, "an object")
            yield from _leaves(value, f"{path}.", f"{shown}.")
        else:
            yield path, shown, value
