"""What Tesla, the domain or the network may answer besides: each step says it in one sentence, with its exit status."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jwt
import pytest
from teslafast.errors import PermanentFault
from teslafast.https import Reply
from teslafast.onboarding.fleet_api import FleetApi
from teslafast.onboarding.refusals_of_tesla import Step
from teslafast.onboarding.setup_notes import load_notes, save_notes
from teslafast.setup.journey import EXIT_WAITING, EXIT_WRONG
from teslafast.setup.outcome import StepState

from tests.support.certificates import World
from tests.support.fake_tesla import Refusal
from tests.support.fake_tesla_server import Raw
from tests.support.peers import SECRET
from tests.support.setup_stage import VIN, SetupStage, setup_stage

PUSH, REGISTER, LIST = "fleet_telemetry_config_jws", "POST /api/1/partner_accounts", "GET /api/1/vehicles?"
SHOWN, STATUS, ERRORS = f"{VIN}/fleet_telemetry_config", "fleet_status", "fleet_telemetry_errors"
LIMIT = {"error": "account disabled: EXCEEDED_LIMIT"}
S, W, B = Step, StepState.WAITING, StepState.BLOCKED


@pytest.fixture
def stage(world: World, tmp_path: Path) -> Iterator[SetupStage]:
    with setup_stage(world, tmp_path) as running:
        yield running


@pytest.mark.parametrize(
    ("endpoint", "status", "body", "step", "state", "says", "remedy"),
    [
        (PUSH, 400, "ca is not a valid PEM", S.CONFIG, B, "cannot read the `ca`", "--ca"),
        (PUSH, 400, "Unknown field Foo", S.CONFIG, B, "does not know a field", "leave out"),
        (PUSH, 400, "expiration should be greater than …", S.CONFIG, B, "does not take this end", "--expires"),
        (PUSH, 412, "This endpoint must be called through the Vehicle Command HTTP Proxy", S.CONFIG, B, "not signed", "sign"),
        (PUSH, 400, "invalid domain", S.CONFIG, B, "does not take the host name", "--hostname"),
        (PUSH, 451, "no", S.CONFIG, B, "may not do this", "fleetapisupport"),
        (PUSH, 200, {"response": "x"}, S.CONFIG, B, "something else answers in Tesla's place", "TESLA_API_BASE_URL"),
        (REGISTER, 500, "…clientinfo => operation_timedout", S.REGISTRATION, W, "do not reach each other", "later"),
        (REGISTER, 424, "Public key download failed for x, error: certificate", S.REGISTRATION, W, "cannot fetch", "public TLS"),
        ("token client", 400, {"error": "invalid_request", "error_description": "The 'client_id' parameter is missing"},
         S.PORTAL, B, "no client id was sent", "TESLA_CLIENT_ID"),
        ("token client", 200, "<html>Welcome to our hotel", S.PORTAL, B, "something else answers", "TESLA_TOKEN_URL"),
        ("token client", 302, "https://hotel.example", S.PORTAL, B, "leads elsewhere", "login page of a network"),
        ("token refresh", 200, {"access_token": "a\r\nX: b", "refresh_token": "EU_2"}, S.LOGIN, B, "something else answers",
         "TESLA_TOKEN_URL"),
        ("token refresh", 200, {"error": "login_required"}, S.LOGIN, B, "the login is over", "log in again"),
        ("token refresh", 400, {"error": "temporarily_unavailable"}, S.LOGIN, W, "away for the moment", "later"),
        (LIST, 200, Raw(b" " * (1 << 20) + b"{}"), S.VEHICLE, B, "longer than", "check the address"),
        ("token client", 503, "upstream", S.PORTAL, W, "error of their own", "later"),
        ("token client", 200, Raw(b'{"access_token":', length=5000), S.PORTAL, W, "no answer", "the network"),
        ("token client", 429, Raw(b"{}", {"Retry-After": "30"}), S.PORTAL, W, "Tesla asks for 30 s", "as long as Tesla says"),
        ("partner_accounts", 401, "invalid bearer token", S.REGISTRATION, W, "the app's own token", "developer.tesla.com"),
        (REGISTER, 422, {"error": "", "messages": {"domain": ["has already been taken"]}}, S.REGISTRATION, B, "another app owns",
         "client id"),
        (LIST, 200, "[" * 100_000, S.VEHICLE, B, "something else answers", "TESLA_API_BASE_URL"),
        ("users/region", 401, "invalid bearer token", S.REGION, W, "does not take the access token", "teslafast login"),
        ("users/region", 412, "set a domain for your account first", S.REGION, W, "not registered", "registration"),
        ("users/region", 421, "user out of region, use base URL: https://evil.example, see …", S.REGION, B,
         "host that is not Tesla's", "TESLA_API_BASE_URL"),
        (LIST, 0, None, S.VEHICLE, W, "no answer", "the network"),
        (LIST, 403, "location access not granted", S.VEHICLE, W, "without its location", "owner's account"),
        (STATUS, 408, "vehicle unavailable", S.VEHICLE, W, "could not be reached", "later"),
        (SHOWN, 403, LIMIT, S.CONFIG, B, "billing limit", "Tesla has deleted their configs"),
        (ERRORS, 403, LIMIT, S.FIRST_DATA, B, "billing limit", "do not retry before"),
    ],
)  # fmt: skip
def test_each_answer_ends_the_run_with_its_sentence(
    stage: SetupStage, endpoint: str, status: int, body: Any, step: Step, state: StepState, says: str, remedy: str
) -> None:
    answer = {"response": None, "error": body} if isinstance(body, str) and not body.startswith(("<", "[", "https:")) else body
    stage.tesla.refusals[endpoint] = Refusal(status, answer)
    code, outcomes = stage.run(wait_s=0.0)
    last = outcomes[-1]
    assert (last.step, last.state, code) == (step, state, EXIT_WRONG if state is B else EXIT_WAITING), last
    assert says in last.says
    assert remedy in last.remedy


def test_a_registration_that_was_created_is_one(stage: SetupStage) -> None:
    def created(status: int, answer: Any) -> tuple[int, Any]:
        return (201 if status == 200 and "domain" in answer["response"] else status), answer

    answers = stage.tesla.api
    stage.tesla.api = lambda *words: created(*answers(*words))  # type: ignore[method-assign]
    stage.drive()
    assert stage.run()[0] == 0


def test_at_the_billing_limit_a_look_at_every_step_asks_once(stage: SetupStage) -> None:
    stage.drive()
    assert stage.run()[0] == 0
    stage.tesla.calls.clear()
    stage.tesla.refuse("/api/1/", 403, LIMIT)
    code, outcomes = stage.run(look_only=True, wait_s=0.0)
    assert (code, len(outcomes)) == (EXIT_WRONG, 12)
    blocked = [outcome.step for outcome in outcomes if "billing limit" in outcome.says]
    assert blocked == [S.REGISTRATION, S.REGION, S.VEHICLE, S.PAIRING, S.CONFIG]
    assert sum(path.startswith("/api/1/") for _, path in stage.tesla.calls) == 1


def test_what_waiting_does_not_mend_is_not_waited_for(stage: SetupStage, monkeypatch: pytest.MonkeyPatch) -> None:
    def request(*words: object, **more: object) -> Reply:
        raise PermanentFault("fleet.example: its certificate does not verify (self-signed certificate)", "check the address")

    monkeypatch.setattr(FleetApi, "vehicles", request)
    code, outcomes = stage.run()
    assert (code, outcomes[-1].step, outcomes[-1].state) == (EXIT_WRONG, S.VEHICLE, B)
    assert "does not verify" in outcomes[-1].says
    assert stage.slept == []


def test_an_address_that_was_noted_chooses_nobody_who_gets_a_token(stage: SetupStage) -> None:
    stage.drive()
    assert stage.run()[0] == 0
    for noted in ("https://fleet.example", "http://127.0.0.1:9"):  # a stranger; a fake that was tried before, and is gone
        notes = load_notes(stage.folder)
        notes.base_url, notes.api = noted, "" if "127" in noted else notes.api
        save_notes(stage.folder, notes)
        assert stage.run(wait_s=0.0)[0] == 0
        assert load_notes(stage.folder).base_url == stage.tesla.bases["eu"]


def test_a_server_with_another_time_is_told_from_one_with_another_secret(stage: SetupStage) -> None:
    stage.environment["TESLAFAST_TOKEN"] = jwt.encode({"exp": 1_000_000_000, "sub": "x"}, SECRET)
    code, outcomes = stage.run(wait_s=0.0)
    assert (code, outcomes[-1].step) == (EXIT_WRONG, S.FIRST_DATA)
    assert "refuses the token: 401 Unauthorized: the token has expired" in outcomes[-1].says
    assert "set the clocks of both machines (this one says 20" in outcomes[-1].remedy


def reported(words: str, name: str = "cloud_manager_error") -> dict[str, str]:
    return {"vin": VIN, "error_name": name, "error": words, "created_at": "2026-11-26T08:00:00Z"}


@pytest.mark.parametrize(
    ("report", "says", "remedy"),
    [
        (reported("webconnection error: dial tcp 203.0.113.9:443: connect: network is unreachable"), "no way to your server",
         "public IPv4"),
        (reported("webconnection error: remote error: tls: bad certificate"), "does not accept your server's certificate", "CA"),
        (reported("dial tcp: lookup road.example.com: no such host"), "does not find your server's name", "A record"),
        (reported("dial tcp 203.0.113.9:8443: i/o timeout"), "port does not answer", "forward it"),
        (reported("dial tcp 203.0.113.9:8443: connect: connection refused"), "nothing listens", "start the server"),
        (reported("crypto/ecdsa: verification error", "config_manager_error"), "another key", "compare the keys"),
        (reported("something new"), "could not connect", "teslafast doctor"),
    ],
)  # fmt: skip
def test_what_the_car_reported_explains_why_nothing_comes(
    stage: SetupStage, report: dict[str, str], says: str, remedy: str
) -> None:
    stage.tesla.errors.append(report)
    code, outcomes = stage.run(wait_s=0.0)
    assert (code, outcomes[-1].step) == (EXIT_WAITING, Step.FIRST_DATA)
    assert says in outcomes[-1].says
    assert remedy in outcomes[-1].remedy
    assert report["error"] in outcomes[-1].teslas


def test_a_car_with_twenty_keys_has_to_give_one_up_first(stage: SetupStage) -> None:
    stage.tesla.cars[VIN].paired, stage.tesla.cars[VIN].keys = False, 20
    code, outcomes = stage.run(wait_s=0.0)
    assert (code, outcomes[-1].step) == (EXIT_WAITING, Step.PAIRING)
    assert "has 20 keys" in outcomes[-1].says
    assert "Controls → Locks" in outcomes[-1].remedy


def test_the_model_stands_beside_a_car_s_name(stage: SetupStage) -> None:
    outcomes = stage.run(steps=(Step.REGISTRATION, Step.LOGIN, Step.REGION, Step.VEHICLE))[1]
    assert outcomes[-1].says.startswith("Road (5YJ3…0001, Model 3, owner, online)")


# ---- the domain serves something else


class Site:
    """A server on this machine that is well, and answers at the key's address with what it is told."""

    def __init__(self, status: int, body: bytes, **headers: str) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                health = self.path == "/health"
                content = json.dumps({"status": "ok", "vehicles": 0, "dashboards": 0, "seq": 0}).encode() if health else body
                self.send_response_only(200 if health else status)
                for name, value in {"Content-Length": str(len(content)), **({} if health else headers)}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: object) -> None:
                """Says nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> str:
        threading.Thread(target=self._server.serve_forever, args=(0.02,)).start()
        return self.url

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.mark.parametrize(
    ("site", "state", "says"),
    [
        (lambda: Site(200, b"<html>It works!", Server="nginx"), B,
         "serves no EC public key, but '<html>It works!' (answered by nginx)"),
        (lambda: Site(404, b"not found", Server="GitHub.com"), W, "answers 404, but 'not found' (answered by GitHub.com)"),
        (lambda: Site(301, b"", Location="https://www.road.example.com/"), B, "redirected to https://www.road.example.com/"),
        (lambda: Site(403, b"Just a moment...", Server="cloudflare"), B, "answers 403, but 'Just a moment...'"),
        (lambda: Site(200, b""), B, "serves no EC public key, but nothing"),
    ],
)  # fmt: skip
def test_what_is_served_instead_of_the_key_is_shown(
    stage: SetupStage, site: Callable[[], Site], state: StepState, says: str
) -> None:
    with site() as url:
        code, outcomes = stage.run(on=url, wait_s=0.0)
    assert (outcomes[-1].step, outcomes[-1].state, code) == (Step.SERVER, state, EXIT_WRONG if state is B else EXIT_WAITING)
    assert says in outcomes[-1].says
    assert stage.tesla.calls == []  # the portal would refuse, too: first the key
