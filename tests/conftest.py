"""
What tests share: one world of certificates for the whole run, and a set-up that can be broken. Servers, peers, set-ups and a fake
Tesla are modules of tests/support: `servers.py`, `peers.py`, `sites.py`, `fake_fleet_api.py`.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from teslafast.certificates import chain
from teslafast.doctor import authorities

from tests.support.certificates import World
from tests.support.fake_fleet_api import Car, FleetServer
from tests.support.sites import VIN, Site


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def site(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A healthy set-up, to be broken. Two of the world's CAs count as Tesla's."""
    pins = {chain.fingerprint(one.certificate): "an issuing CA" for one in (world.issuing, world.products)}
    monkeypatch.setattr(authorities, "PINNED", pins)
    with FleetServer({VIN: Car()}) as tesla:
        yield Site(world, tmp_path, tesla)
