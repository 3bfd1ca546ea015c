"""
The result of a run of simulated vehicles: the figures, whether all went well, and both in words.

Latencies run from the moment of sending to the first answer, in milliseconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from .ack_tracker import Tally


@dataclass(frozen=True)
class Summary:
    """
    Every message was `acked`, `refused` by an error reply, or is `unacknowledged`. `malformed` messages were sent on purpose
    (chaos), and `rejected` counts the error replies to them. `strays`: answers that belong to no message. `failures`: failed
    connection attempts, by cause.
    """

    vehicles: int
    connected: int
    connections: int
    seconds: float
    sent: int
    acked: int
    refused: int
    unacknowledged: int
    malformed: int
    rejected: int
    strays: int
    copies: int
    resent: int
    p50_ms: float
    p99_ms: float
    max_ms: float
    failures: Mapping[str, int]

    @classmethod
    def of(cls, tally: Tally, *, vehicles: int, connected: int, seconds: float, failures: Mapping[str, int]) -> "Summary":
        return cls(
            vehicles=vehicles,
            connected=connected,
            connections=tally.connections,
            seconds=seconds,
            sent=tally.sent,
            acked=tally.acked,
            refused=tally.refused,
            unacknowledged=tally.unacknowledged,
            malformed=tally.malformed,
            rejected=tally.rejected,
            strays=tally.strays,
            copies=tally.copies,
            resent=tally.resent,
            p50_ms=tally.latencies.quantile_s(0.5) * 1000,
            p99_ms=tally.latencies.quantile_s(0.99) * 1000,
            max_ms=tally.latencies.max_s * 1000,
            failures=dict(failures),
        )

    @property
    def errors(self) -> int:
        """Answers that were wrong or missing."""
        return self.refused + self.strays + abs(self.malformed - self.rejected)

    @property
    def ok(self) -> bool:
        """The server answered every message as it should, and every vehicle connected at least once."""
        return not self.unacknowledged and not self.errors and self.connected == self.vehicles

    def lines(self) -> list[str]:
        """The summary for a terminal; counts of zero are left out."""
        rare = {
            "refused": self.refused,
            "unacknowledged": self.unacknowledged,
            "unexpected answers": self.strays,
            "sent again": self.resent,
            "copies": self.copies,
        }
        lines = [
            f"vehicles  {self.connected} of {self.vehicles} connected, {self.connections} connections, {self.seconds:.1f} s",
            f"messages  {self.sent} sent, {self.acked} acknowledged" + "".join(f", {n} {what}" for what, n in rare.items() if n),
            f"latency   p50 {self.p50_ms:.2f} ms, p99 {self.p99_ms:.2f} ms, max {self.max_ms:.2f} ms",
        ]
        if self.malformed:
            lines.insert(2, f"malformed {self.malformed} sent, {self.rejected} answered with the error reply")
        return [*lines, *(f"failed    {count} x {cause}" for cause, count in self.failures.items())]
