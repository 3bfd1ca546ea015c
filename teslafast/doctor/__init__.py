"""
`teslafast doctor`: everything that is known to keep a vehicle or a dashboard from connecting, looked at in the order of a set-up.

    configuration   would `serve` start, could a vehicle get in
    certificate     the server's key, chain, names and days; the `ca` with which vehicles verify it
    authorities     CA_PATH: Tesla's CAs
    outside         a vehicle's way: DNS, port, TLS, what stands in between
    dashboards      /health, and a token at /stream
    account         the Fleet API: access token, configs, reported errors

Each looks, and says what it found in Findings; none changes anything. A server is told nothing but a stranger's certificate, a
test vehicle's where its folder is named, and a dashboard's token where the server has verified.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..config import Settings
from ..errors import Misconfigured
from . import account, authorities, certificate, configuration, dashboards, route
from .finding import Finding, State, mendable, skipped
from .options import Case

if TYPE_CHECKING:
    from cryptography import x509

__all__ = ["Case", "Finding", "State", "examine"]


def examine(case: Case) -> Iterator[Finding]:
    """The report, line by line, as it comes to be known."""
    try:
        _ = case.vehicles_at, case.dashboards_at
    except Misconfigured as error:
        yield mendable("URL", error)
        return
    read: Settings | None = None
    own: list[x509.Certificate] = []
    ca = ""
    if case.has_settings:
        read, findings = configuration.settings(case)
        yield from findings
    else:
        yield skipped("settings", "this environment has none of the server's: only what is seen from outside is looked at")
    if read is not None and read.tls:
        own, findings = certificate.own(read, case)
        yield from findings
    if case.ca is not None or own:
        ca, findings = certificate.ca(case)
        yield from findings
        if ca and own:
            yield certificate.verifies(ca, own[0], case)
    if read is not None:
        yield from authorities.vehicle_cas(read, case)
    way = list(route.vehicles(case, read, own, ca))
    yield from way
    if case.dashboards or not any(finding.check in ("address", "port") and finding.state is State.WRONG for finding in way):
        yield from dashboards.examine(case, read, ca)
    yield from account.examine(case, own[0] if own else None)
