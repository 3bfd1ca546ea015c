"""
Who speaks to Tesla: the owner or the app, with which token, and where.

TESLA_ACCESS_TOKEN wins over the set-up's folder. Without it the owner's token comes from there and is refreshed when it is due,
and once when Tesla refuses it; the app's own (partner) token is made from the client id and secret. The address is
TESLA_API_BASE_URL, else the one that the set-up has found, else that of the region in the token.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from .. import https
from ..errors import Misconfigured
from .access_token import read_token
from .fleet_api import FleetApi, token_in
from .oauth import OAuth
from .setup_notes import SetupNotes, load_notes
from .state_folder import SECRET_FILE, STATE_VARIABLE, StateFolder
from .tesla_hosts import NORTH_AMERICA, REGIONS, TeslaHosts, region_in, trusted_base
from .token_store import TokenStore, load_tokens

DOMAIN_VARIABLE = "TESLAFAST_DOMAIN"
Request = Callable[..., https.Reply]


def oauth_of(environment: Mapping[str, str], folder: StateFolder, request: Request = https.request) -> OAuth:
    """The app: TESLA_CLIENT_ID and TESLA_CLIENT_SECRET, else what the folder has, else "". Raises Misconfigured."""
    secret = environment.get("TESLA_CLIENT_SECRET", "").strip() or (folder.read(SECRET_FILE) or b"").decode().strip()
    return OAuth(TeslaHosts.from_env(environment), client_id_of(environment, folder), secret, request)


def client_id_of(environment: Mapping[str, str], folder: StateFolder) -> str:
    """Raises Misconfigured."""
    if given := environment.get("TESLA_CLIENT_ID", "").strip():
        return given
    tokens = load_tokens(folder)
    return load_notes(folder).client_id or (tokens.client_id if tokens else "")


def owner_api(
    environment: Mapping[str, str],
    folder: StateFolder,
    request: Request = https.request,
    now: Callable[[], float] = time.time,
) -> FleetApi:
    """The API with the owner's token. `now`: s since 1970. Raises Misconfigured, and as TokenStore.access_token."""
    if environment.get("TESLA_ACCESS_TOKEN", "").strip():
        token = token_in(environment)
        base = _base(environment, load_notes(folder), token)
        return FleetApi(base, token, request, domain=domain_of(environment, folder))
    if load_tokens(folder) is None:
        place = f"{STATE_VARIABLE}={folder.path}" if folder.exists else f"there is no {folder.path}"
        remedy = "log in: teslafast login; or set TESLA_ACCESS_TOKEN to an access token of your app"
        raise Misconfigured("TESLA_ACCESS_TOKEN", f"is not set, and nobody has logged in ({place})", remedy)
    store = TokenStore(folder, oauth_of(environment, folder, request), now)
    token = store.access_token()
    notes = load_notes(folder)
    return FleetApi(_base(environment, notes, token), token, request, store.renewed, domain_of(environment, folder))


def domain_of(environment: Mapping[str, str], folder: StateFolder) -> str:
    """The app's domain, "" if it is not known. Raises Misconfigured."""
    return environment.get(DOMAIN_VARIABLE, "").strip().lower() or load_notes(folder).domain


def partner_api(
    environment: Mapping[str, str], folder: StateFolder, base_url: str = "", request: Request = https.request
) -> FleetApi:
    """The API with the app's own token, for one region. Raises Misconfigured, Declined, Unhealthy."""
    oauth = oauth_of(environment, folder, request)
    for variable, value in (("TESLA_CLIENT_ID", oauth.client_id), ("TESLA_CLIENT_SECRET", oauth.client_secret)):
        if not value:
            raise Misconfigured(variable, "is not set", "copy it from View Details → Credentials & APIs of your app at Tesla")
    base = base_url or _base(environment, load_notes(folder), "")
    return FleetApi(base, oauth.partner_token(base), request, lambda refused: oauth.partner_token(base), is_partner=True)


def errors_api(environment: Mapping[str, str], folder: StateFolder, request: Request = https.request) -> FleetApi:
    """The API for the errors that vehicles reported: with TESLA_ACCESS_TOKEN, else with the app's own token."""
    if environment.get("TESLA_ACCESS_TOKEN", "").strip():
        return owner_api(environment, folder, request)
    return partner_api(environment, folder, request=request)


def noted_base(notes: SetupNotes, hosts: TeslaHosts) -> str:
    """
    The owner's region, as an earlier run found it; "" if that began at another TESLA_API_BASE_URL. A note is a hint: it may not
    choose who gets a token.
    """
    return trusted_base(notes.base_url, hosts.api or NORTH_AMERICA) if notes.api == hosts.api else ""


def _base(environment: Mapping[str, str], notes: SetupNotes, token: str) -> str:
    """Where the owner's account is, as far as it is known."""
    hosts, facts = TeslaHosts.from_env(environment), read_token(token)
    region = region_in(facts.code) if facts else ""
    return noted_base(notes, hosts) or hosts.api or REGIONS.get(region, NORTH_AMERICA)
