"""
The certificates of an installation, on disk. What exists is kept, what is missing is made, nothing is ever overwritten.

    DIR/ca.pem, ca.key                   ours; ca.pem is the `ca` of a vehicle's fleet_telemetry_config
    DIR/server.pem, server.key           leaf and CA: CERT_PATH and KEY_PATH
    DIR/vehicle_ca.pem, vehicle_ca.key   test issuing CA and its root: CA_PATH while there is no real vehicle
    DIR/vehicles/VIN.pem, VIN.key        leaf, issuing CA and root of one test vehicle

`init` always makes the server's pair and refuses if there is one. It is valid for SERVER_DAYS (issue.py); renewal.py renews it
under the CA that vehicles know, so no vehicle has to be configured again.
Everything is made in memory before the first byte is written. If one file cannot be written, all new ones are removed again. Keys
have mode 0600 from their first moment.
"""

import datetime
import os
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ..errors import Misconfigured
from ..vin import is_vin, mended_vin, sample_vin
from ..whole_file import write_whole
from . import chain
from .issue import Authority, Pair, create_ca, create_vehicle_ca, issue_server, issue_vehicle, key_pem

CERTIFICATE_MODE, KEY_MODE, DIRECTORY_MODE = 0o644, 0o600, 0o700


@dataclass(frozen=True)
class Installation:
    """What `init` made: `directory` (absolute), the VINs that have certificates there, and the files that this call wrote."""

    directory: Path
    hostname: str
    vins: tuple[str, ...]
    written: tuple[Path, ...]

    @property
    def ca(self) -> Path:
        """The certificate for the vehicles' config."""
        return self.directory / "ca.pem"

    @property
    def environment(self) -> tuple[str, ...]:
        """Lines for a shell or an env file: the settings with which `serve` uses these files."""
        settings = {"CERT_PATH": "server.pem", "KEY_PATH": "server.key", "CA_PATH": "vehicle_ca.pem"}
        paths = (f"{variable}={shlex.quote(str(self.directory / name))}" for variable, name in settings.items())
        return (*paths, "REQUEST_CLIENT_CERT=true")


@dataclass(frozen=True)
class VehicleFiles:
    """One test vehicle's certificate chain and key."""

    vin: str
    certificate: Path
    key: Path


def init(
    directory: Path,
    hostname: str,
    vehicles: int | Sequence[str] = 3,
    now: datetime.datetime | None = None,
    durable: bool = True,
) -> Installation:
    """
    Makes what is missing in `directory`, for this number of test vehicles or for these VINs. Raises Misconfigured.

    durable: the files must survive a crash of the machine; a demo's need not.
    """
    now = now or datetime.datetime.now(datetime.UTC)
    directory = directory.absolute()
    vins = (
        [sample_vin(number) for number in range(1, vehicles + 1)]
        if isinstance(vehicles, int)
        else [mended_vin(vin) for vin in vehicles]
    )
    _check_vins(vins)
    server = directory / "server.pem", directory / "server.key"
    for path in server:
        if _exists(path):
            remedy = "choose another directory; to renew the server's certificate: teslafast certs renew DIR"
            raise Misconfigured(str(path), "exists already and is never overwritten", remedy)
    files: dict[Path, bytes] = {}
    ca = _kept_or_made(directory / "ca.pem", lambda: create_ca(now), files, now)
    files.update(zip(server, _pem(issue_server(ca, hostname, now)), strict=True))
    vehicle_ca = _kept_or_made(directory / "vehicle_ca.pem", lambda: create_vehicle_ca(now), files, now)
    for vin in vins:
        paths = _vehicle_paths(directory, vin)
        if not _both_exist(*paths):
            files.update(zip(paths, _pem(issue_vehicle(vehicle_ca, vin, now)), strict=True))
    _write_all(files, durable)
    return Installation(directory, hostname, tuple(vins), tuple(files))


