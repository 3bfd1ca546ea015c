"""The Fleet API's client, against a server of ours that is shaped as Tesla's is described."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from teslafast import https
from teslafast.errors import Declined, Misconfigured, Unhealthy
from teslafast.https import Reply
from teslafast.onboarding import jws
from teslafast.onboarding.access_token import read_token
from teslafast.onboarding.fleet_api import FleetApi, Sent
from teslafast.onboarding.tesla_hosts import NORTH_AMERICA

from tests.support.fake_fleet_api import Car, FleetServer, access_token, read_signed

VIN, OTHER = "5YJ3TEST5PF000001", "5YJ3TEST7PF000002"
CONFIG = {"hostname": "telemetry.example.com", "port": 443}


@pytest.fixture(scope="module")
def app() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture
def tesla(app: ec.EllipticCurvePrivateKey) -> Iterator[FleetServer]:
    with FleetServer({VIN: Car(), OTHER: Car()}, app=app.public_key()) as server:
        yield server


@pytest.fixture
def api(tesla: FleetServer) -> FleetApi:
    return FleetApi.from_env(tesla.environment)


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


def test_a_signed_config_arrives_whole_and_signed(tesla: FleetServer, api: FleetApi, app: ec.EllipticCurvePrivateKey) -> None:
    assert api.send_signed([VIN, OTHER], jws.token(CONFIG, app)) == Sent(2, {})
    assert tesla.calls == [("POST", "/api/1/vehicles/fleet_telemetry_config_jws")]
    claims = read_signed(tesla.cars[VIN].token, app.public_key())
    assert claims is not None
    assert {key: claims[key] for key in CONFIG} == CONFIG


def test_a_config_signed_with_a_key_that_is_not_the_apps_is_declined(api: FleetApi) -> None:
    token = jws.token(CONFIG, ec.generate_private_key(ec.SECP256R1()))
    with pytest.raises(Declined, match="the signature does not hold"):
        api.send_signed([VIN], token)


def test_an_unsigned_config_goes_to_a_proxy_unchanged(tesla: FleetServer, api: FleetApi) -> None:
    assert api.send_unsigned([VIN], CONFIG).updated == 1
    assert tesla.calls == [("POST", "/api/1/vehicles/fleet_telemetry_config")]
    assert tesla.cars[VIN].config == CONFIG


@pytest.mark.parametrize("base", [NORTH_AMERICA, "https://fleet-api.prd.cn.vn.cloud.tesla.cn/"])
def test_an_unsigned_config_is_not_sent_to_tesla_itself(base: str) -> None:
    api = FleetApi(base, "token", lambda *_: pytest.fail("something was sent"))
    with pytest.raises(Misconfigured, match="accepts only signed configs — sign it with --key"):
        api.send_unsigned([VIN], CONFIG)


def test_a_host_whose_name_only_ends_like_teslas_is_a_proxy() -> None:
    assert not FleetApi("https://nottesla.com.example", "token").is_teslas
    assert not FleetApi("https://eviltesla.com", "token").is_teslas


def test_a_vehicle_that_tesla_skips_is_named_with_its_word(tesla: FleetServer, api: FleetApi) -> None:
    tesla.cars[OTHER].skipped = "missing_key"
    assert api.send_unsigned([VIN, OTHER], CONFIG) == Sent(1, {OTHER: "missing_key"})


def test_show_remove_and_errors_call_the_documented_paths(tesla: FleetServer, api: FleetApi) -> None:
    tesla.cars[VIN].config = CONFIG
    tesla.errors = [{"vin": VIN, "error_name": "cloud_manager_error"}]
    assert api.show(VIN)["config"] == CONFIG
    assert api.remove(VIN) == 1
    assert api.remove(VIN) == 0
    assert api.errors() == tesla.errors
    path, errors = f"/api/1/vehicles/{VIN}/fleet_telemetry_config", "/api/1/partner_accounts/fleet_telemetry_errors"
    assert tesla.calls == [("GET", path), ("DELETE", path), ("DELETE", path), ("GET", errors)]


def test_a_vin_with_slashes_stays_one_part_of_the_path(tesla: FleetServer, api: FleetApi) -> None:
    with pytest.raises(Declined):
        api.show("../../partner_accounts?x=")
    assert tesla.calls == [("GET", "/api/1/vehicles/..%2F..%2Fpartner_accounts%3Fx%3D/fleet_telemetry_config")]


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, "get a new access token"),
        (403, "vehicle_device_data and vehicle_location"),
        (404, "check the VIN"),
        (412, "register your app's domain"),
        (421, "set TESLA_API_BASE_URL to the region"),
        (429, "billing limit"),
        (503, "try again later"),
        (418, "read Tesla's sentence"),
    ],
)
def test_each_status_of_a_refusal_has_its_remedy(status: int, words: str) -> None:
    refused = reply({"error": "a word", "error_description": "and more"}, status)
    with pytest.raises(Declined) as declined:
        replying(refused).show(VIN)
    assert declined.value.status == status
    assert f"HTTP {status}, a word: and more" in str(declined.value)
    assert words in declined.value.remedy


@pytest.mark.parametrize(
    ("status", "error", "helps"),
    [
        (403, "account disabled: EXCEEDED_LIMIT", "raise the account's billing limit"),
        (403, "Unauthorized missing scopes [vehicle_location]", "granted by the owner"),
        (403, "location access not granted", "use the owner's account"),
        (412, "This endpoint must be called through the Vehicle Command HTTP Proxy", "sign the config with --key"),
        (412, "Root domain example.com must match registered allowed origin on …", "Allowed Origin"),
        (412, "Account ID must be registered in the current region URL", "register your app's domain"),
        (400, "expiration should be less than 1", "shorter --expires"),
        (404, "VIN not_found", "use the account of the owner"),
    ],
)
def test_teslas_words_decide_the_remedy_where_a_status_has_several_meanings(status: int, error: str, helps: str) -> None:
    with pytest.raises(Declined) as declined:
        replying(reply({"response": None, "error": error}, status)).show(VIN)
    assert helps in declined.value.remedy


EU = "https://fleet-api.prd.eu.vn.cloud.tesla.com"


def asked(*replies: Reply) -> tuple[FleetApi, list[str]]:
    """An API at Tesla's own address whose server answers with these, and the addresses that it asks."""
    left, addresses = iter(replies), list[str]()

    def request(method: str, url: str, *_: object) -> Reply:
        addresses.append(url.partition("/api/")[0])
        return next(left)

    return FleetApi(NORTH_AMERICA, "tok-123456", request), addresses


