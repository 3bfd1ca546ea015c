"""
Who knocked at a vehicles' port and was turned away: the newest, by cause and address, for whoever sets the server up.

    cause ──▶ the last ADDRESSES_PER_CAUSE addresses, each with when, why, and how often

A flood from anywhere has few causes, and pushes out its own kind alone: the one line that tells why a car cannot come in stays.
Pure: the time is an argument. The log has every line; this is a memory of the last ones.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace

from ..refusals import OF_VEHICLES, REFUSALS
from ..rfc3339 import rfc3339

ADDRESSES_PER_CAUSE = 4  # one car has one or two; causes are a few dozen words of ours
SHOWN_AT_MOST = 12  # a screen

# What to do about a failed TLS handshake (tls_errors.py says what each is); for a scanner's there is nothing to do.
TLS_REMEDIES = {
    "unknown_ca": "CA_PATH must hold Tesla's CAs: teslafast certs tesla-ca FILE; for test vehicles it is vehicle_ca.pem",
    "we_are_unknown": "send the config again with the CA of this server's certificate as its `ca`: teslafast vehicle configure",
    "we_are_refused": "the certificate must name the host of the vehicle's config: teslafast doctor looks at both",
    "no_certificate": "a vehicle shows one: if this was one, a proxy in between ends TLS and must pass it through instead",
    "expired": "look at this machine's clock; if it is right, the vehicle needs a new certificate from Tesla",
    "not_tls": "if this was a vehicle, a proxy in between ends TLS and must pass it through instead",
    "plain_http": "use https:// for the page; a vehicle never speaks plain HTTP",
    "slow": "a vehicle comes back by itself; raise HANDSHAKE_TIMEOUT if this goes on",
}
OF_A_VEHICLE = frozenset(refusal.cause for refusal in OF_VEHICLES)
_REMEDIES = {refusal.cause: refusal.remedy for refusal in REFUSALS} | TLS_REMEDIES


@dataclass(frozen=True, slots=True)
class TurnedAway:
    """One address and one cause. `at_ns`: the last time, ns since 1970; `times`: how often since it was first kept."""

    at_ns: int
    cause: str
    meaning: str
    host: str
    times: int

    def report(self) -> dict[str, object]:
        remedy = _REMEDIES.get(self.cause, "")
        at = rfc3339(self.at_ns)
        return {"at": at, "cause": self.cause, "meaning": self.meaning, "remedy": remedy, "from": self.host, "times": self.times}


class TurnedAwayMemory:
    """Bounded by the number of causes times ADDRESSES_PER_CAUSE."""

    def __init__(self) -> None:
        self._kept: dict[str, OrderedDict[str, TurnedAway]] = {}

    def note(self, at_ns: int, cause: str, meaning: str, address: str) -> None:
        """`cause`: a fixed word of ours; `address`: `host:port`."""
        host = address.rpartition(":")[0].strip("[]") or address
        of_cause = self._kept.setdefault(cause, OrderedDict())
        before = of_cause.pop(host, None)
        entry = TurnedAway(at_ns, cause, meaning, host, 1)
        of_cause[host] = entry if before is None else replace(entry, times=before.times + 1)
        if len(of_cause) > ADDRESSES_PER_CAUSE:
            of_cause.popitem(last=False)

    def newest(self) -> list[TurnedAway]:
        """SHOWN_AT_MOST, the newest first; of each cause its newest before any cause's second."""
        ranked = [
            (place, -entry.at_ns, entry)
            for of_cause in self._kept.values()
            for place, entry in enumerate(reversed(of_cause.values()))
        ]
        ranked.sort(key=lambda one: one[:2])
        return sorted((entry for _, _, entry in ranked[:SHOWN_AT_MOST]), key=lambda entry: -entry.at_ns)
