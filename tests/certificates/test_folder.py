"""Certificates: what they vouch for is proved by real handshakes and by cryptography's own verifier, not by reading them back."""

import datetime
import os
import socket
import ssl
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509 import verification
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from teslafast.certificates import folder, issue
from teslafast.errors import Misconfigured
from teslafast.protocol.identity import OID_ISSUERS
from teslafast.vin import check_digit, sample_vin

from tests.support.handshakes import Ends

HOST = "telemetry.example.com"
NOW = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)
FILES = ["ca.key", "ca.pem", "server.key", "server.pem", "vehicle_ca.key", "vehicle_ca.pem"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> folder.Installation:
    return folder.init(tmp_path_factory.mktemp("certs") / "made", HOST, vehicles=2)


def client_context(installation: folder.Installation, vin: str) -> ssl.SSLContext:
    """As a vehicle does it: trusts nothing but the `ca` of its config."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    context.load_verify_locations(installation.ca)
    context.load_cert_chain(installation.directory / f"vehicles/{vin}.pem", installation.directory / f"vehicles/{vin}.key")
    return context


def server_context(installation: folder.Installation) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(installation.directory / "server.pem", installation.directory / "server.key")
    context.load_verify_locations(installation.directory / "vehicle_ca.pem")
    return context


def handshake(client: ssl.SSLContext, server: ssl.SSLContext, hostname: str) -> bytes:
    """A mutual handshake; the client's certificate (DER) as the server verified it."""
    certificate = Ends(client, server, hostname).shake().server.getpeercert(binary_form=True)
    assert certificate
    return certificate


def snapshot(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def load(path: Path) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(path.read_bytes())


def test_a_vehicle_that_knows_only_our_ca_and_a_server_that_knows_only_the_test_ca_accept_each_other(
    made: folder.Installation,
) -> None:
    for vin in made.vins:
        leaf = x509.load_der_x509_certificate(handshake(client_context(made, vin), server_context(made), HOST))
        assert leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == vin


def test_another_host_name_is_refused_by_the_vehicle(made: folder.Installation) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
        handshake(client_context(made, made.vins[0]), server_context(made), "telemetry.example.org")


def test_a_vehicle_of_another_installation_is_refused_by_the_server(made: folder.Installation, tmp_path: Path) -> None:
    other = folder.init(tmp_path / "other", HOST, vehicles=1)
    client = client_context(other, other.vins[0])
    client.load_verify_locations(made.ca)
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(client, server_context(made), HOST)


def test_the_servers_own_certificate_cannot_play_a_vehicle(made: folder.Installation) -> None:
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.load_verify_locations(made.ca)
    client.load_cert_chain(made.directory / "server.pem", made.directory / "server.key")
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(client, server_context(made), HOST)


def test_cryptographys_verifier_accepts_both_chains(made: folder.Installation) -> None:
    server, *_ = load(made.directory / "server.pem")
    store = verification.Store(load(made.ca))
    name = x509.DNSName(HOST)
    assert len(verification.PolicyBuilder().store(store).build_server_verifier(name).verify(server, [])) == 2
    vehicle, *above = load(made.directory / f"vehicles/{made.vins[0]}.pem")
    root = load(made.directory / "vehicle_ca.pem")[-1]
    # Vehicles' certificates have no alternative name, as Tesla's have none; all other checks of that verifier are on.
    anyone = verification.ExtensionPolicy.permit_all()
    policy = verification.PolicyBuilder().store(verification.Store([root]))
    verifier = policy.extension_policies(ca_policy=verification.ExtensionPolicy.webpki_defaults_ca(), ee_policy=anyone)
    assert len(verifier.build_client_verifier().verify(vehicle, above).chain) == 3


def test_our_ca_lives_ten_years_and_the_servers_leaf_as_long_as_apples_browsers_allow(made: folder.Installation) -> None:
    leaf, ca = load(made.directory / "server.pem")
    assert [ca] == load(made.ca)
    assert ca.not_valid_after_utc > NOW + 3651 * DAY
    assert NOW + 800 * DAY < leaf.not_valid_after_utc <= leaf.not_valid_before_utc + 825 * DAY


def test_a_test_vehicle_has_the_issuer_and_the_usage_that_identity_rules_know_and_says_that_it_is_a_test(
    made: folder.Installation,
) -> None:
    leaf, issuing, root = load(made.directory / f"vehicles/{made.vins[0]}.pem")
    assert leaf.issuer.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value in OID_ISSUERS
    usages = [usage.dotted_string for usage in leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value]
    assert usages == [ExtendedKeyUsageOID.CLIENT_AUTH.dotted_string, "1.3.6.1.4.1.49279.2.5.1"]
    for certificate in (leaf, issuing, root):
        assert "TEST" in certificate.subject.rfc4514_string()
    assert load(made.directory / "vehicle_ca.pem") == [issuing, root]


def test_keys_can_be_read_by_their_owner_only_and_so_can_the_folder_that_was_made(made: folder.Installation) -> None:
    keys = sorted(made.directory.rglob("*.key"))
    assert len(keys) == 3 + len(made.vins)
    assert {stat.S_IMODE(key.stat().st_mode) for key in keys} == {0o600}
    assert stat.S_IMODE(made.directory.stat().st_mode) == 0o700


def test_a_key_has_its_mode_from_its_first_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: dict[str, tuple[int, int]] = {}
    real = os.open

    def watched(path: Path, flags: int, mode: int = 0o777) -> int:
        opened[Path(path).name] = flags, mode
        return real(path, flags, mode)

    monkeypatch.setattr(os, "open", watched)
    folder.init(tmp_path / "made", HOST, vehicles=1)
    assert {mode for name, (_, mode) in opened.items() if name.endswith(".key")} == {0o600}
    assert all(flags & os.O_EXCL for flags, _ in opened.values())
    assert sorted(name for name in opened if name in FILES) == FILES


@pytest.mark.parametrize(
    ("hostname", "asked"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8::7", "2001:db8::7"),
        ("localhost", "127.0.0.1"),
        ("localhost", "localhost"),
        ("box", "box"),
    ],
)
def test_the_host_may_be_a_name_or_an_address(hostname: str, asked: str, tmp_path: Path) -> None:
    made = folder.init(tmp_path / "made", hostname, vehicles=1)
    assert handshake(client_context(made, made.vins[0]), server_context(made), asked)


@pytest.mark.parametrize(
    "hostname", ["", "https://example.com", "example.com:443", "-x.example", "a..b", "*.example.com", "x" * 64, "ä.de"]
)
def test_what_is_no_host_name_is_refused_and_nothing_is_written(hostname: str, tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="--hostname"):
        folder.init(tmp_path / "made", hostname)
    assert not (tmp_path / "made").exists()


def test_nothing_is_ever_overwritten(made: folder.Installation) -> None:
    before = snapshot(made.directory)
    with pytest.raises(Misconfigured, match=r"server\.pem: exists already") as refusal:
        folder.init(made.directory, "other.example.com")
    assert refusal.value.subject == str(made.directory / "server.pem")
    assert snapshot(made.directory) == before


def test_half_a_pair_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    made = folder.init(tmp_path / "made", HOST, vehicles=1)
    for name in ("server.pem", "server.key", "ca.key"):
        (made.directory / name).unlink()
    before = snapshot(made.directory)
    with pytest.raises(Misconfigured, match=r"ca\.pem: exists already, but ca\.key does not"):
        folder.init(made.directory, HOST)
    assert snapshot(made.directory) == before


def test_a_renewed_leaf_hangs_on_the_ca_that_vehicles_know(tmp_path: Path) -> None:
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


def test_a_leaf_never_outlives_its_ca() -> None:
    ca = issue.new_ca(NOW - 3600 * DAY)
    leaf = x509.load_pem_x509_certificate(issue.server_leaf(ca, HOST, NOW).chain)
    assert leaf.not_valid_after_utc == ca.certificate.not_valid_after_utc


def test_an_expired_ca_is_named_instead_of_used(tmp_path: Path) -> None:
    made = folder.init(tmp_path / "made", HOST, vehicles=1, now=NOW - 3700 * DAY)
    for name in ("server.pem", "server.key"):
        (made.directory / name).unlink()
    with pytest.raises(Misconfigured, match=r"ca\.pem: expired on"):
        folder.init(made.directory, HOST)


@pytest.mark.parametrize("content", [b"", b"no PEM at all"])
def test_a_ca_that_cannot_be_read_is_named(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_bytes(content)
    (tmp_path / "ca.key").write_bytes(content)
    with pytest.raises(Misconfigured, match=r"ca\.pem: cannot be used"):
        folder.init(tmp_path, HOST)


def test_a_ca_with_another_ones_key_is_named(tmp_path: Path) -> None:
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
        if Path(path).name == "vehicle_ca.key":
            raise OSError(28, "No space left on device")
        return real(path, flags, mode)

    monkeypatch.setattr(os, "open", failing)
    yield
    monkeypatch.undo()


@pytest.mark.usefixtures("full_disk")
def test_what_cannot_be_written_whole_is_taken_back(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"vehicle_ca\.key: No space left on device"):
        folder.init(tmp_path / "new" / "made", HOST)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("full_disk")
def test_taking_back_leaves_alone_what_was_there_before(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(Misconfigured):
        folder.init(tmp_path, HOST)
    assert snapshot(tmp_path) == {"notes.txt": b"mine"}


def test_a_file_where_the_directory_should_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Misconfigured, match="directory that can be written to"):
        folder.init(tmp_path / "file", HOST)


def test_the_environment_lines_name_the_files_and_survive_a_shell(tmp_path: Path) -> None:
    made = folder.init(tmp_path / "with space", HOST, vehicles=1)
    expected = {"CERT_PATH": "server.pem", "KEY_PATH": "server.key", "CA_PATH": "vehicle_ca.pem"}
    assert made.environment == (
        *(f"{name}='{made.directory / file}'" for name, file in expected.items()),
        "REQUEST_CLIENT_CERT=true",
    )


@pytest.mark.parametrize("vin", ["../5YJ3TEST", "", "a/b", "x" * 65])
def test_a_vin_that_would_be_no_file_name_is_refused(vin: str, tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="--vin"):
        folder.init(tmp_path / "made", HOST, vehicles=[vin])
    assert not (tmp_path / "made").exists()


def test_more_vehicles_than_were_minted_are_signed_by_the_same_test_ca(made: folder.Installation, tmp_path: Path) -> None:
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


def test_too_few_vehicles_and_no_key_to_sign_more_is_said(made: folder.Installation, tmp_path: Path) -> None:
    (tmp_path / "vehicles").mkdir()
    vin = made.vins[0]
    for suffix in ("pem", "key"):
        (tmp_path / f"vehicles/{vin}.{suffix}").write_bytes((made.directory / f"vehicles/{vin}.{suffix}").read_bytes())
    assert [vehicle.vin for vehicle in folder.vehicles(tmp_path, 1, tmp_path)] == [vin]
    with pytest.raises(Misconfigured, match="1 vehicles, 2 are asked for"):
        folder.vehicles(tmp_path, 2, tmp_path)


def test_test_vins_have_seventeen_characters_a_right_check_digit_and_say_test() -> None:
    vins = [sample_vin(number) for number in (0, 1, 2, 10, 999_999)]
    assert len(set(vins)) == 5
    for vin in vins:
        assert len(vin) == 17
        assert "TEST" in vin
        assert not set(vin) & set("IOQ")
        assert check_digit(vin) == vin[8]
    with pytest.raises(ValueError, match="not one of them"):
        sample_vin(1_000_000)


def test_the_check_digit_is_that_of_published_examples() -> None:
    assert check_digit("1M8GDM9AXKP042788") == "X"
    assert check_digit("11111111111111111") == "1"
    assert check_digit("5GZCZ43D13S812715") == "1"


def test_the_host_name_of_this_machine_is_one(tmp_path: Path) -> None:
    assert folder.init(tmp_path / "made", socket.gethostname(), vehicles=1).written
