"""
The dispatchers of Tesla's server, and of Teslemetry's: which output each is here, and the variables that its block stands for.

A value that the file gives is written as an operator would write it in the environment; what the output makes of it, it checks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlencode

from .errors import Misconfigured
from .fleet_telemetry_file import Config, shown_value, wrong
from .urls import parse_url

TYPES = {"V": "data", "alerts": "alerts", "errors": "errors", "connectivity": "connectivity"}  # its name → our kind

Variables = Iterator[tuple[str, str, str]]  # variable, value, the key that it comes from
Note = Callable[[str], object]

_MQTT_SCHEMES = {"tcp": "mqtt", "mqtt": "mqtt", "ssl": "mqtts", "tls": "mqtts", "mqtts": "mqtts"}
_GO_CLIENT = "go."  # keys of `kafka` that are the Go client's, not librdkafka's


@dataclass(frozen=True, slots=True)
class Dispatcher:
    """`output`: its name here; `needs_block`: it cannot be set up without one."""

    output: str
    variables: Callable[[Config, Mapping[str, str], Note], Variables]
    needs_block: bool = True


def _required(config: Config, key: str, form: str) -> str:
    value = config(key)
    if not value:
        raise wrong(key, "is not given", f"give {form}")
    return str(value)


def _present(config: Config, table: Mapping[str, str]) -> Variables:
    for key, variable in table.items():
        if config(key) is not None and config(key) != "":
            value = config(key)
            yield variable, str(value).lower() if isinstance(value, bool) else str(value), key


def _kafka(config: Config, environment: Mapping[str, str], note: Note) -> Variables:
    servers = config("kafka").get("bootstrap.servers") or environment.get("KAFKA_BOOTSTRAP_SERVERS", "").strip()
    if not servers:
        raise wrong("kafka.bootstrap.servers", "is not given", "give host:port of the brokers")
    for key, value in config("kafka").items():
        if key.startswith(_GO_CLIENT):
            note(f"kafka.{key} changes nothing: it is a setting of the Go client")
        elif "_" in key:
            note(f"kafka.{key} changes nothing: no variable can name it")
        else:
            yield f"KAFKA_{key.replace('.', '_').upper()}", value, f"kafka.{key}"


def _kinesis(config: Config, environment: Mapping[str, str], note: Note) -> Variables:
    """Its switch here is the stream's name; where the file names none, it is the namespace's, as with Tesla's server."""
    namespace = config("namespace") or environment.get("OUTPUT_NAMESPACE", "").strip() or "tesla_telemetry"
    streams: Mapping[str, str] = config("kinesis.streams", {})
    for kind in TYPES:
        named = streams.get(kind)
        if any(one == "kinesis" for one in config("records", {}).get(kind, ())):
            yield f"KINESIS_STREAM_{kind.upper()}", named or f"{namespace}_{kind}", f"kinesis.streams.{kind}"
    for kind in streams:
        if kind not in TYPES:
            raise wrong(f"kinesis.streams.{kind}", "is not a type of record", f"give some of {', '.join(TYPES)}")
    yield "KINESIS_STREAM", namespace, "kinesis"
    if config("kinesis.override_host"):
        yield "KINESIS_ENDPOINT", config("kinesis.override_host"), "kinesis.override_host"


def _pubsub(config: Config, environment: Mapping[str, str], note: Note) -> Variables:
    if environment.get("PUBSUB_EMULATOR_HOST", "").strip() and environment.get("GOOGLE_APPLICATION_CREDENTIALS", "").strip():
        raise Misconfigured("PUBSUB_EMULATOR_HOST", "and GOOGLE_APPLICATION_CREDENTIALS are both set", "set one of them")
    yield "PUBSUB_PROJECT_ID", _required(config, "pubsub.gcp_project_id", "the project's ID"), "pubsub.gcp_project_id"


def _zmq(config: Config, environment: Mapping[str, str], note: Note) -> Variables:
    yield "ZMQ_BIND", _required(config, "zmq.addr", "the address to bind, such as tcp://*:5284"), "zmq.addr"
    yield from _present(
        config,
        {"zmq.server_key_json_path": "ZMQ_SERVER_KEY_PATH", "zmq.allowed_public_keys_json_path": "ZMQ_ALLOWED_KEYS_PATH"},
    )


