"""
The doctor: a healthy set-up is called healthy, and each one below that is broken before anything listens gets a line that names
the cause and the remedy. Those that are broken on the way stand in test_doctor_outside, those at Tesla in test_doctor_account.
"""

from __future__ import annotations

import datetime
import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from teslafast.certificates import chain, folder
from teslafast.doctor import State

from tests.support import ROOT
from tests.support.certificates import CLIENT_AUTH, EXPIRED, HOST, NOW, SERVER_AUTH, TO_COME
from tests.support.peers import SECRET, token
from tests.support.servers import Inside
from tests.support.sites import VARIABLES, VIN, N, Row, Site, W, assert_said, free_port, only, pem_of, serving

# ---- health


def test_a_healthy_set_up_is_called_healthy(site: Site) -> None:
    with serving(site) as port:
        findings = site.look(port)
    assert [one.line for one in findings if one.state is not State.WELL] == [
        f"! address: 127.0.0.1 is taken for {HOST} — look again without --address once DNS says so too"
    ]
    assert [one.check for one in findings] == [
        *("settings", "layout", "TESLA_VIN", "key", "chain", "name", "expiry", "ca", "CA_PATH", "address", "port", "sent"),
        *("vehicle's view", "asks", "test vehicle", "health", "dashboard", "access token", f"config of {VIN}", "ca"),
        "reported errors",
    ]


def test_a_set_up_with_two_ports_is_healthy_too(site: Site) -> None:
    environment = {name: site.environment[name] for name in VARIABLES if name != "REQUEST_CLIENT_CERT"}
    with Inside(site.world, **environment, VEHICLE_PORT="0") as server:
        site.environment |= {"VEHICLE_PORT": "8443", "REQUEST_CLIENT_CERT": ""}
        site.told(server.place.vehicle_port)
        site.options["dashboards"] = f"https://{HOST}:{server.place.port}"
        findings = site.look(server.place.vehicle_port)
    assert [one.line for one in findings if one.state is State.WRONG] == []


def test_from_elsewhere_the_outside_alone_is_looked_at(site: Site) -> None:
    with serving(site) as port:
        site.environment.clear()
        site.options["token"] = token()
        findings = site.look(port)
    assert {one.state for one in findings} == {State.WELL, State.NOTE, State.SKIPPED}
    assert [one.check for one in findings if one.state is State.SKIPPED] == ["settings", "Fleet API"]
    assert "An intermediate of our own" in only(findings, "sent")[0].says


def test_without_a_url_nothing_is_dialled(site: Site) -> None:
    site.options["url"] = None
    findings = site.look(0)
    assert [one.check for one in findings if one.state is State.SKIPPED] == ["outside"]
    assert not only(findings, "port")


def test_doctor_leaves_no_vehicle_and_no_record_behind(site: Site) -> None:
    with Inside(site.world, **{name: site.environment[name] for name in VARIABLES}) as server:
        site.look(server.place.port)
        server.lines.wait_for("vehicle_disconnected")
        assert server.counts("records").get("data", 0) == 0
        assert server.ask(lambda inside: inside.hub.registry.connected) == 0


# ---- broken before anything listens: what was done → the check, the cause, the remedy


def _settings(**changed: str) -> Callable[[Site], None]:
    def change(site: Site) -> None:
        site.environment |= changed

    return change


def _certificate(**wishes: Any) -> Callable[[Site], None]:
    return lambda site: site.serve_with(**wishes)


def _the_key_of_another_certificate(site: Site) -> None:
    site.serve_with(key=pem_of(site.root.key))


def _an_encrypted_key(site: Site) -> None:
    leaf, key = site.middle.leaf(HOST, usages=(SERVER_AUTH,), hosts=(HOST,))
    site.serve_with(leaf=leaf, key=pem_of(key, b"secret"))


def _the_chain_upside_down(site: Site) -> None:
    blocks = [one.public_bytes(serialization.Encoding.PEM) for one in chain.read((site.folder / "server.pem").read_bytes())]
    (site.folder / "server.pem").write_bytes(blocks[0] + blocks[2] + blocks[1])


def _only_the_leaf(site: Site) -> None:
    whole = chain.read((site.folder / "server.pem").read_bytes())
    (site.folder / "server.pem").write_text(chain.write(whole[:1]))


def _no_root_above_the_intermediate(site: Site) -> None:
    site.serve_with(site.middle)


def _a_bare_self_signed_certificate(site: Site) -> None:
    (site.folder / "server.pem").write_bytes(site.root.pem)
    (site.folder / "server.key").write_bytes(pem_of(site.root.key))


def _ca(content: Callable[[Site], bytes]) -> Callable[[Site], None]:
    def change(site: Site) -> None:
        (site.folder / "ca.pem").write_bytes(content(site))

    return change


def _anchors(content: Callable[[Site], bytes]) -> Callable[[Site], None]:
    def change(site: Site) -> None:
        site.environment["CA_PATH"] = str(site.folder / "anchors.pem")
        (site.folder / "anchors.pem").write_bytes(content(site))

    return change


def _the_test_ca_alone(site: Site) -> None:
    folder.init(site.folder / "test", HOST, 1)
    site.environment["CA_PATH"] = str(site.folder / "test" / "vehicle_ca.pem")


def _a_ca_whose_time_is_over(site: Site) -> None:
    site.now = NOW + datetime.timedelta(days=31)


