"""Tesla's CA bundle: what is not pinned is refused, what is written OpenSSL takes, and no file is lost."""

import datetime
import ssl
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from teslafast.certificates import anchors, chain, tesla_ca
from teslafast.errors import Misconfigured, Unhealthy
from teslafast.https import Reply

from tests.support import SHARED, handshakes
from tests.support.certificates import ANY_USAGE, World

PUBLISHED = SHARED / "tesla" / "ca" / "prod_ca.crt"


@pytest.fixture
def pinned(world: World, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """The PEM of a CA that is known for this test, made as Tesla's `Products CA` is."""
    monkeypatch.setattr(tesla_ca, "PINNED", {chain.fingerprint(world.products.certificate): "Tesla Motors Products CA"})
    return world.products.pem


@pytest.mark.skipif(not PUBLISHED.exists(), reason="Tesla's bundle is fetched by users, it is no part of the project")
def test_every_certificate_that_tesla_publishes_is_pinned() -> None:
    bundle = tesla_ca.check(PUBLISHED.read_bytes())
    assert len(bundle.certificates) == len(tesla_ca.PINNED) == 14
    assert bundle.missing == ()
    names = [chain.name_of(one.subject) for one in bundle.certificates]
    assert names == [tesla_ca.PINNED[chain.fingerprint(one)] for one in bundle.certificates]
    assert bundle.expired(datetime.datetime(2026, 11, 1, tzinfo=datetime.UTC)) == ["Tesla Issuing CA"]


@pytest.mark.skipif(not PUBLISHED.exists(), reason="Tesla's bundle is fetched by users, it is no part of the project")
def test_the_written_file_gives_the_server_and_openssl_every_ca(tmp_path: Path) -> None:
    bundle = tesla_ca.check(PUBLISHED.read_bytes())
    tesla_ca.write(bundle, tmp_path / "tesla_ca.pem")
    assert anchors.anchors(tmp_path / "tesla_ca.pem") == [chain.der(one) for one in bundle.certificates]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_verify_locations(tmp_path / "tesla_ca.pem")
    assert context.cert_store_stats()["x509"] == 14


def test_a_ca_that_openssl_refuses_as_plain_pem_is_accepted_from_the_written_file(
    pinned: bytes, world: World, tmp_path: Path
) -> None:
    tesla_ca.write(tesla_ca.check(pinned), tmp_path / "written.pem")
    (tmp_path / "plain.pem").write_bytes(pinned)
    assert handshakes.of_vehicle(world, "products", tmp_path / "written.pem") is None
    refusal = handshakes.of_vehicle(world, "products", tmp_path / "plain.pem")
    assert refusal is not None
    assert "unsuitable certificate purpose" in refusal


def test_an_unknown_ca_refuses_the_bundle_with_its_name_and_fingerprint(pinned: bytes, world: World) -> None:
    with pytest.raises(Misconfigured) as refused:
        tesla_ca.check(pinned + world.stranger.pem)
    assert "Somebody else's CA" in str(refused.value)
    assert chain.fingerprint(world.stranger.certificate) in str(refused.value)
    assert "--accept" in refused.value.remedy


def test_an_unknown_ca_is_accepted_by_its_fingerprint_as_openssl_prints_it(pinned: bytes, world: World) -> None:
    printed = world.stranger.certificate.fingerprint(hashes.SHA256()).hex(":").upper()
    assert len(tesla_ca.check(pinned + world.stranger.pem, [printed]).certificates) == 2


def test_a_known_name_with_another_key_is_refused(pinned: bytes, world: World) -> None:
    impostor = world.products_root.authority("Tesla Motors Products CA", usages=(ANY_USAGE,))
    with pytest.raises(Misconfigured, match="Tesla Motors Products CA"):
        tesla_ca.check(impostor.pem)


def test_a_ca_that_is_missing_from_the_bundle_is_named(pinned: bytes, world: World) -> None:
    bundle = tesla_ca.check(world.stranger.pem, [chain.fingerprint(world.stranger.certificate)])
    assert bundle.missing == ("Tesla Motors Products CA",)


@pytest.mark.parametrize("pem", [b"", b"404: Not Found", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_a_file_without_certificates_is_refused(pem: bytes) -> None:
    with pytest.raises(Misconfigured, match="no readable certificate"):
        tesla_ca.check(pem)


def test_an_existing_file_is_kept_unless_replace_is_given(pinned: bytes, tmp_path: Path) -> None:
    path, bundle = tmp_path / "tesla_ca.pem", tesla_ca.check(pinned)
    path.write_text("precious")
    with pytest.raises(Misconfigured, match="exists already"):
        tesla_ca.write(bundle, path)
    assert path.read_text() == "precious"
    tesla_ca.write(bundle, path, replace=True)
    assert anchors.anchors(path) == [chain.der(one) for one in chain.read(pinned)]


def test_no_other_file_is_left_beside_the_written_one(pinned: bytes, tmp_path: Path) -> None:
    path = tmp_path / "certs" / "tesla_ca.pem"
    tesla_ca.write(tesla_ca.check(pinned), path)
    with pytest.raises(Misconfigured):
        tesla_ca.write(tesla_ca.check(pinned), path)
    assert [file.name for file in path.parent.iterdir()] == ["tesla_ca.pem"]


def test_a_path_that_cannot_be_written_is_named(pinned: bytes, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Misconfigured, match=r"file/tesla_ca\.pem"):
        tesla_ca.write(tesla_ca.check(pinned), tmp_path / "file" / "tesla_ca.pem")


def test_the_bundle_is_fetched_from_teslas_repository() -> None:
    asked: list[tuple[str, str]] = []

    def ask(method: str, url: str) -> Reply:
        asked.append((method, url))
        return Reply(200, b"the bundle")

    assert tesla_ca.fetch(ask) == b"the bundle"
    assert asked == [("GET", tesla_ca.SOURCE)]
    assert tesla_ca.SOURCE.startswith("https://raw.githubusercontent.com/teslamotors/fleet-telemetry/")


def test_an_answer_other_than_200_is_refused_with_the_way_round_it() -> None:
    with pytest.raises(Unhealthy, match=r"HTTP 404.*--from"):
        tesla_ca.fetch(lambda method, url: Reply(404, b"404: Not Found"))


def test_a_source_that_cannot_be_reached_is_reported_with_the_way_round_it() -> None:
    def request(method: str, url: str) -> Reply:
        raise Unhealthy("raw.githubusercontent.com: no answer (timed out)", "check the network")

    with pytest.raises(Unhealthy, match=r"no answer .* — download the file in another way and give it with --from"):
        tesla_ca.fetch(request)
