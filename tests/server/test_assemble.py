"""A hub that cannot be put together is said in one line."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import closing

import pytest
from teslafast.config import Settings
from teslafast.errors import Misconfigured
from teslafast.server import assemble


@pytest.mark.parametrize("error", [OSError(12, "Cannot allocate memory"), OverflowError("too large"), ValueError("mmap")])
def test_a_ring_that_the_machine_has_no_memory_for_names_the_setting(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing_left(*_: object, schedule: Callable[..., object]) -> None:
        raise error

    monkeypatch.setattr(assemble, "memory_log", nothing_left)
    settings = Settings.from_env({"NODE_ENV": "development", "RING_BYTES": str(1 << 40)})
    loop = asyncio.new_event_loop()
    with closing(loop), pytest.raises(Misconfigured) as caught:
        assemble.assembled(settings, loop)
    assert caught.value.subject == "RING_BYTES"
    assert f"this machine cannot give {1 << 40} bytes" in caught.value.fault
    assert "\n" not in str(caught.value)
