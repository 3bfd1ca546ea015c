"""
How far the set-up is: `/setup` for everybody, `/setup/details` for those who may see every vehicle or some of them.

    /setup           {"version", "since", "heard": whether a message ever came, "checks": [{"name", "state", "says", …}]}
    /setup/details   the same with more checks, and "turnedAway": who knocked at the vehicles' port and was not let in, and why

The first holds no VIN, no address and no name that /health would not tell too. Of the second, a token for some vehicles gets
their checks alone; strangers' addresses are for a token for all.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus

import orjson

from .. import __version__
from ..config import Settings
from ..core.hub import Hub
from ..dashboards.tokens import Grant, find_tokens
from ..http_messages import Answer, Request
from ..rfc3339 import rfc3339
from ..setup_checks import SetupCheck
from .certificate_reload import CertificateReload
from .routes import FOR_DASHBOARDS, Page, Route
from .turned_away import TurnedAwayMemory

ENDS_SOON_DAYS = 21.0  # as the log warns (certificate_reload.py)
_TEST_CA = b"teslafast TEST"  # in the name of every CA that `certs init` makes for test vehicles


@dataclass(frozen=True, slots=True, kw_only=True)
class SetupSources:
    """
    What the pages are made from, each read when somebody asks.

    started_ns     ns since 1970
    certificates   None without TLS of our own
    vehicle_port   where vehicles connect
    upkeep         what else is known of the set-up (TESLAFAST_STATE)
    """

    settings: Settings
    hub: Hub
    started_ns: int
    serves_app_key: bool
    turned_away: TurnedAwayMemory
    certificates: Callable[[], CertificateReload | None]
    vehicle_port: Callable[[], int]
    upkeep: Callable[[], Sequence[SetupCheck]]


def setup_routes(sources: SetupSources) -> tuple[Route, ...]:
    return (
        Route("/setup", FOR_DASHBOARDS, page=setup(sources)),
        Route("/setup/details", FOR_DASHBOARDS, page=details(sources), token=find_tokens),
    )


def setup(sources: SetupSources) -> Page:
    def page(request: Request, grant: Grant | None) -> Answer:
        return _json(_summary(sources, public_checks(sources)))

    return page


def details(sources: SetupSources) -> Page:
    def page(request: Request, grant: Grant | None) -> Answer:
        checks = [*public_checks(sources), *_of_vehicles_port(sources), *sources.upkeep()]
        sees_all = grant is not None and grant.vins is None
        seen = [check for check in checks if not check.vin or (grant is not None and grant.allows(check.vin))]
        report = _summary(sources, seen)
        if sees_all:
            report["turnedAway"] = [entry.report() for entry in sources.turned_away.newest()]
        return _json(report)

    return page


def _summary(sources: SetupSources, checks: Sequence[SetupCheck]) -> dict[str, object]:
    return {
        "version": __version__,
        "since": rfc3339(sources.started_ns),
        "heard": sources.hub.log.seq > 0,
        "checks": [check.report() for check in checks],
    }


def public_checks(sources: SetupSources) -> list[SetupCheck]:
    """What everybody may know: the server runs, the key is served, whether a vehicle has connected."""
    return [SetupCheck("server", "done", f"this server runs (teslafast {__version__})"), _app_key(sources), _vehicle(sources)]


def _app_key(sources: SetupSources) -> SetupCheck:
    if sources.serves_app_key:
        return SetupCheck("public_key", "done", "your app's public key is served here")
    remedy = "set TESLA_PUBLIC_KEY_PATH, unless another host of your app's domain serves the key"
    return SetupCheck("public_key", "missing", "your app's public key is not served here", remedy)


def _vehicle(sources: SetupSources) -> SetupCheck:
    hub = sources.hub
    if hub.log.seq:
        return SetupCheck("vehicle", "done", "a vehicle has connected")
    if hub.registry.connected:
        return SetupCheck("vehicle", "waiting", "a vehicle is connected, and has not sent anything yet")
    return SetupCheck("vehicle", "waiting", "no vehicle has connected yet")


def last_heard(hub: Hub, vin: str) -> float | None:
    """When a vehicle was last heard, s since 1970; None if it never was. For any thread: it only looks entries up."""
    entry, values, now_ns = hub.registry.get(vin), hub.last_values.get(vin), time.time_ns()
    newest_ns = max(entry.heard_at(now_ns) if entry is not None else 0, values.newest_at(now_ns) if values is not None else 0)
    return newest_ns / 1e9 if newest_ns > 0 else None


# ---- the vehicles' port


def _of_vehicles_port(sources: SetupSources) -> Iterator[SetupCheck]:
    settings, reload = sources.settings, sources.certificates()
    if settings.client_cert_header:
        yield SetupCheck("certificate", "done", "a proxy ends the vehicles' TLS and passes their certificates on")
    elif reload is None or not (settings.request_client_cert or settings.vehicle_port is not None):
        yield _no_mutual_tls(settings)
        return
    else:
        yield _certificate(reload, sources.vehicle_port())
    yield _anchors(settings, reload)


def _no_mutual_tls(settings: Settings) -> SetupCheck:
    remedy = "teslafast certs init DIR --hostname NAME, then CERT_PATH, KEY_PATH, CA_PATH and VEHICLE_PORT"
    if settings.production:
        return SetupCheck("certificate", "missing", "no vehicle can connect: the server has no mutual TLS", remedy)
    return SetupCheck("certificate", "missing", "without mutual TLS only simulated vehicles can connect", remedy)


def _certificate(reload: CertificateReload, port: int) -> SetupCheck:
    days, names = reload.days(_now()), ", ".join(reload.names) or "no name"
    says = f"vehicles' port {port}: certificate for {names}, {max(0, int(days))} days left"
    if days < 0:
        return SetupCheck("certificate", "wrong", f"vehicles' port {port}: the certificate for {names} has expired", _RENEW)
    return SetupCheck("certificate", "wrong", says, _RENEW) if days < ENDS_SOON_DAYS else SetupCheck("certificate", "done", says)


_RENEW = "teslafast certs renew DIR"


def _anchors(settings: Settings, reload: CertificateReload | None) -> SetupCheck:
    from ..certificates import anchors as anchor_files
    from ..certificates.tesla_ca import PINNED
    from ..errors import Misconfigured

    remedy = "teslafast certs tesla-ca FILE, and CA_PATH=FILE"
    if settings.ca_path is None:
        return SetupCheck("tesla_cas", "missing", "no CA for vehicles: CA_PATH is not set", remedy)
    try:
        found = reload.anchors if reload is not None and reload.anchors else frozenset(anchor_files.anchors(settings.ca_path))
    except Misconfigured as error:
        return SetupCheck("tesla_cas", "wrong", str(error), remedy)
    known = sum(_fingerprint(der) in PINNED for der in found)
    if known:
        return SetupCheck("tesla_cas", "done", f"Tesla's CAs are loaded ({known} of {len(PINNED)})")
    if any(_TEST_CA in der for der in found):
        return SetupCheck("tesla_cas", "wrong", "CA_PATH holds the CA of test vehicles: real ones are refused", remedy)
    return SetupCheck("tesla_cas", "wrong", f"none of the {len(found)} CAs in CA_PATH is known to be Tesla's", remedy)


def _now() -> float:
    return time.time()


def _fingerprint(der: bytes) -> str:
    import hashlib

    return hashlib.sha256(der).hexdigest()


def _json(value: object) -> Answer:
    return Answer(HTTPStatus.OK, orjson.dumps(value), "application/json")
