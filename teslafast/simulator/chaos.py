"""
What may go wrong on the road: a seeded disturbance of what a vehicle meant to send.

`disturb` takes the messages of one moment and gives the steps to take instead. Each kind of trouble is a small function from
steps to steps, so they compose in any combination; the order of `KINDS` is the order in which they are applied. With none
chosen every message becomes one `Send`. Pure: chance comes from the seed.
"""

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ..errors import Misconfigured
from ..protocol._wire import write_envelope
from .ack_tracker import Message


@dataclass(frozen=True, slots=True)
class Send:
    message: Message


@dataclass(frozen=True, slots=True)
class Copy:
    """The same bytes once more."""

    message: Message


@dataclass(frozen=True, slots=True)
class SendMalformed:
    """Bytes that ought to be rejected; `txid` is what the error reply must echo."""

    frame: bytes
    txid: bytes


@dataclass(frozen=True, slots=True)
class Resend:
    """Tell again, as `isResend`, what is not confirmed yet, or else what was told last."""


@dataclass(frozen=True, slots=True)
class Overlap:
    """Open another connection; the present one is closed only later."""


@dataclass(frozen=True, slots=True)
class Drop:
    """The connection is gone, without a CLOSE."""


Step = Send | Copy | SendMalformed | Resend | Overlap | Drop


class Chaos:
    """The troubles of one vehicle. `skew_s`: how far its clock is off."""

    def __init__(self, kinds: Iterable[str], seed: int) -> None:
        chosen = frozenset(kinds)
        self._lot = random.Random(seed)
        self._held: Message | None = None
        self._troubles = [trouble for kind, trouble in KINDS.items() if kind in chosen and trouble is not None]
        # Minutes ahead happen right after a wake-up; behind happens less.
        self.skew_s = self._lot.uniform(-60, 300) if "skew" in chosen else 0.0

    def disturb(self, messages: Iterable[Message]) -> list[Step]:
        steps: list[Step] = [Send(message) for message in messages]
        for trouble in self._troubles:
            steps = trouble(self, steps)
        return steps

    def release(self) -> list[Step]:
        """What is still held back, at the end."""
        held, self._held = self._held, None
        return [Send(held)] if held else []

    def _happens(self, probability: float) -> bool:
        return self._lot.random() < probability

    def _reorder(self, steps: list[Step]) -> list[Step]:
        """Holds a message back until the next ones have gone."""
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
        place = self._lot.randrange(len(steps) + 1)
        return [*steps[:place], self._lot.choice(_MALFORMED)(self._lot, valid), *steps[place:]]

    def _overlap(self, steps: list[Step]) -> list[Step]:
        return [Overlap(), *steps] if self._happens(0.03) else steps

    def _drop(self, steps: list[Step]) -> list[Step]:
        return [*steps, Drop()] if self._happens(0.03) else steps


KINDS: dict[str, Callable[[Chaos, list[Step]], list[Step]] | None] = {
    "reordering": Chaos._reorder,
    "duplicates": Chaos._duplicate,
    "resend": Chaos._resend,
    "malformed": Chaos._malform,
    "overlap": Chaos._overlap,
    "drops": Chaos._drop,
    "skew": None,  # of the clock, for the whole drive
}


def chosen(words: str) -> frozenset[str]:
    """The kinds in a comma list; `all` means all of them. Raises Misconfigured for a word that is none."""
    kinds = {word.strip() for word in words.split(",") if word.strip()}
    if kinds == {"all"}:
        return frozenset(KINDS)
    if unknown := sorted(kinds - KINDS.keys()):
        raise Misconfigured("--chaos", f"{unknown[0]!r} is not known", f"give a comma list of {', '.join(KINDS)}, or all")
    return frozenset(kinds)


# ---- frames that are none; each must be answered by the error reply


def _noise(lot: random.Random, _valid: bytes) -> SendMalformed:
    """Bytes whose first four point far beyond the end."""
    return SendMalformed(b"\xff\xff\xff\x7f" + lot.randbytes(lot.randrange(200)), b"")


def _cut(lot: random.Random, valid: bytes) -> SendMalformed:
    """A frame of which only a beginning arrived, too short to hold its txid."""
    return SendMalformed(valid[: lot.randrange(4, 40)] or b"\x01\x02", b"")


def _broken_payload(lot: random.Random, _valid: bytes) -> SendMalformed:
    """A good envelope around protobuf that promises more bytes than there are."""
    txid = _txid(lot)
    return SendMalformed(write_envelope(b"V", txid, b"\x0a\xff\x01" + lot.randbytes(8)), txid)


def _foreign(lot: random.Random, _valid: bytes) -> SendMalformed:
    """A topic that nobody knows, from a sender that the certificate does not name."""
    txid = _txid(lot)
    return SendMalformed(write_envelope(b"no_such_topic", txid, b"", sender_id=b"vehicle_device.SOMEBODYELSE"), txid)


def _txid(lot: random.Random) -> bytes:
    return b"%s-%09d" % (lot.randbytes(11).hex().encode(), lot.randrange(10**9))


_MALFORMED = (_noise, _cut, _broken_payload, _foreign)
