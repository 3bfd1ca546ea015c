"""The NATS configurations that are shipped: nats-server takes each, and each says what docs/deploy/cluster.md promises."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from teslafast.cluster.access import rights_of
from teslafast.environment import parse_duration

from tests.deploy.support.nats_files import CLUSTER, granted, taken, whole

PROGRAM = "nats-server"
FILES = [CLUSTER / "nats.conf", *(CLUSTER / "fly" / name for name in ("nats.conf", "nats-one.conf"))]
INCLUDED = CLUSTER / "fly" / "nats-common.conf"


@pytest.fixture(params=FILES, ids=lambda path: path.relative_to(CLUSTER).as_posix())
def path(request: pytest.FixtureRequest) -> Path:
    found: Path = request.param
    return found


def test_nats_server_takes_it(path: Path) -> None:
    assert taken(path), PROGRAM


def test_nats_server_would_say_what_is_wrong(path: Path, tmp_path: Path) -> None:
    (tmp_path / "wrong.conf").write_text(whole(path).replace("jetstream {", "jetstreams {"))
    assert not taken(tmp_path / "wrong.conf")


def test_what_is_acknowledged_is_on_the_disk(path: Path) -> None:
    assert "sync_interval: always" in whole(path)


def test_a_node_has_the_rights_that_it_needs_and_no_other(path: Path) -> None:
    for verb in ("publish", "subscribe"):
        assert granted(whole(path), verb) == {right.subject for right in rights_of("TF") if right.verb == verb}


def test_nobody_comes_in_without_a_login(path: Path) -> None:
    text = whole(path)
    assert "nkey: $NODE_NKEY" in text
    assert "no_auth_user" not in text


def test_a_lame_duck_has_time_and_takes_less_than_it_is_given(path: Path) -> None:
    (grace,) = re.findall(r"lame_duck_grace_period: (\S+)", whole(path))
    (duration,) = re.findall(r"lame_duck_duration: (\S+)", whole(path))
    assert parse_duration(grace) < parse_duration(duration)


def test_three_are_a_cluster_and_one_stands_alone() -> None:
    assert [("cluster {" in whole(one), one.name) for one in FILES] == [
        (True, "nats.conf"),
        (True, "nats.conf"),
        (False, "nats-one.conf"),
    ]
    assert "cluster {" not in whole(INCLUDED)
