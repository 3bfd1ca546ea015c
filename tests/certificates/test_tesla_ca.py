"""Tesla's CA bundle: what is not pinned is refused, what is written OpenSSL takes, and no file is lost."""

import datetime
import os
import ssl
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from teslafast.certificates import anchors, chain, tesla_ca
from teslafast.errors import Misconfigured, Unhealthy
from teslafast.https import Reply

from tests.support import ROOT, SHARED, handshakes
from tests.support.certificates import ANY_USAGE, World

PUBLISHED = SHARED / "tesla" / "ca" / "prod_ca.crt"


@pytest.fixture
def pinned(world: World, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """The PEM of a CA that is known for this test, made as Tesla's `Products CA` is."""
    monkeypatch.setattr(tesla_ca, "PINNED", {chain.fingerprint(world.products.certificate): "Tesla Motors Products CA"})
    return world.products.pem


@pytest.mark.skipif(not PUBLISHED.exists(), reason="Tesla's bundle is fetched by users, it is no part of the project")
def test_the_bundle_that_tesla_publishes_is_pinned_to_the_last_certificate() -> None:
    bundle = tesla_ca.checked(PUBLISHED.read_bytes())
    assert len(bundle.certificates) == len(tesla_ca.PINNED) == 14
    assert bundle.missing == ()
    names = [chain.name_of(one.subject) for one in bundle.certificates]
    assert names == [tesla_ca.PINNED[chain.fingerprint(one)] for one in bundle.certificates]
    assert bundle.expired(datetime.datetime(2026, 11, 1, tzinfo=datetime.UTC)) == ["Tesla Issuing CA"]


@pytest.mark.skipif(not PUBLISHED.exists(), reason="Tesla's bundle is fetched by users, it is no part of the project")
def test_the_file_holds_the_whole_bundle_for_the_server_and_for_openssl(tmp_path: Path) -> None:
    bundle = tesla_ca.checked(PUBLISHED.read_bytes())
    tesla_ca.write(bundle, tmp_path / "tesla_ca.pem")
    assert anchors.anchors(tmp_path / "tesla_ca.pem") == [chain.der(one) for one in bundle.certificates]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_verify_locations(tmp_path / "tesla_ca.pem")
    assert context.cert_store_stats()["x509"] == 14


def test_a_ca_that_openssl_would_refuse_issues_clients_in_the_form_that_is_written(
    pinned: bytes, world: World, tmp_path: Path
) -> None:
    tesla_ca.write(tesla_ca.checked(pinned), tmp_path / "written.pem")
    (tmp_path / "plain.pem").write_bytes(pinned)
    assert handshakes.of_vehicle(world, "products", tmp_path / "written.pem") is None
    refusal = handshakes.of_vehicle(world, "products", tmp_path / "plain.pem")
    assert refusal is not None
    assert "unsuitable certificate purpose" in refusal


def test_one_stranger_refuses_the_whole_bundle_by_name_and_fingerprint(pinned: bytes, world: World) -> None:
    with pytest.raises(Misconfigured) as refused:
        tesla_ca.checked(pinned + world.stranger.pem)
    assert "Somebody else's CA" in str(refused.value)
    assert chain.fingerprint(world.stranger.certificate) in str(refused.value)
    assert "--accept" in refused.value.remedy


def test_a_stranger_may_be_accepted_by_its_fingerprint_as_openssl_prints_it(pinned: bytes, world: World) -> None:
    printed = world.stranger.certificate.fingerprint(hashes.SHA256()).hex(":").upper()
    assert len(tesla_ca.checked(pinned + world.stranger.pem, [printed]).certificates) == 2


def test_a_known_name_with_another_key_is_a_stranger(pinned: bytes, world: World) -> None:
    impostor = world.products_root.authority("Tesla Motors Products CA", usages=(ANY_USAGE,))
    with pytest.raises(Misconfigured, match="Tesla Motors Products CA"):
        tesla_ca.checked(impostor.pem)


def test_what_is_missing_is_named(pinned: bytes, world: World) -> None:
    bundle = tesla_ca.checked(world.stranger.pem, [chain.fingerprint(world.stranger.certificate)])
    assert bundle.missing == ("Tesla Motors Products CA",)


@pytest.mark.parametrize("pem", [b"", b"404: Not Found", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_what_is_no_bundle_is_refused(pem: bytes) -> None:
    with pytest.raises(Misconfigured, match="no readable certificate"):
        tesla_ca.checked(pem)


def test_a_file_that_is_there_is_kept_unless_it_may_be_replaced(pinned: bytes, tmp_path: Path) -> None:
    path, bundle = tmp_path / "tesla_ca.pem", tesla_ca.checked(pinned)
    path.write_text("precious")
    with pytest.raises(Misconfigured, match="exists already"):
        tesla_ca.write(bundle, path)
    assert path.read_text() == "precious"
    tesla_ca.write(bundle, path, replace=True)
    assert anchors.anchors(path) == [chain.der(one) for one in chain.read(pinned)]


def test_nothing_is_left_beside_the_file(pinned: bytes, tmp_path: Path) -> None:
    path = tmp_path / "certs" / "tesla_ca.pem"
    tesla_ca.write(tesla_ca.checked(pinned), path)
    with pytest.raises(Misconfigured):
        tesla_ca.write(tesla_ca.checked(pinned), path)
    assert [file.name for file in path.parent.iterdir()] == ["tesla_ca.pem"]


def test_a_place_that_cannot_be_written_to_is_named(pinned: bytes, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Misconfigured, match=r"file/tesla_ca\.pem"):
        tesla_ca.write(tesla_ca.checked(pinned), tmp_path / "file" / "tesla_ca.pem")


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """`teslafast certs tesla-ca …` in that folder."""
    command = [sys.executable, "-W", "error", "-m", "teslafast", "certs", "tesla-ca", *words]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=30, check=False)


@pytest.mark.skipif(not PUBLISHED.exists(), reason="Tesla's bundle is fetched by users, it is no part of the project")
def test_the_command_says_what_it_wrote_and_whose_vehicles_will_be_refused(tmp_path: Path) -> None:
    done = run(tmp_path, "tesla_ca.pem", "--from", str(PUBLISHED))
    assert (done.returncode, len(anchors.anchors(tmp_path / "tesla_ca.pem"))) == (0, 14)
    assert done.stdout == "tesla_ca.pem: 14 of Tesla's CAs for vehicles. Now set CA_PATH=tesla_ca.pem\n"
    assert done.stderr == "note: Tesla Issuing CA has expired; vehicles with a certificate of its are refused\n"


def test_the_command_refuses_a_stranger_in_one_line_and_writes_nothing(world: World, tmp_path: Path) -> None:
    (tmp_path / "bundle.pem").write_bytes(world.stranger.pem)
    done = run(tmp_path, "tesla_ca.pem", "--from", "bundle.pem")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "Somebody else's CA" in done.stderr
    assert not (tmp_path / "tesla_ca.pem").exists()


def test_it_is_fetched_from_teslas_repository() -> None:
    asked: list[tuple[str, str]] = []

    def ask(method: str, url: str) -> Reply:
        asked.append((method, url))
        return Reply(200, b"the bundle")

    assert tesla_ca.fetched(ask) == b"the bundle"
    assert asked == [("GET", tesla_ca.SOURCE)]
    assert tesla_ca.SOURCE.startswith("https://raw.githubusercontent.com/teslamotors/fleet-telemetry/")


def test_an_answer_other_than_ok_is_no_bundle() -> None:
    with pytest.raises(Unhealthy, match=r"HTTP 404.*--from"):
        tesla_ca.fetched(lambda method, url: Reply(404, b"404: Not Found"))
