"""
upkeep.json: what the upkeep has last seen at Tesla, so that a server that restarts neither asks again nor forgets.

It stands in the set-up's folder, holds no secret, and is a hint as state.json is. Where the folder cannot be written to, the
memory of the process has to do. Pure, but for reading and writing the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from ..errors import Misconfigured, Unhealthy
from ..logs import fields as log_fields
from ..logs import log
from .state_folder import StateFolder

UPKEEP_FILE = "upkeep.json"
ERRORS_KEPT = 5000  # of Tesla's reports, by what tells them apart: more do not fit into one answer (https.LONGEST_ANSWER)


@dataclass(frozen=True)
class CarUpkeep:
    """
    One vehicle's config, as Tesla last told. Times: s since 1970, 0 for never.

    state     as `vehicle_config.ConfigStatus` has it; "" while Tesla has not been asked
    since     when that state was first seen
    until     when the config ends
    has_key   whether Tesla knows the app's key on it; None if it does not say
    trouble   why a renewal did not work; "" if there is nothing
    """

    state: str = ""
    meaning: str = ""
    remedy: str = ""
    since: float = 0.0
    until: float = 0.0
    has_key: bool | None = None
    trouble: str = ""

    def seen(self, state: str, meaning: str, remedy: str, now: float) -> CarUpkeep:
        since = self.since if self.state == state else now
        return replace(self, state=state, meaning=meaning, remedy=remedy, since=since)


@dataclass(frozen=True)
class UpkeepState:
    """
    Times: s since 1970.

    looked         when every vehicle was last looked at
    asked          when Tesla was last asked for vehicles' errors
    paused_until   no request before that; `paused` says why: limit, login, refused or away; "" if it goes on
    failures       looks in a row that failed
    login_seen     of which login (Tokens.obtained) Tesla said that it is over
    says, remedy   what the pause is about
    errors         the reports that have been logged, as their digests
    last_error     the newest of them, in words; "" if none
    """

    looked: float = 0.0
    asked: float = 0.0
    paused: str = ""
    paused_until: float = 0.0
    failures: int = 0
    login_seen: float = 0.0
    says: str = ""
    remedy: str = ""
    cars: Mapping[str, CarUpkeep] = field(default_factory=dict)
    errors: tuple[str, ...] = ()
    last_error: str = ""

    def with_car(self, vin: str, car: CarUpkeep) -> UpkeepState:
        return replace(self, cars={**self.cars, vin: car})


def load_upkeep(folder: StateFolder) -> UpkeepState:
    """An empty one if there is no file, or none that can be read: Tesla is asked again then."""
    try:
        found = folder.read_json(UPKEEP_FILE) or {}
    except Misconfigured as error:
        log.warning("upkeep_forgotten", extra=log_fields(reason=str(error)))
        return UpkeepState()
    state = UpkeepState(**_typed(found, UpkeepState()))
    cars = found.get("cars")
    known = {
        str(vin): CarUpkeep(
            **_typed(car, CarUpkeep()), has_key=car.get("has_key") if isinstance(car.get("has_key"), bool) else None
        )
        for vin, car in (cars.items() if isinstance(cars, dict) else ())
        if isinstance(car, dict)
    }
    errors = found.get("errors")
    return replace(state, cars=known, errors=tuple(map(str, errors)) if isinstance(errors, list) else ())


def save_upkeep(folder: StateFolder, state: UpkeepState) -> str:
    """Why it could not be written, "" if it was."""
    try:
        folder.write_json(UPKEEP_FILE, asdict(state))
    except (Misconfigured, Unhealthy) as error:
        return str(error)
    return ""


def _typed(found: Mapping[str, Any], empty: object) -> dict[str, Any]:
    """The members that are text or numbers, and have the type that they should have."""
    names = {one.name: getattr(empty, one.name) for one in fields(empty)}  # type: ignore[arg-type]  # one of the two above
    forms = {name: (int, float) if isinstance(value, float) else type(value) for name, value in names.items()}
    plain = {name: form for name, form in forms.items() if form in ((int, float), int, str)}
    return {name: found[name] for name, form in plain.items() if isinstance(found.get(name), form)}
