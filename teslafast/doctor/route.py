"""
What a vehicle meets: is there a way to the server, does anything stand in it, and does a test vehicle get in.

The order is that of a connection. The first line that is wrong usually explains the rest, so what depends on it is not looked at.
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
from ..text import one_line
from . import certificate
from .finding import Finding, note, skipped, well, wrong
from .options import Case
from .tls_probe import Place, Sight, exchange, header_of, look, status_of, trusted, upgrade, verdict

if TYPE_CHECKING:
    from cryptography import x509

_LET_THROUGH = "let TLS through untouched: nginx `stream`, HAProxy `mode tcp`, Traefik TCP with passthrough, Fly without handlers"


# ---- the way there


def vehicles(case: Case, read: Settings | None, own: list[x509.Certificate], ca: str) -> Iterator[Finding]:
    """Everything between a vehicle and the server at `case.url`. `own`: the chain in CERT_PATH; `ca`: what vehicles get."""
    at = case.vehicles_at
    if at is None:
        yield skipped("outside", "no URL was given: doctor https://HOST:PORT looks at the server as vehicles do")
        return
    addresses, finding = _addresses(at[0], case.address)
    yield finding
    if not addresses:
        return
    place = Place(addresses[0], *at)
    try:
        sight = look(place)
    except OSError as error:
        yield _unreachable(place, error)
        return
    yield well("port", f"{place.port} at {place.address} is open")
    yield from _tls(place, sight, own, ca, case)
    if sight.leaf or sight.refused:
        yield from _asks(sight, read)
        yield from _test_vehicle(place, ca, case)


def _addresses(host: str, given: str | None) -> tuple[list[str], Finding]:
    if given is not None:
        return [given], note("address", f"{given} is taken for {host}", "look again without --address once DNS says so too")
    try:
        found = sorted(
            {str(entry[4][0]) for entry in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}, key=lambda one: ":" in one
        )
    except OSError:
        remedy = f"make an A record for {host} with the server's public IPv4 address; until then use --address"
        return [], wrong("address", f"{host} is not known to DNS", remedy)
    public = [one for one in found if ipaddress.ip_address(one).is_global]
    if not public:
        return found, note(
            "address", f"{host} is {', '.join(found)}: only this network can reach that", "vehicles need a public address"
        )
    if all(":" in one for one in public):
        return found, note(
            "address", f"{host} has IPv6 only, and nobody knows whether vehicles use it", "add a public IPv4 address (A record)"
        )
    return found, well("address", f"{host} is {', '.join(found)}")


def _unreachable(place: Place, error: OSError) -> Finding:
    where = f"{place.address} port {place.port}"
    if isinstance(error, ConnectionRefusedError):
        return wrong(
            "port", f"nothing listens at {where}", "start `teslafast serve`, and forward the port to it if it is elsewhere"
        )
    if isinstance(error, TimeoutError):
        return wrong("port", f"no answer from {where}", "open the port in the firewall and, behind a router, forward it")
    return wrong("port", f"{where} cannot be reached ({error.strerror or error})", "check address, route and firewall")


# ---- TLS as vehicles see it


def _tls(place: Place, sight: Sight, own: list[x509.Certificate], ca: str, case: Case) -> Iterator[Finding]:
    if not sight.leaf and not sight.refused:
        remedy = "set CERT_PATH and KEY_PATH; vehicles' port must reach teslafast itself"
        yield wrong("TLS", f"none at port {place.port}: {sight.fault}", remedy)
        return
    if not sight.leaf:
        yield skipped("sent", "only TLS 1.2 is spoken there, which hides the server's certificate from a stranger")
        return
    from cryptography import x509

    leaf = x509.load_der_x509_certificate(sight.leaf)
    yield _sent(leaf, own, sight)
    if not own:
        yield from certificate.judge_leaf(leaf, place.hostname, case)
    if ca:
        yield _seen(place, ca)


def _sent(leaf: x509.Certificate, own: list[x509.Certificate], sight: Sight) -> Finding:
    what = f"{chain.name_of(leaf.subject)!r}, issued by {chain.name_of(leaf.issuer)!r}"
    if not own:
        return well("sent", f"the server sends {what}")
    if leaf == own[0]:
        return well("sent", "the server sends the certificate in CERT_PATH")
    return wrong(
        "sent",
        f"another certificate than CERT_PATH's is sent: {what}{_named(sight)}. Something in between ends TLS",
        _LET_THROUGH,
    )


def _named(sight: Sight) -> str:
    server = header_of(sight.answered, "server")
    return f", by {one_line(server, 60)!r}" if server else ""


def _seen(place: Place, ca: str) -> Finding:
    said = verdict(place, ca)
    if not said:
        return well("vehicle's view", f"with this `ca` alone the server verifies as {place.hostname}")
    remedy = "the `ca` must be that of the certificate that is sent, and the certificate must hold the host's name"
    return wrong("vehicle's view", f"with this `ca` a vehicle refuses the server: {one_line(said)}", remedy)


def _asks(sight: Sight, read: Settings | None) -> Iterator[Finding]:
    if sight.refused:
        yield well("asks", "vehicles are asked for their certificate, and a stranger's is refused")
    elif read is not None and read.vehicle_port is None and not read.request_client_cert:
        yield wrong("asks", "vehicles are not asked for their certificate", "set REQUEST_CLIENT_CERT=true and CA_PATH")
    else:
        fault = (
            f"a stranger's certificate was let in{_named(sight)}: something in between ends TLS and keeps vehicles' certificates"
        )
        yield wrong("asks", fault, f"{_LET_THROUGH}; or, if it is teslafast, REQUEST_CLIENT_CERT=true or the port VEHICLE_PORT")


# ---- somebody who should get in


def _test_vehicle(place: Place, ca: str, case: Case) -> Iterator[Finding]:
    pair = next(iter(sorted((case.certs or Path()).glob("vehicles/*.pem"))), None) if case.certs else None
    if pair is None:
        return
    if not ca:
        yield skipped("test vehicle", "it has no `ca` to verify the server with: give --ca")
        return
    try:
        with trusted(place, ca, pair) as connection:
            head = exchange(connection, upgrade(place, "/"))
    except (OSError, ValueError) as error:
        remedy = "is CA_PATH that of --certs (vehicle_ca.pem)? the server's log says what it did not like"
        yield wrong("test vehicle", f"{pair.stem} is refused ({one_line(str(error))})", remedy)
        return
    status = status_of(head)
    if status == HTTPStatus.SWITCHING_PROTOCOLS:
        yield well("test vehicle", f"{pair.stem} gets in")
    else:
        yield wrong("test vehicle", f"{pair.stem} is answered {status}", _VEHICLE_REMEDIES.get(status, "see the server's log"))


_VEHICLE_REMEDIES: dict[int, str] = {
    HTTPStatus.FORBIDDEN: "is it in TESLA_VIN? does something in between keep its certificate? the server's log has the cause",
    HTTPStatus.NOT_FOUND: "is this the vehicles' port? with VEHICLE_PORT, vehicles do not connect to PORT",
    HTTPStatus.SERVICE_UNAVAILABLE: "MAX_VEHICLES is reached, or the server is draining",
}
