"""An installation for each module that reads its files."""

import pytest
from teslafast.certificates import folder

from tests.support.installations import HOST


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> folder.Installation:
    return folder.init(tmp_path_factory.mktemp("certs") / "made", HOST, vehicles=2)
