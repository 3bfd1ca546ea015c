"""TLS contexts as a server has them, and what it says of a client that it refuses."""

from __future__ import annotations

import ssl

import pytest
from teslafast.config import Settings
from teslafast.server import tls, tls_errors

from tests.support.certificates import Pair, World
from tests.support.handshakes import Ends

SECRET = {"JWT_SECRET": "a secret that only these tests know"}


def settings(world: World, **variables: str) -> Settings:
    return Settings.from_env(SECRET | world.environment | variables)


def for_vehicles(world: World, **variables: str) -> ssl.SSLContext:
    """The context of VEHICLE_PORT."""
    context = tls.contexts(settings(world, VEHICLE_PORT="0", **variables))[1]
    assert context is not None
    return context


def refusal(world: World, pair: Pair | None, server: ssl.SSLContext | None = None) -> tuple[str, str]:
    """(cause, meaning) of what the server says when a client with this pair comes."""
    ends = Ends(world.client(pair), server or for_vehicles(world))
    with pytest.raises(ssl.SSLError) as caught:
        ends.shake()
    return tls_errors.failure(caught.value)
