"""
Between one server's hub and its node: what vehicles send goes into the shared log, and what is read there into the hub.

    Hub.submit ──▶ Node ──▶ the stream ──▶ `apply` ──▶ Hub.apply       under the log's seqs, at the log's times
    Turn.release ──▶ `replies` ──▶ written when the log has all that was submitted before

It is the hub's Backplane and the node's Application. Pure: no I/O.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

from ..close_reasons import DASHBOARD_LOG_AWAY, LOG_RENEWED, VEHICLE_LOG_AWAY, CloseReason
from ..core.connections import Connection
from ..core.hub import Hub, MakeFleet
from ..core.records import OwnBytes, Record
from ..errors import Malformed
from ..event_loop import Timer
from ..logs import fields, log
from ._apply import apply_plain
from .application import Applied
from .batch import EVENT_BYTES, HEAD_BYTES, LONGEST_VIN, Entry
from .entries import AppliedRecord, FleetOfFlat, entry_of, own_of, shown
from .nats_refusals import AWAY_REMEDY
from .node import DISCONNECTED, Node
from .past import PastShapes
from .shared_values import SharedValues
from .stored_replies import StoredReplies

CLOSED_AT_ONCE = 100  # connections: some 5 ms
CLOSE_PAUSE_S = 0.05
TROUBLE_AGAIN_S = 30.0  # the same trouble is logged again after so long
_NS_OF_MS = 1_000_000


class OtherRuns:
    """Who is connected elsewhere, for the registry."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def holds(self, vin: str) -> bool:
        return any(run != self._node.writer.run for run in self._node.runs.holders(vin))

    def network_interface(self, vin: str) -> str:
        return str(self._node.runs.connection_of(vin).get("networkInterface", ""))

    def vins(self) -> Iterator[str]:
        return self._node.runs.vins()


class MakeNode(Protocol):
    def __call__(self, application: ClusterBackplane, /) -> Node: ...


