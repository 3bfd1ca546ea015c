"""
A record as the log takes it: one of four kinds, with the flat event's body; and the one kind that the server itself makes.

A body becomes an event when the log puts `type` and `seq` in front (`_fanout.publish`). Values in, values out: no clock, no I/O.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from .._fanout import KINDS
from ..rfc3339 import rfc3339

DATA, ALERTS, ERRORS, CONNECTIVITY = range(len(KINDS))
KIND_NUMBERS = {kind: number for number, kind in enumerate(KINDS)}


# What the log keeps of a record besides its event, where somebody wants that: the txid of its message, the version that its
# vehicle's client named, and its payload as it came, which is missing where there was none (JSON text in flat shape).
OwnBytes = tuple[bytes, bytes, bytes] | tuple[bytes, bytes]


class Record(Protocol):
    """A decoded record: `protocol._wire.DecodedRecord`, or a Report, which says what its attributes are."""

    @property
    def kind(self) -> str: ...
    @property
    def body(self) -> dict[str, Any]: ...
    @property
    def created_ns(self) -> int | None: ...
    @property
    def is_resend(self) -> bool: ...
    @property
    def signals(self) -> int: ...
    @property
    def vin_differs(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Report:
    """
    One record as it goes into the log; `_wire.DecodedRecord` has the same attributes.

    body         the flat event without `type` and `seq`
    created_ns   the vehicle's own time, ns since 1970, None if it gave none
    signals      how many datums, alerts or errors it holds
    """

    kind: str
    body: dict[str, Any]
    created_ns: int | None = None
    is_resend: bool = False
    signals: int = 0
    vin_differs: bool = False


def connectivity(vin: str, connected: bool, connection_id: str, network_interface: str, now_ns: int) -> Report:
    body = {
        "vin": vin,
        "createdAt": rfc3339(now_ns),
        "status": "CONNECTED" if connected else "DISCONNECTED",
        "connectionId": connection_id,
        "networkInterface": network_interface,
    }
    return Report("connectivity", body, now_ns)


CONNECTIVITY_MEMBERS = ("vin", "connectionId", "status", "createdAt", "networkInterface")  # each a text


def fleet_of_connectivity(body: Mapping[str, Any]) -> dict[str, Any]:
    return {key: body[key] for key in CONNECTIVITY_MEMBERS}
