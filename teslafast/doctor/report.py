"""
The whole report: everything that is known to keep a vehicle or a dashboard from connecting, in the order of a set-up.

    configuration   would `serve` start, could a vehicle get in
    certificate     the server's key, chain, names and dates; the `ca` with which vehicles verify it
    authorities     CA_PATH: Tesla's CAs
    route           a vehicle's way to the server: DNS, port, TLS, proxies in between
    dashboards      /health, and a token at /stream
    cluster         CLUSTER_URL: each NATS server, what a node may do there, the stream
    outputs         each that is set: reachable, logged in, how far behind
    public_key      where Tesla fetches it, if the app's domain is known
    account         the Fleet API: access token, configs, reported errors

No check changes anything. A server gets only the certificate of an unknown vehicle, that of a test vehicle where its folder is
named, and a dashboard's token once the server's certificate has been verified.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..config import Settings
from ..errors import Misconfigured
from .account import check_account
from .authorities import check_vehicle_cas
from .certificate import check_ca, check_own_chain, read_ca
from .cluster import check_cluster
from .configuration import check_settings
from .dashboards import check_dashboards
from .finding import Finding, State, from_error, skipped
from .options import DoctorOptions
from .outputs import check_outputs
from .public_key import check_public_key
from .route import check_route

if TYPE_CHECKING:
    from cryptography import x509


def examine(options: DoctorOptions) -> Iterator[Finding]:
    """The report, line by line, while the checks run."""
    try:
        _ = options.vehicles_at, options.dashboards_at
    except Misconfigured as error:
        yield from_error("URL", error)
        return
    settings: Settings | None = None
    sent: list[x509.Certificate] = []
    ca = ""
    if options.has_settings:
        settings, findings = check_settings(options)
        yield from findings
    else:
        yield skipped(
            "settings", "this environment has none of the server's settings: doctor checks only what it sees from outside"
        )
    if settings is not None and settings.tls:
        sent, findings = check_own_chain(settings, options)
        yield from findings
    if options.ca is not None or sent:
        ca, findings = read_ca(options)
        yield from findings
        if ca and sent:
            yield check_ca(ca, sent[0], options)
    if settings is not None:
        yield from check_vehicle_cas(settings, options)
    route = list(check_route(options, settings, sent, ca))
    yield from route
    unreachable = any(finding.check in ("address", "port") and finding.state is State.WRONG for finding in route)
    if options.dashboards or not unreachable:
        yield from check_dashboards(options, settings, ca)
    if settings is not None:
        yield from check_cluster(settings)
        yield from check_outputs(options, settings)
    yield from check_public_key(options)
    yield from check_account(options, sent[0] if sent else None)
