"""What may be set for ZeroMQ, and the files of keys."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
import zmq
from teslafast.config import Settings
from teslafast.errors import Misconfigured
from teslafast.outputs import Context
from teslafast.outputs.settings import OutputPlan, planned

SERVER = Settings.from_env({"NODE_ENV": "development"})
BIND = {"ZMQ_BIND": "tcp://*:5284"}


def plan(**variables: str) -> OutputPlan:
    [found] = planned(BIND | variables, SERVER)
    return found


def refusal(**variables: str) -> str:
    def start() -> None:
        plan(**variables).make(Context("epoch", Counter()))

    with pytest.raises(Misconfigured) as caught:
        start()
    return str(caught.value)


@pytest.mark.parametrize(
    "address", ["tcp://*:5284", "tcp://127.0.0.1:1", "tcp://[::]:5284", "tcp://eth0:5284", "ipc:///run/cars"]
)
def test_an_address_to_bind(address: str) -> None:
    assert plan(ZMQ_BIND=address).settings.bind == address


@pytest.mark.parametrize("address", ["*:5284", "tcp://*", "tcp://*:0", "tcp://*:65536", "udp://*:5284", "ipc://", "inproc://x"])
def test_what_is_none_is_refused(address: str) -> None:
    assert refusal(ZMQ_BIND=address).startswith(f"ZMQ_BIND: {address!r} is not usable")


def test_files_of_keys_are_read_at_the_start(tmp_path: Path) -> None:
    public, secret = (key.decode() for key in zmq.curve_keypair())
    other = zmq.curve_keypair()[0].decode()
    server, allowed = tmp_path / "server.json", tmp_path / "allowed.json"
    keys = {"ZMQ_SERVER_KEY_PATH": str(server)}
    assert "cannot be read: No such file" in refusal(**keys)
    for text, said in (
        ("{", "is not JSON"),
        ("[]", "is not a pair of keys"),
        (json.dumps({"secret": secret}), "is not a pair of keys"),
        (json.dumps({"secret": secret, "public": other}), "does not belong to the secret one"),
    ):
        server.write_text(text)
        assert said in refusal(**keys)
        assert secret not in refusal(**keys)
    server.write_text(json.dumps({"secret": secret, "public": public}))
    plan(**keys).make(Context("epoch", Counter()))
    both = keys | {"ZMQ_ALLOWED_KEYS_PATH": str(allowed)}
    for text in ("{}", "[]", '["short"]'):
        allowed.write_text(text)
        assert "is not a list of public keys" in refusal(**both)
    allowed.write_text(json.dumps([other]))
    plan(**both).make(Context("epoch", Counter()))
    assert "ZMQ_SERVER_KEY_PATH is not" in refusal(ZMQ_ALLOWED_KEYS_PATH=str(allowed))
