"""The rows of the route table that serve TeslaMate: its stream, and with TESLAMATE_API what it asks by REST."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from ..core.hub import Hub
from ..core.load import ServerLoad
from ..dashboards.elevation import height_model
from ..dashboards.teslamate import TeslaMateConnection, TeslaMateDoor, teslamate_rules, tokens_of_path
from ..dashboards.teslamate_feed import RowFeed
from ..dashboards.tokens import Verifier
from ..event_loop import Timer
from .owner_pages import owner_routes
from .routes import FOR_DASHBOARDS, Route, Variable


def teslamate_routes(hub: Hub, timer: Timer, verifier: Verifier, load: Callable[[], ServerLoad]) -> tuple[Route, ...]:
    """Raises Misconfigured if ELEVATION_PATH holds no heights."""
    settings = hub.settings
    height = None if settings.elevation_path is None else height_model(settings.elevation_path)
    door = TeslaMateDoor(
        partial(TeslaMateConnection, hub, teslamate_rules(hub, timer), verifier, RowFeed(hub, timer, height), load)
    )
    paths: tuple[str | Variable, ...] = (
        "/streaming/",
        "/streaming",
        Variable("/", "/streaming/"),
        Variable("/", "/streaming"),
    )
    stream = tuple(Route(path, FOR_DASHBOARDS, strangers=door, token=tokens_of_path) for path in paths)
    rest = owner_routes(hub) if settings.teslamate_api else ()
    return (stream if TeslaMateDoor.name in settings.doors else ()) + rest
