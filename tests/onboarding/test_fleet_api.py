"""The Fleet API's client and the `vehicle` commands, against a server of ours that is shaped as Tesla's is described."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from teslafast import https
from teslafast.cli import vehicle
from teslafast.errors import Declined, Misconfigured, Unhealthy
from teslafast.https import Reply
from teslafast.onboarding import jws, resolve, vehicle_commands
from teslafast.onboarding.fleet_api import NORTH_AMERICA, FleetApi, Sent, read_token
from teslafast.onboarding.vehicle_commands import Clock, Voice

from tests.support import ROOT
from tests.support.certificates import World
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


class Heard:
    """What was said and what was shown."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.shown: list[str] = []

    @property
    def voice(self) -> Voice:
        return Voice(self.said.append, self.shown.append)


def replying(*replies: Reply | Exception) -> FleetApi:
    """An API whose server answers with these, one after the other."""
    left = iter(replies)

    def ask(*_: object) -> Reply:
        reply = next(left)
        if isinstance(reply, Exception):
            raise reply
        return reply

    return FleetApi("https://fleet.example", "tok-123456", ask)


def reply(answer: object, status: int = 200, **headers: str) -> Reply:
    return Reply(status, json.dumps(answer).encode(), headers)


# ---- the client


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


def test_an_unsigned_config_goes_to_a_proxy_as_it_is(tesla: FleetServer, api: FleetApi) -> None:
    assert api.send_unsigned([VIN], CONFIG).updated == 1
    assert tesla.calls == [("POST", "/api/1/vehicles/fleet_telemetry_config")]
    assert tesla.cars[VIN].config == CONFIG


@pytest.mark.parametrize("base", [NORTH_AMERICA, "https://fleet-api.prd.cn.vn.cloud.tesla.cn/"])
def test_an_unsigned_config_is_not_even_sent_to_tesla_itself(base: str) -> None:
    api = FleetApi(base, "token", lambda *_: pytest.fail("something was sent"))
    with pytest.raises(Misconfigured, match="takes only signed configs — sign it with --key"):
        api.send_unsigned([VIN], CONFIG)


def test_a_host_that_only_looks_like_teslas_is_a_proxy() -> None:
    assert not FleetApi("https://nottesla.com.example", "token").is_teslas
    assert not FleetApi("https://eviltesla.com", "token").is_teslas


def test_vehicles_that_tesla_leaves_out_are_named_with_its_word(tesla: FleetServer, api: FleetApi) -> None:
    tesla.cars[OTHER].skipped = "missing_key"
    assert api.send_unsigned([VIN, OTHER], CONFIG) == Sent(1, {OTHER: "missing_key"})


def test_show_remove_and_errors_ask_what_the_protocol_says(tesla: FleetServer, api: FleetApi) -> None:
    tesla.cars[VIN].config = CONFIG
    tesla.errors = [{"vin": VIN, "error_name": "cloud_manager_error"}]
    assert api.show(VIN)["config"] == CONFIG
    assert api.remove(VIN) == 1
    assert api.remove(VIN) == 0
    assert api.errors() == tesla.errors
    path, errors = f"/api/1/vehicles/{VIN}/fleet_telemetry_config", "/api/1/partner_accounts/fleet_telemetry_errors"
    assert tesla.calls == [("GET", path), ("DELETE", path), ("DELETE", path), ("GET", errors)]


def test_a_vin_cannot_leave_its_place_in_the_path(tesla: FleetServer, api: FleetApi) -> None:
    with pytest.raises(Declined):
        api.show("../../partner_accounts?x=")
    assert tesla.calls == [("GET", "/api/1/vehicles/..%2F..%2Fpartner_accounts%3Fx%3D/fleet_telemetry_config")]


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, "get a new access token"),
        (403, "vehicle_device_data and vehicle_location"),
        (404, "is the VIN right"),
        (412, "register your app's domain"),
        (421, "set TESLA_API_BASE_URL to the region"),
        (429, "billing limit"),
        (503, "try again later"),
        (418, "see Tesla's words"),
    ],
)
def test_each_refusal_of_teslas_has_a_remedy(status: int, words: str) -> None:
    refused = reply({"error": "a word", "error_description": "and more"}, status)
    with pytest.raises(Declined) as declined:
        replying(refused).show(VIN)
    assert declined.value.status == status
    assert f"HTTP {status}, a word: and more" in str(declined.value)
    assert words in declined.value.remedy


