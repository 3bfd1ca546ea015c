"""
Last known values from node to node, for one that joins and has read only the end of the log.

    question   to the subject of a peer's run: the epoch, what the asker's values say, and how many vehicles it has been told
    answer     a part of the peer's values, in the form of a checkpoint: lines for PART_BYTES at most. Or why there is none.

The asker asks for the next part when it has the one before. If a peer is gone, is silent, or says nonsense, it asks another
one from the beginning; what it has been told so far holds. A peer keeps nothing about who asks: however many there are, it gives
them one part after the other, and most of its time stays with its vehicles and dashboards. Pure.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from typing import NamedTuple

import orjson

from ..core.value_lines import BadLines, number_in, opened, read_vehicle
from ..event_loop import Timer
from .engine import PeerLink
from .shared_values import NOTHING, STATE_LINES, SharedValues, StateHead, state_head

PART_BYTES = 512 * 1024  # a server takes 1 MiB (max_payload)
PART_WORK_S = 0.001  # of the peer's loop for one part
PART_PAUSE_S = 0.004  # between two parts: a fifth of its loop at most
QUESTION_BYTES_AT_MOST = 1024
QUESTIONS_AT_MOST = 16  # that wait: a node asks one at a time
PART_ANSWER_S = 2.0
ASKED_AT_MOST = 2  # times for one part
PEERS_AT_MOST = 16
TOLD_BYTES_AT_MOST = 1 << 30  # 300,000 vehicles of 60 fields
TOLD_AT_MOST_S = 300.0  # then the node joins with what it knows

NOT_JOINED, NO_MORE, ANOTHER_EPOCH, BUSY = "catching_up", "no_more", "another_epoch", "busy"


class PeerAnswers:
    """`serves()`: whether this node has joined, so that what it knows is known to be whole."""

    def __init__(
        self,
        values: SharedValues,
        timer: Timer,
        clock: Callable[[], float],
        serves: Callable[[], bool],
        part_bytes: int = PART_BYTES,
    ) -> None:
        self._values = values
        self._timer = timer
        self._clock = clock
        self._serves = serves
        self._part_bytes = part_bytes
        self._questions: deque[tuple[int, Callable[[bytes], object]]] = deque()
        self._working = False

    def take(self, question: bytes, answer: Callable[[bytes], object]) -> None:
        """What comes may be anything; who says no question gets no answer."""
        if len(question) > QUESTION_BYTES_AT_MOST:
            return
        try:
            asked = orjson.loads(question)
            epoch, since, after = str(asked["epoch"]), number_in(asked, "says_all_since"), number_in(asked, "after")
        except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError, BadLines):
            return
        refusal = self._refusal(epoch, since)
        if refusal:
            answer(orjson.dumps({"refused": refusal}))
            return
        self._questions.append((after, answer))
        if not self._working:
            self._work()

    def _refusal(self, epoch: str, since: int) -> str:
        if not self._serves() or self._values.waiting:
            return NOT_JOINED
        if epoch != self._values.epoch.hex():
            return ANOTHER_EPOCH
        if since <= self._values.says_all_since:
            return NO_MORE
        return BUSY if len(self._questions) >= QUESTIONS_AT_MOST else ""

    def _work(self) -> None:
        self._working = bool(self._questions)
        if self._working:
            after, answer = self._questions.popleft()
            self._timer.call_later(PART_PAUSE_S, self._work)
            until_s = self._clock() + PART_WORK_S
            answer(self._values.part(after, self._part_bytes, lambda: self._clock() >= until_s))


class _Asking(NamedTuple):
    """`after`: how many vehicles this peer has told; `since`: the most that any of its parts named as `says_all_since`."""

    run: bytes
    after: int
    since: int


class PeerQuestions:
    """`refused(reason)`: a peer said nonsense. `idle()`: nobody is left to be asked."""

    def __init__(
        self,
        link: PeerLink,
        values: SharedValues,
        timer: Timer,
        clock: Callable[[], float],
        refused: Callable[[str], object],
        idle: Callable[[], object],
    ) -> None:
        self._link = link
        self._values = values
        self._timer = timer
        self._clock = clock
        self._refused = refused
        self._idle = idle
        self._peers: deque[bytes] = deque()
        self._tried: set[bytes] = set()
        self._asking: _Asking | None = None
        self._step = 0
        self._times = 0  # that the present part has been asked for
        self._told = 0
        self._until_s = 0.0
        self.asked = self.parts = 0  # questions that were put, and answers that were of use

    @property
    def idle(self) -> bool:
        return self._asking is None

    def begin(self) -> None:
        """Whoever is offered from now on has not been asked yet."""
        self.stop()
        self._tried.clear()
        self._told = 0

    def stop(self) -> None:
        self._step += 1
        self._asking = None
        self._peers.clear()

    def offer(self, runs: Iterable[bytes]) -> None:
        """Peers that have not been asked yet, the likeliest first."""
        if self._asking is None:
            self._until_s = self._clock() + TOLD_AT_MOST_S
        for run in runs:
            if run not in self._tried and len(self._peers) < PEERS_AT_MOST:
                self._tried.add(run)
                self._peers.append(run)
        if self._asking is None:
            self._next_peer()

    def _next_peer(self) -> None:
        wanted = self._values.says_all_since > 0 and self._told < TOLD_BYTES_AT_MOST and self._clock() < self._until_s
        if not wanted:
            self._peers.clear()
        if self._peers:
            self._ask(_Asking(self._peers.popleft(), 0, 0), again=False)
            return
        self._asking = None
        self._idle()

    def _ask(self, asking: _Asking, again: bool) -> None:
        self._asking = asking
        self._times = self._times + 1 if again else 1
        self.asked += 1
        self._step += 1
        step = self._step
        question = {"epoch": self._values.epoch.hex(), "says_all_since": self._values.says_all_since, "after": asking.after}
        self._timer.call_later(PART_ANSWER_S, partial(self._silent, step))
        self._link.ask_peer(asking.run, orjson.dumps(question), partial(self._answered, step))

    def _silent(self, step: int) -> None:
        if step == self._step and self._asking is not None:
            if self._times < ASKED_AT_MOST:
                self._ask(self._asking, again=True)
            else:
                self._next_peer()

    def _answered(self, step: int, answer: bytes | None) -> None:
        """None: nobody of that name is there."""
        if step != self._step or self._asking is None:
            return
        self._step += 1
        if answer is None or b'"refused"' in answer[:16]:
            self._next_peer()
            return
        try:
            head = self._taken(self._asking, answer)
        except BadLines as error:
            self._refused(f"what {self._asking.run.hex()} told: {error}")
            self._next_peer()
            return
        since = max(self._asking.since, head.says_all_since)
        if head.more and self._told < TOLD_BYTES_AT_MOST and self._clock() < self._until_s:
            self._ask(_Asking(self._asking.run, head.after, since), again=False)
            return
        if not head.more:
            self._values.says_all_since = min(since, self._values.says_all_since)
        self._next_peer()

    def _taken(self, asking: _Asking, answer: bytes) -> StateHead:
        """Raises BadLines."""
        members, raw = opened(answer, STATE_LINES)
        head = state_head(members)
        if head.epoch != self._values.epoch or head.says_all_since >= self._values.says_all_since:
            raise BadLines("values of another epoch, or no more than are known here")
        if head.more and not asking.after < head.after < NOTHING:
            raise BadLines("a part that does not go on")
        lines = [read_vehicle(line) for line in raw]
        if not all(self._values.reaches(line.seq) for line in lines):
            raise BadLines("values of a time that this node has not read")
        self._told += len(answer)
        self.parts += 1
        self._values.take(lines, head.says_all_since)
        return head
