"""What tests share: one world of certificates for the whole run. Servers and peers stand in `running.py` and `peers.py`."""

import pytest

from minted import World


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("certificates"))
