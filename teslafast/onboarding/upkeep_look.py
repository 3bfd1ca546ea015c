"""
One look at Tesla on behalf of a running server: the login kept alive, every vehicle's config seen, and renewed where it is due.

    look(…)         once a day, hourly while a vehicle has still to take its config
    ask_errors(…)   once an hour while a vehicle is missing, if the client secret is there

Each takes what is known and returns what is known now; a refusal becomes a pause with its reason, never a retry in a circle.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from .. import https
from ..errors import Declined, Misconfigured, Unhealthy
from ..logs import fields, log
from . import config_renewal, reported_errors, vehicle_status
from .access_token import LATEST_CLAIM_S
from .accounts import oauth_of, owner_api, partner_api
from .fleet_api import FleetApi
from .refusals_of_tesla import Kind, explain, is_limit
from .setup_notes import load_notes
from .signed_configs import load_signed
from .state_folder import StateFolder
from .token_store import HERE, Tokens, TokenStore, load_tokens
from .upkeep_state import CarUpkeep, UpkeepState

REFRESH_EVERY_S = 7 * 86_400.0  # a refresh token lives three months: a server that was off for weeks still finds one that works
LIMIT_PAUSE_S = 6 * 3600.0  # a limit is lifted by a person, or at the month's end: hours, not seconds
AWAY_PAUSES_S = (900.0, 3600.0, 3 * 3600.0, 6 * 3600.0)  # Tesla is away, or does not let us: each failure waits longer
FOR_GOOD_S = 10 * 365 * 86_400.0  # until somebody logs in: asking again with a token that is over would change nothing
LIMIT_PAUSE, LOGIN_PAUSE, REFUSAL_PAUSE, AWAY_PAUSE = "limit", "login", "refused", "away"
_LOGIN_IS_OVER = ("login_required", "invalid_grant")


@dataclass
class UpkeepAccount:
    """
    Whose set-up it is, and how Tesla is reached.

    now       s since 1970
    counts    renewals by outcome; `errors`: what Tesla reported, by cause
    """

    folder: StateFolder
    environment: Mapping[str, str]
    now: Callable[[], float]
    request: Callable[..., https.Reply] = https.request
    renewals: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)

    def tokens(self) -> Tokens | None:
        """Raises Misconfigured."""
        return load_tokens(self.folder)

    def vins(self) -> list[str]:
        """The vehicles of the set-up: those of its notes, else those for which configs were signed. Raises Misconfigured."""
        named = load_notes(self.folder).vins
        return list(dict.fromkeys(named or [vin for one in load_signed(self.folder) for vin in one.vins]))

    def has_secret(self) -> bool:
        return bool(oauth_of(self.environment, self.folder).client_secret)

    def registered_key(self, base_url: str) -> str | None:
        """
        The key that Tesla has for the domain (hex); None where that cannot be asked here. Raises Declined or Unhealthy if it can
        be asked later: a renewal comes 60 days ahead, and has the time.
        """
        domain = load_notes(self.folder).domain
        if not domain or not self.has_secret():
            return None
        try:
            return partner_api(self.environment, self.folder, base_url, self.request).registered_key(domain) or None
        except Declined as error:  # a secret that is no longer good must not end the streams
            if _passes(error) or is_limit(error.words):
                raise
            log.warning("key_not_compared", extra=fields(reason=error.fault, remedy=error.remedy))
            return None


def is_ours(tokens: Tokens | None, environment: Mapping[str, str]) -> bool:
    """
    Whether this process may refresh: one does, and no other. Tokens that were handed over name the app on Fly.io that has them,
    and are nowhere else; a copy of the folder on another app's machine is left alone.
    """
    app = environment.get("FLY_APP_NAME", "").strip()
    return tokens is not None and bool(tokens.refresh_token) and (tokens.owner in (HERE, app) or not app)


def look(account: UpkeepAccount, state: UpkeepState) -> UpkeepState:
    """What is known now. Raises nothing that Tesla, the network or the folder can cause."""
    try:
        state = _looked(account, state)
        return replace(state, looked=account.now(), paused="", paused_until=0.0, failures=0, says="", remedy="")
    except (Declined, Unhealthy, Misconfigured) as error:
        tokens = load_tokens(account.folder)
        return replace(paused(state, error, account.now()), login_seen=tokens.obtained if tokens is not None else 0.0)


def _looked(account: UpkeepAccount, state: UpkeepState) -> UpkeepState:
    store = TokenStore(account.folder, oauth_of(account.environment, account.folder, account.request), account.now)
    store.refresh_if_older(REFRESH_EVERY_S)
    api = owner_api(account.environment, account.folder, account.request, account.now)
    vins, due = account.vins(), {}
    state = replace(state, cars={vin: car for vin, car in state.cars.items() if vin in vins})
    for vin in vins:
        car, config = _seen(api, vin, state.cars.get(vin, CarUpkeep()), account.now())
        state = state.with_car(vin, car)
        if config_renewal.is_due(car.until, account.now()):
            due[vin] = config
    return _renewed(account, api, state, due)


def _seen(api: FleetApi, vin: str, before: CarUpkeep, now: float) -> tuple[CarUpkeep, Mapping[str, Any]]:
    """The vehicle as Tesla tells of it, and its config. Raises what concerns the whole account, not this vehicle alone."""
    try:
        answer, status = vehicle_status.look(api, vin, now)
    except Declined as error:
        if error.status != 404:
            raise
        return before.seen("rejected", error.fault, error.remedy, now), {}
    config = answer.get("config")
    known: Mapping[str, Any] = config if isinstance(config, dict) else {}
    end, paired = known.get("exp"), answer.get("key_paired")
    car = before.seen(status.state, status.meaning, status.remedy, now)
    until = float(end) if isinstance(end, int | float) and 0 < end < LATEST_CLAIM_S else 0.0
    return replace(car, until=until, has_key=paired if isinstance(paired, bool) else None), known


def _renewed(account: UpkeepAccount, api: FleetApi, state: UpkeepState, due: Mapping[str, Mapping[str, Any]]) -> UpkeepState:
    if not due:
        return state
    now = account.now()
    try:
        done = config_renewal.renew(account.folder, api, due, lambda: account.registered_key(api.base_url), now)
    except (Declined, Unhealthy) as error:
        account.renewals["failed"] += len(due)
        log.warning("config_not_renewed", extra=fields(cause="failed", vins=len(due), reason=error.fault))
        raise
    for vin, result in done.items():
        account.renewals[result.outcome] += 1
        car = replace(state.cars[vin], trouble=result.trouble, until=result.until or state.cars[vin].until)
        if result.outcome == "renewed":
            car = car.seen("waiting", "its config was renewed, and it has not taken the new one yet", "", now)
            log.info("config_renewed", extra=fields(vin=vin, days=round((result.until - now) / 86_400)))
        elif result.trouble != state.cars[vin].trouble:
            log.error("config_not_renewed", extra=fields(cause=result.outcome, vin=vin, reason=result.trouble))
        state = state.with_car(vin, car)
    return state


def ask_errors(account: UpkeepAccount, state: UpkeepState, missing: Collection[str]) -> UpkeepState:
    """What Tesla has been told by these vehicles, logged once. Raises nothing that Tesla, the network or the folder can cause."""
    try:
        reports: Sequence[Mapping[str, Any]] = partner_api(account.environment, account.folder, request=account.request).errors()
    except (Declined, Unhealthy, Misconfigured) as error:
        if _is_limit(error):
            return paused(state, error, account.now())
        log.info("tesla_errors_unknown", extra=fields(reason=getattr(error, "fault", str(error))))
        return replace(state, asked=account.now())
    new = reported_errors.log_new(reports, missing, state.errors)
    account.errors.update(new.causes)
    return replace(state, asked=account.now(), errors=new.known, last_error=new.newest or state.last_error)


# ---- pauses


def paused(state: UpkeepState, error: Declined | Unhealthy | Misconfigured, now: float) -> UpkeepState:
    """No request for a while, and why. Logged once for each reason."""
    failures = state.failures + 1
    cause, wait_s = _pause(error, failures)
    if (cause, error.fault) != (state.paused, state.says):
        hours = round(min(wait_s, AWAY_PAUSES_S[-1]) / 3600, 2)
        log.warning("upkeep_paused", extra=fields(cause=cause, hours=hours, reason=error.fault, remedy=error.remedy))
    return replace(state, paused=cause, paused_until=now + wait_s, failures=failures, says=error.fault, remedy=error.remedy)


def _pause(error: Declined | Unhealthy | Misconfigured, failures: int) -> tuple[str, float]:
    """(why, seconds)"""
    if _is_limit(error):
        return LIMIT_PAUSE, LIMIT_PAUSE_S
    if isinstance(error, Declined) and any(words in error.words.lower() for words in _LOGIN_IS_OVER):
        return LOGIN_PAUSE, FOR_GOOD_S
    if isinstance(error, Misconfigured) or (isinstance(error, Declined) and not _passes(error)):
        return REFUSAL_PAUSE, AWAY_PAUSES_S[-1]
    return AWAY_PAUSE, AWAY_PAUSES_S[min(failures, len(AWAY_PAUSES_S)) - 1]


def _is_limit(error: Exception) -> bool:
    return isinstance(error, Declined) and is_limit(error.words)


def _passes(error: Declined) -> bool:
    """Whether it may come right by itself."""
    return explain(error.status, error.words).kind is Kind.WAIT or error.status >= 500 or error.status == 429
