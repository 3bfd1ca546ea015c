"""The commands of `teslafast vehicle` without a process around them: what they send, how long they wait, what they print."""

import json
import time
from collections.abc import Iterator

import pytest
from teslafast.errors import Declined, Unhealthy
from teslafast.https import Reply
from teslafast.onboarding import vehicle_commands
from teslafast.onboarding.fleet_api import FleetApi, Sent
from teslafast.onboarding.vehicle_commands import Clock, Terminal

from tests.support.fake_fleet_api import Car, FleetServer

VIN, OTHER = "5YJ3TEST5PF000001", "5YJ3TEST7PF000002"
CONFIG = {"hostname": "telemetry.example.com", "port": 443}


@pytest.fixture
def tesla() -> Iterator[FleetServer]:
    with FleetServer({VIN: Car(), OTHER: Car()}) as server:
        yield server


@pytest.fixture
def api(tesla: FleetServer) -> FleetApi:
    return FleetApi.from_env(tesla.environment)


class Time:
    """A clock that only sleep moves."""

    def __init__(self) -> None:
        self.passed = 0.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.passed += seconds

    @property
    def clock(self) -> Clock:
        return Clock(lambda: self.passed, self.sleep, time.time)


class Printed:
    """The lines that stay, and the status lines."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.statuses: list[str] = []

    @property
    def terminal(self) -> Terminal:
        return Terminal(self.lines.append, self.statuses.append)


def test_at_the_billing_limit_no_further_vehicle_is_asked_for() -> None:
    asked: list[str] = []

    def request(method: str, url: str, headers: object, body: object = None) -> Reply:
        asked.append(url)
        return Reply(403, b'{"error":"account disabled: EXCEEDED_LIMIT"}')

    with pytest.raises(Declined, match="EXCEEDED_LIMIT"):
        vehicle_commands.wait(FleetApi("https://x", "t", request), [VIN, OTHER], 60.0, Time().clock, Printed().terminal)
    assert len(asked) == 1


def replying(*replies: Reply | Exception) -> FleetApi:
    """An API whose server answers with these, one after the other."""
    left = iter(replies)

    def request(*_: object) -> Reply:
        reply = next(left)
        if isinstance(reply, Exception):
            raise reply
        return reply

    return FleetApi("https://fleet.example", "tok-123456", request)


def reply(answer: object, status: int = 200, **headers: str) -> Reply:
    return Reply(status, json.dumps(answer).encode(), headers)


def test_wait_ends_when_every_vehicle_has_taken_its_config(tesla: FleetServer, api: FleetApi) -> None:
    tesla.cars[VIN].looks, tesla.cars[OTHER].looks = 1, 3
    printed, passing = Printed(), Time()
    left = vehicle_commands.configure(api, [VIN, OTHER], CONFIG, None, printed.terminal)
    assert left == [VIN, OTHER]
    assert vehicle_commands.wait(api, left, 600, passing.clock, printed.terminal)
    assert printed.lines == [
        "sent to 2 of 2 vehicles",
        f"✓ {VIN} streams 0 fields to telemetry.example.com:443",
        f"✓ {OTHER} streams 0 fields to telemetry.example.com:443",
    ]
    assert [line.partition(" ")[0] for line in printed.statuses] == ["0", "1", "1"]  # … of 2 have taken it


def test_wait_does_not_ask_again_about_a_vehicle_that_has_decided(tesla: FleetServer, api: FleetApi) -> None:
    tesla.cars[VIN].config = tesla.cars[OTHER].config = CONFIG
    tesla.cars[OTHER].looks = 4
    vehicle_commands.wait(api, [VIN, OTHER], 600, Time().clock, Printed().terminal)
    paths = [path for _, path in tesla.calls]
    assert sum(VIN in path for path in paths) == 1
    assert sum(OTHER in path for path in paths) == 5


def test_synced_without_a_config_means_that_the_vehicle_has_rejected_it(tesla: FleetServer, api: FleetApi) -> None:
    tesla.cars[VIN].takes, tesla.cars[VIN].looks = False, 1
    tesla.cars[VIN].config = CONFIG
    printed = Printed()
    assert not vehicle_commands.wait(api, [VIN], 600, Time().clock, printed.terminal)
    assert printed.lines[0].startswith(f"✗ {VIN} the vehicle has rejected its config (synced, but there is none)")


def test_when_time_is_up_each_vehicle_that_has_not_taken_its_config_is_named(tesla: FleetServer, api: FleetApi) -> None:
    tesla.cars[VIN].config, tesla.cars[VIN].looks = CONFIG, 1_000_000
    printed, passing = Printed(), Time()
    assert not vehicle_commands.wait(api, [VIN], 600, passing.clock, printed.terminal)
    assert passing.passed == 600
    assert printed.lines[0].startswith(f"… {VIN} not yet: the vehicle fetches its config when it next connects to Tesla")
    assert passing.slept[:6] == list(vehicle_commands.PAUSES_S)
    assert len(tesla.calls) < 30  # Tesla bills each of them


def test_wait_goes_on_after_a_fault_that_may_pass() -> None:
    taken = reply({"response": {"synced": True, "config": CONFIG}})
    flaky = replying(reply({}, 503), Unhealthy("no answer", "wait"), reply({}, 429), taken)
    assert vehicle_commands.wait(flaky, [VIN], 600, Time().clock, Printed().terminal)


def test_wait_ends_at_a_refusal() -> None:
    printed = Printed()
    assert not vehicle_commands.wait(replying(reply({"error": "no"}, 401)), [VIN], 600, Time().clock, printed.terminal)
    assert printed.lines[0].startswith(f"✗ {VIN} Fleet API: HTTP 401, no — get a new access token")


@pytest.mark.parametrize("word", ["missing_key", "unsupported_hardware", "unsupported_firmware", "max_configs", "a_new_word"])
def test_a_skipped_vehicle_is_a_line_with_the_reason_and_the_remedy(word: str) -> None:
    (line,) = vehicle_commands.skipped_lines(Sent(0, {VIN: word}))
    assert line.startswith(f"✗ {VIN} {word}: ")
    assert " — " in line