def test_a_wait_that_tesla_asks_for_is_said() -> None:
    with pytest.raises(Declined, match="retry after 30"):
        replying(reply({}, 429, **{"retry-after": "30"})).show(VIN)


def test_the_token_is_never_repeated_even_if_tesla_does(tesla: FleetServer, api: FleetApi) -> None:
    secret = tesla.token
    tesla.token = "another"
    with pytest.raises(Declined) as declined:
        api.show(VIN)
    assert "you sent Bearer …" in str(declined.value)
    assert secret not in str(declined.value)
    assert secret.split(".")[1] not in str(declined.value)


def test_what_tesla_says_cannot_play_with_the_terminal() -> None:
    with pytest.raises(Declined) as declined:
        replying(reply({"error": "\x1b[2J\n\x07" + "x" * 5000}, 500)).show(VIN)
    assert str(declined.value).isprintable()
    assert len(str(declined.value)) < 500


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"response": null}', b'{"response": 3}', b'"x"'])
def test_an_answer_that_is_none_of_the_fleet_apis_is_said(body: bytes) -> None:
    with pytest.raises(Declined, match="no Fleet API answer — is TESLA_API_BASE_URL right"):
        replying(Reply(200, body)).show(VIN)


@pytest.mark.parametrize(
    "answer", [{}, {"updated_vehicles": "x", "skipped_vehicles": []}, {"skipped_vehicles": {"missing_key": None}}]
)
def test_an_answer_with_less_in_it_than_usual_is_taken_for_what_it_is(answer: dict[str, Any]) -> None:
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
def test_an_unusable_environment_is_refused_by_the_variables_name_without_its_secret(
    environment: dict[str, str], variable: str
) -> None:
    with pytest.raises(Misconfigured) as refused:
        FleetApi.from_env(environment)
    assert refused.value.subject == variable
    assert environment.get("TESLA_ACCESS_TOKEN", "\0") not in refused.value.fault or variable == "TESLA_API_BASE_URL"


def test_the_region_is_north_america_unless_another_is_set() -> None:
    assert FleetApi.from_env({"TESLA_ACCESS_TOKEN": "t"}).base_url == NORTH_AMERICA


def test_a_token_says_of_itself_until_when_and_for_what_it_is() -> None:
    facts = read_token(access_token(("vehicle_device_data", "openid"), 3600))
    assert facts is not None
    assert facts.scopes == ("vehicle_device_data", "openid")
    assert facts.expires == pytest.approx(time.time() + 3600, abs=5)


@pytest.mark.parametrize("token", ["", "abc", "a.b.c", "e30.W10.x", "a.b"])
def test_what_is_no_token_says_nothing(token: str) -> None:
    assert read_token(token) is None


# ---- HTTP


def test_nothing_is_asked_in_clear_of_another_machine() -> None:
    with pytest.raises(Misconfigured, match="may not be asked"):
        https.ask("GET", "http://fleet.example/api")


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/", "https://", "", "http://127.0.0.1:99999999/"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(Misconfigured):
        https.ask("GET", url)


def test_an_answer_without_end_is_not_read_to_it(tesla: FleetServer) -> None:
    tesla.refusal = (200, {"response": "x" * (https.LONGEST_ANSWER + 1)})
    with pytest.raises(Unhealthy, match="longer than"):
        FleetApi.from_env(tesla.environment).show(VIN)


def test_nobody_there_is_said_with_the_hosts_name_alone(tesla: FleetServer) -> None:
    environment = tesla.environment
    closed = FleetServer({})
    with closed:
        environment["TESLA_API_BASE_URL"] = closed.environment["TESLA_API_BASE_URL"]
    with pytest.raises(Unhealthy, match=r"127\.0\.0\.1:\d+: no answer"):
        FleetApi.from_env(environment).show(VIN)


# ---- configure, and wait


def test_waiting_ends_when_every_vehicle_has_taken_its_config(tesla: FleetServer, api: FleetApi) -> None:
    tesla.cars[VIN].looks, tesla.cars[OTHER].looks = 1, 3
    heard, passing = Heard(), Time()
    left = vehicle_commands.configure(api, [VIN, OTHER], CONFIG, None, heard.voice)
    assert left == [VIN, OTHER]
    assert vehicle_commands.wait(api, left, 600, passing.clock, heard.voice)
    assert heard.said == [
        "sent to 2 of 2 vehicles",
        f"✓ {VIN} streams 0 fields to telemetry.example.com:443",
        f"✓ {OTHER} streams 0 fields to telemetry.example.com:443",
    ]
    assert [line.partition(" ")[0] for line in heard.shown] == ["0", "1", "1"]  # … of 2 have taken it


