"""CA_PATH: what keeps real vehicles' certificates from verifying is reported, with the way to get Tesla's CAs."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from teslafast.certificates import folder
from teslafast.doctor.finding import State

from tests.support.certificates import HOST
from tests.support.ports import free_port
from tests.support.sites import N, Row, Site, W, assert_said


def _no_ca_path(site: Site) -> None:
    site.environment |= {"CA_PATH": "", "REQUEST_CLIENT_CERT": ""}


def _holding(content: Callable[[Site], bytes]) -> Callable[[Site], None]:
    def change(site: Site) -> None:
        site.environment["CA_PATH"] = str(site.folder / "anchors.pem")
        (site.folder / "anchors.pem").write_bytes(content(site))

    return change


def _only_the_test_ca(site: Site) -> None:
    folder.init(site.folder / "test", HOST, 1)
    site.environment["CA_PATH"] = str(site.folder / "test" / "vehicle_ca.pem")


def _the_test_ca_beside_teslas(site: Site) -> None:
    test = folder.init(site.folder / "test", HOST, 1).directory / "vehicle_ca.pem"
    _holding(lambda site: site.world.issuing.pem + site.world.products.pem + test.read_bytes())(site)


BROKEN: list[Row] = [
    ("not set", _no_ca_path, "CA_PATH", W, "is not set", "teslafast certs tesla-ca"),
    ("other CAs", _holding(lambda site: site.root.pem), "CA_PATH", W,
     "none of its 1 certificates is one of Tesla's", "certs tesla-ca"),
    ("not a certificate", _holding(lambda site: b"Tesla"), "CA_PATH", W,
     "holds no readable certificate", "PEM file of CA certificates"),
    ("some of Tesla's", _holding(lambda site: site.world.issuing.pem), "CA_PATH", N,
     "1 of Tesla's 2 CAs are missing", "certs tesla-ca"),
    ("only the test CA", _only_the_test_ca, "CA_PATH", N,
     "only the test CA: test vehicles can connect, real ones cannot", "certs tesla-ca"),
    ("the test CA, too", _the_test_ca_beside_teslas, "CA_PATH", N,
     "anybody with its key can pose as any vehicle", "remove the test CA"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "check", "state", "says", "remedy"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN]
)
def test_a_ca_path_that_keeps_vehicles_out_is_reported_with_its_remedy(
    site: Site, change: Callable[[Site], None], check: str, state: State, says: str, remedy: str
) -> None:
    change(site)
    site.options["url"] = f"https://{HOST}:{free_port()}"
    assert_said(site.look(0), check, state, says, remedy)
