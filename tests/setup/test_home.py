"""At home: what is said of the network, who answers on port 443, and the proofs that a car comes in."""

import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from teslafast import https
from teslafast.certificates import tesla_ca
from teslafast.doctor.finding import well
from teslafast.onboarding import served_key
from teslafast.onboarding.refusals_of_tesla import Step
from teslafast.onboarding.setup_notes import ON_THIS_MACHINE
from teslafast.setup import home, own_server, road_test_step, server_step
from teslafast.setup.context import SetupContext
from teslafast.setup.journey import go
from teslafast.setup.outcome import Blocked, Outcome, StepState, Waiting
from teslafast.setup.steps import SETUP_STEPS

from tests.support.certificates import HOST, World
from tests.support.ports import free_port
from tests.support.setup_stage import VIN, SetupStage, setup_stage


@pytest.fixture
def stage(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SetupStage]:
    def write(bundle: object, path: Path, replace: bool) -> None:
        path.write_bytes(world.anchors.read_bytes())

    monkeypatch.setattr(home, "own_address", lambda: "192.168.1.20")
    monkeypatch.setattr(home, "outside_address", lambda: "203.0.113.9")
    monkeypatch.setattr(tesla_ca, "fetch", lambda: b"")
    monkeypatch.setattr(tesla_ca, "check", lambda content, accept: content)
    monkeypatch.setattr(tesla_ca, "write", write)
    with setup_stage(world, tmp_path) as running:
        running.environment["PORT"] = str(free_port())
        yield running


def at_home(stage: SetupStage, answers: dict[str, str], **options: Any) -> SetupContext:
    stage.answers = answers
    wanted = {"on": "here", "ca": None, "yes": False, "wait_s": 0.0, "steps": (Step.APP_KEY, Step.SERVER)}
    return stage.context(**(wanted | options))


def outcomes(context: SetupContext) -> list[Outcome]:
    return list(go(SETUP_STEPS, context))