def test_a_vehicle_that_is_settled_is_not_asked_about_again(tesla: FleetServer, api: FleetApi) -> None:
    tesla.cars[VIN].config = tesla.cars[OTHER].config = CONFIG
    tesla.cars[OTHER].looks = 4
    vehicle_commands.wait(api, [VIN, OTHER], 600, Time().clock, Heard().voice)
    paths = [path for _, path in tesla.calls]
    assert sum(VIN in path for path in paths) == 1
    assert sum(OTHER in path for path in paths) == 5


def test_synced_without_a_config_is_a_rejection(tesla: FleetServer, api: FleetApi) -> None:
    tesla.cars[VIN].takes, tesla.cars[VIN].looks = False, 1
    tesla.cars[VIN].config = CONFIG
    heard = Heard()
    assert not vehicle_commands.wait(api, [VIN], 600, Time().clock, heard.voice)
    assert heard.said[0].startswith(f"✗ {VIN} the vehicle has rejected its config (synced, but there is none)")


def test_patience_ends_with_a_word_about_each_that_has_not_taken_it(tesla: FleetServer, api: FleetApi) -> None:
    tesla.cars[VIN].config, tesla.cars[VIN].looks = CONFIG, 1_000_000
    heard, passing = Heard(), Time()
    assert not vehicle_commands.wait(api, [VIN], 600, passing.clock, heard.voice)
    assert passing.passed == 600
    assert heard.said[0].startswith(f"… {VIN} not yet: the vehicle takes its config when it next talks to Tesla")
    assert passing.slept[:6] == list(vehicle_commands.PAUSES_S)
    assert len(tesla.calls) < 30  # each costs the account a little


def test_a_hiccup_of_teslas_while_waiting_is_waited_out() -> None:
    taken = reply({"response": {"synced": True, "config": CONFIG}})
    flaky = replying(reply({}, 503), Unhealthy("no answer"), reply({}, 429), taken)
    assert vehicle_commands.wait(flaky, [VIN], 600, Time().clock, Heard().voice)


def test_a_refusal_while_waiting_is_not_waited_out() -> None:
    heard = Heard()
    assert not vehicle_commands.wait(replying(reply({"error": "no"}, 401)), [VIN], 600, Time().clock, heard.voice)
    assert heard.said[0].startswith(f"✗ {VIN} Fleet API: HTTP 401, no — get a new access token")


@pytest.mark.parametrize("word", ["missing_key", "unsupported_hardware", "unsupported_firmware", "max_configs", "a_new_word"])
def test_a_vehicle_that_is_left_out_gets_a_line_with_the_reason_and_the_remedy(word: str) -> None:
    (line,) = vehicle_commands.skipped(Sent(0, {VIN: word}))
    assert line.startswith(f"✗ {VIN} {word}: ")
    assert " — " in line


# ---- what a config is made of


def test_vins_come_from_the_command_line_or_else_from_the_servers_settings() -> None:
    assert resolve.vins_of([OTHER], {"TESLA_VIN": VIN}) == [OTHER]
    assert resolve.vins_of([], {"TESLA_VIN": f"{VIN}, {OTHER}"}) == [VIN, OTHER]


@pytest.mark.parametrize(("words", "listed"), [([], ""), (["5YJ3"], ""), ([], "5YJ3TEST5PF00000!")])
def test_what_is_no_vin_is_refused(words: list[str], listed: str) -> None:
    with pytest.raises(Misconfigured, match="--vin"):
        resolve.vins_of(words, {"TESLA_VIN": listed})


def test_the_ca_is_what_stands_above_the_leaf_in_cert_path(world: World, tmp_path: Path) -> None:
    whole = tmp_path / "server.pem"
    whole.write_bytes(world.server.certificate.read_bytes() + world.server_ca.read_bytes())
    assert resolve.ca_of(None, {"CERT_PATH": str(whole)}) == world.server_ca.read_text()
    assert resolve.hostname_of("given.example.com", {"CERT_PATH": str(whole)}) == "given.example.com"


