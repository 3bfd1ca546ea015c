"""
What Tesla's Fleet API says when it does not do what it was asked, and what helps.

A status alone is not enough: 412 has four meanings and 403 has three. So Tesla's words are looked at first, then the status.
Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

TOKEN_REMEDY = "get a new access token for your app (it lives 8 hours) and set TESLA_ACCESS_TOKEN to it"  # noqa: S105 — no token
SCOPES_FOR_TELEMETRY = ("vehicle_device_data", "vehicle_location")
LATER = "try again later: the fault is Tesla's"
PARTNER_REMEDY = "set TESLA_ACCESS_TOKEN to a partner token (client_credentials): the owner's token does not open this list"
BILLING_REMEDY = (
    "raise the account's billing limit on developer.tesla.com, or wait for the next month, and do not retry before; then "
    "configure the vehicles again, because Tesla has deleted their configs"
)
_AUTHORISE = f"authorise your app again with the scopes {' and '.join(SCOPES_FOR_TELEMETRY)}"
_REGISTER = "register your app's domain in this region first (POST /api/1/partner_accounts with a partner token)"

# (what stands in Tesla's answer in lower case, remedy); the first that fits counts
WORDS: tuple[tuple[str, str], ...] = (
    ("exceeded_limit", BILLING_REMEDY),
    ("account disabled", BILLING_REMEDY),
    ("missing scopes", f"{_AUTHORISE}: ticked in the app on developer.tesla.com, and granted by the owner on the consent page"),
    (
        "location access not granted",
        "this car is shared without its location: use the owner's account, or leave location out",
    ),
    ("must be called through", "sign the config with --key, or set TESLA_API_BASE_URL to your vehicle-command proxy"),
    ("must match registered allowed origin", "add https://DOMAIN to the app's allowed origins, and try again after ten minutes"),
    ("must be registered in the current region", _REGISTER),
    ("set a domain for your account", _REGISTER),
    ("hostname domain does not match", "give a --hostname under the domain that your app is registered with"),
    ("not a valid pem", "give the CA and root of the server's certificate with --ca"),
    ("expiration should be", "give a shorter --expires, for example 300d"),
    ("unknown field", "leave out the field that Tesla names"),
    (
        "vin not_found",
        "check the VIN, and use the account of the owner: a driver's, or a partner token, does not find it",
    ),
)

STATUSES: Mapping[int, str] = {
    401: TOKEN_REMEDY,
    403: _AUTHORISE,
    404: "check the VIN, that the token's account owns the vehicle, and that TESLA_API_BASE_URL is that of its region",
    408: "try again later: the vehicle could not be reached",
    412: _REGISTER,
    421: "set TESLA_API_BASE_URL to the region that Tesla names here",
    429: "wait, or raise the account's billing limit on developer.tesla.com",
}

_REGION = re.compile(r"https://(fleet-api\.prd\.[a-z]{2}\.vn\.cloud\.tesla\.(?:com|cn))(?![\w.-])")


def remedy(status: int, text: str) -> str:
    """What helps against an answer. `text`: what Tesla said."""
    lowered = text.lower()
    by_words = next((remedy for words, remedy in WORDS if words in lowered), "")
    return by_words or STATUSES.get(status, LATER if status >= 500 else "read Tesla's message")


def region_named(text: str) -> str:
    """The address of the region that Tesla sends us to, "" if the text names none of Tesla's own."""
    found = _REGION.search(text)
    return f"https://{found[1]}" if found else ""
