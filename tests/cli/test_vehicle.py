"""The commands `teslafast vehicle …` as processes, against a server that is shaped as Tesla's is described."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from teslafast.cli import vehicle
from teslafast.onboarding.setup_notes import SetupNotes, save_notes
from teslafast.onboarding.state_folder import StateFolder

from tests.support import ROOT
from tests.support.certificates import World
from tests.support.fake_fleet_api import Car, FleetServer, read_signed

VIN, OTHER, STRANGE = "5YJ3TEST5PF000001", "5YJ3TEST7PF000002", "5YJ3TEST9PF000003"
CONFIG = {"hostname": "telemetry.example.com", "port": 443}


@pytest.fixture(scope="module")
def app() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture
def tesla(app: ec.EllipticCurvePrivateKey) -> Iterator[FleetServer]:
    with FleetServer({VIN: Car(), OTHER: Car()}, app=app.public_key()) as server:
        yield server


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


def test_configure_sends_a_signed_config_and_prints_its_cost(tesla: FleetServer, folder: Path) -> None:
    done = run(folder, tesla.environment, *ASK, "--port", "8443", "--key", "app.key", "--preset", "minimal", "--field", "Soc=30")
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "sent to 1 of 1 vehicles"), done.stderr
    assert "minimal: 8 fields: about 12,780 signals, $0.09 a month for each vehicle" in done.stderr
    claims = read_signed(tesla.cars[VIN].token)
    assert claims is not None
    assert claims["port"] == 8443
    assert claims["fields"]["Soc"] == {"interval_seconds": 30}
    assert claims["ca"] == (folder / "ca.pem").read_text()
    assert claims["exp"] == pytest.approx(time.time() + 360 * 86400, abs=60)
    assert tesla.token not in done.stdout + done.stderr


def test_a_dry_run_prints_the_config_and_sends_nothing(tesla: FleetServer, folder: Path) -> None:
    done = run(folder, {}, *ASK, "--dry-run")
    assert done.returncode == 0
    assert json.loads(done.stdout)["hostname"] == "telemetry.example.com"
    assert "$3.20 a month for each vehicle" in done.stderr
    assert tesla.calls == []


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--hostname", "https://telemetry.example.com:8443/"], "did you mean --hostname telemetry.example.com --port 8443?"),
        (["--hostname", "192.168.1.5"], "is an address"),
        (["--expires", "0s"], "--expires: 0 s is too short"),
        (["--expires", "365d"], "--expires: 365 days is more than Tesla takes"),
    ],
)
def test_what_cannot_work_is_refused_before_it_is_sent(tesla: FleetServer, folder: Path, words: list[str], says: str) -> None:
    done = run(folder, tesla.environment, *ASK, "--key", "app.key", *words)
    assert done.returncode == 2
    assert says in done.stderr
    assert tesla.calls == []


def test_a_host_that_the_servers_certificate_lacks_is_refused_with_its_names(
    tesla: FleetServer, folder: Path, world: World
) -> None:
    environment = tesla.environment | {"CERT_PATH": str(world.server.certificate)}
    done = run(folder, environment, *ASK, "--hostname", "other.example.com", "--key", "app.key")
    assert done.returncode == 2
    assert "telemetry.example.com" in done.stderr
    assert "not for other.example.com" in done.stderr
    assert tesla.calls == []


def test_a_host_of_another_domain_than_the_apps_is_refused_before_it_is_sent(tesla: FleetServer, folder: Path) -> None:
    environment = tesla.environment | {"TESLAFAST_DOMAIN": "road.example.org"}
    done = run(folder, environment, *ASK, "--key", "app.key")
    assert done.returncode == 2
    assert "--hostname: telemetry.example.com is not under the app's domain road.example.org" in done.stderr
    assert tesla.calls == []


def test_the_link_for_the_phone_is_the_real_one_where_the_domain_is_known(tesla: FleetServer, folder: Path) -> None:
    tesla.cars[VIN].key_paired = False
    done = run(folder, tesla.environment | {"TESLAFAST_DOMAIN": "Road.Example.com"}, "show", "--vin", VIN)
    assert done.returncode == 1
    assert "https://tesla.com/_ak/road.example.com" in done.stdout


def test_a_field_that_this_version_does_not_know_is_sent_with_a_note(tesla: FleetServer, folder: Path) -> None:
    done = run(folder, tesla.environment, *ASK, "--key", "app.key", "--field", "SolarRoofPower=30", "--include", "Location=Gear")
    assert done.returncode == 0, done.stderr
    assert "note: SolarRoofPower is not a field that this version knows" in done.stderr
    claims = read_signed(tesla.cars[VIN].token)
    assert claims is not None
    assert claims["fields"]["SolarRoofPower"] == {"interval_seconds": 30}
    assert claims["fields"]["Location"]["include_fields"] == ["Gear"]


def test_a_skipped_vehicle_is_exit_1(tesla: FleetServer, folder: Path) -> None:
    tesla.cars[VIN].skipped = "max_configs"
    done = run(folder, tesla.environment, *ASK, "--via-proxy")
    assert done.returncode == 1
    assert f"✗ {VIN} max_configs: too many apps already stream from it" in done.stdout


@pytest.mark.parametrize(
    ("words", "says"), [([], "--key: is not given"), (["--key", "app.key", "--via-proxy"], "exclude each other")]
)
def test_configure_wants_either_a_key_or_a_proxy(tesla: FleetServer, folder: Path, words: list[str], says: str) -> None:
    done = run(folder, tesla.environment, *ASK, *words)
    assert done.returncode == 2
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 2  # the estimate, and one line about what is wrong
    assert tesla.calls == []


def test_on_a_terminal_the_status_line_is_rewritten(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    terminal = vehicle._terminal()
    terminal.status("1 of 2 have taken it")
    terminal.line("✓ both")
    printed = capsys.readouterr()
    assert printed.err == "\r\x1b[K1 of 2 have taken it\r\x1b[K"
    assert printed.out == "✓ both\n"


def test_without_a_terminal_no_status_line_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = vehicle._terminal()
    terminal.status("1 of 2 have taken it")
    terminal.line("✓ both")
    assert capsys.readouterr() == ("✓ both\n", "")


def test_with_a_wait_of_zero_tesla_is_not_asked_for_the_state(tesla: FleetServer, folder: Path) -> None:
    assert run(folder, tesla.environment, *ASK, "--via-proxy", "--wait", "0s").returncode == 0
    assert [method for method, _ in tesla.calls] == ["POST"]


def test_show_prints_the_state_of_each_vehicle(tesla: FleetServer, folder: Path) -> None:
    tesla.cars[VIN].config = {**CONFIG, "fields": {"Soc": {}}}
    done = run(folder, tesla.environment | {"TESLA_VIN": f"{VIN},{OTHER}"}, "show")
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        f"✓ {VIN} streams 1 fields to telemetry.example.com:443",
        f"✗ {OTHER} it has no config — send one: teslafast vehicle configure",
    ]
    (row,) = run(folder, tesla.environment, "show", "--json", "--vin", VIN).stdout.splitlines()
    assert json.loads(row)["state"] == "taken"


def test_show_without_a_vin_is_about_the_set_ups_vehicles(tesla: FleetServer, folder: Path) -> None:
    assert run(folder, tesla.environment, "show").returncode == 2
    save_notes(StateFolder(folder / "teslafast.d"), SetupNotes(vins=[OTHER]))
    assert OTHER in run(folder, tesla.environment, "show").stdout
    done = run(folder, tesla.environment | {"TESLA_VIN": VIN}, "show")
    assert VIN in done.stdout
    assert OTHER not in done.stdout


def test_remove_deletes_only_the_configs_of_named_vehicles(tesla: FleetServer, folder: Path) -> None:
    tesla.cars[VIN].config = tesla.cars[OTHER].config = CONFIG
    assert run(folder, tesla.environment | {"TESLA_VIN": OTHER}, "remove").returncode == 2
    done = run(folder, tesla.environment, "remove", "--vin", VIN)
    assert (done.returncode, tesla.cars[VIN].config, tesla.cars[OTHER].config) == (0, None, CONFIG)
    again = run(folder, tesla.environment, "remove", "--vin", VIN)
    assert (again.returncode, again.stdout) == (0, f"✓ {VIN} had no config\n")


def test_a_vehicle_that_tesla_does_not_find_keeps_the_others_from_nothing(tesla: FleetServer, folder: Path) -> None:
    tesla.cars[OTHER].config = CONFIG
    shown = run(folder, tesla.environment, "show", "--json", "--vin", STRANGE, "--vin", OTHER)
    assert (shown.returncode, [json.loads(row)["state"] for row in shown.stdout.splitlines()]) == (1, ["unknown", "taken"])
    gone = run(folder, tesla.environment, "remove", "--vin", STRANGE, "--vin", OTHER)
    assert (gone.returncode, tesla.cars[OTHER].config) == (1, None)
    assert gone.stdout.startswith(f"✗ {STRANGE} Fleet API: HTTP 404")


def test_errors_prints_what_vehicles_reported_and_its_meaning(tesla: FleetServer, folder: Path) -> None:
    assert run(folder, tesla.environment, "errors").stdout == "✓ no errors reported\n"
    reported = {"created_at": "2026-11-23T08:00:00Z", "vin": VIN, "error_name": "cloud_manager_error", "error": "webconnection"}
    tesla.errors = [reported, reported | {"vin": OTHER, "error_name": "odd\x1b"}]
    done = run(folder, tesla.environment, "errors", "--vin", VIN)
    assert done.returncode == 1
    (line,) = done.stdout.splitlines()
    assert line.startswith(f"✗ 2026-11-23T08:00:00Z {VIN} cloud_manager_error: webconnection = the vehicle could not")
    rows = run(folder, tesla.environment, "errors", "--json").stdout.splitlines()
    assert [json.loads(row)["vin"] for row in rows] == [VIN, OTHER]


def test_a_token_that_tesla_refuses_is_one_line_and_exit_1(tesla: FleetServer, folder: Path) -> None:
    done = run(folder, tesla.environment | {"TESLA_ACCESS_TOKEN": "wrong"}, "show", "--vin", VIN)
    assert done.returncode == 1
    assert done.stderr.startswith("teslafast: Fleet API: HTTP 401")
    assert len(done.stderr.splitlines()) == 1
