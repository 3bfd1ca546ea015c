"""
Tesla's `config.json` as our settings: `translated(text, environment)` says which variables it stands for, and where from.

    config.json ──▶ read_config ──▶ tables below ──▶ variables       that our own environment goes before
                                                └──▶ notes           what has no meaning here, said once

What is wrong raises Misconfigured with the key's path, before anything starts. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from .fleet_telemetry_file import Config, read_config, wrong
from .fleet_telemetry_outputs import DISPATCHERS, TYPES

# Its words for how much is logged, and ours; it takes a word that it does not know for `info`, and says so.
_LEVELS = {"trace": "debug", "debug": "debug", "info": "info", "warn": "warning", "warning": "warning"}
_LEVELS |= dict.fromkeys(("error", "fatal", "panic"), "error")
_DASHBOARDS_PORT = "3000"  # PORT's default
# Keys that are taken and change nothing: path, or the beginning of one → why.
_WITHOUT_MEANING = {
    "reliable_ack": "Tesla's server has no such key any more: name outputs in reliable_ack_sources",
    "use_default_eng_ca": "vehicles' CAs are those of CA_PATH",
    "vins_signal_tracking_enabled": "VEHICLE_METRICS=true has every vehicle's values at /metrics/vehicles",
    "kinesis.max_retries": "what is refused is sent again until it gets through",
    "zmq.verbose": "LOG_LEVEL=debug has what is known of a socket",
    "mqtt.connect_timeout_ms": "the output goes on trying until it gets through",
    "mqtt.publish_timeout_ms": "what is not confirmed is sent again",
    "mqtt.disconnect_timeout_ms": "a drain takes DRAIN_SECONDS at most",
    "mqtt.connect_retry_interval_ms": "pauses between attempts grow by themselves",
    "mqtt.keep_alive_seconds": "a broker is asked every 30 s whether it is there",
    "redis.publish_timeout": "what is not confirmed is sent again",
    "redis.pool": "one connection is enough for one writer",
    "redis.override_tls_server_name": "a certificate must be for the host in REDIS_URL",
    "nats.name": "a connection's name is teslafast",
    "logger.verbose": "JSON lines have their own form: docs/outputs/jsonl.md",
    "monitoring.statsd": "metrics are Prometheus's: /metrics",
    "monitoring.profiler_port": "there is no Go profiler here",
    "monitoring.profiler_host": "there is no Go profiler here",
    "monitoring.profiling_path": "there is no Go profiler here",
    "airbrake": "errors are log lines",
}


@dataclass(frozen=True, slots=True, repr=False)
class Translation:
    """
    `variables`: name → value, of those that the environment does not set; `keys`: name → the path of its key; `notes`: what the
    operator should know, a sentence each.
    """

    variables: Mapping[str, str]
    keys: Mapping[str, str]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Said:
    """One variable that the file stands for, and the key that said it."""

    variable: str
    value: str
    key: str


def translated(content: str, environment: Mapping[str, str]) -> Translation:
    """Raises Misconfigured."""
    config = read_config(content)
    routes = _routes(config)
    notes = [*_notes(config, routes), *_differences(config, routes, environment)]
    said = [*_server(config, environment), *_reliable(config, routes), *_outputs(config, routes, environment, notes)]
    made = [one for one in said if not environment.get(one.variable, "").strip()]
    if not any(environment.get(name, "").strip() for name in ("JWT_SECRET", "JWT_PUBLIC_KEY_PATH")):
        notes.append("JWT_SECRET is not set: vehicles and outputs work, but no dashboard can sign in")
    won = sorted({one.variable for one in said} - {one.variable for one in made})
    if won:
        notes.append(f"the environment goes before the file: {', '.join(won)}")
    return Translation({one.variable: one.value for one in made}, {one.variable: one.key for one in made}, tuple(notes))


# ---- the server


def _server(config: Config, environment: Mapping[str, str]) -> Iterator[_Said]:
    yield from _ports(config, environment)
    yield from _tls(config, environment)
    if level := str(config("log_level", "")).lower():
        yield _Said("LOG_LEVEL", _LEVELS.get(level, "info"), "log_level")
    if config("json_log_enable") is not None:
        yield _Said("LOG_FORMAT", "json" if config("json_log_enable") else "console", "json_log_enable")
    if config("namespace"):
        yield _Said("OUTPUT_NAMESPACE", config("namespace"), "namespace")
    yield _Said("OUTPUT_DECODED", str(config("transmit_decoded_records", False)).lower(), "transmit_decoded_records")
    if config("rate_limit.enabled") and config("rate_limit.message_limit"):
        per_s = config("rate_limit.message_limit") / (config("rate_limit.message_interval_time") or 1)
        yield _Said("VEHICLE_RATE_LIMIT", str(max(1, math.ceil(per_s))), "rate_limit.message_limit")


def _ports(config: Config, environment: Mapping[str, str]) -> Iterator[_Said]:
    """Its one port is for vehicles alone; PORT, for dashboards, is ours. Where they are the same, they share it."""
    if config("host"):
        yield _Said("HOST", config("host"), "host")
    port = config("port", 0)
    own = environment.get("PORT", "").strip() or _DASHBOARDS_PORT
    if port and str(port) != own:
        yield _Said("VEHICLE_PORT", str(port), "port")
    else:
        yield _Said("REQUEST_CLIENT_CERT", "true", "port")
    if config("status_port"):
        yield _Said("STATUS_PORT", str(config("status_port")), "status_port")
    if config("monitoring.prometheus_metrics_port"):
        yield _Said("METRICS_PORT", str(config("monitoring.prometheus_metrics_port")), "monitoring.prometheus_metrics_port")
        host = config("monitoring.prometheus_metrics_host") or "127.0.0.1"
        yield _Said("METRICS_HOST", host, "monitoring.prometheus_metrics_host")


def _tls(config: Config, environment: Mapping[str, str]) -> Iterator[_Said]:
    for key, variable in (("tls.server_cert", "CERT_PATH"), ("tls.server_key", "KEY_PATH")):
        if config(key):
            yield _Said(variable, config(key), key)
        elif not environment.get(variable, "").strip():
            raise wrong(key, "is not given", f"name the PEM file there, or set {variable}")
    if config("tls.ca_file"):
        yield _Said("CA_PATH", config("tls.ca_file"), "tls.ca_file")
    elif not environment.get("CA_PATH", "").strip():
        fault = "is not given, and Tesla's CAs are not built in"
        raise wrong("tls.ca_file", fault, "run `teslafast certs tesla-ca tesla-ca.pem` once, and set CA_PATH=tesla-ca.pem")


# ---- records → outputs


def _routes(config: Config) -> dict[str, dict[str, str]]:
    """Dispatcher → {type: the path that routes it}."""
    records: Mapping[str, tuple[str, ...]] = config("records", {})
    routes: dict[str, dict[str, str]] = {}
    for kind, names in records.items():
        path = f"records.{kind}"
        if kind not in TYPES:
            raise wrong(path, "is not a type of record", f"give some of {', '.join(TYPES)}")
        if not names:
            raise wrong(path, "names no dispatcher", "name one, or take the type out")
        for place, name in enumerate(names):
            if name not in DISPATCHERS:
                raise wrong(f"{path}[{place}]", f"is {name!r}, which is not a dispatcher", f"give {', '.join(DISPATCHERS)}")
            routes.setdefault(name, {})[kind] = path
    return routes


def _reliable(config: Config, routes: Mapping[str, Mapping[str, str]]) -> Iterator[_Said]:
    outputs: dict[str, str] = {}
    for kind, name in config("reliable_ack_sources", {}).items():
        path = f"reliable_ack_sources.{kind}"
        if kind not in TYPES or kind == "connectivity":
            raise wrong(path, "is not a type that is acknowledged", "give V, alerts or errors")
        if name not in DISPATCHERS or name == "logger":
            raise wrong(path, f"is {name!r}, which does not confirm", "name a dispatcher other than logger")
        if kind not in routes.get(name, {}):
            raise wrong(path, f"is {name!r}, which records.{kind} does not name", f"add {name} to records.{kind}")
        outputs.setdefault(DISPATCHERS[name].output, path)
    if outputs:
        yield _Said("RELIABLE_ACKS", ",".join(outputs), next(iter(outputs.values())))


def _outputs(
    config: Config, routes: Mapping[str, Mapping[str, str]], environment: Mapping[str, str], notes: list[str]
) -> Iterator[_Said]:
    """The settings of each dispatcher that `records` names, and which types each gets."""
    for name, kinds in routes.items():
        dispatcher = DISPATCHERS[name]
        if not config.has(name) and dispatcher.needs_block:
            raise wrong(name, "is not given", f"add its block: {next(iter(kinds.values()))} names it")
        for variable, value, key in dispatcher.variables(config, environment, notes.append):
            yield _Said(variable, value, key)
    if routes:
        shown = (f"{DISPATCHERS[name].output}={','.join(TYPES[kind] for kind in kinds)}" for name, kinds in routes.items())
        yield _Said("OUTPUT_ROUTES", ";".join(shown), "records")


# ---- notes


def _notes(config: Config, routes: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    for beginning, reason in _WITHOUT_MEANING.items():
        if config.has(beginning):
            yield f"{beginning} changes nothing: {reason}"
    if config("log_level") and config("log_level").lower() not in _LEVELS:
        yield f"log_level {config('log_level')!r} is not known: info is used"
    for path in config.unknown:
        yield f"{path} is not a key of Tesla's server"
    for name in DISPATCHERS:
        if name not in routes and config.has(name):
            yield f"{name} is not used: no list in records names it"
    if config("tls.ca_file"):
        yield "tls.ca_file: Tesla's own CAs are not built in; vehicles connect if the file, or CA_PATH, holds them too"
    if not config("records"):
        yield "records routes nothing: only dashboards get what vehicles send"


def _differences(config: Config, routes: Mapping[str, Mapping[str, str]], environment: Mapping[str, str]) -> Iterator[str]:
    """Where a key that is not given means something else here than with Tesla's server."""
    named = config("namespace") or environment.get("OUTPUT_NAMESPACE", "").strip()
    if not named and routes.keys() - {"mqtt", "logger"}:
        yield "namespace is not given: names begin with tesla_telemetry here, with Tesla's server they are _V and so on"
    if not config("port"):
        own = environment.get("PORT", "").strip() or _DASHBOARDS_PORT
        yield f"port is not given: vehicles connect at PORT, {own}, with dashboards"
    if config("rate_limit.enabled") and not config("rate_limit.message_limit"):
        yield "rate_limit.enabled changes nothing: rate_limit.message_limit is not given"