def test_a_public_cas_root_comes_from_those_that_this_machine_trusts(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A public CA's fullchain.pem holds the leaf and the intermediate; vehicles need the root besides."""
    leaf = world.pair(world.issuing, "leaf", hosts=("telemetry.example.com",))
    (tmp_path / "fullchain.pem").write_bytes(leaf.certificate.read_bytes() + world.issuing.pem)
    (tmp_path / "trusted.pem").write_bytes(world.stranger.pem + world.hidden_root.pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "trusted.pem"))
    whole = resolve.ca_of(None, {"CERT_PATH": str(tmp_path / "fullchain.pem")})
    assert whole == (world.issuing.pem + world.hidden_root.pem).decode()


def test_a_leaf_alone_has_no_ca_to_offer(world: World) -> None:
    with pytest.raises(Misconfigured, match=r"nothing that issued it — give the CA that issued it: --ca ca\.pem"):
        resolve.ca_of(None, {"CERT_PATH": str(world.server.certificate)})


def test_the_hostname_is_the_only_one_in_the_certificate_or_must_be_given(world: World, tmp_path: Path) -> None:
    one = world.pair(world.stranger, "one", hosts=("telemetry.example.com",))
    assert resolve.hostname_of(None, {"CERT_PATH": str(one.certificate)}) == "telemetry.example.com"
    for environment in ({}, {"CERT_PATH": str(world.server.certificate)}):
        with pytest.raises(Misconfigured, match="--hostname"):
            resolve.hostname_of(None, environment)
    wild = world.pair(world.stranger, "wild", hosts=("*.example.com",))
    with pytest.raises(Misconfigured, match="--hostname"):
        resolve.hostname_of(None, {"CERT_PATH": str(wild.certificate)})


@pytest.mark.parametrize("missing", ["ca", "cert", "key"])
def test_a_file_that_is_not_there_is_named(missing: str, tmp_path: Path) -> None:
    path = tmp_path / "nowhere.pem"
    takers: dict[str, Callable[[], object]] = {
        "ca": lambda: resolve.ca_of(path, {}),
        "cert": lambda: resolve.ca_of(None, {"CERT_PATH": str(path)}),
        "key": lambda: resolve.key_of(path),
    }
    with pytest.raises(Misconfigured, match=r"nowhere\.pem"):
        takers[missing]()


# ---- the commands themselves


@pytest.fixture
def folder(tmp_path: Path, world: World, app: ec.EllipticCurvePrivateKey) -> Path:
    """ca.pem and app.key, as an operator has them."""
    clear = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (tmp_path / "app.key").write_bytes(app.private_bytes(serialization.Encoding.PEM, *clear))
    (tmp_path / "ca.pem").write_bytes(world.server_ca.read_bytes())
    return tmp_path


def run(folder: Path, environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """`teslafast vehicle …` in that folder."""
    whole = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)} | environment
    command = [sys.executable, "-W", "error", "-m", "teslafast", "vehicle", *arguments]
    return subprocess.run(command, cwd=folder, env=whole, capture_output=True, text=True, timeout=30)


ASK = ("configure", "--hostname", "telemetry.example.com", "--ca", "ca.pem", "--vin", VIN)


def test_configure_sends_a_config_that_the_vehicle_can_verify(tesla: FleetServer, folder: Path) -> None:
    done = run(folder, tesla.environment, *ASK, "--port", "8443", "--key", "app.key", "--preset", "minimal", "--field", "Soc=30")
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "sent to 1 of 1 vehicles"), done.stderr
    assert "minimal: 8 fields: about 12,780 signals, $0.09 a month" in done.stderr
    claims = read_signed(tesla.cars[VIN].token)
    assert claims is not None
    assert claims["port"] == 8443
    assert claims["fields"]["Soc"] == {"interval_seconds": 30}
    assert claims["ca"] == (folder / "ca.pem").read_text()
    assert claims["exp"] == pytest.approx(time.time() + 365 * 86400, abs=60)
    assert tesla.token not in done.stdout + done.stderr


def test_a_dry_run_prints_the_config_and_sends_nothing(tesla: FleetServer, folder: Path) -> None:
    done = run(folder, {}, *ASK, "--dry-run")
    assert done.returncode == 0
    assert json.loads(done.stdout)["hostname"] == "telemetry.example.com"
    assert "$3.20 a month" in done.stderr
    assert tesla.calls == []


