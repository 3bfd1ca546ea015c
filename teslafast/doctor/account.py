"""
What Tesla's Fleet API knows: whether the access token is good, and whether each vehicle has taken a config that fits this server.

Every call costs the account a little (one for each vehicle, one for the errors), so each question is asked once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import Declined, Misconfigured, Unhealthy
from ..onboarding import fleet_api, vehicle_config
from ..onboarding.fleet_api import FleetApi
from ..onboarding.resolve import vins_of
from ..onboarding.vehicle_commands import error_line
from . import certificate
from .finding import Finding, mendable, note, skipped, well, wrong
from .options import Case

if TYPE_CHECKING:
    from cryptography import x509

SOON_DAYS = 14
ERRORS_SHOWN = 3


def examine(case: Case, leaf: x509.Certificate | None) -> Iterator[Finding]:
    """`leaf`: the server's certificate, to hold the vehicles' `ca` against; None if it is not known."""
    if not case.environment.get("TESLA_ACCESS_TOKEN", "").strip():
        yield skipped("Fleet API", "TESLA_ACCESS_TOKEN is not set")
        return
    try:
        api = FleetApi.from_env(case.environment)
        vins = vins_of(case.vins, case.environment)
    except Misconfigured as error:
        yield mendable("Fleet API", error)
        return
    token = _token(api.token, case)
    yield from token
    if any(finding.state == "wrong" for finding in token):
        return
    for vin in vins:
        yield from _vehicle(api, vin, case, leaf)
    yield _errors(api, vins)


def _token(token: str, case: Case) -> list[Finding]:
    facts = fleet_api.read_token(token)
    if facts is None:
        return [
            note("access token", "is no JWT: whether it is good only Tesla can say", "an access token of Tesla's begins with ey")
        ]
    left = None if facts.expires is None else facts.expires - case.now.timestamp()
    if left is not None and left <= 0:
        return [wrong("access token", f"expired {-left / 3600:.1f} h ago", fleet_api.TOKEN_REMEDY)]
    lacking = [scope for scope in fleet_api.SCOPES_FOR_TELEMETRY if facts.scopes and scope not in facts.scopes]
    if lacking:
        remedy = "authorise your app again with that scope (developer.tesla.com, and the consent page), then get a new token"
        return [wrong("access token", f"lacks the scope {', '.join(lacking)}", remedy)]
    end = "has no end" if left is None else f"is good for {left / 3600:.1f} h"
    return [well("access token", f"{end}, scopes {' '.join(facts.scopes) or 'not said'}")]


def _vehicle(api: FleetApi, vin: str, case: Case, leaf: x509.Certificate | None) -> Iterator[Finding]:
    check = f"config of {vin}"
    try:
        answer = api.show(vin)
    except Declined as error:
        yield wrong(check, error.fault, error.remedy)
        return
    except Unhealthy as error:
        yield wrong(check, str(error), "is this machine on the net, and TESLA_API_BASE_URL right?")
        return
    verdict = vehicle_config.judge(answer, case.now.timestamp())
    if verdict.state == "taken":
        yield well(check, verdict.says)
    elif verdict.state == "waiting":
        yield note(check, verdict.says, verdict.remedy)
    else:
        yield wrong(check, verdict.says, verdict.remedy)
    config = answer.get("config")
    if isinstance(config, Mapping):
        yield from _fits(check, config, case, leaf)


def _fits(check: str, config: Mapping[str, Any], case: Case, leaf: x509.Certificate | None) -> Iterator[Finding]:
    """Whether what the vehicle was told is where the server is, and verifies it."""
    again = "configure the vehicle again: teslafast vehicle configure"
    host, port, at = config.get("hostname"), config.get("port"), case.vehicles_at
    if not isinstance(port, int):
        yield wrong(
            check, f"its port is text, {port!r}: vehicles ignore such a config without a word", f"{again} (the port as a number)"
        )
    elif at is not None and (host, port) != at:
        yield wrong(check, f"it sends the vehicle to {host}:{port}, the server is at {at[0]}:{at[1]}", again)
    expires = config.get("exp")
    days = (expires - case.now.timestamp()) / 86400 if isinstance(expires, int) else SOON_DAYS
    if 0 < days < SOON_DAYS:
        yield note(check, f"it expires in {days:.0f} days", again)
    if leaf is not None and config.get("ca"):
        yield certificate.verifies(str(config["ca"]), leaf, case, "the `ca` that the vehicle was given")


def _errors(api: FleetApi, vins: Sequence[str]) -> Finding:
    """The last of what these vehicles reported; wants a partner token, which not everybody has at hand."""
    try:
        found = [report for report in api.errors() if report.get("vin") in vins]
    except (Declined, Unhealthy) as error:
        return skipped("reported errors", f"{error}")
    if not found:
        return well("reported errors", "none of these vehicles")
    last = sorted(found, key=lambda report: str(report.get("created_at")))[-ERRORS_SHOWN:]
    remedy = next(
        (remedy for report in reversed(last) if (remedy := vehicle_config.explain_error(report)[1])), "see each error's text"
    )
    return wrong("reported errors", f"{len(found)}, the last: {'; '.join(error_line(report) for report in last)}", remedy)
