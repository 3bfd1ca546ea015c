"""The certificates of an installation on disk: what exists is kept, what cannot be written whole is removed again."""

import datetime
import os
import ssl
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from teslafast.certificates import folder
from teslafast.errors import Misconfigured

from tests.support.installations import HOST, client_context, handshake, server_context

NOW = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)
FILES = ["ca.key", "ca.pem", "server.key", "server.pem", "vehicle_ca.key", "vehicle_ca.pem"]


def snapshot(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def test_only_the_owner_can_read_the_keys_and_a_new_folder(made: folder.Installation) -> None:
    keys = sorted(made.directory.rglob("*.key"))
    assert len(keys) == 3 + len(made.vins)
    assert {stat.S_IMODE(key.stat().st_mode) for key in keys} == {0o600}
    assert stat.S_IMODE(made.directory.stat().st_mode) == 0o700


def test_a_key_has_mode_0600_from_its_first_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: dict[str, int] = {}
    real = os.open

    def watched(path: Path, flags: int, mode: int = 0o777) -> int:
        opened[Path(path).name] = mode
        return real(path, flags, mode)

    monkeypatch.setattr(os, "open", watched)
    folder.init(tmp_path / "made", HOST, vehicles=1)
    assert {mode for name, mode in opened.items() if ".key" in name} == {0o600}
    assert sorted(name.removesuffix(".new") for name in opened if name.removesuffix(".new") in FILES) == FILES


def test_a_folder_with_a_server_certificate_is_refused_and_unchanged(made: folder.Installation) -> None:
    before = snapshot(made.directory)
    with pytest.raises(Misconfigured, match=r"server\.pem: exists already") as refusal:
        folder.init(made.directory, "other.example.com")
    assert refusal.value.subject == str(made.directory / "server.pem")
    assert snapshot(made.directory) == before


def test_a_certificate_without_its_key_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    made = folder.init(tmp_path / "made", HOST, vehicles=1)
    for name in ("server.pem", "server.key", "ca.key"):
        (made.directory / name).unlink()
    before = snapshot(made.directory)
    with pytest.raises(Misconfigured, match=r"ca\.pem: exists already, but ca\.key does not"):
        folder.init(made.directory, HOST)
    assert snapshot(made.directory) == before


def test_a_renewed_server_certificate_is_issued_by_the_ca_that_vehicles_have(tmp_path: Path) -> None:
    made = folder.init(tmp_path / "made", HOST, vehicles=1)
    before = snapshot(made.directory)
    vehicle = client_context(made, made.vins[0])
    (made.directory / "server.pem").unlink()
    (made.directory / "server.key").unlink()
    renewed = folder.init(made.directory, HOST, vehicles=1)
    assert {path.name for path in renewed.written} == {"server.pem", "server.key"}
    after = snapshot(made.directory)
    assert {name for name in after if after[name] != before[name]} == {"server.pem", "server.key"}
    assert handshake(vehicle, server_context(renewed), HOST)


def test_an_expired_ca_is_named_and_not_used(tmp_path: Path) -> None:
    made = folder.init(tmp_path / "made", HOST, vehicles=1, now=NOW - 3700 * DAY)
    for name in ("server.pem", "server.key"):
        (made.directory / name).unlink()
    with pytest.raises(Misconfigured, match=r"ca\.pem: expired on"):
        folder.init(made.directory, HOST)


@pytest.mark.parametrize("content", [b"", b"no PEM at all"])
def test_an_unreadable_ca_is_named(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_bytes(content)
    (tmp_path / "ca.key").write_bytes(content)
    with pytest.raises(Misconfigured, match=r"ca\.pem: cannot be used"):
        folder.init(tmp_path, HOST)


def test_a_ca_with_the_key_of_another_is_named(tmp_path: Path) -> None:
    made = folder.init(tmp_path / "made", HOST, vehicles=1)
    (made.directory / "ca.key").write_bytes((made.directory / "server.key").read_bytes())
    for name in ("server.pem", "server.key"):
        (made.directory / name).unlink()
    with pytest.raises(Misconfigured, match="does not belong to the key"):
        folder.init(made.directory, HOST)


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    real = os.open

    def failing(path: Path, flags: int, mode: int = 0o777) -> int:
        if Path(path).name == "vehicle_ca.key.new":
            raise OSError(28, "No space left on device")
        return real(path, flags, mode)

    monkeypatch.setattr(os, "open", failing)
    yield
    monkeypatch.undo()


@pytest.mark.usefixtures("full_disk")
def test_a_full_disk_leaves_no_new_file_or_folder(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"vehicle_ca\.key: No space left on device"):
        folder.init(tmp_path / "new" / "made", HOST)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("full_disk")
def test_a_full_disk_leaves_files_that_existed_before(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(Misconfigured):
        folder.init(tmp_path, HOST)
    assert snapshot(tmp_path) == {"notes.txt": b"mine"}


def test_a_file_where_the_directory_should_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Misconfigured, match="directory that you may write to"):
        folder.init(tmp_path / "file", HOST)


def test_the_environment_lines_are_quoted_for_a_shell(tmp_path: Path) -> None:
    made = folder.init(tmp_path / "with space", HOST, vehicles=1)
    expected = {"CERT_PATH": "server.pem", "KEY_PATH": "server.key", "CA_PATH": "vehicle_ca.pem"}
    assert made.environment == (
        *(f"{name}='{made.directory / file}'" for name, file in expected.items()),
        "REQUEST_CLIENT_CERT=true",
    )


@pytest.mark.parametrize("vin", ["../5YJ3TEST", "", "a/b", "x" * 65])
def test_a_vin_that_is_not_a_safe_file_name_is_refused(vin: str, tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="--vin"):
        folder.init(tmp_path / "made", HOST, vehicles=[vin])
    assert not (tmp_path / "made").exists()


def test_additional_vehicles_are_signed_by_the_test_ca_of_the_folder(made: folder.Installation, tmp_path: Path) -> None:
    before = snapshot(made.directory)
    fleet = folder.vehicles(made.directory, 4, tmp_path)
    assert len({vehicle.vin for vehicle in fleet}) == 4
    assert {vehicle.vin for vehicle in fleet[:2]} == set(made.vins)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(made.ca)
    context.load_cert_chain(fleet[3].certificate, fleet[3].key)
    leaf = x509.load_der_x509_certificate(handshake(context, server_context(made), HOST))
    assert leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == fleet[3].vin
    assert snapshot(made.directory) == before


def test_too_few_vehicles_without_the_ca_key_is_refused(made: folder.Installation, tmp_path: Path) -> None:
    (tmp_path / "vehicles").mkdir()
    vin = made.vins[0]
    for suffix in ("pem", "key"):
        (tmp_path / f"vehicles/{vin}.{suffix}").write_bytes((made.directory / f"vehicles/{vin}.{suffix}").read_bytes())
    assert [vehicle.vin for vehicle in folder.vehicles(tmp_path, 1, tmp_path)] == [vin]
    with pytest.raises(Misconfigured, match="1 vehicles, 2 are needed"):
        folder.vehicles(tmp_path, 2, tmp_path)
