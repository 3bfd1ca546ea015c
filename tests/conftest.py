"""
Fixtures that all tests share: one world of certificates for the whole run, a set-up that can be broken, and a log that each test
leaves as it was. Servers, peers and doubles stand in tests/support.
"""

import logging
import time
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from teslafast.certificates import chain
from teslafast.doctor import authorities
from teslafast.log_writer import LogWriter

from tests.support.certificates import World
from tests.support.clocks import SetClockAhead
from tests.support.fake_fleet_api import Car, FleetServer
from tests.support.sites import VIN, Site

LONGEST_BYTES_IN_A_NAME = 16

# A busy machine is slow, and that is no fault of what is tested. Two runs of one commit try the same examples, so that they end
# alike; `pytest --hypothesis-profile=explore` looks for others.
PATIENT = hypothesis.settings(deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.register_profile("the-same", PATIENT, derandomize=True)
hypothesis.settings.register_profile("explore", PATIENT)
hypothesis.settings.load_profile("the-same")


def pytest_make_parametrize_id(config: pytest.Config, val: object, argname: str) -> str | None:
    """No key or frame made at random becomes a test's name: every process of a run must collect the same names."""
    return argname if isinstance(val, bytes) and len(val) > LONGEST_BYTES_IN_A_NAME else None


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def set_clock_ahead(monkeypatch: pytest.MonkeyPatch) -> SetClockAhead:
    """So many seconds ahead of the machine's: the time of day of this process, and of each server `Inside` it. Others go on."""
    real = time.time
    return lambda seconds: monkeypatch.setattr(time, "time", lambda: real() + seconds)


@pytest.fixture(autouse=True)
def log_without_writers() -> Iterator[None]:
    """A command that runs in this process sets the process's log up; the next test must not write to its stderr."""
    yield
    for one in (logging.getLogger("teslafast"), logging.getLogger()):
        writers = [handler for handler in one.handlers if isinstance(handler, LogWriter)]
        if writers:
            one.handlers = [handler for handler in one.handlers if handler not in writers]
            one.propagate = True
            logging.captureWarnings(False)


@pytest.fixture
def site(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A healthy set-up, to be broken. Two of the world's CAs count as Tesla's."""
    pins = {chain.fingerprint(one.certificate): "an issuing CA" for one in (world.issuing, world.products)}
    monkeypatch.setattr(authorities, "PINNED", pins)
    with FleetServer({VIN: Car()}) as tesla:
        yield Site(world, tmp_path, tesla)
