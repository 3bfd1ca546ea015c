"""What the supervisor's own NATS server has said of its end."""

from pathlib import Path

import pytest
from teslafast.config import Settings
from teslafast.supervisor.own_nats import OwnNats


@pytest.fixture
def own(tmp_path: Path) -> OwnNats:
    return OwnNats(Settings.from_env({"NODE_ENV": "development"}), tmp_path)


def log_of(own: OwnNats) -> Path:
    return own.folder / "nats.log"


def test_the_reason_of_an_end_is_the_fatal_error_of_its_log(own: OwnNats) -> None:
    log_of(own).write_text("[1] [INF] Starting\n[1] [FTL] no room on the disk\n[1] [ERR] a client's\n[1] [INF] Exiting\n")
    assert own.why() == "[1] [FTL] no room on the disk"


def test_one_that_was_killed_has_said_no_reason(own: OwnNats) -> None:
    assert own.why() == ""
    log_of(own).write_text("[1] [INF] Server is ready\n[1] [ERR] a client's\n")
    assert own.why() == ""


def test_what_an_earlier_start_has_said_is_not_the_reason_unless_the_log_has_begun_anew(own: OwnNats) -> None:
    log_of(own).write_text("[1] [FTL] an old one, of another start\n")
    own._said_before = log_of(own).stat().st_size
    assert own.why() == ""
    log_of(own).write_text("[2] [FTL] new\n")
    assert own.why() == "[2] [FTL] new"
