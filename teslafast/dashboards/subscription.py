"""
What a dashboard asks for, as a value: read from the query of `/stream`, or from a `subscribe` message.

Nothing is passed over in silence: a parameter that is unknown, doubled, empty or misspelt is refused with the nearest right one,
because whoever filters must not be shown more, or less, than was meant.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from .._fanout import ALL_KINDS, KINDS
from ..core.views import ViewKey
from ..errors import BadQuery
from ..text import one_line
from ..vin import VIN_LENGTH, is_vin, mended_vin
from .members import strings

INTERVALS_MS = (100, 250, 500, 1000, 2000, 5000, 10_000)
LONGEST_SEQ = 20  # digits of a 64-bit number
TOKENS = ("token", "access_token")  # read elsewhere (tokens.py)
LISTS = {"vins": "vin", "types": "type"}  # two spellings of one parameter; it may be repeated
PARAMETERS = ("vin", "type", "since", "epoch", "snapshot", "format", "interval", "control", *LISTS, *TOKENS)


@dataclass(frozen=True, slots=True)
class Subscription:
    """
    vins         only these vehicles; None = all that the token grants
    kinds        bit k = KINDS[k]
    since        everything after this seq first; `epoch`: the log's life that it belongs to, None = the present one
    snapshot     last values: None = at the start and after a gap, but not on a complete resume; True = always; False = never
    fleet        records in the reference server's JSON
    control      hello, gap, snapshot, answers: False leaves only records
    interval_ms  at most one data message a vehicle and interval; 0 = every event
    """

    vins: frozenset[str] | None = None
    kinds: int = ALL_KINDS
    since: int | None = None
    epoch: str | None = None
    snapshot: bool | None = None
    fleet: bool = False
    control: bool = True
    interval_ms: int = 0

    @property
    def view(self) -> ViewKey:
        return ViewKey("fleet" if self.fleet else "flat", self.interval_ms)


def parse_subscription(query: Sequence[tuple[str, str]], exact_vins: bool) -> Subscription:
    """`exact_vins`: VINs have 17 characters. Raises BadQuery."""
    single, lists = _sorted_out(query)
    shape = _one_of(single, "format", ("flat", "fleet"), "flat")
    interval = _one_of(single, "interval", ("0", *map(str, INTERVALS_MS)), "0")
    control = _one_of(single, "control", ("0", "1"), "1" if shape == "flat" else "0")
    if shape == "fleet" and interval != "0":
        raise BadQuery("interval goes with format=flat only")
    if shape == "flat" and control == "0":
        raise BadQuery("control goes with format=fleet only")
    snapshot = _one_of(single, "snapshot", ("0", "1"), "") if "snapshot" in single else ""
    return Subscription(
        vins=parse_vins(lists["vin"], exact_vins) if "vin" in lists else None,
        kinds=parse_kinds(lists["type"]) if "type" in lists else ALL_KINDS,
        since=_seq(single["since"]) if "since" in single else None,
        epoch=single.get("epoch"),
        snapshot=snapshot == "1" if snapshot else None,
        fleet=shape == "fleet",
        control=control == "1",
        interval_ms=int(interval),
    )


def _sorted_out(query: Sequence[tuple[str, str]]) -> tuple[dict[str, str], dict[str, list[str]]]:
    """The parameters that stand once, and the lists; anything else is refused."""
    single: dict[str, str] = {}
    lists: dict[str, list[str]] = {}
    for name, value in query:
        name = LISTS.get(name, name)
        if name in LISTS.values():
            lists.setdefault(name, []).extend(value.split(","))
        elif name not in PARAMETERS:
            raise BadQuery(f"unknown parameter {one_line(name, 40)!r}{hint(name, PARAMETERS)}")
        elif name in single:
            raise BadQuery(f"{name} is given twice")
        else:
            single[name] = value
    return single, lists


def _one_of(single: Mapping[str, str], name: str, allowed: Sequence[str], default: str) -> str:
    value = single.get(name, default)
    if name in single and value not in allowed:
        raise BadQuery(f"{name} must be one of {', '.join(allowed)}{hint(value, allowed)}")
    return value


def _seq(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= LONGEST_SEQ):
        raise BadQuery("since is not a sequence number: give the seq of the last event that you have, for example since=1234")
    return int(text)


def vins_asked(query: Sequence[tuple[str, str]], exact: bool) -> frozenset[str] | None:
    """The vehicles that a query names, where it may hold anything else, too; None if it names none. Raises BadQuery."""
    words = [word for name, value in query if LISTS.get(name, name) == "vin" for word in value.split(",")]
    return parse_vins(words, exact) if words else None


def hint(word: str, known: Iterable[str]) -> str:
    """`: did you mean X?`, or nothing if no known word is near."""
    near = get_close_matches(word.lower()[:64], list(known), 1, 0.5)
    return f": did you mean {near[0]}?" if near else ""


def parse_kinds(words: Iterable[str]) -> int:
    """The mask of the kinds named. Raises BadQuery."""
    mask = 0
    for word in words:
        word = word.strip()
        if word not in KINDS:
            raise BadQuery(f"type must be among {', '.join(KINDS)}{hint(word, KINDS)}")
        mask |= 1 << KINDS.index(word)
    if not mask:
        raise BadQuery(f"type is empty: leave it out for all kinds, or name some of {', '.join(KINDS)}")
    return mask


def parse_vins(words: Iterable[str], exact: bool) -> frozenset[str]:
    """
    The VINs named, without blanks and in upper case; `exact`: of 17 characters.

    In development a vehicle may have any name, whose case is kept. Raises BadQuery.
    """
    vins = set()
    for word in words:
        vin = mended_vin(word)
        if not is_vin(vin) or (exact and len(vin) != VIN_LENGTH):
            raise BadQuery(
                f"{one_line(vin, 40)!r} is not a VIN: a VIN has {VIN_LENGTH} letters and digits, for example 5YJ3E1EA7KF000001"
            )
        vins.add(vin)
    if not vins:
        raise BadQuery("vin is empty: leave it out for all vehicles, or name some")
    return frozenset(vins)


def said_vins(said: dict[str, Any], exact: bool) -> Iterable[str] | None:
    """`vins` of a message: null = all, [] = none. Raises Refused."""
    words = strings(said, "vins")
    return parse_vins(words, exact) if words else words


def said_kinds(said: dict[str, Any]) -> int:
    """The mask that `types` of a message names: null = all, [] = none. Raises Refused."""
    words = strings(said, "types")
    return ALL_KINDS if words is None else parse_kinds(words) if words else 0
