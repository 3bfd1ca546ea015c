"""`teslafast vehicle …` where owners were once sent the wrong way: each situation, and what must be said of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.test_setup import run
from tests.support.certificates import HOST, World
from tests.support.fake_tesla import FakeCar
from tests.support.setup_stage import OTHER, VIN, SetupStage, setup_stage

LIMIT = {"error": "account disabled: EXCEEDED_LIMIT"}  # without `response`, as Tesla has it
CONFIGURE = ("configure", "--hostname", HOST, "--vin", VIN, "--wait", "0")


@pytest.fixture
def stage(world: World, tmp_path: Path) -> Iterator[SetupStage]:
    """A finished set-up with two cars; the owner is in Europe."""
    with setup_stage(world, tmp_path) as running:
        running.tesla.cars[OTHER] = FakeCar("Snow")
        running.drive()
        running.drive(OTHER)
        assert running.run()[0] == 0
        running.tesla.calls.clear()
        yield running


def configure(stage: SetupStage, *words: str, **environment: str) -> tuple[int, str]:
    done = run(stage, "vehicle", *CONFIGURE, "--ca", str(stage.ca), *words, **environment)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    "words",
    [("show", "--vin", VIN, "--vin", OTHER), ("remove", "--vin", VIN, "--vin", OTHER), ("errors",), (*CONFIGURE, "--vin", OTHER)],
)
def test_at_the_billing_limit_everything_stops_and_says_so(stage: SetupStage, words: tuple[str, ...]) -> None:
    stage.tesla.refuse("/api/1/", 403, LIMIT)
    more = ("--ca", str(stage.ca)) if words[0] == "configure" else ()
    done = run(stage, "vehicle", *words, *more)
    assert done.returncode == 1
    assert "billing limit" in done.stderr
    assert "Tesla has deleted their configs" in done.stderr
    assert "do not retry before" in done.stderr
    assert "authorise your app" not in done.stderr
    asked = [path for _, path in stage.tesla.calls if path.startswith("/api/1/")]
    assert len(asked) == 1, "no second vehicle, and no second try"


def test_a_car_that_never_has_a_key_is_judged_by_its_switch(stage: SetupStage) -> None:
    car = stage.tesla.cars[VIN]
    car.paired, car.protocol_required, car.switch = False, False, True
    done = run(stage, "vehicle", "show", "--vin", VIN)
    assert (done.returncode, "streams 26 fields" in done.stdout) == (0, True)
    car.config = None
    done = run(stage, "vehicle", "show", "--vin", VIN)
    assert done.returncode == 1
    assert "virtual key" not in done.stdout  # that would be the wrong thing to look for
    car.switch = False
    assert "Allow Third-Party App Data Streaming" in run(stage, "vehicle", "show", "--vin", VIN).stdout


def test_key_paired_is_a_hint_and_a_car_that_streams_is_well(stage: SetupStage) -> None:
    stage.tesla.cars[VIN].paired = False
    done = run(stage, "vehicle", "show", "--vin", VIN)
    assert (done.returncode, done.stdout.startswith(f"✓ {VIN} streams 26 fields")) == (0, True)


def test_an_owner_in_europe_needs_no_address(stage: SetupStage, tmp_path: Path) -> None:
    known = {"TESLAFAST_STATE": str(tmp_path / "none"), "TESLA_ACCESS_TOKEN": stage.tesla.access_token}
    done = run(stage, "vehicle", "show", "--vin", VIN, **known)
    assert (done.returncode, "streams 26 fields" in done.stdout) == (0, True), done
    assert len(stage.tesla.calls) == 2  # North America says where to, Europe answers


def test_a_config_ends_before_tesla_would_refuse_it(stage: SetupStage) -> None:
    code, said = configure(stage)
    assert code == 0, said
    assert "sent to 1 of 1 vehicles" in said  # the fake's ceiling is 364 days, as others report Tesla's
    assert configure(stage, "--expires", "361d")[0] == 2
    stage.tesla.refuse("fleet_telemetry_config_jws", 400, "expiration should be greater than 1 and less than 2")
    code, said = configure(stage)
    assert (code, "give a shorter --expires" in said) == (1, True)


def test_a_car_without_a_config_may_have_rejected_it_or_never_had_one(stage: SetupStage) -> None:
    stage.tesla.cars[VIN].rejects = True
    said = run(stage, "vehicle", "show", "--vin", VIN).stdout
    assert "has rejected its config (synced, but there is none), or none was ever sent" in said
    assert "too many apps" in said


def test_the_errors_want_a_partner_token_and_nothing_else_is_said(stage: SetupStage) -> None:
    done = run(stage, "vehicle", "errors", TESLA_ACCESS_TOKEN=stage.tesla.access_token)
    assert done.returncode == 1
    assert "wants a partner token" in done.stderr
    assert "authorise your app" not in done.stderr


def test_the_link_for_the_phone_has_the_apps_own_domain(stage: SetupStage) -> None:
    stage.tesla.cars[VIN].paired, stage.tesla.cars[VIN].config = False, None
    done = run(stage, "vehicle", "show", "--vin", VIN)
    assert f"https://tesla.com/_ak/{HOST}" in done.stdout
    code, said = configure(stage)
    assert (code, f"https://tesla.com/_ak/{HOST}" in said, "missing_key" in said) == (1, True, True)


@pytest.mark.parametrize(
    ("status", "words", "helps"),
    [
        (412, "Account ID must be registered in the current region URL, please see …", "setup --only registration"),
        (412, "This endpoint must be called through the Vehicle Command HTTP Proxy", "sign the config with --key"),
        (403, "Unauthorized missing scopes [vehicle_location]", "granted by the owner"),
        (403, "location access not granted", "owner's account"),
        (404, "VIN not_found", "driver's"),
        (400, "hostname domain does not match with partner account", "--hostname"),
    ],
)
def test_the_words_decide_and_not_the_status(stage: SetupStage, status: int, words: str, helps: str) -> None:
    stage.tesla.refuse("fleet_telemetry_config_jws", status, words)
    code, said = configure(stage)
    assert (code, helps in said, words in said) == (1, True, True), said


def test_another_key_than_the_registered_one_signs_nothing(stage: SetupStage) -> None:
    stage.tesla.registered = dict.fromkeys(stage.tesla.registered, "04" + "ab" * 64)
    pushes = stage.tesla.pushes
    code, said = configure(stage)
    assert (code, stage.tesla.pushes) == (2, pushes)
    assert "every car would refuse a config that it has signed" in said


@pytest.mark.parametrize(
    ("endpoint", "status", "words", "says"),
    [
        ("partner_accounts/public_key", 500, "upstream internal error", "upstream internal error"),
        ("partner_accounts/public_key", 0, "", "no answer"),
        ("token client", 400, "unauthorized_client", "begins with ta-secret."),
    ],
)
def test_nothing_is_sent_while_the_key_cannot_be_compared(
    stage: SetupStage, endpoint: str, status: int, words: str, says: str
) -> None:
    stage.tesla.refuse(endpoint, status, words)
    pushes = stage.tesla.pushes
    code, said = configure(stage)
    assert (code, stage.tesla.pushes) == (1, pushes)
    assert "nothing was sent, because the key could not be compared with the one that Tesla has" in said
    assert says in said


def test_without_the_apps_secret_the_danger_is_said(stage: SetupStage) -> None:
    code, said = configure(stage, TESLA_CLIENT_SECRET="")
    assert code == 0
    assert "note: the key was not compared with the one that Tesla has: set TESLA_CLIENT_ID and TESLA_CLIENT_SECRET" in said
    assert "only the car refuses it: see `teslafast vehicle errors`" in said
