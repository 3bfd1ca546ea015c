"""
A vehicle's way to the server: can it be reached, does anything in between end TLS, and can a test vehicle connect.

The order is that of a connection. The first wrong line usually explains the rest, so what depends on it is not checked.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

from ..certificates import chain
from ..config import Settings
from ..onboarding.served_key import CARRIER_NAT
from ..text import one_line
from .certificate import check_leaf
from .finding import Finding, note, skipped, well, wrong
from .options import DoctorOptions
from .tls_probe import Endpoint, ProbeResult, probe, upgrade, verified_connection, verify_error

if TYPE_CHECKING:
    from cryptography import x509

_LET_THROUGH = "let TLS through untouched: nginx `stream`, HAProxy `mode tcp`, Traefik TCP with passthrough, Fly without handlers"


# ---- DNS and port


def check_route(options: DoctorOptions, settings: Settings | None, own: list[x509.Certificate], ca: str) -> Iterator[Finding]:
    """Everything between a vehicle and the server at `options.url`. `own`: the chain in CERT_PATH; `ca`: vehicles'."""
    at = options.vehicles_at
    if at is None:
        yield skipped("outside", "there is no URL: `teslafast doctor https://HOST:PORT` examines the server as a vehicle does")
        return
    addresses, finding = _addresses(at[0], options.address)
    yield finding
    if not addresses:
        return
    endpoint = Endpoint(addresses[0], *at)
    try:
        result = probe(endpoint)
    except OSError as error:
        yield _unreachable(endpoint, error)
        return
    yield well("port", f"{endpoint.port} at {endpoint.address} is open")
    yield from _tls(endpoint, result, own, ca, options)
    if result.leaf or result.refused:
        yield from _asks(result, settings)
        yield from _test_vehicle(endpoint, ca, options)


def _addresses(host: str, given: str | None) -> tuple[list[str], Finding]:
    if given is not None:
        return [given], note(
            "address", f"{given} is used for {host}", "run doctor again without --address once DNS has the address"
        )
    try:
        found = sorted(
            {str(entry[4][0]) for entry in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}, key=lambda one: ":" in one
        )
    except OSError:
        remedy = f"make an A record for {host} with the server's public IPv4 address; until then use --address"
        return [], wrong("address", f"DNS does not know {host}", remedy)
    public = [one for one in found if ipaddress.ip_address(one).is_global]
    if any(ipaddress.ip_address(one) in CARRIER_NAT for one in found if ":" not in one) and not public:
        says = f"{host} is {', '.join(found)}: your provider shares this address (CGNAT), no vehicle can reach it"
        return found, wrong("address", says, "use Fly.io or a small VPS, or ask the provider for an IPv4 address of your own")
    if not public:
        return found, note(
            "address", f"{host} is {', '.join(found)}: only this network can reach it", "give the host a public address"
        )
    if all(":" in one for one in public):
        return found, note(
            "address",
            f"{host} has only IPv6, and it is not known whether vehicles use it",
            "add a public IPv4 address (A record)",
        )
    return found, well("address", f"{host} is {', '.join(found)}")


def _unreachable(endpoint: Endpoint, error: OSError) -> Finding:
    where = f"{endpoint.address} port {endpoint.port}"
    if isinstance(error, ConnectionRefusedError):
        return wrong(
            "port", f"nothing listens at {where}", "start `teslafast serve`; if it runs on another machine, forward the port"
        )
    if isinstance(error, TimeoutError):
        return wrong("port", f"no answer from {where}", "open the port in the firewall; behind a router, forward it")
    return wrong(
        "port", f"{where} cannot be reached ({error.strerror or error})", "check the address, the route and the firewall"
    )


# ---- TLS as vehicles see it


