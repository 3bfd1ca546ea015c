"""What a NATS server's monitoring page says of its disk, and what is said where it is another page."""

from __future__ import annotations

from pathlib import Path

import pytest
from teslafast.config import Settings
from teslafast.doctor.finding import State
from teslafast.doctor.nats_monitor import check_disk
from teslafast.errors import Misconfigured

from tests.support.nats_servers import NatsServers
from tests.support.sites import answering

CLUSTER = {"NODE_ENV": "development", "CLUSTER_URL": "nats://n1"}


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ("http://n1:8222", ("http://n1:8222/varz",)),
        ("http://n1:8222/", ("http://n1:8222/varz",)),
        ("http://n1:8222/varz,https://n2/nats/varz", ("http://n1:8222/varz", "https://n2/nats/varz")),
        ("http://[fdaa::3]:8222", ("http://[fdaa::3]:8222/varz",)),
    ],
)
def test_the_address_of_a_server_or_of_its_page_is_taken(given: str, asked: tuple[str, ...]) -> None:
    assert Settings.from_env(CLUSTER | {"CLUSTER_MONITOR_URL": given}).cluster_monitor_url == asked


@pytest.mark.parametrize("given", ["n1:8222", "nats://n1:4222", "http://", "http://n1:8222/varz?x=1", "http://n1:0", ","])
def test_what_is_no_such_address_is_refused(given: str) -> None:
    with pytest.raises(Misconfigured, match="CLUSTER_MONITOR_URL"):
        Settings.from_env(CLUSTER | {"CLUSTER_MONITOR_URL": given})


def test_a_password_is_refused_and_not_repeated() -> None:
    with pytest.raises(Misconfigured) as raised:
        Settings.from_env(CLUSTER | {"CLUSTER_MONITOR_URL": "http://me:hush@n1:8222"})
    assert "hush" not in str(raised.value)


def test_it_belongs_to_a_cluster() -> None:
    with pytest.raises(Misconfigured, match="CLUSTER_URL is not"):
        Settings.from_env({"NODE_ENV": "development", "CLUSTER_MONITOR_URL": "http://n1:8222"})


def test_a_disk_that_is_not_asked_about_is_unknown() -> None:
    (found,) = check_disk(())
    assert (found.state, "unknown" in found.says, "CLUSTER_MONITOR_URL" in found.says) == (State.SKIPPED, True, True)


def test_a_server_that_writes_later_is_told(tmp_path: Path) -> None:
    with NatsServers(tmp_path) as nats:
        (found,) = check_disk((f"http://127.0.0.1:{nats.monitors[0]}/varz",))
    assert (found.state, "sync_interval: 120s" in found.says) == (State.NOTE, True)


@pytest.mark.parametrize("body", [b"{}", b"[]", b"not JSON", b'{"jetstream": 1}'])
def test_another_page_than_varz_is_told(body: bytes) -> None:
    with answering(None, b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body) as port:
        (found,) = check_disk((f"http://127.0.0.1:{port}/varz",))
    assert (found.state, "is not a NATS server's /varz" in found.says) == (State.WRONG, True)
