"""
Settings that outputs share: which kinds of events brokers get, in which shape, under which namespace; whom acks wait for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .._fanout import KINDS
from ..environment import boolean, comma_list, refuse, setting

KINDS_FORM = f"a comma list of {', '.join(KINDS)}"


def kinds(text: str) -> tuple[str, ...]:
    """Kinds of events, in their usual order."""
    named = {word.lower() for word in comma_list(text)}
    return tuple(kind for kind in KINDS if kind in named) if named and named <= set(KINDS) else refuse(text)


def _matching(allowed: Callable[[str], bool]) -> Callable[[str], str]:
    return lambda text: text.strip() if allowed(text.strip()) else refuse(text)


def _is_namespace(text: str) -> bool:
    return text.isascii() and text.replace("_", "").replace("-", "").replace(".", "").isalnum()


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedSettings:
    """`types`: for outputs that have no such setting of their own."""

    types: tuple[str, ...] = setting("OUTPUT_TYPES", KINDS, kinds, KINDS_FORM, "which kinds of events brokers get")
    namespace: str = setting(
        "OUTPUT_NAMESPACE",
        "tesla_telemetry",
        _matching(_is_namespace),
        "letters, digits, _, - and .",
        "the first part of brokers' topics, channels and subjects",
    )
    decoded: bool = setting(
        "OUTPUT_DECODED",
        True,
        boolean,
        "true or false",
        "brokers get `fleet` JSON; `false`: the protobuf record as the vehicle sent it",
    )
    reliable_acks: tuple[str, ...] = setting(
        "RELIABLE_ACKS",
        (),
        comma_list,
        "a comma list of outputs",
        "a vehicle's ack waits until these outputs have delivered the record",
    )
