"""What may be set for Kafka: librdkafka's own settings. What it does not take is said with the variable's name, and no secret."""

from __future__ import annotations

from collections import Counter

import pytest
from teslafast.cli.settings import _table
from teslafast.config import Settings
from teslafast.errors import Misconfigured
from teslafast.outputs import Context
from teslafast.outputs.kafka_settings import KafkaSettings, Properties
from teslafast.outputs.settings import planned

SERVER = Settings.from_env({"NODE_ENV": "development"})
BROKER = {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}


def settings(**variables: str) -> KafkaSettings:
    [plan] = planned(BROKER | variables, SERVER)
    found: KafkaSettings = plan.settings
    return found


def refusal(**variables: str) -> str:
    def start() -> None:
        [plan] = planned(BROKER | variables, SERVER)
        plan.make(Context("epoch", Counter()))

    with pytest.raises(Misconfigured) as caught:
        start()
    return str(caught.value)


def test_every_variable_is_a_setting_of_librdkafka() -> None:
    found = settings(KAFKA_LINGER_MS="20", KAFKA_SASL_PASSWORD="hunter2", KAFKA_ACKS=" ")
    assert dict(found.properties) == {"linger.ms": "20", "sasl.password": "hunter2"}
    assert "hunter2" not in repr(found)


def test_what_kubernetes_says_of_a_service_called_kafka_is_none() -> None:
    found = settings(
        KAFKA_SERVICE_HOST="10.0.0.1",
        KAFKA_SERVICE_PORT="9092",
        KAFKA_SERVICE_PORT_CLIENT="9092",
        KAFKA_PORT="tcp://10.0.0.1:9092",
        KAFKA_PORT_9092_TCP="tcp://10.0.0.1:9092",
        KAFKA_PORT_9092_TCP_ADDR="10.0.0.1",
        KAFKA_BROKER_SERVICE_HOST="10.0.0.1",
    )
    assert found.properties == Properties()


@pytest.mark.parametrize("servers", ["a", "a:9092,b:9093", "ssl://a:9092", "[::1]:9092", " a , b "])
def test_the_brokers_are_a_comma_list(servers: str) -> None:
    assert settings(KAFKA_BOOTSTRAP_SERVERS=servers).servers == ",".join(one.strip() for one in servers.split(","))


@pytest.mark.parametrize("servers", ["a:0", "a:65536", "a:b", "a b", "http//x", ","])
def test_what_is_none_is_refused(servers: str) -> None:
    assert refusal(KAFKA_BOOTSTRAP_SERVERS=servers).startswith("KAFKA_BOOTSTRAP_SERVERS: ")


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("KAFKA_LINGER_SM", "5", "KAFKA_LINGER_SM: librdkafka has no setting linger.sm — "),
        ("KAFKA_LINGER_MS", "soon", "KAFKA_LINGER_MS: 'soon' is not usable — give what librdkafka takes for linger.ms"),
        ("KAFKA_ACKS", "few", "KAFKA_ACKS: 'few' is not usable — "),
        ("KAFKA_COMPRESSION_TYPE", "zip", "KAFKA_COMPRESSION_TYPE: 'zip' is not usable — "),
        ("KAFKA_TRANSACTIONAL_ID", "x", "KAFKA_TRANSACTIONAL_ID: cannot be set: "),
        ("KAFKA_LINGER_MS", '"5"', "KAFKA_LINGER_MS: its value is in quotes"),
    ],
)
def test_what_librdkafka_does_not_take_is_one_line_with_the_variable(variable: str, value: str, said: str) -> None:
    assert refusal(**{variable: value}).startswith(said)


def test_settings_that_only_contradict_each_other_are_told_in_its_words() -> None:
    said = refusal(KAFKA_ENABLE_IDEMPOTENCE="true", KAFKA_ACKS="1")
    assert "`acks` must be set to `all` when `enable.idempotence` is true" in said
    assert said.startswith("KAFKA_ENABLE_IDEMPOTENCE: ")


def test_no_secret_is_ever_said() -> None:
    variables = {
        "KAFKA_SECURITY_PROTOCOL": "ssl",
        "KAFKA_SSL_KEY_PEM": "hunter2secret",
        "KAFKA_SSL_KEY_PASSWORD": "hunter3secret",
    }
    said = refusal(**variables)
    assert said.startswith("KAFKA_")
    assert "secret" not in said


def test_a_weaker_acks_is_taken_and_logged(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    from teslafast.logs import log

    monkeypatch.setattr(log, "propagate", True)
    [plan] = planned(BROKER | {"KAFKA_ACKS": "1"}, SERVER)
    plan.make(Context("epoch", Counter()))
    assert "kafka_not_idempotent" in [record.getMessage() for record in caplog.records]


def test_the_table_of_settings_names_each_that_is_set_and_no_value() -> None:
    shown = {row.variable: row for row in _table(BROKER | {"KAFKA_SASL_PASSWORD": "hunter2"}, None, {})}
    assert shown["KAFKA_SASL_PASSWORD"].source == "environment"
    assert "hunter2" not in str(shown)
    assert "KAFKA_X_Y" in {row.variable for row in _table({}, None, {})}