BEFORE: list[Row] = [
    ("no secret", _settings(JWT_SECRET=""), "settings", W, "JWT_SECRET is not set", "openssl rand -hex 32"),
    ("a bad port", _settings(PORT="443/tcp"), "settings", W, "PORT '443/tcp' is not usable", "0 to 65535"),
    ("no TLS", _settings(CERT_PATH="", KEY_PATH="", REQUEST_CLIENT_CERT=""), "layout", W,
     "there is no TLS", "CERT_PATH, KEY_PATH"),
    ("nobody asked", _settings(REQUEST_CLIENT_CERT="false"), "layout", W, "not asked for their certificate", "VEHICLE_PORT"),
    ("development", _settings(NODE_ENV="development"), "mode", N, "NODE_ENV is development", "NODE_ENV=production"),
    ("any vehicle", _settings(TESLA_VIN=""), "TESLA_VIN", N, "every vehicle that Tesla ever made", "list your vehicles' VINs"),
    ("a small VIN", _settings(TESLA_VIN=VIN.lower()), "TESLA_VIN", W, f"'{VIN.lower()}' is no vehicle's name", "upper case"),
    ("no such file", _settings(CERT_PATH="/nowhere.pem"), "key", W,
     "CERT_PATH /nowhere.pem: No such file", "the path of a PEM file"),
    ("another's key", _the_key_of_another_certificate, "key", W,
     "does not belong to the certificate", "the unencrypted PEM key that belongs to it"),
    ("encrypted key", _an_encrypted_key, "key", W, "the key is encrypted", "unencrypted PEM key"),
    ("upside down", _the_chain_upside_down, "chain", W,
     f"'{HOST}' was not issued by the next one, 'A root of our own'", "first"),
    ("leaf alone", _only_the_leaf, "chain", W, "its issuer, 'An intermediate of our own', is missing", "append"),
    ("no root", _no_root_above_the_intermediate, "chain", W, "ends below 'A root of our own'", "append its PEM"),
    ("self-signed", _a_bare_self_signed_certificate, "chain", W, "self-signed", "teslafast certs init"),
    ("another name", _certificate(hosts=("www.example.com",)), "name", W,
     f"for www.example.com, vehicles call {HOST}", "subjectAltName holds"),
    ("no name", _certificate(hosts=()), "name", W, "is for no name at all", "subjectAltName"),
    ("expired", _certificate(valid=EXPIRED), "expiry", W, f"'{HOST}' expired on", "renew it, under the same CA"),
    ("not yet", _certificate(valid=TO_COME), "expiry", W, "is valid only from", "clock"),
    ("soon", _certificate(valid=(EXPIRED[0], NOW + datetime.timedelta(days=5.1))), "expiry", N, "expires in 5 days", "renew it"),
    ("for clients", _certificate(usages=(CLIENT_AUTH,)), "purpose", W, "not made for servers", "serverAuth"),
    ("root only", _ca(lambda site: site.root.pem), "ca", W,
     "does not hold 'An intermediate of our own'", "intermediates and root"),
    ("rootless ca", _ca(lambda site: site.middle.pem), "ca", W,
     "ends below its root, 'A root of our own'", "with 'A root of our own' in it"),
    ("another's ca", _ca(lambda site: site.world.stranger.pem), "ca", W,
     "does not hold 'An intermediate", "teslafast vehicle configure"),
    ("no ca", _ca(lambda site: b"ca"), "ca", W, "no readable certificate", "intermediates and the root"),
    ("old ca", _a_ca_whose_time_is_over, "ca", W, "which has expired", "configure vehicles anew"),
    ("no CA_PATH", _settings(CA_PATH="", REQUEST_CLIENT_CERT=""), "CA_PATH", W, "is not set", "teslafast certs tesla-ca"),
    ("odd CA_PATH", _anchors(lambda site: site.root.pem), "CA_PATH", W,
     "none of its 1 certificates is one of Tesla's", "certs tesla-ca"),
    ("broken CA_PATH", _anchors(lambda site: b"Tesla"), "CA_PATH", W,
     "holds no readable certificate", "PEM file of CA certificates"),
    ("part of CA_PATH", _anchors(lambda site: site.world.issuing.pem), "CA_PATH", N,
     "1 of Tesla's 2 CAs are missing", "certs tesla-ca"),
    ("test CA", _the_test_ca_alone, "CA_PATH", N,
     "the test CA alone: test vehicles can connect, real ones cannot", "certs tesla-ca"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "check", "state", "says", "remedy"), [row[1:] for row in BEFORE], ids=[row[0] for row in BEFORE]
)
def test_a_set_up_that_is_broken_before_it_listens_is_said_to_be(
    site: Site, change: Callable[[Site], None], check: str, state: State, says: str, remedy: str
) -> None:
    change(site)
    site.options["url"] = f"https://{HOST}:{free_port()}"
    assert_said(site.look(0), check, state, says, remedy)


# ---- the command


def run(site: Site, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-m", "teslafast", "doctor", *arguments]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)} | site.environment
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=30, cwd=site.folder, input=f"{token()}\n"
    )


def test_the_command_prints_a_line_a_check_and_ends_with_1_if_one_is_wrong(site: Site) -> None:
    with serving(site) as port:
        done = run(site, f"https://{HOST}:{port}", "--address", "127.0.0.1", "--ca", "ca.pem", "--certs", ".", "--token", "-")
    lines = done.stdout.splitlines()
    assert done.returncode == 1  # the world's CAs are none of Tesla's
    assert [line[0] for line in lines].count("✗") == 1
    assert f"✓ test vehicle: {VIN} gets in" in lines
    assert "✓ dashboard: the token opens /stream" in lines
    assert done.stderr == ""
    assert SECRET not in done.stdout
    assert site.tesla.token not in done.stdout


def test_the_command_prints_json_for_programs(site: Site) -> None:
    rows = [json.loads(line) for line in run(site, "--json").stdout.splitlines()]
    assert {tuple(row) for row in rows} == {("check", "state", "says", "remedy")}
    assert {row["state"] for row in rows} <= {"well", "wrong", "note", "skipped"}
