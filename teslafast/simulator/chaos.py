"""
What may go wrong between a vehicle and the server: a seeded disturbance of what the vehicle meant to send.

`disturb` takes the messages of one moment and gives the steps to take instead. Each kind of trouble is a small function from
steps to steps, so they compose in any combination; the order of `CHAOS_KINDS` is the order in which they are applied. With none
chosen every message becomes one `Send`. Pure: chance comes from the seed.
"""

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ..errors import Misconfigured
from ..protocol._wire import write_envelope
from .ack_tracker import OutgoingMessage


@dataclass(frozen=True, slots=True)
class Send:
    message: OutgoingMessage


@dataclass(frozen=True, slots=True)
class Copy:
    """The same bytes once more."""

    message: OutgoingMessage


@dataclass(frozen=True, slots=True)
class SendMalformed:
    """Bytes that ought to be rejected; `txid` is what the error reply must echo."""

    frame: bytes
    txid: bytes


@dataclass(frozen=True, slots=True)
class Resend:
    """Send again, as `isResend`, what the server has not acknowledged, or else what was sent last."""


@dataclass(frozen=True, slots=True)
class Overlap:
    """Open another connection; the present one is closed only later."""


@dataclass(frozen=True, slots=True)
class Drop:
    """The connection ends without a CLOSE."""


Step = Send | Copy | SendMalformed | Resend | Overlap | Drop


class Chaos:
    """What goes wrong for one vehicle. `skew_s`: how far its clock is off."""

    def __init__(self, kinds: Iterable[str], seed: int) -> None:
        chosen = frozenset(kinds)
        self._rng = random.Random(seed)
        self._held: OutgoingMessage | None = None
        self._troubles = [trouble for kind, trouble in CHAOS_KINDS.items() if kind in chosen and trouble is not None]
        # Real clocks are minutes ahead right after a wake-up, and less often behind.
        self.skew_s = self._rng.uniform(-60, 300) if "skew" in chosen else 0.0

    def disturb(self, messages: Iterable[OutgoingMessage]) -> list[Step]:
        steps: list[Step] = [Send(message) for message in messages]
        for trouble in self._troubles:
            steps = trouble(self, steps)
        return steps

    def release(self) -> list[Step]:
        """The message that is still held back, at the end of a run."""
        held, self._held = self._held, None
        return [Send(held)] if held else []

    def _happens(self, probability: float) -> bool:
        return self._rng.random() < probability

    def _reorder(self, steps: list[Step]) -> list[Step]:
        """Holds a message back until the next ones have been sent."""
        steps = [*steps, *self.release()] if steps else steps
        if steps and isinstance(steps[0], Send) and self._happens(0.2):
            self._held = steps[0].message
            return steps[1:]
        return steps

    def _duplicate(self, steps: list[Step]) -> list[Step]:
        copies = [Copy(step.message) for step in steps if isinstance(step, Send) and self._happens(0.15)]
        return [*steps, *copies]

    def _resend(self, steps: list[Step]) -> list[Step]:
        return [*steps, Resend()] if self._happens(0.05) else steps

    def _malform(self, steps: list[Step]) -> list[Step]:
        if not self._happens(0.1):
            return steps
        valid = next((step.message.frame for step in steps if isinstance(step, Send)), b"")
        place = self._rng.randrange(len(steps) + 1)
        return [*steps[:place], self._rng.choice(_MALFORMED)(self._rng, valid), *steps[place:]]

    def _overlap(self, steps: list[Step]) -> list[Step]:
        return [Overlap(), *steps] if self._happens(0.03) else steps

    def _drop(self, steps: list[Step]) -> list[Step]:
        return [*steps, Drop()] if self._happens(0.03) else steps


CHAOS_KINDS: dict[str, Callable[[Chaos, list[Step]], list[Step]] | None] = {
    "reordering": Chaos._reorder,
    "duplicates": Chaos._duplicate,
    "resend": Chaos._resend,
    "malformed": Chaos._malform,
    "overlap": Chaos._overlap,
    "drops": Chaos._drop,
    "skew": None,  # of the clock, for the whole drive
}


def parse_chaos(words: str) -> frozenset[str]:
    """The kinds in a comma-separated list; `all` means all of them. Raises Misconfigured for any other word."""
    kinds = {word.strip() for word in words.split(",") if word.strip()}
    if kinds == {"all"}:
        return frozenset(CHAOS_KINDS)
    if unknown := sorted(kinds - CHAOS_KINDS.keys()):
        raise Misconfigured(
            "--chaos", f"{unknown[0]!r} is not known", f"give a comma-separated list of {', '.join(CHAOS_KINDS)}, or all"
        )
    return frozenset(kinds)


# Malformed frames: the server must answer each with the error reply.


def _noise(rng: random.Random, _valid: bytes) -> SendMalformed:
    """Bytes whose first four point far beyond the end."""
    return SendMalformed(b"\xff\xff\xff\x7f" + rng.randbytes(rng.randrange(200)), b"")


def _cut(rng: random.Random, valid: bytes) -> SendMalformed:
    """The beginning of a valid frame, too short to hold its txid."""
    return SendMalformed(valid[: rng.randrange(4, 40)] or b"\x01\x02", b"")


def _broken_payload(rng: random.Random, _valid: bytes) -> SendMalformed:
    """A valid envelope around protobuf that announces more bytes than there are."""
    txid = _txid(rng)
    return SendMalformed(write_envelope(b"V", txid, b"\x0a\xff\x01" + rng.randbytes(8)), txid)


def _foreign(rng: random.Random, _valid: bytes) -> SendMalformed:
    """An unknown topic, from a sender that the certificate does not name."""
    txid = _txid(rng)
    return SendMalformed(write_envelope(b"no_such_topic", txid, b"", sender_id=b"vehicle_device.SOMEBODYELSE"), txid)


def _txid(rng: random.Random) -> bytes:
    return b"%s-%09d" % (rng.randbytes(11).hex().encode(), rng.randrange(10**9))


_MALFORMED = (_noise, _cut, _broken_payload, _foreign)
