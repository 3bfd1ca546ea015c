"""
From nothing to a vehicle that streams: by the commands of docs/your-vehicle.md, and a vehicle that goes by its config alone.

Tesla is `fake_fleet_api.py`; the vehicle is a WebSocket client that reads host, port and `ca` from the signed config that it was
sent.
"""

from __future__ import annotations

import json
import ssl
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.support.fake_fleet_api import Car, FleetServer, read_signed
from tests.support.peers import Dashboard, Vehicle
from tests.support.servers import Process, spawn
from tests.support.sites import dial

HOST = "telemetry.example.com"


def teslafast(environment: Mapping[str, str], *words: str) -> str:
    """Runs a command to its end, which must be a good one; what it printed."""
    with spawn([*words], environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as command:
        out, error = command.communicate(timeout=30)
    assert command.returncode == 0, f"{words}: {out}{error}"
    return str(out)


def settings_from(printed: str) -> dict[str, str]:
    """What `certs init` says that the server's environment should hold, and what a server needs besides."""
    lines = dict(line.split("=", 1) for line in printed.splitlines())
    assert lines.keys() == {"CERT_PATH", "KEY_PATH", "CA_PATH", "REQUEST_CLIENT_CERT"}
    return lines | {"NODE_ENV": "production", "JWT_SECRET": "a secret that only this road knows, 32 bytes or more"}


def trusting(ca: str) -> ssl.SSLContext:
    """Trusts this PEM and nothing else."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=ca)
    return context


@pytest.fixture
def app(tmp_path: Path) -> ec.EllipticCurvePrivateKey:
    """The app's command key, in private-key.pem."""
    key = ec.generate_private_key(ec.SECP256R1())
    clear = serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    (tmp_path / "private-key.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, *clear))
    return key


@pytest.fixture
def vin() -> str:
    return "5YJ3TEST5PF000001"


@pytest.fixture
def tesla(app: ec.EllipticCurvePrivateKey, vin: str) -> Iterator[FleetServer]:
    with FleetServer({vin: Car()}, app=app.public_key()) as server:
        yield server


def test_from_nothing_to_a_vehicle_that_streams(
    tmp_path: Path, tesla: FleetServer, app: ec.EllipticCurvePrivateKey, vin: str
) -> None:
    certs = tmp_path / "certs"
    settings = settings_from(teslafast({}, "certs", "init", str(certs), "--hostname", HOST, "--vehicle", vin)) | {
        "TESLA_VIN": vin
    }
    with Process(None, **settings) as server:
        port = server.place.port
        operator = settings | tesla.environment
        url = f"https://{HOST}:{port}"
        before = teslafast(settings, "doctor", url, "--address", "127.0.0.1", "--certs", str(certs))
        assert f"✓ test vehicle: {vin} can connect" in before

        key = str(tmp_path / "private-key.pem")
        sent = teslafast(operator, "vehicle", "configure", "--port", str(port), "--key", key, "--preset", "minimal")
        assert f"✓ {vin} streams 8 fields to {HOST}:{port}" in sent

        config = read_signed(tesla.cars[vin].token, app.public_key())
        assert config is not None, "the vehicle does not take a config whose signature does not hold"
        assert "Soc" in config["fields"]
        context = trusting(config["ca"])
        context.load_cert_chain(certs / "vehicles" / f"{vin}.pem", certs / "vehicles" / f"{vin}.key")

        bearer = teslafast(settings, "token", "--sub", "road").strip()
        with (
            Dashboard(dial(HOST, port, trusting(config["ca"]), "/stream", Authorization=f"Bearer {bearer}")) as dashboard,
            Vehicle(dial(config["hostname"], config["port"], context), vin) as vehicle,
        ):
            vehicle.tell({"Soc": {"floatValue": 71.5}})
            event = dashboard.until("data")
        assert (event["vin"], event["data"]) == (vin, {"Soc": 71.5})

        after = teslafast(operator, "doctor", url, "--address", "127.0.0.1", "--certs", str(certs), "--json")
        rows = {row["check"]: row for row in map(json.loads, after.splitlines())}
        assert rows[f"config of {vin}"]["state"] == "well"
        assert rows["ca"]["says"].startswith("the `ca` in the vehicle's config leads from the server's certificate to the root")


def test_a_vehicle_whose_config_names_another_ca_stays_away(tmp_path: Path, vin: str) -> None:
    """What `doctor` warns of is real: a vehicle with the wrong `ca` breaks off, and the server's log says so in words."""
    certs, others = tmp_path / "certs", tmp_path / "others"
    printed = [teslafast({}, "certs", "init", str(folder), "--hostname", HOST, "--vehicle", vin) for folder in (certs, others)]
    settings = settings_from(printed[0])
    with Process(None, **settings) as server:
        context = trusting((others / "ca.pem").read_text())
        context.load_cert_chain(certs / "vehicles" / f"{vin}.pem", certs / "vehicles" / f"{vin}.key")
        with pytest.raises(ssl.SSLCertVerificationError):
            dial(HOST, server.place.port, context)
        (line,) = server.lines.wait_for("tls_failed", cause="we_are_unknown")
        assert "the `ca` of the vehicle's config must verify CERT_PATH" in line["meaning"]
