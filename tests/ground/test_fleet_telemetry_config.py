"""Tesla's config.json: what it stands for here, and what is said of a broken one."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from teslafast.errors import Misconfigured
from teslafast.fleet_telemetry_config import translated
from teslafast.fleet_telemetry_file import KEYS, LONGEST_CONFIG, read_config

TLS = {"server_cert": "/tls/server.crt", "server_key": "/tls/server.key", "ca_file": "/tls/ca.crt"}
SMALLEST: dict[str, Any] = {"host": "", "port": 4443, "tls": TLS, "records": {"V": ["logger"]}}


def config(**changes: Any) -> str:
    """The smallest one that works, with these keys besides or instead; None takes one out."""
    return json.dumps({key: value for key, value in {**SMALLEST, **changes}.items() if value is not None})


def variables(environment: dict[str, str] | None = None, **changes: Any) -> dict[str, str]:
    return dict(translated(config(**changes), environment or {}).variables)


def test_the_server_is_the_one_of_the_file() -> None:
    found = variables(
        host="10.0.0.1",
        log_level="WARN",
        json_log_enable=True,
        namespace="cars",
        status_port=8080,
        transmit_decoded_records=True,
        rate_limit={"enabled": True, "message_limit": 100, "message_interval_time": 30},
        monitoring={"prometheus_metrics_port": 9090, "profiler_port": 4269},
    )
    assert found == {
        "HOST": "10.0.0.1",
        "VEHICLE_PORT": "4443",
        "STATUS_PORT": "8080",
        "METRICS_PORT": "9090",
        "METRICS_HOST": "127.0.0.1",
        "CERT_PATH": "/tls/server.crt",
        "KEY_PATH": "/tls/server.key",
        "CA_PATH": "/tls/ca.crt",
        "LOG_LEVEL": "warning",
        "LOG_FORMAT": "json",
        "OUTPUT_NAMESPACE": "cars",
        "OUTPUT_DECODED": "true",
        "VEHICLE_RATE_LIMIT": "4",
        "JSONL_PATH": "-",
        "OUTPUT_ROUTES": "jsonl=data",
    }


def test_records_are_protobuf_unless_the_file_says_otherwise() -> None:
    assert variables()["OUTPUT_DECODED"] == "false"


@pytest.mark.parametrize("environment", [{}, {"PORT": "8443"}])
def test_vehicles_share_the_port_of_dashboards_where_the_file_gives_the_same(environment: dict[str, str]) -> None:
    found = variables(environment, port=int(environment.get("PORT", "3000")))
    assert "VEHICLE_PORT" not in found
    assert found["REQUEST_CLIENT_CERT"] == "true"


def test_every_dispatcher_is_an_output() -> None:
    found = variables(
        environment={"REDIS_PASSWORD": "from outside"},
        namespace="tt",
        records={
            "V": ["kafka", "kinesis", "pubsub", "zmq", "mqtt", "redis", "nats"],
            "alerts": ["kafka", "logger"],
            "connectivity": ["redis"],
        },
        reliable_ack_sources={"V": "kafka", "alerts": "kafka"},
        kafka={
            "bootstrap.servers": "one:9092,two:9092",
            "queue.buffering.max.messages": 1e6,
            "enable.idempotence": True,
            "go.logs": 1,
        },
        kinesis={"override_host": "http://localhost:4567", "streams": {"V": "mine"}},
        pubsub={"gcp_project_id": "project-1"},
        zmq={"addr": "tcp://*:5284", "server_key_json_path": "/zmq.json"},
        mqtt={"broker": "broker:1883", "client_id": "c", "username": "u@v", "password": "p/w", "topic_base": "t", "qos": 2},
        redis={
            "addrs": ["a:1"],
            "cluster_mode": True,
            "db": 3,
            "password": "inside",
            "publish_vin_topics": True,
            "tls": {"ca_file": "/ca"},
        },
        nats={"url": "nats://u:p@nats:4222", "name": "tesla"},
    )
    expected = {
        "KAFKA_BOOTSTRAP_SERVERS": "one:9092,two:9092",
        "KAFKA_QUEUE_BUFFERING_MAX_MESSAGES": "1000000",
        "KAFKA_ENABLE_IDEMPOTENCE": "true",
        "KINESIS_STREAM": "tt",
        "KINESIS_STREAM_V": "mine",
        "KINESIS_ENDPOINT": "http://localhost:4567",
        "PUBSUB_PROJECT_ID": "project-1",
        "ZMQ_BIND": "tcp://*:5284",
        "ZMQ_SERVER_KEY_PATH": "/zmq.json",
        "MQTT_URL": "mqtt://u%40v:p%2Fw@broker:1883",
        "MQTT_CLIENT_ID": "c",
        "MQTT_TOPIC_BASE": "t",
        "MQTT_QOS": "2",
        "MQTT_RETAIN": "false",
        "MQTT_INTERVAL": "0",
        "MQTT_DISCOVERY_PREFIX": "",
        "REDIS_URL": "rediss://:from%20outside@a:1/3?ssl_ca_certs=%2Fca,rediss://:from%20outside@a:1/3?ssl_ca_certs=%2Fca",
        "REDIS_PUBLISH_VIN_TOPICS": "true",
        "NATS_URL": "nats://u:p@nats:4222",
        "JSONL_PATH": "-",
        "RELIABLE_ACKS": "kafka",
        "OUTPUT_ROUTES": (
            "kafka=data,alerts;kinesis=data;pubsub=data;zmq=data;mqtt=data;redis=data,connectivity;nats=data;jsonl=alerts"
        ),
    }
    assert {name: found[name] for name in expected} == expected
    assert not [name for name in found if name.startswith("KAFKA_GO")]


def test_a_block_that_no_record_is_sent_to_is_not_used_and_said() -> None:
    found = translated(config(mqtt={"broker": "b"}), {})
    assert "MQTT_URL" not in found.variables
    assert "mqtt is not used: no list in records names it" in found.notes


def test_the_environment_goes_before_the_file() -> None:
    found = translated(config(), {"CA_PATH": "/mine.pem", "JWT_SECRET": "x" * 32})
    assert "CA_PATH" not in found.variables
    assert "the environment goes before the file: CA_PATH" in found.notes
    assert not [note for note in found.notes if "JWT_SECRET" in note]


def test_keys_are_read_in_any_case_and_only_the_first_value_of_the_file_counts() -> None:
    content = json.dumps({"Port": 1, "PORT": 4443, "TLS": {"SERVER_CERT": "c", "Server_Key": "k", "ca_file": "a"}, "host": None})
    found = translated(content + ' {"port": 1}', {})
    assert (found.variables["VEHICLE_PORT"], found.variables["KEY_PATH"]) == ("4443", "k")


def test_what_means_nothing_here_is_said_once_with_its_key() -> None:
    notes = translated(config(airbrake={"host": "h"}, logger={"verbose": True}, colour="red", log_level="loud"), {}).notes
    for beginning in ("airbrake changes nothing", "logger.verbose changes nothing", "colour is not a key", "log_level 'loud'"):
        assert len([note for note in notes if note.startswith(beginning)]) == 1, beginning


def test_the_login_in_a_broker_s_address_goes_before_the_keys() -> None:
    mqtt = {"broker": "tcp://me:p%40ss@b:1883", "username": "other", "password": "else"}
    assert variables(records={"V": ["mqtt"]}, mqtt=mqtt)["MQTT_URL"] == "mqtt://me:p%40ss@b:1883"
    mqtt = {"broker": "tcp://me@b", "username": "other", "password": "pw"}
    assert variables(records={"V": ["mqtt"]}, mqtt=mqtt)["MQTT_URL"] == "mqtt://me:pw@b"


def test_a_key_that_is_not_given_and_means_something_else_here_is_said() -> None:
    kafka: dict[str, Any] = {"records": {"V": ["kafka"]}, "kafka": {"bootstrap.servers": "b"}}

    def beginnings(environment: dict[str, str] | None = None, **changes: Any) -> set[str]:
        notes = translated(config(**changes), environment or {}).notes
        return {note.split()[0] for note in notes if "is not given" in note}

    assert beginnings(**kafka, port=0) == {"namespace", "port"}
    assert beginnings(**kafka, namespace="", rate_limit={"enabled": True}) == {"namespace", "rate_limit.enabled"}
    assert beginnings({"OUTPUT_NAMESPACE": "cars"}, **kafka) == beginnings(**kafka, namespace="cars") == set()
    assert beginnings() == set()  # neither lines nor MQTT's topics have a namespace


@pytest.mark.parametrize(
    "changes",
    [
        {"records": {"V": ["mqtt"]}, "mqtt": {"broker": "http://me:hunter2@b"}},
        {"records": {"V": ["redis"]}, "redis": {"addrs": ["redis://:hunter2@b"], "publish_vin_topics": True}},
        {"kafka": {"sasl.password": "hunter2\n"}},
        {"kafka": {"sasl.password": ["hunter2"]}},
        {"kafka": {"ssl.key.pem": {"key": "hunter2"}}},
        {"mqtt": {"broker": ["tcp://me:hunter2@b"]}},
    ],
)
def test_what_is_said_of_a_wrong_value_shows_no_secret(changes: dict[str, Any]) -> None:
    with pytest.raises(Misconfigured) as caught:
        translated(config(**changes), {})
    assert "hunter2" not in str(caught.value)


BROKEN: list[tuple[str, Any, str]] = [
    ("no JSON", "{", "line 1, column 2"),
    ("no object", "[]", "holds no JSON object"),
    ("not a number", '{"port": NaN}', "NaN is not JSON"),
    ("port is text", config(port="443"), "port is"),
    ("port is too large", config(port=70000), "a whole number from 0 to 65535"),
    ("port is true", config(port=True), "port is true"),
    ("no certificate", config(tls={"server_key": "k"}), "tls.server_cert is not given"),
    ("no key", config(tls={"server_cert": "c"}), "tls.server_key is not given"),
    ("no authorities", config(tls={"server_cert": "c", "server_key": "k"}), "tls.ca_file is not given"),
    ("TLS is text", config(tls="yes"), "tls is"),
    ("host is a list", config(host=[]), "host is []"),
    ("status port", config(status_port=-1), "status_port is -1"),
    ("records is a list", config(records=["V"]), "records is"),
    ("a type that is none", config(records={"W": ["logger"]}), "records.W is not a type of record"),
    ("an empty list", config(records={"V": []}), "records.V names no dispatcher"),
    ("a dispatcher that is none", config(records={"V": ["logger", "kafak"]}), "records.V[1] is 'kafak'"),
    ("a dispatcher without its block", config(records={"alerts": ["kafka"]}), "kafka is not given"),
    ("no servers", config(records={"V": ["kafka"]}, kafka={"acks": "all"}), "kafka.bootstrap.servers is not given"),
    ("a Kafka value that is a list", config(records={"V": ["kafka"]}, kafka={"a": []}), "kafka.a is []"),
    ("no address to bind", config(records={"V": ["zmq"]}, zmq={"verbose": True}), "zmq.addr is not given"),
    ("no broker", config(records={"V": ["mqtt"]}, mqtt={"qos": 1}), "mqtt.broker is not given"),
    ("a broker over WebSocket", config(records={"V": ["mqtt"]}, mqtt={"broker": "ws://b"}), "mqtt.broker is 'ws://b'"),
    ("a quality that is none", config(mqtt={"qos": 3}), "mqtt.qos is 3"),
    ("a password that is a number", config(mqtt={"password": 1234567}), "mqtt.password is not usable"),
    ("no addresses", config(records={"V": ["redis"]}, redis={"db": 1}), "redis.addrs is not given"),
    ("an address that is a URL", config(records={"V": ["redis"]}, redis={"addrs": ["redis://a"], "publish_vin_topics": True}),
     "redis.addrs[0] is"),
    ("nothing to publish", config(records={"V": ["redis"]}, redis={"addrs": ["a:1"]}), "redis publishes nothing"),
    ("no project", config(records={"V": ["pubsub"]}, pubsub={"gcp_project_id": ""}), "pubsub.gcp_project_id is not given"),
    ("a stream of no type", config(records={"V": ["kinesis"]}, kinesis={"streams": {"X": "s"}}), "kinesis.streams.X"),
    ("acks of connectivity", config(reliable_ack_sources={"connectivity": "kafka"}), "reliable_ack_sources.connectivity"),
    ("acks of the log", config(reliable_ack_sources={"V": "logger"}), "reliable_ack_sources.V is 'logger'"),
    ("acks of what is not routed", config(reliable_ack_sources={"V": "kafka"}), "which records.V does not name"),
    ("limit is text", config(rate_limit={"message_limit": "9"}), "rate_limit.message_limit is"),
    ("a control character", config(tls={**TLS, "server_cert": "a\nb"}), "tls.server_cert is"),
    ("too long", " " * (LONGEST_CONFIG + 1), "longer than"),
    ("too deep", "[" * 100_000, "not usable JSON"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "said"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN])
def test_a_broken_file_is_one_line_with_the_path_of_the_key(content: str, said: str) -> None:
    with pytest.raises(Misconfigured) as refused:
        translated(content, {})
    message = str(refused.value)
    assert message.startswith("FLEET_TELEMETRY_CONFIG: ")
    assert said in message
    assert "\n" not in message
    assert "1234567" not in message, "a password is in no message"


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*KEYS, *(key.partition(".")[0] for key in KEYS)]), _JSON, max_size=5))
def test_whatever_the_file_holds_it_is_read_or_refused(content: dict[str, Any]) -> None:
    nested: dict[str, Any] = {}
    for path, value in content.items():
        block, mark, key = path.partition(".")
        if mark and isinstance(nested.setdefault(block, {}), dict):
            nested[block][key] = value
        elif not mark:
            nested[block] = value
    for read in (read_config, lambda text: translated(text, {})):
        with suppress(Misconfigured):
            assert read(json.dumps(nested)) is not None