def test_the_region_that_tesla_names_is_asked_once_and_remembered() -> None:
    moved, shown = reply({"error": f"user out of region, use base URL: {EU}, see …"}, 421), reply({"response": {"synced": True}})
    api, addresses = asked(moved, shown, shown)
    assert api.show(VIN) == api.show(VIN) == {"synced": True}
    assert addresses == [NORTH_AMERICA, EU, EU]


def test_a_region_that_sends_us_on_again_is_not_followed_in_a_circle() -> None:
    api, addresses = asked(*[reply({"error": f"use base URL: {EU}"}, 421)] * 2)
    with pytest.raises(Declined):
        api.show(VIN)
    assert addresses == [NORTH_AMERICA, EU]


@pytest.mark.parametrize("host", ["evil.example", "fleet-api.prd.eu.vn.cloud.tesla.com.evil.example", "tesla.com.example"])
def test_a_region_that_is_not_teslas_never_gets_the_token(host: str) -> None:
    api, addresses = asked(reply({"error": f"use base URL: https://{host}"}, 421))
    with pytest.raises(Declined, match="not followed") as refused:
        api.show(VIN)
    assert addresses == [NORTH_AMERICA]
    assert "look at what answers in Tesla's place" in refused.value.remedy  # and not: name that host yourself


def test_the_owners_token_for_errors_is_told_apart_from_a_missing_scope() -> None:
    with pytest.raises(Declined, match="partner token"):
        replying(reply({"error": "Unauthorized missing scopes"}, 403)).errors()


def test_retry_after_is_part_of_the_message() -> None:
    with pytest.raises(Declined, match="retry after 30"):
        replying(reply({}, 429, **{"retry-after": "30"})).show(VIN)


@pytest.mark.parametrize("name", ["ratelimit-reset", "ratelimit-data-reset"])
def test_a_limits_reset_is_a_pause_too(name: str) -> None:
    with pytest.raises(Declined, match="retry after 42"):
        replying(reply({}, 429, **{name: "42", "ratelimit-data-remaining": "0"})).show(VIN)


def test_an_answer_that_is_not_teslas_is_told_apart_from_a_refusal() -> None:
    with pytest.raises(Declined, match="not an answer of the Fleet API") as other:
        replying(reply("<html>Welcome</html>", 200)).show(VIN)
    assert "TESLA_API_BASE_URL" in other.value.remedy