class ClusterBackplane:
    """
    make_node      given this, as its application
    clock          monotonic seconds
    fleet_of_flat  see entries.shown
    `most_bytes`, of one record, may be set once the servers have said what they take.
    """

    def __init__(
        self, hub: Hub, make_node: MakeNode, timer: Timer, clock: Callable[[], float], fleet_of_flat: FleetOfFlat
    ) -> None:
        self._hub = hub
        self._timer = timer
        self._clock = clock
        self._fleet_of_flat = fleet_of_flat
        self._here: dict[str, Entry] = {}  # how each vehicle of ours is connected
        self.replies = StoredReplies(lambda: self.node.writer)
        self._begun = False
        self._began_s = clock()
        self._said: dict[str, float] = {}
        self.most_bytes = 1 << 20
        self.keeps_own = False  # records' own bytes go into the ring, for outputs
        self.not_shown = 0
        self.on_joined: Callable[[], object] = lambda: None
        self.values = SharedValues(hub.last_values, hub.log, hub.settings.cluster_stream, lambda: self.node.follower.number)
        self.node = make_node(self)
        hub.registry.others = OtherRuns(self.node)
        self.past = PastShapes(fleet_of_flat)
        hub.past, hub.fleet_past = self.node.replay(self.past.flat), self.node.replay(self.past.fleet)

    # ---- hub.Backplane

    def submit(
        self, vin: str, record: Record, fleet: MakeFleet, txid: bytes | None, now_ns: int, own: OwnBytes | None = None
    ) -> None:
        """Raises Malformed."""
        entry = entry_of(vin, record, txid, now_ns, own)
        if txid is None:
            self._tell(entry, record)
            return
        if HEAD_BYTES + EVENT_BYTES + LONGEST_VIN + len(entry.txid) + len(entry.payload) > self.most_bytes:
            raise Malformed(f"larger than the {self.most_bytes} bytes that the cluster's log takes")
        self.node.submit(entry, (record, fleet, txid))

    def _tell(self, entry: Entry, record: Record) -> None:
        if record.body.get("status") == DISCONNECTED:
            self._here.pop(entry.vin, None)
        else:
            self._here[entry.vin] = entry
        self.node.tell(entry)

    # ---- node.Application

    def stored(self, upto: int) -> None:
        self.replies.stored(upto)

    def shown(self, upto: int) -> None:
        self.replies.shown(upto)

    def begin(self, epoch: bytes, seq: int) -> None:
        if self._begun:
            log.warning("cluster_epoch", extra=fields(epoch=epoch.hex(), seq=seq, meaning="the cluster's log begins anew"))
            self._close(self._hub.connections.dashboards, LOG_RENEWED)
        self._begun = True
        self.replies.begin_anew()
        self._hub.begin_at(epoch.hex(), seq)

    def apply(self, events: Applied) -> None:
        seq = events.first
        if len(events.entries) != events.events:
            self._pass_over(seq, f"{events.events} events of a batch that this version cannot read", events.events)
            return
        entries, times_ms, place = events.entries, events.times_ms, 0
        plain = events.handles is None and not self.keeps_own and self._hub.is_plain
        while place < len(entries):
            if plain:
                place = apply_plain(entries, place, self._hub, times_ms, seq + place)
            if place < len(entries):
                handle = events.handles[place] if events.handles is not None else None
                self._apply_one(entries[place], handle, times_ms[place] * _NS_OF_MS, seq + place)
                place += 1
        if plain and self._hub.turn.watched:
            self._hub.turn.ask()
        if self.values.waiting:
            self.values.applied()
        self._hub.tell_waiting()

    def _apply_one(self, entry: Entry, handle: AppliedRecord | None, now_ns: int, seq: int) -> None:
        hub = self._hub
        try:
            record, fleet, txid = handle or shown(entry, self._fleet_of_flat, hub.views.active)
            hub.apply(entry.vin, record, fleet, txid, now_ns, own_of(entry) if self.keeps_own else None, seq)
        except Malformed as error:
            self._pass_over(seq, str(error))
        except Exception as error:  # an event that somebody forged must not take the others of its batch along
            self.not_shown += 1
            log.error("fault", extra=fields(cause=type(error).__name__, what=f"event {seq} of the log"), exc_info=error)

    def _pass_over(self, seq: int, reason: str, events: int = 1) -> None:
        """It keeps its seq: the other nodes show it."""
        self.not_shown += events
        log.warning("event_not_shown", extra=fields(cause="unreadable", seq=seq, reason=reason))

    def joined(self) -> None:
        hub, node = self._hub, self.node
        log.info(
            "cluster_joined",
            extra=fields(
                run=node.writer.run.hex(),
                epoch=hub.epoch,
                seq=hub.log.seq,
                events=hub.log.kept,
                vehicles=len(hub.last_values),
                vehicles_from_peers=self.values.from_peers,
                vehicles_from_checkpoint=self.values.from_checkpoint,
                seconds=round(self._clock() - self._began_s, 3),
            ),
        )
        if self.values.not_kept:
            self.tell_state_not_used(self.values.not_kept)
            self.values.not_kept = ""
        self.on_joined()

    def tell_state_not_used(self, reason: str) -> None:
        """Of STATE_PATH."""
        meaning = "last values come from other nodes, or from the log; the file is written anew"
        log.warning("state_not_used", extra=fields(reason=reason, meaning=meaning))

    def lost(self, reason: str, rolled_back: bool) -> None:
        self.replies.lost(rolled_back)
        self._began_s = self._clock()
        log.error("cluster_log_lost", extra=fields(reason=reason, meaning="dashboards are told a gap; everything goes on"))
        self._close(self._hub.connections.dashboards, LOG_RENEWED)

    def fenced(self) -> None:
        meaning = "this node was silent for so long that others took it for dead: it goes on as another run"
        log.warning("cluster_fenced", extra=fields(run=self.node.writer.run.hex(), meaning=meaning))

    def hand_on(self) -> None:
        connections = self._hub.connections
        meaning = "the log has been out of reach for long: vehicles and dashboards are sent to other nodes"
        log.error("cluster_cut_off", extra=fields(vehicles=len(connections.vehicles), meaning=meaning))
        self._close(connections.dashboards, DASHBOARD_LOG_AWAY)
        self._close_some(deque(connections.vehicles))

    def holds(self) -> list[Entry]:
        return list(self._here.values())

    def values_refused(self, reason: str) -> None:
        meaning = "another node is asked, or the values that the log has told since must do"
        log.warning("cluster_values_refused", extra=fields(reason=reason, meaning=meaning))

    def trouble(self, reason: str) -> None:
        now_s = self._clock()
        if now_s - self._said.get(reason, -TROUBLE_AGAIN_S) >= TROUBLE_AGAIN_S:
            self._said = {reason: now_s}
            log.error("cluster_log_refuses", extra=fields(reason=reason, remedy=AWAY_REMEDY))

    def _close(self, connections: Iterable[Connection], reason: CloseReason) -> None:
        for connection in list(connections):
            connection.close(reason)

    def _close_some(self, left: deque[Connection]) -> None:
        for _ in range(min(len(left), CLOSED_AT_ONCE)):
            left.popleft().close(VEHICLE_LOG_AWAY)
        if left:
            self._timer.call_later(CLOSE_PAUSE_S, lambda: self._close_some(left))

    # ---- what holds now

    @property
    def settled(self) -> bool:
        """Everything that was submitted is in the log, and has come back."""
        return self.node.writer.settled

    def gauges(self) -> dict[str, float]:
        """By the names of `server.prometheus.CLUSTER_ROWS`."""
        node, writer, follower = self.node, self.node.writer, self.node.follower
        return {
            "runs": len(node.runs),
            "vehicles": node.runs.connected,
            "batches_total": writer.batches,
            "events_total": writer.events,
            "retries_total": writer.retries,
            "deferred_total": writer.deferred,
            "round_trip_seconds_total": round(writer.round_trips_s, 6),
            "unstored_bytes": writer.unstored_bytes,
            "away_seconds": node.away_s,
            "behind": node.behind,
            "readers_total": follower.readers,
            "holes_total": follower.holes,
            "fenced_total": node.fences,
            "lost_total": node.losses,
            "epochs_total": node.epochs,
            "values_from_peers_total": self.values.from_peers,
            "disagreed_total": follower.disagreed,
            "not_shown_total": self.not_shown,
            "foreign_total": follower.foreign,
        }

    def health(self) -> dict[str, Any]:
        node = self.node
        report: dict[str, Any] = {
            "state": node.state,
            "behind": node.behind,
            "unstored": node.writer.unstored_bytes,
            "oldest_unstored_s": round(node.writer.waiting_s, 3),
            "runs": len(node.runs),
            "stream_seq": node.follower.number,
        }
        if not node.joined:
            report["progress"] = round(node.follower.progress, 3)
        return report
