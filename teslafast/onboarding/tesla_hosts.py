"""
Where Tesla's servers are, and which of them a variable replaces.

    TESLA_AUTH_URL        the login page                      https://auth.tesla.com/oauth2/v3/authorize
    TESLA_TOKEN_URL       the token endpoint                  https://fleet-auth.prd.vn.cloud.tesla.com/oauth2/v3/token
    TESLA_API_BASE_URL    the Fleet API, in place of every region's

Requests carry secrets: so these are https, or plain http to this machine. `auth.tesla.com` has a token endpoint as well, but
Tesla has called it unreliable for this since 2025. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from ..errors import Misconfigured
from ..urls import is_this_machine, parse_url

NORTH_AMERICA = "https://fleet-api.prd.na.vn.cloud.tesla.com"
EUROPE = "https://fleet-api.prd.eu.vn.cloud.tesla.com"
CHINA = "https://fleet-api.prd.cn.vn.cloud.tesla.cn"
REGIONS: Mapping[str, str] = {"na": NORTH_AMERICA, "eu": EUROPE, "cn": CHINA}
REGION_NAMES: Mapping[str, str] = {"na": "North America", "eu": "Europe", "cn": "China"}
TESLAS_DOMAINS = (".tesla.com", ".tesla.cn")

LOGIN_PAGE = "https://auth.tesla.com/oauth2/v3/authorize"
TOKEN_ENDPOINT = "https://fleet-auth.prd.vn.cloud.tesla.com/oauth2/v3/token"  # noqa: S105 — an address
CONSENT_PAGE = "https://auth.tesla.com/user/revoke/consent"
PORTAL = "https://developer.tesla.com/dashboard"

# h2=…: the header Alt-Svc may name the region, too
_BASE = re.compile(r"https?://[A-Za-z0-9.-]+(?::\d{1,5})?(?![\w.:@-])")


@dataclass(frozen=True)
class TeslaHosts:
    """`api`: the base URL that stands for every region, "" for Tesla's own."""

    login_page: str = LOGIN_PAGE
    token_endpoint: str = TOKEN_ENDPOINT
    api: str = ""

    @classmethod
    def from_env(cls, environment: Mapping[str, str]) -> TeslaHosts:
        """Raises Misconfigured."""
        return cls(
            _address(environment, "TESLA_AUTH_URL", LOGIN_PAGE),
            _address(environment, "TESLA_TOKEN_URL", TOKEN_ENDPOINT),
            base_url(environment),
        )

    def base_of(self, region: str) -> str:
        """The Fleet API's address in a region: na, eu, cn."""
        return self.api or REGIONS[region]

    def bases(self) -> dict[str, str]:
        """Region → address, for the regions in which an app is registered; "" names the one of TESLA_API_BASE_URL."""
        return {"": self.api} if self.api else {region: REGIONS[region] for region in ("na", "eu")}


def base_url(environment: Mapping[str, str]) -> str:
    """TESLA_API_BASE_URL without a slash at its end, "" if it is not set. Raises Misconfigured."""
    given = environment.get("TESLA_API_BASE_URL", "").strip()
    if not given:
        return ""
    _check("TESLA_API_BASE_URL", given, NORTH_AMERICA)
    return given.rstrip("/")


def _address(environment: Mapping[str, str], variable: str, usual: str) -> str:
    given = environment.get(variable, "").strip()
    if not given:
        return usual
    _check(variable, given, usual)
    path = urlsplit(given).path.rstrip("/")
    last = usual.rsplit("/", 1)[1]
    if path in ("", "/oauth2/v3"):  # the server alone is meant
        return given.rstrip("/") + ("" if path else "/oauth2/v3") + f"/{last}"
    return given


def _check(variable: str, given: str, example: str) -> None:
    parts = parse_url(given, ("https", "http"), default="", example=example, subject=variable)
    if parts.scheme == "http" and not is_this_machine(parts.hostname or ""):
        remedy = f"give an https:// address such as {example}, or your proxy's; http:// is only for this machine"
        raise Misconfigured(variable, f"{given!r} would carry the token unencrypted", remedy)


def is_teslas(url: str) -> bool:
    """Whether the URL leads to Tesla itself."""
    parts = urlsplit(url)
    return parts.scheme == "https" and (parts.hostname or "").endswith(TESLAS_DOMAINS)


def host_named(text: str) -> str:
    """The host of the first address in a text, "" if it holds none."""
    found = _BASE.search(text)
    return (urlsplit(found[0].rstrip(".-")).hostname or "") if found else ""


def trusted_base(named: str, current: str) -> str:
    """
    The base URL that an answer names, if the token may go there: from Tesla to Tesla, and from this machine to this machine.
    "" otherwise: whoever answers must not choose who gets the token.
    """
    found = _BASE.search(named)
    if found is None:
        return ""
    base = found[0].rstrip(".-")  # what ends a sentence
    local = is_this_machine(urlsplit(base).hostname or "") and is_this_machine(urlsplit(current).hostname or "")
    return base if local or (is_teslas(base) and is_teslas(current)) else ""


def region_of(base: str) -> str:
    """na, eu or cn for an address of Tesla's, "" for another."""
    return next((region for region, address in REGIONS.items() if address == base), "")


def region_in(code: str) -> str:
    """The region at the start of an `ou_code`, of an authorization code or of a refresh token (`EU_…`); "" if there is none."""
    region = code[:2].lower()
    return region if region in REGIONS and not code[2:3].isalnum() else ""
