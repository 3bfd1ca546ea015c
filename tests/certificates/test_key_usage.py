"""The extended key usages of a certificate, whatever its other extensions hold; `cryptography` is the oracle."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from hypothesis import given
from hypothesis import strategies as some
from teslafast.certificates.key_usage import extended_key_usages

from tests.support.certificates import CLIENT_AUTH, VEHICLE, World

OIDS = [CLIENT_AUTH, VEHICLE, "2.999.1", "0.9.2342.19200300.100.1.25", "1.3.6.1.4.1.49279.2.5.128.4294967296"]


@pytest.mark.parametrize("usages", [(), (VEHICLE,), (CLIENT_AUTH, VEHICLE), tuple(OIDS)])
def test_they_are_read_in_their_order(world: World, usages: tuple[str, ...]) -> None:
    leaf, _ = world.issuing.leaf("device-1", usages)
    assert extended_key_usages(leaf.tbs_certificate_bytes) == usages


@pytest.mark.parametrize("critical", [True, False])
def test_a_critical_extension_is_read_like_any(world: World, critical: bool) -> None:
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(world.issuing.certificate.subject)
        .public_key(world.issuing.key.public_key())
        .serial_number(1)
        .not_valid_before(world.issuing.certificate.not_valid_before_utc)
        .not_valid_after(world.issuing.certificate.not_valid_after_utc)
        .add_extension(x509.ExtendedKeyUsage([x509.ObjectIdentifier(VEHICLE)]), critical)
    )
    leaf = builder.sign(world.issuing.key, hashes.SHA256())
    assert extended_key_usages(leaf.tbs_certificate_bytes) == (VEHICLE,)


@given(some.data())
def test_a_broken_certificate_raises_value_error_and_nothing_else(world: World, data: some.DataObject) -> None:
    leaf, _ = world.issuing.leaf("device-1", (CLIENT_AUTH, VEHICLE)) if not _kept else _kept[0]
    _kept.append((leaf, _))
    whole = bytearray(leaf.tbs_certificate_bytes)
    for at in data.draw(some.lists(some.integers(0, len(whole) - 1), max_size=4)):
        whole[at] = data.draw(some.integers(0, 255))
    cut = whole[: data.draw(some.integers(0, len(whole)))]
    for broken in (bytes(whole), bytes(cut)):
        try:
            found = extended_key_usages(broken)
        except ValueError:
            continue
        assert all(isinstance(usage, str) for usage in found)


_kept: list[tuple[x509.Certificate, object]] = []
