"""Each way in which Tesla, the domain or the car says no: the sentence, the exit status, and the step to do over."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from teslafast.certificates.issue import key_pem
from teslafast.onboarding.app_key import public_pem
from teslafast.onboarding.refusals_of_tesla import Step
from teslafast.setup.outcome import StepState

from tests.support.certificates import HOST, World
from tests.support.setup_stage import VIN, SetupStage, setup_stage

S, W, B = Step, StepState.WAITING, StepState.BLOCKED


@pytest.fixture
def stage(world: World, tmp_path: Path) -> Iterator[SetupStage]:
    with setup_stage(world, tmp_path) as running:
        yield running


class Row(NamedTuple):
    """What is broken, where it shows, how it ends, a part of the sentence, a part of the remedy, the step to do over."""

    name: str
    broken: Callable[[SetupStage], Any]
    step: Step
    state: StepState
    says: str
    remedy: str
    again: Step | None = None


def tesla(endpoint: str, status: int, error: Any) -> Callable[[SetupStage], None]:
    return lambda stage: stage.tesla.refuse(endpoint, status, error)


def token(grant: str, status: int, error: str, words: str = "") -> Callable[[SetupStage], None]:
    return tesla(f"token {grant}", status, {"error": error, "error_description": words, "referenceID": "1"})


def car(**members: Any) -> Callable[[SetupStage], None]:
    def change(stage: SetupStage) -> None:
        for name, value in members.items():
            setattr(stage.tesla.cars[VIN], name, value)

    return change


def another_key(stage: SetupStage) -> None:
    stage.folder.write("app.key", key_pem(ec.generate_private_key(ec.SECP256R1())))


def another_registered(stage: SetupStage) -> None:
    other = public_pem(ec.generate_private_key(ec.SECP256R1()))
    stage.tesla.key = lambda: other


def scopes(stage: SetupStage) -> None:
    stage.tesla.scopes = ("openid", "offline_access", "vehicle_device_data")


def no_vehicles(stage: SetupStage) -> None:
    stage.tesla.cars.clear()


REPORTED = {"vin": VIN, "error_name": "config_manager_error", "error": "InvalidSignature: unknown issuer", "created_at": "2026"}
LIMIT = {"error": "account disabled: EXCEEDED_LIMIT"}
REGISTER = "POST /api/1/partner_accounts"
PUSH = "fleet_telemetry_config_jws"
SHOWN = f"{VIN}/fleet_telemetry_config"

ROWS = [
    Row("another key than the one served", another_key, S.SERVER, B, "serves another's key", "TESLA_PUBLIC_KEY_PATH"),
    Row("secret mistyped",
        token("client", 400, "unauthorized_client", "We don't recognize this client_id and client_secret combination"), S.PORTAL,
        B, "does not know this client id and secret", "begins with ta-secret."),
    Row("a gateway in front of the tokens", tesla("token client", 403, "<html>Access Denied</html>"), S.PORTAL, W, "gateway",
        "VPN"),
    Row("invalid domain", tesla(REGISTER, 400, "Invalid domain: X. Ensure that domain is lowercase and starts without https://"),
        S.REGISTRATION, W, "does not take the domain", "in lower case"),
    Row("app too new", tesla(REGISTER, 400, "Expected partner account"), S.REGISTRATION, W, "does not know the new app yet",
        "hour"),
    Row("origin lag",
        tesla(REGISTER, 412, "Root domain a.example must match registered allowed origin on https://developer.tesla.com/x"),
        S.REGISTRATION, W, "does not know the Allowed Origin", f"exactly https://{HOST} ", S.PORTAL),
    Row("key too large", tesla(REGISTER, 424, "Public key download failed for https://x, error: too large"), S.REGISTRATION, B,
        "not an EC public key", "178 bytes", S.SERVER),
    Row("key cannot be fetched", tesla(REGISTER, 424, "Public key download failed for https://x, error: no such host"),
        S.REGISTRATION, W, "cannot fetch the public key", "look from outside", S.SERVER),
    Row("hash taken", tesla(REGISTER, 422, "Validation failed: Public key hash has already been taken"), S.REGISTRATION, B,
        "registered for another app", "client id of the app that has it"),
    Row("domain taken", tesla(REGISTER, 422, "Validation failed: Domain has already been taken"), S.REGISTRATION, B,
        "another app owns this domain", "client id of the app that has it", S.PORTAL),
    Row("busy", tesla(REGISTER, 429, "Other update in progress"), S.REGISTRATION, W, "still at the last change", "wait"),
    Row("Tesla's fault", tesla(REGISTER, 500, "An unexpected error has occurred - 0A"), S.REGISTRATION, W, "Tesla's", "later"),
    Row("another's key registered", another_registered, S.REGISTRATION, B, "has another's key", "pair every car again",
        S.APP_KEY),
    Row("login over", token("refresh", 401, "login_required", "Login required"), S.LOGIN, B, "the login is over", "log in again"),
    Row("scope not granted", scopes, S.LOGIN, W, "lacks a scope", "authorise your app again"),
    Row("limit at the region", tesla("users/region", 403, LIMIT), S.REGION, B, "billing limit",
        "Tesla has deleted their configs"),
    Row("limit at the vehicles", tesla("/api/1/vehicles", 403, LIMIT), S.VEHICLE, B, "billing limit", "do not retry"),
    Row("limit at the push", tesla(PUSH, 403, LIMIT), S.CONFIG, B, "billing limit", "Tesla has deleted their configs"),
    Row("scopes missing", tesla("/api/1/vehicles", 403, "Unauthorized missing scopes [vehicle_device_data]"), S.VEHICLE, W,
        "lacks a scope", "ticked in the app", S.LOGIN),
    Row("no location", tesla(PUSH, 403, "location access not granted"), S.CONFIG, W, "without its location", "owner's account",
        S.LOGIN),
    Row("locked", tesla("/api/1/vehicles", 423, "locked"), S.VEHICLE, B, "locked", "fleetapisupport@tesla.com"),
    Row("too many requests", tesla("/api/1/vehicles", 429, "Retry in 30 seconds"), S.VEHICLE, W, "too many",
        "as long as Tesla says"),
    Row("no vehicle", no_vehicles, S.VEHICLE, W, "no vehicle (account owner-1)", "log in as the owner", S.LOGIN),
    Row("old software", car(firmware="2024.20.1"), S.VEHICLE, W, "2024.26 is the first", "update"),
    Row("no telemetry", car(telemetry_version=None), S.VEHICLE, B, "cannot stream", "2025.20"),
    Row("not paired", car(paired=False), S.PAIRING, W, "virtual key is not on this vehicle", "https://tesla.com/_ak/"),
    Row("a driver's", car(paired=False, access="DRIVER"), S.PAIRING, W, "only the owner can pair it", "owner's phone"),
    Row("Intel Atom, switch off", car(paired=False, protocol_required=False, switch=False), S.PAIRING, W, "no virtual key",
        "Allow Third-Party App Data Streaming"),
    Row("key missing at the push", car(skipped="missing_key"), S.CONFIG, W, "missing_key", "_ak", S.PAIRING),
    Row("firmware at the push", car(skipped="unsupported_firmware"), S.CONFIG, W, "unsupported_firmware", "update"),
    Row("hardware at the push", car(skipped="unsupported_hardware"), S.CONFIG, W, "unsupported_hardware", "2025.20"),
    Row("five apps", car(skipped="max_configs"), S.CONFIG, W, "max_configs", "remove another app"),
    Row("rejected without a word", car(rejects=True), S.CONFIG, W, "rejected its config", "remove another app"),
    Row("host refused", tesla(PUSH, 400, "hostname domain does not match with partner account"), S.CONFIG, B,
        "not under the app's domain", "--hostname"),
    Row("not found", tesla(SHOWN, 404, "VIN not_found"), S.CONFIG, W, "does not find the vehicle", "account of the owner",
        S.LOGIN),
    Row("asleep", car(looks=10**6), S.CONFIG, W, "has not taken its config yet", "open the Tesla app or drive"),
    Row("refused by the car", lambda stage: stage.tesla.errors.append(REPORTED), S.FIRST_DATA, W,
        "signed with another key", "whose public half"),
    Row("no data", lambda stage: None, S.FIRST_DATA, W, "has not heard from the car", "drive a little"),
]  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_it_ends_with_the_sentence_the_exit_status_and_the_step_to_do_over(stage: SetupStage, row: Row) -> None:
    row.broken(stage)
    code, outcomes = stage.run()
    last = outcomes[-1]
    assert (last.step, last.state) == (row.step, row.state), last
    assert code == (3 if row.state is W else 1)
    assert row.says in last.says
    assert row.remedy in last.remedy
    assert last.again == row.again or (row.again is None and last.again in (None, row.step))
    assert not any(secret in f"{last}" for secret in stage.tesla.secrets_known())


def test_at_the_billing_limit_nothing_is_tried_again(stage: SetupStage) -> None:
    stage.tesla.refuse("users/region", 403, LIMIT)
    stage.run()
    assert [path for _, path in stage.tesla.calls].count("/api/1/users/region") == 1
    assert stage.slept == []


@pytest.mark.parametrize(
    ("endpoint", "status", "error"),
    [
        (REGISTER, 412, "Root domain a.example must match registered allowed origin on https://developer.tesla.com/x"),
        (REGISTER, 400, "Expected partner account"),
        (REGISTER, 429, "Other update in progress"),
        ("/api/1/vehicles", 503, "upstream"),
    ],
)
def test_what_comes_right_by_itself_is_waited_for(stage: SetupStage, endpoint: str, status: int, error: str) -> None:
    stage.tesla.refuse(endpoint, status, error, times=3)
    stage.drive()
    assert stage.run()[0] == 0
    assert stage.slept


def test_tesla_is_left_alone_for_as_long_as_it_asks(stage: SetupStage) -> None:
    stage.tesla.refuse("GET /api/1/vehicles", 429, "Retry in 30 seconds", times=1)
    stage.drive()
    assert stage.run()[0] == 0
    assert stage.slept == [30.0]


def test_a_question_that_tesla_cannot_answer_does_not_keep_the_app_from_being_registered(stage: SetupStage) -> None:
    stage.tesla.refuse("GET /api/1/partner_accounts/public_key", 500, "upstream internal error", times=2)
    stage.drive()
    assert stage.run()[0] == 0


@pytest.mark.parametrize(
    ("status", "error"), [(400, "no account"), (404, "account not found"), (412, "x"), (422, "no such domain")]
)
def test_whatever_tesla_says_of_a_domain_that_it_does_not_know_it_is_registered(
    stage: SetupStage, status: int, error: str
) -> None:
    stage.tesla.refuse("GET /api/1/partner_accounts/public_key", status, error, times=1)
    stage.drive()
    assert stage.run()[0] == 0


def test_a_key_that_tesla_never_shows_is_waited_for_in_teslas_words(stage: SetupStage) -> None:
    stage.tesla.refuse("GET /api/1/partner_accounts/public_key", 500, "upstream internal error")
    code, outcomes = stage.run(wait_s=0.0)
    assert (code, outcomes[-1].step, outcomes[-1].state) == (3, Step.REGISTRATION, StepState.WAITING)
    assert "upstream internal error" in outcomes[-1].teslas
    stage.tesla.refusals.clear()
    stage.tesla.refuse("GET /api/1/partner_accounts/public_key", 500, "upstream internal error", times=5)
    stage.drive()
    assert stage.run()[0] == 0


def test_an_app_that_is_registered_already_is_done_although_tesla_says_taken(stage: SetupStage) -> None:
    stage.drive()
    stage.run()
    stage.tesla.refuse("partner_accounts/public_key", 404, "not found", times=1)
    stage.tesla.refuse(REGISTER, 422, "Validation failed: Public key hash has already been taken", times=1)
    assert stage.run()[0] == 0


def test_a_car_without_keys_streams_when_its_switch_is_on(stage: SetupStage) -> None:
    car(paired=False, protocol_required=False, switch=True)(stage)
    stage.drive()
    code, outcomes = stage.run()
    assert code == 0
    assert "needs no key" in outcomes[7].says


def test_a_key_that_is_gone_is_not_replaced_once_it_was_registered(stage: SetupStage) -> None:
    stage.drive()
    stage.run()
    stage.folder.remove("app.key")
    code, outcomes = stage.run()
    assert (code, outcomes[-1].step) == (1, Step.APP_KEY)
    assert "would orphan the key on your car" in outcomes[-1].remedy


def test_another_key_than_the_registered_one_signs_nothing(stage: SetupStage) -> None:
    stage.drive()
    stage.run()
    another_key(stage)
    stage.tesla.cars[VIN].config = None
    code, outcomes = stage.run(steps=(Step.CONFIG,))
    assert (code, outcomes[-1].again) == (1, Step.REGISTRATION)
    assert "is not the key that Tesla has" in outcomes[-1].says
    assert stage.tesla.pushes == 1