def _tls(
    endpoint: Endpoint, result: ProbeResult, own: list[x509.Certificate], ca: str, options: DoctorOptions
) -> Iterator[Finding]:
    if not result.leaf and not result.refused:
        remedy = "set CERT_PATH and KEY_PATH; the port must lead to teslafast itself"
        yield wrong("TLS", f"there is none at port {endpoint.port}: {result.fault}", remedy)
        return
    if not result.leaf:
        yield skipped("sent", "the server speaks only TLS 1.2, which hides its certificate from an unknown vehicle")
        return
    from cryptography import x509

    leaf = x509.load_der_x509_certificate(result.leaf)
    yield _sent(leaf, own, result)
    if not own:
        yield from check_leaf(leaf, endpoint.hostname, options)
    if ca:
        yield _seen(endpoint, ca)


def _sent(leaf: x509.Certificate, own: list[x509.Certificate], result: ProbeResult) -> Finding:
    what = f"{chain.name_of(leaf.subject)!r}, issued by {chain.name_of(leaf.issuer)!r}"
    if not own:
        return well("sent", f"the server sends {what}")
    if leaf == own[0]:
        return well("sent", "the server sends the certificate in CERT_PATH")
    return wrong(
        "sent",
        f"the certificate that arrives is not the one in CERT_PATH: {what}{_named(result)}. Something in between ends TLS",
        _LET_THROUGH,
    )


def _named(result: ProbeResult) -> str:
    server = result.answer.headers.get("server", "")
    return f", by {one_line(server, 60)!r}" if server else ""


def _seen(endpoint: Endpoint, ca: str) -> Finding:
    fault = verify_error(endpoint, ca)
    if not fault:
        return well("vehicle's view", f"a vehicle with this `ca` accepts the server as {endpoint.hostname}")
    remedy = "give vehicles the `ca` of the certificate that the server sends, and use a certificate with the host's name"
    return wrong("vehicle's view", f"a vehicle with this `ca` refuses the server: {one_line(fault)}", remedy)


def _asks(result: ProbeResult, settings: Settings | None) -> Iterator[Finding]:
    if result.refused:
        yield well("asks", "the server asks vehicles for their certificate, and refuses an unknown one")
    elif settings is not None and settings.vehicle_port is None and not settings.request_client_cert:
        yield wrong("asks", "the server does not ask vehicles for their certificate", "set REQUEST_CLIENT_CERT=true and CA_PATH")
    else:
        fault = (
            f"an unknown certificate was let in{_named(result)}: something in between ends TLS and keeps vehicles' certificates"
        )
        yield wrong(
            "asks",
            fault,
            f"{_LET_THROUGH}; if it is teslafast itself, set REQUEST_CLIENT_CERT=true, or use the port VEHICLE_PORT",
        )


# ---- a test vehicle


def _test_vehicle(endpoint: Endpoint, ca: str, options: DoctorOptions) -> Iterator[Finding]:
    pair = next(iter(sorted((options.certs or Path()).glob("vehicles/*.pem"))), None) if options.certs else None
    if pair is None:
        return
    if not ca:
        yield skipped("test vehicle", "there is no `ca` to verify the server with: give one with --ca")
        return
    try:
        with verified_connection(endpoint, ca, pair) as connection:
            status = upgrade(connection, endpoint, "/").status
    except (OSError, ValueError) as error:
        remedy = "set CA_PATH to vehicle_ca.pem of the --certs folder; the server's log has the cause"
        yield wrong("test vehicle", f"{pair.stem} is refused ({one_line(str(error))})", remedy)
        return
    if status == HTTPStatus.SWITCHING_PROTOCOLS:
        yield well("test vehicle", f"{pair.stem} can connect")
    else:
        yield wrong(
            "test vehicle",
            f"{pair.stem} gets the answer {status or 'nothing'}",
            _VEHICLE_REMEDIES.get(status, "see the server's log"),
        )


_VEHICLE_REMEDIES: dict[int, str] = {
    HTTPStatus.FORBIDDEN: "add it to TESLA_VIN; otherwise something in between keeps its certificate: see the server's log",
    HTTPStatus.NOT_FOUND: "give the vehicles' port: with VEHICLE_PORT, vehicles do not connect to PORT",
    HTTPStatus.SERVICE_UNAVAILABLE: "wait if the server is draining, or raise MAX_VEHICLES",
}
