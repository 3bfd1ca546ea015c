"""
Settings that outputs share: which kinds of events brokers get, in which shape, under which namespace; whom acks wait for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from .._fanout import KINDS
from ..environment import boolean, comma_list, refuse, setting

KINDS_FORM = f"a comma list of {', '.join(KINDS)}"


def kinds(text: str) -> tuple[str, ...]:
    """Kinds of events, in their usual order."""
    named = {word.lower() for word in comma_list(text)}
    return tuple(kind for kind in KINDS if kind in named) if named and named <= set(KINDS) else refuse(text)


@dataclass(frozen=True, slots=True)
class OutputRoutes:
    """Which kinds of events single outputs get."""

    routes: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self.routes)

    def __str__(self) -> str:
        return ";".join(f"{name}={','.join(named)}" for name, named in self.routes)

    def kinds_of(self, output: str) -> tuple[str, ...] | None:
        """None: they are not chosen here."""
        return dict(self.routes).get(output)


def routes(text: str) -> OutputRoutes:
    """`kafka=data,alerts;mqtt=data`."""
    found: dict[str, tuple[str, ...]] = {}
    for part in filter(None, (one.strip() for one in text.split(";"))):
        name, mark, named = part.partition("=")
        if not mark or not name.strip() or name.strip() in found:
            refuse(text)
        found[name.strip()] = kinds(named)
    return OutputRoutes(tuple(found.items()))


def _matching(allowed: Callable[[str], bool]) -> Callable[[str], str]:
    return lambda text: text.strip() if allowed(text.strip()) else refuse(text)


def _is_namespace(text: str) -> bool:
    return text.isascii() and text.replace("_", "").replace("-", "").replace(".", "").isalnum()


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedSettings:
    """`types`: for outputs that have no such setting of their own."""

    types: tuple[str, ...] = setting("OUTPUT_TYPES", KINDS, kinds, KINDS_FORM, "which kinds of events brokers get")
    routes: OutputRoutes = setting(
        "OUTPUT_ROUTES",
        OutputRoutes(),
        routes,
        "kafka=data,alerts;mqtt=data",
        "which kinds of events one output gets, whatever OUTPUT_TYPES says; the others go by that",
    )
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
