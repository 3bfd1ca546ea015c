"""`teslafast token --link`: a link that signs a phone in, its QR code, and where the page is."""

from __future__ import annotations

import re
import time
from pathlib import Path

import jwt
import pytest
from click.testing import CliRunner, Result
from teslafast.cli.commands import teslafast
from teslafast.cli.token import page_address
from teslafast.config import Settings
from teslafast.errors import Misconfigured
from teslafast.onboarding.setup_notes import SetupNotes, save_notes
from teslafast.onboarding.state_folder import StateFolder

from tests.support.peers import SECRET
from tests.support.qr_reader import read_back

DAY_S = 86_400


def run(*arguments: str, **environment: str) -> Result:
    cleared = dict.fromkeys(("JWT_SECRET", "FLY_APP_NAME", "TESLAFAST_STATE", "PORT", "HOST", "BASE_PATH"))
    return CliRunner().invoke(teslafast, ["token", *arguments], env=cleared | {"JWT_SECRET": SECRET} | environment)


def printed(*arguments: str, **environment: str) -> tuple[str, dict[str, object], list[str]]:
    """The page's address, the token's claims, and what stands below the link."""
    result = run(*arguments, **environment)
    assert result.exit_code == 0, result.output
    first, *rest = result.stdout.splitlines()
    address, _, token = first.partition("#token=")
    return address, jwt.decode(token, SECRET, algorithms=["HS256"]), rest


def at(**variables: str) -> tuple[str, str]:
    return page_address("", Settings.from_env({"JWT_SECRET": SECRET} | variables), variables)


def test_the_link_has_the_token_in_its_fragment_and_lasts_thirty_days() -> None:
    address, claims, _ = printed("--link", "https://car.example.com")
    assert address == "https://car.example.com/"
    assert claims["sub"] == "link"
    assert isinstance(claims["exp"], int)
    assert abs(claims["exp"] - time.time() - 30 * DAY_S) < 600


def test_the_qr_code_is_of_the_whole_link() -> None:
    result = run("--link", "https://car.example.com", "--sub", "phone")
    link, *rest = result.stdout.splitlines()
    assert read_back(rest) == link


def test_without_a_qr_code_the_link_stands_alone() -> None:
    assert printed("--link", "https://car.example.com", "--no-qr")[2] == []


def test_subject_vins_and_lifetime_are_those_given() -> None:
    vin = "5YJ3E1EA7KF000001"
    _, claims, _ = printed("--link", "https://car.example.com", "--sub", "wall", "--vin", vin, "--ttl", "12h")
    assert (claims["sub"], claims["vins"]) == ("wall", [vin])
    assert isinstance(claims["exp"], int)
    assert abs(claims["exp"] - time.time() - DAY_S / 2) < 600


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ("car.example.com", "https://car.example.com/"),
        ("http://192.168.1.20:3000", "http://192.168.1.20:3000/"),
        ("https://example.com/car", "https://example.com/car/"),
        ("https://example.com/?token=old#/v/X", "https://example.com/"),
    ],
)
def test_an_address_as_people_type_it_becomes_the_pages(given: str, address: str) -> None:
    assert printed("--link", given, "--no-qr")[0] == address


def test_an_impossible_address_is_refused_in_one_line() -> None:
    with pytest.raises(Misconfigured, match=r"^--link: 'ftp://x' is not a usable address"):
        page_address("ftp://x", Settings.from_env({"JWT_SECRET": SECRET}), {})


def test_on_one_of_flys_machines_it_is_the_apps_address() -> None:
    assert printed("--link", "--no-qr", FLY_APP_NAME="teslafast-k7q2")[0] == "https://teslafast-k7q2.fly.dev/"


@pytest.mark.parametrize(
    ("notes", "address"),
    [
        (SetupNotes(domain="road.example.com"), "https://road.example.com/"),
        (SetupNotes(domain="example.com", url="https://road.example.com"), "https://road.example.com/"),
        (SetupNotes(), "https://teslafast-k7q2.fly.dev/"),
    ],
)
def test_the_set_ups_address_goes_before_the_machines(notes: SetupNotes, address: str, tmp_path: Path) -> None:
    save_notes(StateFolder(tmp_path), notes)
    given = {"TESLAFAST_STATE": str(tmp_path), "FLY_APP_NAME": "teslafast-k7q2"}
    assert printed("--link", "--no-qr", **given)[0] == address


def test_a_set_up_on_this_machine_names_an_address_that_a_phone_can_reach(tmp_path: Path) -> None:
    notes = SetupNotes(domain="road.example.com", where="here", url="http://127.0.0.1:3000")
    save_notes(StateFolder(tmp_path), notes)
    address, note = at(TESLAFAST_STATE=str(tmp_path), HOST="192.0.2.7")
    assert address == "http://192.0.2.7:3000/"
    assert note.endswith("--link https://road.example.com")


def test_without_the_secret_the_set_ups_settings_are_named(tmp_path: Path) -> None:
    assert "JWT_SECRET: is not set — set it to the server's secret" in str(run("--link", JWT_SECRET="").exception)
    StateFolder(tmp_path).write("serve.env", b"JWT_SECRET=x")
    said = str(run("--link", JWT_SECRET="", TESLAFAST_STATE=str(tmp_path)).exception)
    assert f"teslafast --env-file {tmp_path / 'serve.env'} token" in said


def test_elsewhere_it_is_this_machines_address_and_a_note_says_who_reaches_that() -> None:
    assert at(HOST="127.0.0.1", PORT="3100", BASE_PATH="/car")[0] == "http://127.0.0.1:3100/car/"
    address, note = at()
    assert re.fullmatch(r"http://[\d.]+:3000/", address)
    assert "give the page's public address" in note


def test_where_port_speaks_tls_the_address_does_too(tmp_path: Path) -> None:
    variables = {"HOST": "127.0.0.1", "CERT_PATH": str(tmp_path / "a.pem"), "KEY_PATH": str(tmp_path / "a.key")}
    assert at(**variables)[0] == "https://127.0.0.1:3000/"


def test_a_token_with_too_many_vins_for_a_code_is_a_link_alone_and_a_note() -> None:
    vins = [f"--vin=5YJ3E1EA7KF{number:06}" for number in range(60)]
    result = run("--link", "https://car.example.com", *vins)
    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) == 1
    assert "no QR code" in result.stderr


def test_without_a_link_a_subject_is_required_and_no_code_is_drawn() -> None:
    assert "Missing option '--sub'" in run().output
    assert len(run("--sub", "wall").stdout.splitlines()) == 1
