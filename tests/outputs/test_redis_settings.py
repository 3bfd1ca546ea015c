"""Redis's settings: what is taken, and what stops the start in one line that shows no password."""

from __future__ import annotations

import builtins
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from teslafast.config import Settings
from teslafast.errors import Misconfigured
from teslafast.outputs import Context
from teslafast.outputs.redis_settings import RedisServers
from teslafast.outputs.settings import planned

SERVER = Settings.from_env({"NODE_ENV": "development"})


def servers(url: str, **more: str) -> RedisServers:
    [plan] = planned({"REDIS_URL": url, **more}, SERVER)
    assert "s3cret" not in repr(plan.settings)
    found: RedisServers = plan.settings.servers
    return found


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://localhost", RedisServers((("localhost", 6379),))),
        ("redis://[::1]:7000/3", RedisServers((("::1", 7000),), db=3)),
        ("rediss://me:s3cret%40%2C@a:1", RedisServers((("a", 1),), True, "me", "s3cret@,")),
        ("redis://:s3cret@a", RedisServers((("a", 6379),), password="s3cret")),
        ("redis://a:1,redis://b:2", RedisServers((("a", 1), ("b", 2)))),
        ("redis://me:s3cret@a:1,b:2", RedisServers((("a", 1), ("b", 2)), False, "me", "s3cret")),
        ("redis://a:1,redis://a:1", RedisServers((("a", 1), ("a", 1)))),
    ],
)
def test_an_address_is_a_server_and_several_are_a_cluster(url: str, expected: RedisServers) -> None:
    assert servers(url) == expected
    assert expected.is_cluster == ("," in url)


@pytest.mark.parametrize(
    "url",
    [
        "http://s3cret@a",
        "redis://s3cret@",
        "redis://a:0",
        "redis://a/x",
        "redis://a/-1",
        "redis://a#s3cret",
        "redis://a?ssl_ca_certs=/x",
        "rediss://a?password=s3cret",
        "rediss://a?ssl_cert_reqs=none",
        "redis://me:s3cret@a,redis://you:s3cret@b",
        "redis://a,rediss://b",
        ",",
    ],
)
def test_another_address_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(Misconfigured, match="REDIS_URL: its value is not usable") as caught:
        servers(url)
    assert "s3cret" not in str(caught.value)


def test_tls_is_verified_with_files_that_are_there(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    with pytest.raises(Misconfigured, match=f"REDIS_URL: ssl_ca_certs={path} is not a file that can be read"):
        servers(f"rediss://a?ssl_ca_certs={path}")
    path.write_text("")
    options = servers(f"rediss://a?ssl_ca_certs={path}").options()
    assert (options["ssl_ca_certs"], options["ssl_cert_reqs"], options["ssl_check_hostname"]) == (str(path), "required", True)


def test_what_would_publish_nothing_stops_the_start() -> None:
    with pytest.raises(Misconfigured, match="REDIS_PUBLISH_VIN_TOPICS: is false, and REDIS_SUBSCRIBER_SET_PREFIX is not set"):
        servers("redis://a", REDIS_PUBLISH_VIN_TOPICS="false")
    servers("redis://a", REDIS_PUBLISH_VIN_TOPICS="false", REDIS_SUBSCRIBER_SET_PREFIX="leases")
    with pytest.raises(Misconfigured, match=r"REDIS_SUBSCRIBER_SET_PREFIX: 'a\{b' is not usable — give text without braces"):
        servers("redis://a", REDIS_SUBSCRIBER_SET_PREFIX="a{b")


def test_a_cluster_has_no_databases() -> None:
    with pytest.raises(Misconfigured, match="REDIS_URL: names a database, which a cluster does not have"):
        servers("redis://a/1,redis://b/1")


def test_a_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = builtins.__import__

    def without(name: str, table: Mapping[str, Any] | None = None, *more: Any) -> Any:
        if name.partition(".")[0] == "redis":
            raise ModuleNotFoundError(f"No module named {name!r}", name="redis")
        return usual(name, table, *more)

    [plan] = planned({"REDIS_URL": "redis://a"}, SERVER)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(
        Misconfigured, match=r'needs the package redis, which is not installed — pip install "teslafast\[redis\]"'
    ):
        plan.make(Context("epoch", Counter()))