def test_lists_of_another_form_name_no_vehicle() -> None:
    odd = {"key_paired_vins": [{}, [], VIN], "vehicle_info": {VIN: 3}}
    assert replying(reply({"response": odd})).fleet_status([VIN]) == {VIN: {"key_paired": True}}


def test_a_token_in_teslas_answer_is_not_shown(tesla: FleetServer, api: FleetApi) -> None:
    secret = tesla.token
    tesla.token = "another"
    with pytest.raises(Declined) as declined:
        api.show(VIN)
    assert "you sent Bearer …" in str(declined.value)
    assert secret not in str(declined.value)
    assert secret.split(".")[1] not in str(declined.value)


def test_control_characters_and_length_of_teslas_answer_are_not_shown() -> None:
    with pytest.raises(Declined) as declined:
        replying(reply({"error": "\x1b[2J\n\x07" + "x" * 5000}, 500)).show(VIN)
    assert str(declined.value).isprintable()
    assert len(str(declined.value)) < 500


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"response": null}', b'{"response": 3}', b'"x"', b"[" * 100_000])
def test_an_answer_in_another_form_is_declined(body: bytes) -> None:
    with pytest.raises(Declined, match="not an answer of the Fleet API — correct TESLA_API_BASE_URL"):
        replying(Reply(200, body)).show(VIN)


@pytest.mark.parametrize(
    "answer",
    [{}, {"updated_vehicles": "x", "skipped_vehicles": []}, {"skipped_vehicles": {"missing_key": None, "max_configs": 7}}],
)
def test_missing_members_of_an_answer_count_as_nothing(answer: dict[str, Any]) -> None:
    assert replying(reply({"response": answer})).send_unsigned([VIN], CONFIG) == Sent(0, {})


@pytest.mark.parametrize(
    ("environment", "variable"),
    [
        ({}, "TESLA_ACCESS_TOKEN"),
        ({"TESLA_ACCESS_TOKEN": "two words"}, "TESLA_ACCESS_TOKEN"),
        ({"TESLA_ACCESS_TOKEN": "line\nend"}, "TESLA_ACCESS_TOKEN"),
        ({"TESLA_ACCESS_TOKEN": "tök"}, "TESLA_ACCESS_TOKEN"),
        ({"TESLA_ACCESS_TOKEN": "t", "TESLA_API_BASE_URL": "http://fleet.example"}, "TESLA_API_BASE_URL"),
        ({"TESLA_ACCESS_TOKEN": "t", "TESLA_API_BASE_URL": "fleet.example"}, "TESLA_API_BASE_URL"),
    ],
)
def test_an_unusable_environment_is_refused_with_the_variables_name_and_without_its_secret(
    environment: dict[str, str], variable: str
) -> None:
    with pytest.raises(Misconfigured) as refused:
        FleetApi.from_env(environment)
    assert refused.value.subject == variable
    assert environment.get("TESLA_ACCESS_TOKEN", "\0") not in refused.value.fault or variable == "TESLA_API_BASE_URL"


def test_the_region_is_north_america_unless_another_is_set() -> None:
    assert FleetApi.from_env({"TESLA_ACCESS_TOKEN": "t"}).base_url == NORTH_AMERICA


def test_scopes_and_expiry_are_read_from_a_token() -> None:
    facts = read_token(access_token(("vehicle_device_data", "openid"), 3600))
    assert facts is not None
    assert facts.scopes == ("vehicle_device_data", "openid")
    assert facts.expires == pytest.approx(time.time() + 3600, abs=5)


@pytest.mark.parametrize("token", ["", "abc", "a.b.c", "e30.W10.x", "a.b"])
def test_text_that_is_not_a_jwt_has_no_claims(token: str) -> None:
    assert read_token(token) is None


def test_a_server_that_is_not_there_is_named_without_the_path(tesla: FleetServer) -> None:
    environment = tesla.environment
    closed = FleetServer({})
    with closed:
        environment["TESLA_API_BASE_URL"] = closed.environment["TESLA_API_BASE_URL"]
    with pytest.raises(Unhealthy, match=r"^127\.0\.0\.1:\d+: no answer"):
        FleetApi.from_env(environment).show(VIN)


def test_an_answer_that_is_too_long_is_not_read_to_its_end(tesla: FleetServer) -> None:
    tesla.refusal = (200, {"response": "x" * (https.LONGEST_ANSWER + 1)})
    with pytest.raises(Unhealthy, match="longer than"):
        FleetApi.from_env(tesla.environment).show(VIN)