def vehicles(directory: Path, count: int, scratch: Path, now: datetime.datetime | None = None) -> list[VehicleFiles]:
    """
    `count` test vehicles of an installation: those that have files there, then new ones signed by its test CA and written to
    `scratch`, a directory that the caller deletes. Raises Misconfigured if there are too few and no key to make more with.
    """
    now = now or datetime.datetime.now(datetime.UTC)
    found = [VehicleFiles(path.stem, path, path.with_suffix(".key")) for path in sorted(directory.glob("vehicles/*.pem"))]
    if len(found) >= count:
        return found[:count]
    authority = directory / "vehicle_ca.pem"
    if not _exists(authority.with_suffix(".key")):
        remedy = "use fewer vehicles, or make certificates with `teslafast certs init`"
        raise Misconfigured(str(directory), f"holds certificates for {len(found)} vehicles, {count} are needed", remedy)
    vehicle_ca = load_authority(authority, now)
    taken = {vehicle.vin for vehicle in found}
    spare = (vin for vin in map(sample_vin, range(1, count + 1)) if vin not in taken)
    files: dict[Path, bytes] = {}
    for vin in (next(spare) for _ in range(count - len(found))):
        paths = _vehicle_paths(scratch, vin)
        files.update(zip(paths, _pem(issue_vehicle(vehicle_ca, vin, now)), strict=True))
        found.append(VehicleFiles(vin, *paths))
    _write_all(files, durable=False)
    return found


def _check_vins(vins: Sequence[str]) -> None:
    for vin in vins:
        if not is_vin(vin):  # it becomes a file's name, too
            raise Misconfigured("--vin", f"{vin!r} is not a VIN", "give a VIN: 17 letters and digits")


def _vehicle_paths(directory: Path, vin: str) -> tuple[Path, Path]:
    return directory / "vehicles" / f"{vin}.pem", directory / "vehicles" / f"{vin}.key"


def _exists(path: Path) -> bool:
    # Unlike Path.exists, this takes a folder that cannot be read for an empty one: the write that follows then reports the fault.
    return os.path.exists(path)


def _pem(pair: Pair) -> tuple[bytes, bytes]:
    return pair.chain, pair.key


def _both_exist(certificate: Path, key: Path) -> bool:
    """Whether the pair is there; half a pair raises Misconfigured, because neither making nor keeping it would be right."""
    present = [path for path in (certificate, key) if _exists(path)]
    if len(present) == 1:
        missing = key if present == [certificate] else certificate
        fault = f"exists already, but {missing.name} does not"
        raise Misconfigured(str(present[0]), fault, "restore the missing file, or move this one away")
    return bool(present)


def _kept_or_made(path: Path, make: Callable[[], Authority], files: dict[Path, bytes], now: datetime.datetime) -> Authority:
    """The CA whose certificate is at `path`, or a new one, whose files are then added to `files`."""
    if _both_exist(path, path.with_suffix(".key")):
        return load_authority(path, now)
    authority = make()
    files[path], files[path.with_suffix(".key")] = authority.chain, key_pem(authority.key)
    return authority


def load_authority(path: Path, now: datetime.datetime) -> Authority:
    """A CA from disk. Raises Misconfigured if it cannot be read, is not whole, or has expired."""
    remedy = f"move {path.name} and {path.stem}.key away, and new ones are made"
    try:
        first, *above = chain.read(path.read_bytes())
        key = serialization.load_pem_private_key(path.with_suffix(".key").read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise Misconfigured(str(path), f"cannot be used with its key ({error})", remedy) from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != first.public_key():
        raise Misconfigured(str(path), "does not belong to the key beside it", remedy)
    if first.not_valid_after_utc <= now:
        fault = f"expired on {first.not_valid_after_utc:%Y-%m-%d}"
        raise Misconfigured(str(path), fault, f"{remedy}; vehicles' configs need the new ca.pem")
    return Authority(first, key, b"".join(certificate.public_bytes(serialization.Encoding.PEM) for certificate in above))


def _write_all(files: dict[Path, bytes], durable: bool) -> None:
    """Writes every file or none: after a failure, removes what it had made, folders too. Raises Misconfigured."""
    made: list[Path] = []
    path = Path()
    try:
        for path, content in files.items():
            for folder in reversed([folder for folder in path.parents if not folder.exists()]):
                folder.mkdir(DIRECTORY_MODE)
                made.append(folder)
            mode = KEY_MODE if path.suffix == ".key" else CERTIFICATE_MODE
            write_whole(path, content, mode=mode, durable=durable)
            made.append(path)
    except BaseException as error:
        for leftover in reversed(made):
            (leftover.rmdir if leftover.is_dir() else leftover.unlink)()
        if isinstance(error, OSError):
            raise Misconfigured(str(path), error.strerror or str(error), "choose a directory that you may write to") from None
        raise