def _mqtt(config: Config, environment: Mapping[str, str], note: Note) -> Variables:
    """Each value at once, to the same topics, and nothing for Home Assistant: as Tesla's server publishes."""
    broker = _required(config, "mqtt.broker", "host:port")
    try:
        parts = parse_url(broker, _MQTT_SCHEMES, default="tcp", example="tcp://host:1883")
    except Misconfigured:
        raise wrong(
            "mqtt.broker", f"is {shown_value(repr(broker))}", "give host:port, or one with tcp, mqtt, ssl, tls or mqtts before it"
        ) from None
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    address = host if parts.port is None else f"{host}:{parts.port}"
    user, password = config("mqtt.username") or "", config("mqtt.password") or ""
    if parts.username is not None:  # the broker's own login goes before the keys, as with Tesla's server
        user = unquote(parts.username)
        password = unquote(parts.password) if parts.password is not None else password
    login = _login(user, password)
    yield "MQTT_URL", f"{_MQTT_SCHEMES[parts.scheme]}://{login}{address}", "mqtt.broker"
    yield from _present(config, {"mqtt.client_id": "MQTT_CLIENT_ID", "mqtt.topic_base": "MQTT_TOPIC_BASE"})
    yield "MQTT_QOS", str(config("mqtt.qos", 0)), "mqtt.qos"
    yield "MQTT_RETAIN", str(config("mqtt.retained", False)).lower(), "mqtt.retained"
    yield "MQTT_INTERVAL", "0", "mqtt"
    yield "MQTT_DISCOVERY_PREFIX", "", "mqtt"


def _redis(config: Config, environment: Mapping[str, str], note: Note) -> Variables:
    """REDIS_PASSWORD goes before the file's, as with Tesla's server; a cluster of one address is named twice."""
    addresses: tuple[str, ...] = config("redis.addrs") or ()
    if not addresses:
        raise wrong("redis.addrs", "is not given", "give a list of host:port")
    if not config("redis.publish_vin_topics") and not config("redis.subscriber_set_prefix"):
        raise wrong("redis", "publishes nothing", "set redis.publish_vin_topics or redis.subscriber_set_prefix")
    tls = {"ca_file": "ssl_ca_certs", "server_cert": "ssl_certfile", "server_key": "ssl_keyfile"}
    files = {name: config(f"redis.tls.{key}") for key, name in tls.items() if config(f"redis.tls.{key}")}
    scheme = "rediss" if config.has("redis.tls") else "redis"
    login = _login(config("redis.username") or "", environment.get("REDIS_PASSWORD", "") or config("redis.password") or "")
    tail = f"/{config('redis.db')}" if config("redis.db") else ""
    tail += f"?{urlencode(files)}" if files else ""
    for place, address in enumerate(addresses):
        if not address or "/" in address or "@" in address:
            raise wrong(
                f"redis.addrs[{place}]", f"is {shown_value(repr(address))}", "give host:port, and the login in its own keys"
            )
    urls = [f"{scheme}://{login}{address}{tail}" for address in addresses]
    yield "REDIS_URL", ",".join(urls * 2 if config("redis.cluster_mode") and len(urls) == 1 else urls), "redis.addrs"
    yield "REDIS_PUBLISH_VIN_TOPICS", str(config("redis.publish_vin_topics", False)).lower(), "redis.publish_vin_topics"
    yield from _present(config, {"redis.subscriber_set_prefix": "REDIS_SUBSCRIBER_SET_PREFIX"})


def _nats(config: Config, environment: Mapping[str, str], note: Note) -> Variables:
    yield "NATS_URL", _required(config, "nats.url", "nats://host:4222"), "nats.url"


def _logger(config: Config, environment: Mapping[str, str], note: Note) -> Variables:
    """Its lines are log lines; here they are JSON lines on standard output, beside the log on standard error."""
    yield "JSONL_PATH", "-", "records"


def _login(user: str, password: str) -> str:
    """`user:password@`, quoted; "" without either."""
    if not user and not password:
        return ""
    return f"{quote(user, safe='')}:{quote(password, safe='')}@" if password else f"{quote(user, safe='')}@"


DISPATCHERS: Mapping[str, Dispatcher] = {
    "kafka": Dispatcher("kafka", _kafka),
    "kinesis": Dispatcher("kinesis", _kinesis, needs_block=False),
    "pubsub": Dispatcher("pubsub", _pubsub),
    "zmq": Dispatcher("zmq", _zmq),
    "mqtt": Dispatcher("mqtt", _mqtt),
    "redis": Dispatcher("redis", _redis),
    "nats": Dispatcher("nats", _nats),
    "logger": Dispatcher("jsonl", _logger, needs_block=False),
}
