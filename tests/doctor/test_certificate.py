"""The server's certificate: what keeps vehicles from verifying it is reported with its remedy."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from teslafast.certificates import chain
from teslafast.doctor import certificate
from teslafast.doctor.finding import State

from tests.support.certificates import CLIENT_AUTH, EXPIRED, HOST, NOW, SERVER_AUTH, TO_COME
from tests.support.ports import free_port
from tests.support.sites import N, Row, Site, W, assert_said, only, pem_of


def _no_certificate(site: Site) -> None:
    site.environment["CERT_PATH"] = "/nowhere.pem"


def _certificate(**wishes: Any) -> Callable[[Site], None]:
    return lambda site: site.serve_with(**wishes)


def _the_key_of_another_certificate(site: Site) -> None:
    site.serve_with(key=pem_of(site.root.key))


def _an_encrypted_key(site: Site) -> None:
    leaf, key = site.middle.leaf(HOST, usages=(SERVER_AUTH,), hosts=(HOST,))
    site.serve_with(leaf=leaf, key=pem_of(key, b"secret"))


def _the_chain_upside_down(site: Site) -> None:
    blocks = [one.public_bytes(serialization.Encoding.PEM) for one in chain.read((site.folder / "server.pem").read_bytes())]
    (site.folder / "server.pem").write_bytes(blocks[0] + blocks[2] + blocks[1])


def _only_the_leaf(site: Site) -> None:
    whole = chain.read((site.folder / "server.pem").read_bytes())
    (site.folder / "server.pem").write_text(chain.write(whole[:1]))


def _no_root_above_the_intermediate(site: Site) -> None:
    site.serve_with(site.middle)


def _a_bare_self_signed_certificate(site: Site) -> None:
    (site.folder / "server.pem").write_bytes(site.root.pem)
    (site.folder / "server.key").write_bytes(pem_of(site.root.key))


def _ca(content: Callable[[Site], bytes]) -> Callable[[Site], None]:
    def change(site: Site) -> None:
        (site.folder / "ca.pem").write_bytes(content(site))

    return change


def _a_ca_whose_time_is_over(site: Site) -> None:
    site.now = NOW + datetime.timedelta(days=31)


BROKEN: list[Row] = [
    ("no such file", _no_certificate, "key", W,
     "CERT_PATH /nowhere.pem: No such file", "the path of a PEM file"),
    ("another's key", _the_key_of_another_certificate, "key", W,
     "does not belong to the certificate", "the unencrypted PEM key that belongs to it"),
    ("encrypted key", _an_encrypted_key, "key", W, "the key is encrypted", "unencrypted PEM key"),
    ("upside down", _the_chain_upside_down, "chain", W,
     f"'{HOST}' was not issued by the next one, 'A root of our own'", "first"),
    ("leaf alone", _only_the_leaf, "chain", W, "its issuer, 'An intermediate of our own', is missing", "append"),
    ("no root", _no_root_above_the_intermediate, "chain", W, "ends below 'A root of our own'", "append its PEM"),
    ("self-signed", _a_bare_self_signed_certificate, "chain", W, "self-signed", "teslafast certs init"),
    ("another name", _certificate(hosts=("www.example.com",)), "name", W,
     f"for www.example.com, vehicles connect to {HOST}", "subjectAltName holds"),
    ("no name", _certificate(hosts=()), "name", W, "is for no name", "subjectAltName"),
    ("expired", _certificate(valid=EXPIRED), "expiry", W, f"'{HOST}' expired on", "renew it, under the same CA"),
    ("not yet", _certificate(valid=TO_COME), "expiry", W, "is not valid before", "clock"),
    ("soon", _certificate(valid=(EXPIRED[0], NOW + datetime.timedelta(days=5.1))), "expiry", N, "expires in 5 days", "renew it"),
    ("for clients", _certificate(usages=(CLIENT_AUTH,)), "purpose", W, "not made for servers", "serverAuth"),
    ("root only", _ca(lambda site: site.root.pem), "ca", W,
     "does not hold 'An intermediate of our own'", "intermediates and root"),
    ("rootless ca", _ca(lambda site: site.middle.pem), "ca", W,
     "ends below its root, 'A root of our own'", "with 'A root of our own' in it"),
    ("another's ca", _ca(lambda site: site.world.stranger.pem), "ca", W,
     "does not hold 'An intermediate", "teslafast vehicle configure"),
    ("no ca", _ca(lambda site: b"ca"), "ca", W, "no readable certificate", "intermediates and the root"),
    ("old ca", _a_ca_whose_time_is_over, "ca", W, "which has expired", "configure the vehicles again"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "check", "state", "says", "remedy"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN]
)
def test_a_certificate_that_vehicles_cannot_verify_is_reported_with_its_remedy(
    site: Site, change: Callable[[Site], None], check: str, state: State, says: str, remedy: str
) -> None:
    change(site)
    site.options["url"] = f"https://{HOST}:{free_port()}"
    assert_said(site.look(0), check, state, says, remedy)


def test_a_certificate_that_is_a_mount_of_its_own_is_worth_knowing(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certificate, "mounted_alone", lambda paths: [paths[0]])
    (found,) = only(site.look(free_port()), "mount")
    assert found.state is State.NOTE
    assert "a renewal will not be seen" in found.says
