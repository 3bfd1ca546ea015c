"""What a client's certificate says."""

from __future__ import annotations

import pytest
from teslafast.certificates import peer
from teslafast.protocol.identity import Certificate
from teslafast.server import tls

from tests.support.certificates import CLIENT_AUTH, VEHICLE, World
from tests.support.handshakes import Ends
from tests.support.tls import for_vehicles, settings


def test_a_certificate_is_parsed_once_and_the_oldest_is_forgotten(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peer, "_known", {})
    monkeypatch.setattr(peer, "KNOWN_AT_MOST", 2)
    context = for_vehicles(world)

    def shown(name: str) -> Certificate | None:
        return peer.peer_certificate(Ends(world.client(world.vehicle(name)), context).shake().server)

    first = shown("device-1")
    assert first is not None
    assert shown("device-1") is first
    assert [getattr(shown(name), "common_name", None) for name in ("device-2", "device-3")] == ["device-2", "device-3"]
    assert len(peer._known) == 2
    assert shown("device-1") == first
    assert shown("device-1") is not first


def test_usages_and_units_of_a_certificate_keep_their_order(world: World) -> None:
    usages = (CLIENT_AUTH, "1.3.6.1.4.1.49279.2.5.1.1", VEHICLE)
    leaf, _ = world.issuing.leaf("a.b", usages, units=("one", "two"))
    ends_at = leaf.not_valid_after_utc.timestamp()
    assert peer.certificate_of(leaf) == Certificate("a.b", "Tesla Motors Product Issuing CA", usages, ("one", "two"), ends_at)


def test_a_certificate_without_subject_and_usages_is_empty(world: World) -> None:
    leaf, _ = world.issuing.leaf("", ())
    ends_at = leaf.not_valid_after_utc.timestamp()
    assert peer.certificate_of(leaf) == Certificate("", "Tesla Motors Product Issuing CA", (), (), ends_at)


def test_a_client_that_shows_no_certificate_has_none(world: World) -> None:
    optional = tls.contexts(settings(world, REQUEST_CLIENT_CERT="true"))[0]
    assert optional is not None
    assert peer.peer_certificate(Ends(world.client(), optional).shake().server) is None
    assert peer.peer_certificate(None) is None
