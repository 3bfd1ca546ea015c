"""A view whose memory cannot be had costs its reader a 503, and nobody else anything."""

from __future__ import annotations

import pytest
from teslafast.server.server import Server
from websockets.exceptions import InvalidStatus

from tests.support.servers import Inside


def test_a_view_without_memory_is_answered_503_before_the_101(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing_left(*_: object) -> None:
        raise OSError(12, "Cannot allocate memory")

    with Inside() as server, server.place.dashboard() as flat:
        server.ask(lambda inside: monkeypatch.setattr(inside.hub.views, "_make_log", nothing_left))
        for query in ("?interval=1000", "?format=fleet"):
            with pytest.raises(InvalidStatus) as refused:
                server.place.dashboard(query)
            assert refused.value.response.status_code == 503
        assert server.counts("refused_requests") == {"no_memory": 2}
        server.lines.wait_for("request_refused", 2, cause="no_memory", status=503)
        with server.place.vehicle("A") as vehicle:
            vehicle.tell({"Soc": {"floatValue": 50.0}})
        assert flat.until("data")["vin"] == "A"


def test_a_dashboard_that_fails_on_its_way_in_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("no reader")

    def left_behind(inside: Server) -> tuple[int, bool]:
        return len(inside.hub.connections), inside.hub.views.active

    with Inside() as server:
        with monkeypatch.context() as broken:
            broken.setattr("teslafast.dashboards.websocket.Reader", fail)
            with server.place.dashboard("?interval=1000") as dashboard:
                assert dashboard.close_code() == 1011
        server.lines.wait_for("connection_failed", what="RuntimeError")
        server.lines.wait_for("dashboard_disconnected", cause="fault")
        server.lines.text = ""  # a traceback was what we wanted
        assert server.ask(left_behind) == (0, False)