def test_a_vehicle_that_is_left_out_makes_the_command_fail(tesla: FleetServer, folder: Path) -> None:
    tesla.cars[VIN].skipped = "max_configs"
    done = run(folder, tesla.environment, *ASK, "--via-proxy")
    assert done.returncode == 1
    assert f"✗ {VIN} max_configs: too many apps stream from it already" in done.stdout


@pytest.mark.parametrize(
    ("words", "says"), [([], "--key: is not given"), (["--key", "app.key", "--via-proxy"], "exclude each other")]
)
def test_it_must_be_said_who_signs(tesla: FleetServer, folder: Path, words: list[str], says: str) -> None:
    done = run(folder, tesla.environment, *ASK, *words)
    assert done.returncode == 2
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 2  # the estimate, and one line about what is wrong
    assert tesla.calls == []


def test_on_a_terminal_one_line_is_rewritten_while_something_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    voice = vehicle._voice()
    voice.show("1 of 2 have taken it")
    voice.say("✓ both")
    printed = capsys.readouterr()
    assert printed.err == "\r\x1b[K1 of 2 have taken it\r\x1b[K"
    assert printed.out == "✓ both\n"


def test_elsewhere_only_lines_that_stay_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    voice = vehicle._voice()
    voice.show("1 of 2 have taken it")
    voice.say("✓ both")
    assert capsys.readouterr() == ("✓ both\n", "")


def test_without_a_wait_nothing_is_looked_at(tesla: FleetServer, folder: Path) -> None:
    assert run(folder, tesla.environment, *ASK, "--via-proxy", "--wait", "0s").returncode == 0
    assert [method for method, _ in tesla.calls] == ["POST"]


def test_show_says_what_each_vehicle_is_told(tesla: FleetServer, folder: Path) -> None:
    tesla.cars[VIN].config = {**CONFIG, "fields": {"Soc": {}}}
    done = run(folder, tesla.environment | {"TESLA_VIN": f"{VIN},{OTHER}"}, "show")
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        f"✓ {VIN} streams 1 fields to telemetry.example.com:443",
        f"✗ {OTHER} there is no config for it — send one: teslafast vehicle configure",
    ]
    (row,) = run(folder, tesla.environment, "show", "--json", "--vin", VIN).stdout.splitlines()
    assert json.loads(row)["state"] == "taken"


def test_remove_deletes_only_what_is_named(tesla: FleetServer, folder: Path) -> None:
    tesla.cars[VIN].config = tesla.cars[OTHER].config = CONFIG
    assert run(folder, tesla.environment | {"TESLA_VIN": OTHER}, "remove").returncode == 2
    done = run(folder, tesla.environment, "remove", "--vin", VIN)
    assert (done.returncode, tesla.cars[VIN].config, tesla.cars[OTHER].config) == (0, None, CONFIG)
    assert run(folder, tesla.environment, "remove", "--vin", VIN).returncode == 1


def test_errors_lists_what_vehicles_reported_and_what_it_means(tesla: FleetServer, folder: Path) -> None:
    assert run(folder, tesla.environment, "errors").stdout == "✓ no errors reported\n"
    reported = {"created_at": "2026-11-23T08:00:00Z", "vin": VIN, "error_name": "cloud_manager_error", "error": "webconnection"}
    tesla.errors = [reported, reported | {"vin": OTHER, "error_name": "odd\x1b"}]
    done = run(folder, tesla.environment, "errors", "--vin", VIN)
    assert done.returncode == 1
    (line,) = done.stdout.splitlines()
    assert line.startswith(f"✗ 2026-11-23T08:00:00Z {VIN} cloud_manager_error: webconnection = the vehicle could not")
    rows = run(folder, tesla.environment, "errors", "--json").stdout.splitlines()
    assert [json.loads(row)["vin"] for row in rows] == [VIN, OTHER]


def test_an_unknown_token_is_one_line_and_exit_1(tesla: FleetServer, folder: Path) -> None:
    done = run(folder, tesla.environment | {"TESLA_ACCESS_TOKEN": "wrong"}, "show", "--vin", VIN)
    assert done.returncode == 1
    assert done.stderr.startswith("teslafast: Fleet API: HTTP 401")
    assert len(done.stderr.splitlines()) == 1
