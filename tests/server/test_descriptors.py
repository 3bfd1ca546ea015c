"""The soft limit of open files is raised as far as the settings can use it, and it is said if that is not enough."""

from __future__ import annotations

import resource

import pytest
from teslafast.config import Settings
from teslafast.server.admission import TOTAL
from teslafast.server.descriptors import MOST, RESERVED_DESCRIPTORS, raise_limit

from tests.support.servers import BASE


class Limits:
    """The process's, without touching it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, soft: int, hard: int) -> None:
        self.now = (soft, hard)
        monkeypatch.setattr(resource, "getrlimit", lambda which: self.now)
        monkeypatch.setattr(resource, "setrlimit", lambda which, limits: setattr(self, "now", limits))


def settings(vehicles: int, dashboards: int) -> Settings:
    return Settings.from_env(BASE | {"MAX_VEHICLES": str(vehicles), "MAX_DASHBOARDS": str(dashboards)})


NEEDED = 5_000 + 500 + RESERVED_DESCRIPTORS


@pytest.mark.parametrize(
    ("vehicles", "dashboards", "soft", "hard", "after"),
    [
        (5_000, 500, 1_024, 524_288, (NEEDED + TOTAL, 524_288)),
        (5_000, 500, 1_024, 6_000, (6_000, 6_000)),
        (5_000, 500, 100_000, 524_288, (100_000, 524_288)),
        (0, 500, 1_024, 524_288, (524_288, 524_288)),
        (0, 0, 1_024, resource.RLIM_INFINITY, (MOST, resource.RLIM_INFINITY)),
        (0, 0, resource.RLIM_INFINITY, resource.RLIM_INFINITY, (resource.RLIM_INFINITY,) * 2),
    ],
)
def test_the_soft_limit_rises_as_far_as_it_is_of_use(
    monkeypatch: pytest.MonkeyPatch, vehicles: int, dashboards: int, soft: int, hard: int, after: tuple[int, int]
) -> None:
    limits = Limits(monkeypatch, soft, hard)
    found = raise_limit(settings(vehicles, dashboards))
    assert limits.now == after
    assert found == (MOST if after[0] == resource.RLIM_INFINITY else after[0])


def test_a_hard_limit_below_what_the_settings_need_is_warned_of(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    Limits(monkeypatch, 1_024, 2_048)
    raise_limit(settings(5_000, 500))
    (record,) = caplog.records
    assert record.getMessage() == "few_descriptors"
    told = record.fields  # type: ignore[attr-defined]  # our own
    assert (told["limit"], told["needed"]) == (2_048, NEEDED)


def test_enough_descriptors_are_not_worth_a_word(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    Limits(monkeypatch, 1_024, NEEDED)
    raise_limit(settings(5_000, 500))
    assert not caplog.records
