"""
What Tesla's Fleet API knows: is the access token usable, and has each vehicle accepted a config that fits this server.

Tesla bills every call (one for each vehicle, one for the errors), so doctor makes each call once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import Declined, Misconfigured, Unhealthy
from ..onboarding import refusals_of_tesla, vehicle_errors, vehicle_status
from ..onboarding.access_token import read_token
from ..onboarding.accounts import errors_api, owner_api
from ..onboarding.fleet_api import FleetApi
from ..onboarding.resolve import resolve_vins
from ..onboarding.setup_notes import load_notes
from ..onboarding.state_folder import StateFolder
from ..onboarding.token_store import load_tokens
from ..onboarding.vehicle_commands import error_line
from .certificate import check_ca
from .finding import Finding, from_error, note, skipped, well, wrong
from .options import DoctorOptions

if TYPE_CHECKING:
    from cryptography import x509

CONFIG_EXPIRY_DAYS = 14  # a vehicle that is asleep takes a new config only days later
ERRORS_SHOWN = 3  # of what may be hundreds of the same kind


def check_account(options: DoctorOptions, leaf: x509.Certificate | None) -> Iterator[Finding]:
    """`leaf`: the server's certificate, which the vehicles' `ca` must verify; None if it is not known."""
    folder = StateFolder.locate(options.environment, options.state)
    if not options.environment.get("TESLA_ACCESS_TOKEN", "").strip() and load_tokens(folder) is None:
        yield skipped("Fleet API", "TESLA_ACCESS_TOKEN is not set, and nobody has logged in (teslafast login)")
        return
    try:
        vins = resolve_vins(_named(options, folder), options.environment)
        api = owner_api(options.environment, folder)
    except Misconfigured as error:
        yield from_error("Fleet API", error)
        return
    except (Declined, Unhealthy) as error:
        yield wrong("login", error.fault, error.remedy)
        return
    token = _token(api.token, options)
    yield from token
    if any(finding.state == "wrong" for finding in token):
        return
    for vin in vins:
        yield from _vehicle(api, vin, options, leaf)
    yield _errors(options, folder, vins)


def _named(options: DoctorOptions, folder: StateFolder) -> tuple[str, ...]:
    """The vehicles of the options, those of the set-up if TESLA_VIN names none."""
    return options.vins or (() if options.environment.get("TESLA_VIN") else tuple(load_notes(folder).vins))


def _token(token: str, options: DoctorOptions) -> list[Finding]:
    facts = read_token(token)
    if facts is None:
        return [
            note(
                "access token",
                "is not a JWT: only Tesla can say whether it is valid",
                "use an access token of Tesla's: it begins with ey",
            )
        ]
    left = None if facts.expires is None else facts.expires - options.now.timestamp()
    if left is not None and left <= 0:
        return [wrong("access token", f"expired {-left / 3600:.1f} h ago", refusals_of_tesla.TOKEN_REMEDY)]
    lacking = [scope for scope in refusals_of_tesla.SCOPES_FOR_TELEMETRY if facts.scopes and scope not in facts.scopes]
    if lacking:
        remedy = "authorise your app again with that scope (developer.tesla.com, and the consent page), then get a new token"
        return [wrong("access token", f"lacks the scope {', '.join(lacking)}", remedy)]
    end = "does not say when it expires" if left is None else f"is valid for {left / 3600:.1f} h"
    return [well("access token", f"{end}, scopes {' '.join(facts.scopes) or 'unknown'}")]


def _vehicle(api: FleetApi, vin: str, options: DoctorOptions, leaf: x509.Certificate | None) -> Iterator[Finding]:
    check = f"config of {vin}"
    try:
        answer, status = vehicle_status.look(api, vin, options.now.timestamp())
    except Declined as error:
        yield wrong(check, error.fault, error.remedy)
        return
    except Unhealthy as error:
        yield wrong(check, error.fault, "check this machine's network and TESLA_API_BASE_URL")
        return
    if status.state == "taken":
        yield well(check, status.meaning)
    elif status.state == "waiting":
        yield note(check, status.meaning, status.remedy)
    else:
        yield wrong(check, status.meaning, status.remedy)
    config = answer.get("config")
    if isinstance(config, Mapping):
        yield from _fits(check, config, options, leaf)


def _fits(check: str, config: Mapping[str, Any], options: DoctorOptions, leaf: x509.Certificate | None) -> Iterator[Finding]:
    """Whether the vehicle's config leads to the server, and verifies it."""
    again = "configure the vehicle again: teslafast vehicle configure"
    host, port, at = config.get("hostname"), config.get("port"), options.vehicles_at
    if not isinstance(port, int):
        yield wrong(
            check, f"its port is text, {port!r}: vehicles silently ignore such a config", f"{again} (the port as a number)"
        )
    elif at is not None and (host, port) != at:
        yield wrong(check, f"it sends the vehicle to {host}:{port}, the server is at {at[0]}:{at[1]}", again)
    expires = config.get("exp")
    days = (expires - options.now.timestamp()) / 86400 if isinstance(expires, int) else CONFIG_EXPIRY_DAYS
    if 0 < days < CONFIG_EXPIRY_DAYS:
        yield note(check, f"it expires in {days:.0f} days", again)
    if leaf is not None and config.get("ca"):
        yield check_ca(str(config["ca"]), leaf, options, "the `ca` in the vehicle's config")


def _errors(options: DoctorOptions, folder: StateFolder, vins: Sequence[str]) -> Finding:
    """The last errors that these vehicles reported; needs a partner token, which not everybody has at hand."""
    try:
        api = errors_api(options.environment, folder)
        found = [report for report in api.errors() if report.get("vin") in vins]
    except (Declined, Misconfigured, Unhealthy) as error:
        return skipped("reported errors", f"{error}")
    if not found:
        return well("reported errors", "none from these vehicles")
    last = sorted(found, key=lambda report: str(report.get("created_at")))[-ERRORS_SHOWN:]
    remedy = next(
        (remedy for report in reversed(last) if (remedy := vehicle_errors.explain_error(report)[1])),
        "read the text of each error",
    )
    return wrong("reported errors", f"{len(found)}, the last: {'; '.join(error_line(report) for report in last)}", remedy)
