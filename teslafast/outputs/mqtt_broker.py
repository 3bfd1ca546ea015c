"""
A broker as its operator names it, what is sent to it, and what its refusals mean to that operator.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from dataclasses import dataclass
from typing import NamedTuple

from ..errors import Undelivered
from . import mqtt_packets as packets

QUICK_ACK = getattr(socket, "TCP_QUICKACK", None)  # Linux has it
# A message of itself is at fault, not the connection: wrong topic, wrong payload, too large, retained where that is not allowed.
HOPELESS = {0x90: "topic", 0x99: "payload", 0x95: "too_large", 0x9A: "retain"}

# Brokers use the reasons for a wrong password, and for a user who may not connect, as they like.
LOGIN = "refuses the login: the user name or the password in MQTT_URL is missing or wrong, or this user may not connect"

BROKER_REFUSALS = {
    packets.V311: {
        1: "does not speak this version of MQTT",
        2: "refuses the client id: choose another MQTT_CLIENT_ID",
        3: "says that it is not available",
        4: LOGIN,
        5: LOGIN,
    },
    packets.V5: {
        0x84: "does not speak this version of MQTT",
        0x85: "refuses the client id: choose another MQTT_CLIENT_ID",
        0x86: LOGIN,
        0x87: LOGIN,
        0x88: "says that it is not available",
        0x89: "says that it is busy",
        0x8A: "has banned this client",
    },
}


class Publication(NamedTuple):
    topic: bytes
    payload: bytes
    qos: int
    retain: bool


@dataclass(frozen=True)
class Address:
    """`tls` None: in plain text. `login`: the user, and the password if there is one."""

    host: str
    port: int
    tls: ssl.SSLContext | None
    login: tuple[str, str | None] | None

    def __str__(self) -> str:
        return f"{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"


class OtherVersion(Undelivered):
    """The broker does not speak the version that was tried, or said nothing at all."""


def refusal(address: Address, limits: packets.Limits) -> Undelivered:
    """Why we are not let in."""
    known = BROKER_REFUSALS[packets.V5 if limits.code >= 0x80 else packets.V311].get(limits.code)
    says = known or f"refuses the connection: MQTT's reason {limits.code:#04x}"
    reason = f"{address} {says}" + (f" ({limits.reason})" if limits.reason else "")
    return OtherVersion(reason) if limits.code in (0x01, 0x84) else Undelivered(reason)


def acknowledge_at_once(transport: asyncio.Transport) -> None:
    """
    Has the kernel acknowledge what it has received without delay (Linux forgets it after each time).

    mosquitto writes each confirmation by itself, and Nagle's algorithm keeps the second one back until the first is acknowledged:
    with the usual delay a window took 40 ms instead of one.
    """
    if QUICK_ACK is not None:
        connected = transport.get_extra_info("socket")
        if connected is not None:
            connected.setsockopt(socket.IPPROTO_TCP, QUICK_ACK, 1)
