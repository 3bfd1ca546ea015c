"""A set-up's folder as `teslafast setup` hands it to a server, its upkeep with a clock that only the test moves, and Tesla."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from teslafast.logs import JsonLines
from teslafast.onboarding import jws
from teslafast.onboarding.accounts import oauth_of
from teslafast.onboarding.setup_notes import SetupNotes, save_notes
from teslafast.onboarding.signed_configs import SIGNED_LIFE_S, save_signed, sign_ahead
from teslafast.onboarding.state_folder import KEY_FILE, StateFolder
from teslafast.onboarding.token_store import TokenStore
from teslafast.onboarding.upkeep import FolderUpkeep
from teslafast.setup_checks import SetupCheck

from tests.support.fake_tesla import FakeCar, FakeTesla
from tests.support.fake_tesla_server import TeslaServer

ROAD, SNOW = "5YJ3TEST5PF000001", "5YJ3TEST7PF000002"
HOUR, DAY = 3600.0, 86_400.0
APP = ec.generate_private_key(ec.SECP256R1())
CONFIG: dict[str, Any] = {
    "hostname": "road.example",
    "port": 8443,
    "ca": "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
    "fields": {"Soc": {"interval_seconds": 60}, "VehicleSpeed": {"interval_seconds": 10}},
    "alert_types": ["service"],
    "delivery_policy": "latest",
}

REPORT: dict[str, Any] = {
    "vin": ROAD,
    "created_at": "2026-11-26T09:00:00Z",
    "error_name": "cloud_manager_error",
    "error": "webconnection error: dial tcp: connect: network is unreachable",
    "txID": "1",
}


@dataclass
class UpkeepStage:
    """`now`: s since 1970, moved by `pass_time`; `heard`: VIN → when the server heard it last."""

    server: TeslaServer
    folder: StateFolder
    environment: dict[str, str]
    now: float = field(default_factory=time.time)
    heard: dict[str, float] = field(default_factory=dict)

    @property
    def tesla(self) -> FakeTesla:
        return self.server.tesla

    def started(self) -> FolderUpkeep:
        """An upkeep whose thread the test is."""
        upkeep = FolderUpkeep(self.folder, self.environment, lambda: self.now)
        upkeep._heard, upkeep._began = self.heard.get, self.now
        return upkeep

    def pass_time(self, upkeep: FolderUpkeep, seconds: float, step_s: float = HOUR) -> None:
        """Wakes the upkeep as often as `step_s`, up to and with that moment."""
        until = self.now + seconds
        while self.now < until:
            self.now = min(until, self.now + step_s)
            upkeep.step()

    def asked(self, part: str) -> int:
        """How often Tesla was asked for what has this in its path."""
        return sum(part in path for _, path in self.tesla.calls)


Begin = Callable[..., UpkeepStage]


def tesla(*vins: str, days_left: float = 300) -> FakeTesla:
    """One that has the app's key and a config of each vehicle."""
    end = int(time.time() + days_left * DAY)
    cars = {vin: FakeCar(config={**CONFIG, "exp": end}) for vin in vins or (ROAD,)}
    registered = {"na": jws.public_bytes(APP).hex()}
    return FakeTesla("road.example", lambda: b"", cars, region="na", registered=registered)


def stage(server: TeslaServer, path: Path, *, secret: bool = False, key: bool = False, signed: bool = True) -> UpkeepStage:
    """
    The folder after the hand-over. `secret`, `key`: whether the server has the client secret, the app's key; `signed`: whether
    there are configs that were signed beforehand, eleven months before the present one ends.
    """
    folder = StateFolder(path / "state")
    environment = {name: value for name, value in server.environment.items() if secret or name != "TESLA_CLIENT_SECRET"}
    vins = list(server.tesla.cars)
    save_notes(
        folder, SetupNotes(domain="road.example", client_id=server.tesla.client_id, vins=vins, registered={"na": "2026-11-26"})
    )
    TokenStore(folder, oauth_of(environment, folder)).adopt("EU_first")
    if signed:
        ends = [car.config["exp"] for car in server.tesla.cars.values() if car.config is not None]
        save_signed(folder, sign_ahead(CONFIG, vins, APP, min(ends) - SIGNED_LIFE_S))
    if key:
        form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        folder.write(KEY_FILE, APP.private_bytes(*form))
    server.tesla.calls.clear()
    return UpkeepStage(server, folder, environment)


def check(upkeep: FolderUpkeep, name: str, vin: str = "") -> SetupCheck:
    (found,) = (one for one in upkeep.checks() if (one.name, one.vin) == (name, vin))
    return found


def logged(caplog: pytest.LogCaptureFixture, event: str) -> list[dict[str, Any]]:
    lines = [json.loads(JsonLines().format(record)) for record in caplog.records if record.name == "teslafast"]
    return [line for line in lines if line["event"] == event]
