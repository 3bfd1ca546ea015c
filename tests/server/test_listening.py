"""The URL of a listening port, as the log says it."""

from __future__ import annotations

import pytest
from teslafast.config import Settings
from teslafast.server.listening import url_of
from teslafast.server.routes import Listener


@pytest.mark.parametrize(
    ("host", "listener", "encrypted", "url"),
    [
        ("", "all", True, "https://localhost:3000/"),
        ("0.0.0.0", "dashboards", False, "http://localhost:3000/"),
        ("::1", "all", False, "http://[::1]:3000/"),
        ("10.0.0.7", "vehicles", True, "wss://10.0.0.7:3000/"),
        ("::", "vehicles", False, "ws://localhost:3000/"),
    ],
)
def test_the_listening_line_has_a_url_that_this_machine_can_open(
    host: str, listener: Listener, encrypted: bool, url: str
) -> None:
    settings = Settings(host=host, jwt_secret=b"x" * 32)
    assert url_of(settings, 3000, listener, encrypted) == url


def test_the_url_of_dashboards_has_the_base_path_and_that_of_vehicles_has_not() -> None:
    settings = Settings(host="::1", jwt_secret=b"x" * 32, base_path="/tesla")
    assert url_of(settings, 3000, "dashboards", True) == "https://[::1]:3000/tesla/"
    assert url_of(settings, 3001, "vehicles", True) == "wss://[::1]:3001/"