def test_a_person_is_told_who_this_machine_is_before_the_name_is_asked_for(
    stage: SetupStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(home, "_check_outside", lambda outside: None)  # 203.0.113.9 is of documentation, and nobody's
    outcomes(at_home(stage, {"Name that leads here": "Road.Duckdns.org"}, domain=""))
    assert stage.printed[0] == "  This machine is 192.168.1.20; from outside you are 203.0.113.9."
    assert any(line.startswith("Name that leads here: a domain of yours, or dynamic DNS") for line in stage.printed)


@pytest.mark.parametrize(
    ("outside", "says", "remedy"),
    [("100.72.1.9", "CGNAT", "a small VPS"), ("192.168.178.1", "another router stands in front", "bridge")],
)
def test_a_router_that_no_car_gets_through_ends_it_before_anything_is_made(
    stage: SetupStage, monkeypatch: pytest.MonkeyPatch, outside: str, says: str, remedy: str
) -> None:
    monkeypatch.setattr(home, "outside_address", lambda: outside)
    last = outcomes(at_home(stage, {}, domain=""))[-1]
    assert last.state is StepState.BLOCKED
    assert says in last.says
    assert remedy in last.remedy
    assert not (stage.folder.path / "serve.env").exists()


def test_a_name_that_leads_elsewhere_is_shown_beside_ones_own_address(stage: SetupStage, monkeypatch: pytest.MonkeyPatch) -> None:
    context = at_home(stage, {})
    monkeypatch.setattr(home, "outside_address", lambda: "93.184.215.14")
    monkeypatch.setattr(home, "addresses_of", lambda host: ["93.184.215.99"])
    with pytest.raises(Waiting, match=f"{HOST} is 93.184.215.99, not you: your router says 93.184.215.14") as elsewhere:
        home.check_name(context)
    assert "ddclient" in elsewhere.value.remedy
    monkeypatch.setattr(home, "addresses_of", lambda host: ["93.184.215.14"])
    home.check_name(context)
    context.outside = ""  # a router that does not say
    home.check_name(context)
    context.outside = "100.72.1.9"
    with pytest.raises(Blocked, match="CGNAT"):
        home.check_name(context)


@pytest.mark.parametrize(
    ("answer", "front", "lines"),
    [
        ("1", home.CADDY, ["caddy run", "reverse_proxy 127.0.0.1:", "forward ports 443 and 80 (TCP)"]),
        ("2", home.OWN_PROXY, ["nginx     location /.well-known/appspecific/", "Traefik   rule: Host(`", "Caddy     reverse_"]),
    ],
)
def test_who_answers_on_443_is_asked_once_and_its_lines_are_printed(
    stage: SetupStage, answer: str, front: str, lines: list[str]
) -> None:
    context = at_home(stage, {"Who answers on port 443": answer})
    outcomes(context)
    assert context.notes.front == front
    assert all(any(line in printed for printed in stage.printed) for line in lines)
    assert any("forward port" in line and "192.168.1.20, untouched by any proxy" in line for line in stage.printed)
    stage.printed.clear()
    outcomes(at_home(stage, {}))
    assert not any(line.startswith("Who answers") for line in stage.printed)


def test_with_the_key_on_other_pages_the_cars_get_a_name_of_their_own(stage: SetupStage) -> None:
    typed = iter(["road.example.org", "cars.example.com"])

    def ask(question: str, default: str, secret: bool) -> str:
        if question.startswith("Who answers"):
            return "3"
        return next(typed) if question.startswith("The name to which cars connect, under example.com") else default

    context = at_home(stage, {})
    context.console = replace(context.console, ask=ask)
    outcomes(context)
    assert (context.notes.domain, context.notes.hostname) == (HOST, "cars.example.com")
    assert any("is not under the app's domain" in line for line in stage.printed)
    assert any("GitHub Pages" in line for line in stage.printed)


def test_a_port_that_another_program_has_is_left_to_it(stage: SetupStage, monkeypatch: pytest.MonkeyPatch) -> None:
    del stage.environment["PORT"]
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        monkeypatch.setattr(own_server, "DEFAULT_OWN_PORT", taken)
        outcomes(at_home(stage, {}, yes=True))
    settings = dict(line.split("=", 1) for line in (stage.folder.path / "serve.env").read_text().splitlines())
    assert taken < int(settings["PORT"]) < taken + own_server.PORTS_TO_TRY
    assert any(f"another program has port {taken}" in line for line in stage.printed)


def test_another_program_on_the_servers_port_is_not_taken_for_a_sick_server(stage: SetupStage) -> None:
    stage.environment["PORT"] = stage.tesla.bases["na"].rpartition(":")[2]  # answers, and is no teslafast
    last = outcomes(at_home(stage, {}, yes=True))[-1]
    assert (last.step, last.state) == (Step.SERVER, StepState.WAITING)
    assert "another program has this port" in last.remedy


# ---- the road test from a network that does not lead back to itself


@pytest.fixture
def shut(stage: SetupStage, monkeypatch: pytest.MonkeyPatch) -> SetupStage:
    """A public name whose port does not answer from here."""
    monkeypatch.setattr(SetupContext, "is_trial", lambda self, host: False)
    for module in (served_key, road_test_step):
        monkeypatch.setattr(module, "addresses_of", lambda host: ["93.184.215.14"])
    monkeypatch.setattr(road_test_step, "own_address", lambda: "192.168.1.20")
    monkeypatch.setattr("teslafast.doctor.route._addresses", lambda host, given: (["127.0.0.1"], well("address", "is public")))
    return stage


def looked(stage: SetupStage, answers: dict[str, str], **options: Any) -> Outcome:
    wanted = {"steps": (Step.ROAD_TEST,), "port": free_port(), "ca": stage.ca, "on": "", "wait_s": 60.0}
    context = at_home(stage, answers, **(wanted | options))
    context.notes.where, context.notes.url = ON_THIS_MACHINE, stage.url
    return outcomes(context)[-1]


def test_a_phone_outside_is_the_proof_where_the_router_does_not_lead_back(shut: SetupStage) -> None:
    reached = looked(shut, {"What does the phone show?": "2"})
    assert (reached.state, reached.says) == (
        StepState.DONE,
        "a phone outside gets there; your router does not lead back from here",
    )
    failed = looked(shut, {"What does the phone show?": "1"})
    assert failed.state is StepState.WAITING
    assert "(TCP) to 192.168.1.20" in failed.remedy


def test_a_car_that_was_heard_is_the_proof_that_needs_nobody(shut: SetupStage) -> None:
    shut.drive()
    assert looked(shut, {}, yes=True).state is StepState.WAITING  # no car is chosen yet
    heard = looked(shut, {}, yes=True, vins=(VIN,))
    assert (heard.state, "heard from the car" in heard.says) == (StepState.DONE, True)


def test_a_network_with_a_proxy_alone_is_told_apart_from_a_name_that_nobody_knows(
    stage: SetupStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SetupContext, "is_trial", lambda self, host: False)
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example.com:3128")
    failed = looked(stage, {}, yes=True)
    assert failed.state is StepState.WAITING
    assert "only HTTPS_PROXY leads outside" in failed.says
    assert "from another network" in failed.remedy


def test_behind_a_proxy_only_the_proxy_need_know_the_domain(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def request(method: str, url: str, headers: object) -> https.Reply:
        asked.append(url)
        return https.Reply(404)

    monkeypatch.setattr(https, "request", request)
    monkeypatch.setattr(served_key, "addresses_of", lambda host: [])
    with pytest.raises(served_key.NotServed, match="DNS does not know"):
        served_key.check_served_key("road.example.com", "04")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example.com:3128")
    with pytest.raises(served_key.NotServed, match="answers 404"):
        served_key.check_served_key("road.example.com", "04")
    assert len(asked) == 1


# ---- the key, from a network that does not lead back to itself


class Front:
    """This machine's own web server on port 443: TLS for HOST, and one body for every path."""

    def __init__(self, world: World, body: bytes) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response_only(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Says nothing."""

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(world.server.certificate, world.server.key)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_port

    def __enter__(self) -> "Front":
        threading.Thread(target=self._server.serve_forever, args=(0.02,)).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def silent(stage: SetupStage, world: World, monkeypatch: pytest.MonkeyPatch) -> SetupStage:
    """A name whose port 443 does not answer from here; the public trusts the CA of `world`."""
    monkeypatch.setattr(SetupContext, "is_trial", lambda self, host: False)
    monkeypatch.setattr(home, "check_name", lambda context: None)
    monkeypatch.setattr(home, "own_address", lambda: "127.0.0.2")
    monkeypatch.setattr(home, "FRONT_PORT", free_port())
    monkeypatch.setattr(own_server, "lacks", lambda context: False)
    monkeypatch.setenv("SSL_CERT_FILE", str(world.server_ca))
    real = served_key.check_served_key

    def no_way_back(domain: str, ours: str, trial_url: str = "", at: tuple[str, int] | None = None) -> str:
        if at is None:
            raise served_key.NotServed(f"{domain}: no answer (timed out)", "start it", wrong=False, silent=True)
        return real(domain, ours, trial_url, at)

    monkeypatch.setattr(server_step, "check_served_key", no_way_back)
    stage.environment["PORT"] = str(stage.inside.place.port)
    return stage


def test_the_web_server_of_this_machine_shows_the_key_where_the_router_does_not_lead_back(
    silent: SetupStage, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Front(world, (silent.folder.path / "public-key.pem").read_bytes()) as front:
        monkeypatch.setattr(home, "FRONT_PORT", front.port)
        found = outcomes(at_home(silent, {}, yes=True))[-1]
    assert (found.step, found.state) == (Step.SERVER, StepState.DONE)
    assert "of 127.0.0.1 serves it, publicly trusted" in found.says


@pytest.mark.parametrize("trusted", [True, False])
def test_a_web_server_here_that_serves_something_else_or_is_not_trusted_shows_nothing(
    silent: SetupStage, world: World, monkeypatch: pytest.MonkeyPatch, trusted: bool
) -> None:
    key = (silent.folder.path / "public-key.pem").read_bytes()
    if not trusted:
        monkeypatch.delenv("SSL_CERT_FILE")
    with Front(world, b"It works!" if trusted else key) as front:
        monkeypatch.setattr(home, "FRONT_PORT", front.port)
        found = outcomes(at_home(silent, {}, yes=True))[-1]
    assert found.state is StepState.WAITING
    assert "go on with teslafast setup --from portal" in found.remedy


def test_a_phone_outside_that_gets_the_key_is_a_proof_and_is_asked_for_once(silent: SetupStage) -> None:
    found = outcomes(at_home(silent, {"What does the phone show?": "2"}, wait_s=60.0))[-1]
    assert (found.state, "a phone outside gets it" in found.says) == (StepState.DONE, True)
    silent.printed.clear()
    found = outcomes(at_home(silent, {"What does the phone show?": "1"}, wait_s=60.0))[-1]
    assert found.state is StepState.WAITING
    assert sum(line.startswith("What does the phone show?") for line in silent.printed) == 1
