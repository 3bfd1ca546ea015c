"""Whether an output gets through: connecting, up or failing; one log line a change."""

from __future__ import annotations

from ..backoff import LIMIT_S
from ..errors import Undelivered, Unreachable
from ..logs import fields, log
from .runner_options import ATTEMPT_S, CONNECTING, FAILING, UP


class OutputState:
    """`attempts`: in a row, without anything sent."""

    def __init__(self, output: str) -> None:
        self._output = output
        self._connected_s: float | None = None  # since when there is a connection
        self.now = CONNECTING
        self.attempts = 0

    def connected(self, now_s: float) -> None:
        self._connected_s = now_s

    def delivers(self, behind: int) -> None:
        if self.now != UP:
            self.now = UP
            log.info("output_up", extra=fields(output=self._output, behind=behind))

    def failed(self, error: Exception, now_s: float) -> None:
        if self._connected_s is not None and now_s - self._connected_s > LIMIT_S:
            self.attempts = 0  # the connection stood for long, even if nothing was sent: this is a new trouble
        self._connected_s = None
        state = CONNECTING if isinstance(error, Unreachable | ConnectionError) else FAILING
        if state == self.now and self.attempts:
            return
        self.now = state
        reason = str(error) or (f"no answer within {ATTEMPT_S:g} s" if isinstance(error, TimeoutError) else type(error).__name__)
        expected = isinstance(error, OSError | Undelivered | TimeoutError)
        log.warning(f"output_{state}", extra=fields(output=self._output, reason=reason), exc_info=None if expected else error)

    def stopped(self, reason: str) -> None:
        self.now = FAILING
        remedy = "take the output out of the settings, or restart the server to try it again"
        log.error("output_stopped", extra=fields(output=self._output, reason=reason, remedy=remedy))
