"""What picows logs: a peer's errors are left out, our own are shown."""

from __future__ import annotations

import pytest
from teslafast.logs import log
from teslafast.websocket.upgrade import PicowsLog


def test_picows_errors_about_a_peer_are_left_out_and_its_exceptions_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    adapter = PicowsLog(log, {})
    adapter.error("the peer sent a bad frame")
    try:
        raise RuntimeError("not expected")
    except RuntimeError:
        adapter.exception("the listener failed")
    (record,) = caplog.records
    assert (record.getMessage(), record.levelname, record.exc_info is not None) == ("connection_failed", "ERROR", True)
    assert record.fields["what"] == "the listener failed"  # type: ignore[attr-defined]  # our own
