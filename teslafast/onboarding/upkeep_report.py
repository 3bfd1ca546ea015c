"""How the set-up stands at Tesla, in the words of the page's list. Pure: the time is an argument."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterator, Mapping

from ..setup_checks import CheckState, SetupCheck
from .setup_notes import SetupNotes
from .token_store import HERE, LOGIN_AGAIN, Tokens
from .upkeep_look import AWAY_PAUSE, LOGIN_PAUSE
from .upkeep_state import CarUpkeep, UpkeepState

ENDS_SOON_S = 30 * 86_400.0  # a renewal at 60 days has then failed for a month
_DAY_S = 86_400.0

# ConfigStatus.state -> what the list says of it
_STATES: Mapping[str, CheckState] = {
    "taken": "done",
    "waiting": "waiting",
    "none": "missing",
    "rejected": "wrong",
    "limited": "wrong",
}


def checks_of(
    notes: SetupNotes, tokens: Tokens | None, state: UpkeepState, silent: Collection[str], now: float
) -> Iterator[SetupCheck]:
    """`silent`: vehicles that should stream and have not been heard for a day."""
    yield _registration(notes)
    yield _login(tokens, state, now)
    if state.paused and state.paused != LOGIN_PAUSE:
        yield SetupCheck(state.paused, "waiting" if state.paused == AWAY_PAUSE else "wrong", state.says, state.remedy)
    for vin, car in state.cars.items() if tokens is not None else ():
        yield from _car(vin, car, now)
        if vin in silent:
            yield SetupCheck("silent", "wrong", "not heard for a day, although it has its config", _SILENT, vin)
    if state.asked or state.last_error:
        yield _errors(state)


_SILENT = "is it asleep, or without a network? Otherwise teslafast doctor, and teslafast vehicle errors"


def _registration(notes: SetupNotes) -> SetupCheck:
    if notes.registered:
        where = ", ".join(sorted(filter(None, notes.registered)))
        return SetupCheck("registration", "done", f"Tesla has the key ({where})" if where else "Tesla has the key")
    return SetupCheck("registration", "missing", "Tesla is not known to have the key", "teslafast setup")


def _login(tokens: Tokens | None, state: UpkeepState, now: float) -> SetupCheck:
    if tokens is not None and tokens.owner != HERE and not tokens.refresh_token:
        return SetupCheck("login", "done", f"the login is kept alive by {tokens.owner}")
    if tokens is None or not tokens.refresh_token:
        return SetupCheck("login", "missing", "nobody has logged in at Tesla", "teslafast setup")
    if state.paused == LOGIN_PAUSE:
        return SetupCheck("login", "wrong", state.says, state.remedy)
    if tokens.refresh_expires <= now:
        return SetupCheck("login", "wrong", f"the login ended {_day(tokens.refresh_expires)}", LOGIN_AGAIN)
    return SetupCheck("login", "done", f"logged in until {_day(tokens.refresh_expires)}")


def _car(vin: str, car: CarUpkeep, now: float) -> Iterator[SetupCheck]:
    if car.has_key or car.state == "taken":
        yield SetupCheck("key_on_car", "done", "key on the car" if car.has_key else "streams without a key", vin=vin)
    elif car.has_key is False:
        yield SetupCheck("key_on_car", "missing", "the app's key is not on the car", car.remedy, vin)
    if car.trouble:
        yield SetupCheck("renewal", "wrong", car.trouble, vin=vin)
    ends_soon = car.state == "taken" and 0 < car.until <= now + ENDS_SOON_S
    if ends_soon:
        yield SetupCheck("config", "wrong", f"its config ends {_day(car.until)}", car.remedy, vin)
    elif car.state == "waiting":
        yield SetupCheck("config", "waiting", "config sent, not taken yet", "open the Tesla app, or drive a little", vin)
    else:
        yield SetupCheck("config", _STATES.get(car.state, "waiting"), car.meaning or "not looked at yet", car.remedy, vin)


def _errors(state: UpkeepState) -> SetupCheck:
    if state.last_error:
        return SetupCheck("tesla_errors", "wrong", f"Tesla reports: {state.last_error}", "teslafast vehicle errors")
    return SetupCheck("tesla_errors", "done", "errors from Tesla: none")


def config_days(state: UpkeepState, now: float) -> float | None:
    """Until the first of all vehicles' configs ends; None if none is known."""
    return min(((car.until - now) / _DAY_S for car in state.cars.values() if car.until), default=None)


def login_days(tokens: Tokens | None, now: float) -> float | None:
    """Until the login ends unless it is refreshed; None where nobody has logged in, or another process keeps it."""
    if tokens is None or not tokens.refresh_token:
        return None
    return (tokens.refresh_expires - now) / _DAY_S


def _day(seconds: float) -> str:
    return f"{datetime.datetime.fromtimestamp(seconds, datetime.UTC):%Y-%m-%d}"
