"""
Server-sent events from the log of WebSocket frames: framed when they are given, once for all who stand at one entry (as it is),
or published a second time, into a ring of their own (what was not built).

The second ring here holds the same frames as the first: what it costs is publishing twice, whatever the framing.
"""

from __future__ import annotations

from collections.abc import Callable

from teslafast._fanout import ALL_KINDS, FLAT_PREFIXES, EventStream, Fanout, Reader, bytes_needed

from bench.micro.fanout import BATCH, BODY, READERS, RING_BYTES, Mute, Nowhere, Ratios, ratios, us, vehicles

__all__ = ["ratios"]  # the fixture
FRAMED = 1.25  # a turn with readers of events, as a multiple of one with dashboards; the kernel's work comes on top of either
APART = 6.0  # the same if each is framed for one reader alone

_EVENTS = EventStream("0123456789abcdef")


def _log() -> Fanout:
    return Fanout(bytearray(bytes_needed(RING_BYTES)), RING_BYTES, FLAT_PREFIXES, lambda log: None)


def _turn(logs: list[Fanout], readers: int, framing: EventStream | None) -> Callable[[], float]:
    """What a turn costs that brings BATCH events into `logs`, the last of which has the readers; ns a delivery."""
    kept = [Reader(Nowhere(), Mute(), framing) for _ in range(readers)]
    for reader in kept:
        logs[-1].subscribe(reader, None, ALL_KINDS)
    vins = vehicles(BATCH)

    def turn() -> None:
        for vin in vins:
            for log in logs:
                log.publish(0, vin, BODY, 0)
        for log in logs:
            while log.flush():
                pass

    return lambda: us(turn) / (max(readers, 1) * BATCH) * 1000


def test_framing_when_it_is_given_costs_little_more_than_frames_do(ratios: Ratios) -> None:
    framed, frames = _turn([_log()], READERS, _EVENTS), _turn([_log()], READERS, None)
    times, events_ns, frames_ns = ratios.median(framed, frames, 101)
    ratios.report(f"{READERS} readers: {events_ns:.1f} ns a delivery of events, {frames_ns:.1f} ns of frames: {times:.2f} times")
    assert times <= FRAMED


def test_framing_for_one_reader_costs_less_than_publishing_twice(ratios: Ratios) -> None:
    """The worst case for it: nobody shares what was framed."""
    framed, twice = _turn([_log()], 1, _EVENTS), _turn([_log(), _log()], 1, None)
    times, events_ns, twice_ns = ratios.median(framed, twice, 1001)
    ratios.report(f"one reader: {events_ns:.0f} ns a delivery framed, {twice_ns:.0f} ns published twice: {times:.2f} times")
    assert times <= 1


def test_each_on_its_own_entry_is_the_dearest_there_is(ratios: Ratios) -> None:
    """As if a thousand readers had stopped at different places: each is framed anew."""
    framings = [EventStream("0123456789abcdef") for _ in range(READERS)]
    log = _log()
    for framing in framings:
        log.subscribe(Reader(Nowhere(), Mute(), framing), None, ALL_KINDS)
    vins = vehicles(BATCH)

    def turn() -> None:
        for vin in vins:
            log.publish(0, vin, BODY, 0)
        while log.flush():
            pass

    alone = lambda: us(turn) / (READERS * BATCH) * 1000  # noqa: E731 — a case among cases
    times, apart_ns, frames_ns = ratios.median(alone, _turn([_log()], READERS, None), 41)
    ratios.report(f"nobody shares: {apart_ns:.0f} ns a delivery of events, {frames_ns:.1f} ns of frames: {times:.1f} times")
    assert times <= APART
