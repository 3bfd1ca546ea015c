"""The commands `teslafast certs …` as processes: what they print, and that a refusal writes nothing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from teslafast.certificates import anchors

from tests.support import ROOT, SHARED
from tests.support.certificates import World

PUBLISHED = SHARED / "tesla" / "ca" / "prod_ca.crt"


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """`teslafast certs …` in that folder."""
    command = [sys.executable, "-W", "error", "-m", "teslafast", "certs", *words]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=30, check=False)


@pytest.mark.skipif(not PUBLISHED.exists(), reason="Tesla's bundle is fetched by users, it is no part of the project")
def test_the_command_prints_the_setting_and_whose_vehicles_are_refused(tmp_path: Path) -> None:
    done = run(tmp_path, "tesla-ca", "tesla_ca.pem", "--from", str(PUBLISHED))
    assert (done.returncode, len(anchors.anchors(tmp_path / "tesla_ca.pem"))) == (0, 14)
    assert done.stdout == "tesla_ca.pem: 14 of Tesla's CAs for vehicles. Now set CA_PATH=tesla_ca.pem\n"
    assert done.stderr == "note: Tesla Issuing CA has expired: vehicles whose certificate it issued are refused\n"


def test_the_command_refuses_an_unknown_ca_in_one_line_and_writes_nothing(world: World, tmp_path: Path) -> None:
    (tmp_path / "bundle.pem").write_bytes(world.stranger.pem)
    done = run(tmp_path, "tesla-ca", "tesla_ca.pem", "--from", "bundle.pem")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "Somebody else's CA" in done.stderr
    assert not (tmp_path / "tesla_ca.pem").exists()


def test_init_prints_the_settings_and_names_every_file_it_made(tmp_path: Path) -> None:
    done = run(tmp_path, "init", "certs", "--hostname", "telemetry.example.com", "--vehicle", "5YJ3TEST5PF000001")
    assert done.returncode == 0, done.stderr
    certs = tmp_path / "certs"
    assert done.stdout.splitlines() == [
        f"CERT_PATH={certs}/server.pem",
        f"KEY_PATH={certs}/server.key",
        f"CA_PATH={certs}/vehicle_ca.pem",
        "REQUEST_CLIENT_CERT=true",
    ]
    made = {Path(line.removeprefix("made ")) for line in done.stderr.splitlines()}
    assert made == {path for path in certs.rglob("*") if path.is_file()}


def test_init_in_a_folder_with_a_server_certificate_is_one_line_and_exit_2(tmp_path: Path) -> None:
    words = ("init", "certs", "--hostname", "telemetry.example.com")
    assert run(tmp_path, *words).returncode == 0
    done = run(tmp_path, *words)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
    assert "server.pem: exists already and is never overwritten — choose another directory" in done.stderr


def test_renew_says_for_whom_and_until_when(tmp_path: Path) -> None:
    assert run(tmp_path, "init", "certs", "--hostname", "telemetry.example.com").returncode == 0
    before = (tmp_path / "certs" / "server.pem").read_bytes()
    done = run(tmp_path, "renew", "certs")
    assert (done.returncode, done.stderr) == (0, "")
    assert "renewed for telemetry.example.com until 20" in done.stdout
    assert (tmp_path / "certs" / "server.pem").read_bytes() != before


def test_renew_of_a_folder_without_certificates_is_one_line_and_exit_2(tmp_path: Path) -> None:
    done = run(tmp_path, "renew", ".")
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
    assert "teslafast certs init" in done.stderr
