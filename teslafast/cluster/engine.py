"""
What a node needs of the engine that keeps the log: a numbered stream with compare-and-set, read in order.

Nothing here waits. Each request is answered by a call of `answer`, later, at most once; or never, if it is lost: whoever asks
sets a time. Messages come one by one, in the stream's order as long as nothing goes wrong; `Node` notices when something does.

`nats_engine.NatsEngine` is the real one; the tests' `FakeEngine` has faults on purpose.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol


class StreamMessage(NamedTuple):
    """`number`: its place in the stream, without a hole; `time_ms`: when it was stored, since 1970, by the engine's clock."""

    number: int
    subject: str
    time_ms: int
    payload: bytes


class StreamInfo(NamedTuple):
    """
    created   tells this stream from another of the same name
    first     number of the oldest message that is kept; one more than `last` if there is none
    now_ms    when that was so, since 1970, by the engine's clock; 0: it does not say
    """

    created: str
    first: int
    last: int
    bytes: int = 0
    now_ms: int = 0


# How a request can end


class Stored(NamedTuple):
    """Published, as this message."""

    number: int


class WrongLast(NamedTuple):
    """Not published: the last message (of the subject, or of the stream) is `last`, not the one that was expected."""

    last: int


class Later(NamedTuple):
    """Not done, and not wrong: try again after so long. `reason`: what the engine said, "" if it said nothing."""

    after_s: float
    reason: str = ""


class NoStream(NamedTuple):
    """There is no such stream."""


class Failed(NamedTuple):
    """Not done, for a reason that somebody has to mend. `code`: the engine's, 0 if it has none."""

    reason: str
    code: int = 0


Take = Callable[[StreamMessage], object]
TakeSeveral = Callable[[list[StreamMessage], int], int]

Published = Stored | WrongLast | Later | NoStream | Failed
Looked = StreamInfo | Later | NoStream | Failed
Got = StreamMessage | None | Later | Failed  # None: there is no such message


class Engine(Protocol):
    @property
    def connected(self) -> bool: ...

    def publish(
        self, subject: str, payload: bytes, expected: int, answer: Callable[[Published], object], *, of_stream: bool = False
    ) -> None:
        """
        Only if the subject's last message (`of_stream`: the stream's) is `expected`; 0: there is none.

        `subject`: one word, within the stream.
        """

    def look(self, answer: Callable[[Looked], object]) -> None: ...

    def get(self, number: int, answer: Callable[[Got], object]) -> None: ...

    def get_last(self, subject: str, answer: Callable[[Got], object]) -> None:
        """The newest message of a subject, as some server has it: there may be a newer one already."""

    def make_stream(self, answer: Callable[[Looked], object]) -> None: ...

    def read(self, start: int, take: Take, take_several: TakeSeveral) -> None:
        """
        From this message on, in the place of what was read before.

        Of what has come together `take_several(messages, place)` is offered everything from `place` on; it returns the place of
        the first message that `take` has to be given.
        """

    def heard_s(self) -> float:
        """When a message or a sign of life of the reading last came (monotonic)."""


class PeerLink(Protocol):
    """From node to node, past the log: what is asked may be lost, and so may the answer."""

    def ask_peer(self, run: bytes, question: bytes, answer: Callable[[bytes | None], object]) -> None:
        """None: there is nobody of that name."""

    def answer_peers(self, run: bytes, take: Callable[[bytes, Callable[[bytes], object]], object]) -> None:
        """From now on under this name, in the place of the one before: `take(question, answer)`."""


class NodeEngine(Engine, PeerLink, Protocol):
    """What a whole node needs."""
