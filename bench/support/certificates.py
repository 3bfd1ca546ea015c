"""Certificates for measurements, made as `teslafast certs init` makes them, in a directory that the caller deletes."""

from pathlib import Path

from teslafast.certificates import folder
from teslafast.vin import sample_vin


def issue(directory: Path, vehicles: int) -> Path:
    """A server's certificates for localhost, and those of the first `vehicles` sample VINs. Returns the vehicles' directory."""
    folder.init(directory, "localhost", [sample_vin(number) for number in range(vehicles)])
    return directory / "vehicles"


def server_env(directory: Path) -> dict[str, str]:
    """Settings with which `teslafast serve` speaks TLS and takes these vehicles."""
    files = {"CERT_PATH": "server.pem", "KEY_PATH": "server.key", "CA_PATH": "vehicle_ca.pem"}
    return {name: str(directory / file) for name, file in files.items()} | {"REQUEST_CLIENT_CERT": "true"}
