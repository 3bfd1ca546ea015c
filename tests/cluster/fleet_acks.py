"""When a simulated process acknowledges: once the log has it, or, in some simulations, as RELIABLE_ACKS wants it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from teslafast.cluster.stored_replies import StoredReplies
from teslafast.core.shared_reliable_acks import SharedReliableAcks

from tests.cluster.fleet_outputs import RELIABLE
from tests.cluster.simulated_log import Ring

if TYPE_CHECKING:
    from tests.cluster.fleet import Process, Vehicle


class SimAcks:
    """`reliable`: None if acks wait for the log alone."""

    def __init__(self, process: Process, reliable: bool) -> None:
        self._process = process
        self.replies = StoredReplies(lambda: process.node.writer)
        self.reliable: SharedReliableAcks | None = None
        if reliable:
            self.reliable = SharedReliableAcks(Ring(process), RELIABLE, self.replies)
            self.replies.until_shown = True
            self.replies.begin_anew = self.reliable.begin_anew

    def hold(self, vehicle: Vehicle, submission: int, record: int) -> None:
        """What the vehicle has just submitted is acknowledged in its time, or the vehicle is disconnected."""
        process, connection = self._process, vehicle.connection

        def write(reply: bytes) -> None:
            if vehicle.at is process and vehicle.connection == connection:
                process.judge.acked.add(submission)
                self._judge(vehicle.vin, submission)
                vehicle.acknowledge(process, record)

        def give_up() -> None:
            if vehicle.at is process and vehicle.connection == connection:
                process.disconnect(vehicle)

        (self.reliable or self.replies).hold(b"", write, give_up)

    def _judge(self, vin: str, submission: int) -> None:
        """What is acknowledged has arrived where it was to arrive."""
        if self.reliable is None:
            return
        process, payload = self._process, b"%d" % submission
        seqs = [process.base + place + 1 for place, one in enumerate(process.ring) if (one.vin, one.payload) == (vin, payload)]
        for output in RELIABLE:
            if not any((process.epoch, seq) in process.outputs.sinks[output].arrived for seq in seqs):
                process.judge.fault(f"{submission} of {vin} is acknowledged by {process.number}, and {output} has not got it")
