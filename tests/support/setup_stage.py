"""
A set-up on loopback: a fake Tesla, a real server with mutual TLS that serves the app's key, and a person who answers at once.

    SetupStage   `stage.run()` goes through the steps in this process, with a clock that only waiting moves
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptography.hazmat.primitives.asymmetric import ec
from teslafast import https
from teslafast.certificates.issue import key_pem
from teslafast.onboarding.app_key import public_pem
from teslafast.onboarding.state_folder import StateFolder
from teslafast.onboarding.vehicle_commands import Clock
from teslafast.setup.console import SetupConsole
from teslafast.setup.context import SetupContext
from teslafast.setup.journey import exit_status, go
from teslafast.setup.options import SetupOptions
from teslafast.setup.outcome import Outcome
from teslafast.setup.steps import SETUP_STEPS

from tests.support.certificates import HOST, World
from tests.support.fake_tesla import FakeCar, FakeTesla
from tests.support.fake_tesla_server import TeslaServer
from tests.support.peers import SECRET
from tests.support.servers import Inside

VIN, OTHER = "5YJ3TEST5PF000001", "5YJ3TEST7PF000002"
FIRST_REFRESH_TOKEN = "EU_first"


@dataclass
class SetupStage:
    """`answers`: question's beginning → what the person says; `printed`: every line; `slept`: how long each wait was."""

    folder: StateFolder
    tesla: FakeTesla
    server: TeslaServer
    inside: Inside
    key: ec.EllipticCurvePrivateKey
    ca: Path
    environment: dict[str, str]
    answers: dict[str, str] = field(default_factory=dict)
    printed: list[str] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)
    while_waiting: Callable[[float], None] = lambda passed: None
    passed: float = 0.0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.inside.place.port}"

    def context(self, **options: Any) -> SetupContext:
        wanted: dict[str, Any] = {
            "on": self.url,
            "domain": HOST,
            "port": self.inside.place.vehicle_port,
            "ca": self.ca,
            "yes": True,
            "wait_s": 60.0,
        }
        yes = wanted | options
        clock = Clock(lambda: self.passed, self._sleep, time.time)
        console = SetupConsole(
            line=self.printed.append,
            status=self.printed.append,
            must=self._must,
            ask=None if yes["yes"] else self._ask,
            clock=clock,
        )
        return SetupContext(SetupOptions(environment=self.environment, **yes), self.folder, console)

    def run(self, **options: Any) -> tuple[int, list[Outcome]]:
        """The exit status, and the outcome of each step that was gone through."""
        outcomes = list(go(SETUP_STEPS, self.context(**options)))
        return exit_status(outcomes), outcomes

    def drive(self, vin: str = VIN) -> None:
        """The car sends a record."""
        with self.inside.place.vehicle(vin) as vehicle:
            vehicle.send({"Soc": {"doubleValue": 71.2}})

    def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.passed += seconds
        self.while_waiting(self.passed)

    def _ask(self, question: str, default: str, secret: bool) -> str:
        self.printed.append(question)
        return next((answer for start, answer in self.answers.items() if question.startswith(start)), default)

    def _must(self, line: str) -> None:
        self.printed.append(line)


@contextmanager
def setup_stage(world: World, path: Path, *vins: str, **car: Any) -> Iterator[SetupStage]:
    """A stage whose server runs, with the key made: nothing is registered, logged in, paired or sent yet."""
    folder, key = StateFolder(path / "state"), ec.generate_private_key(ec.SECP256R1())
    folder.write("app.key", key_pem(key))
    folder.write("public-key.pem", public_pem(key))
    served = folder.path / "public-key.pem"
    tesla = FakeTesla(HOST, served.read_bytes, {vin: FakeCar(**car) for vin in vins or (VIN,)})
    settings = {"VEHICLE_PORT": "0", "DASHBOARD_TLS": "false", "TESLA_PUBLIC_KEY_PATH": str(served)}
    with TeslaServer(tesla) as server, Inside(world, **settings) as inside:
        environment = server.environment | {
            "TESLA_REFRESH_TOKEN": FIRST_REFRESH_TOKEN,
            "JWT_SECRET": SECRET,
        }
        yield SetupStage(folder, tesla, server, inside, key, world.server_ca, environment)


def grant(tesla: FakeTesla, address: str) -> int:
    """What a browser does in which the owner grants everything; the status of the page at which it ends."""
    query = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
    status, answer = tesla.authorize(query)
    return https.request("GET", answer).status if status == 302 else status
