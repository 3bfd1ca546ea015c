"""Events of 14 fields for an output, and what sending them costs this process; the words of its bench's command line."""

from __future__ import annotations

import argparse
import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence

from teslafast.outputs import Event

_FORM = (
    '{"type":"data","seq":1,"vin":"5YJ3E1EA7KF000001","createdAt":"2026-11-23T08:00:00.123Z","data":{"VehicleSpeed":%.2f,'
    '"Gear":"ShiftStateD","Location":{"latitude":%.6f,"longitude":%.6f},"Soc":%.2f,"PackVoltage":%.1f,"PackCurrent":%.1f,'
    '"Odometer":%.3f,"Locked":true,"InsideTemp":%.1f,"OutsideTemp":12.0,"GpsHeading":%.1f,"LateralAcceleration":%.2f,'
    '"EnergyRemaining":%.2f,"BatteryLevel":%.2f},"isResend":false}'
)


def _text(rng: random.Random) -> bytes:
    """No two alike: equal ones would be compressed to nothing."""
    return (_FORM % tuple(rng.uniform(low, low + 10) for low in (60, 37, -122, 60, 380, -20, 12345, 20, 120, 0, 44, 63))).encode()


VEHICLES = 50
# 1,000 events/s come as some hundred in a batch while acks wait for it, as 512 and the rest if not.
BATCHES = (128, 512)
Send = Callable[[Sequence[Event]], Awaitable[object]]


def batches(first: int, events: int, batch: int) -> list[list[Event]]:
    """Made before the clock runs."""
    rng = random.Random(first)
    return [
        [Event(seq, 0, f"5YJ3E1EA7KF{seq % VEHICLES:06}", _text(rng), 1_795_420_800_500) for seq in range(start, start + batch)]
        for start in range(first, first + events, batch)
    ]


async def cpu_us(send: Send, events: int, batch: int, first: int) -> float:
    work = batches(first, events, batch)
    began_s = time.process_time()
    for one in work:
        await send(one)
    return (time.process_time() - began_s) / events * 1e6


async def compared(ways: dict[str, Send], events: int, rounds: int, batch: int, first: int) -> None:
    """The ways take turns, so that other work on the machine meets them all."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, send in ways.items():
            found[name].append(await cpu_us(send, events, batch, first))
            first += events + batch
    for name, values in found.items():
        ordered = sorted(values)
        print(f"{name:16} batches of {batch:3}: lowest {ordered[0]:.1f}, median {ordered[len(ordered) // 2]:.1f} µs an event")


async def compared_in_batches(ways: dict[str, Send], events: int, rounds: int, sizes: Sequence[int] = BATCHES) -> None:
    for batch in sizes:
        await compared(ways, events, rounds, batch, first=batch * 10_000_000)


def arguments(description: str | None, *flags: str, events: int = 10_240, rounds: int = 5) -> argparse.Namespace:
    """`events` and `rounds`, which are the defaults here, and whether each of `flags` was given."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--events", type=int, default=events)
    parser.add_argument("--rounds", type=int, default=rounds)
    for flag in flags:
        parser.add_argument(flag, action="store_true")
    return parser.parse_args()


async def told_turns(send: Send, batch: int, first: int) -> None:
    """
    How long the output keeps the event loop to itself: ms of CPU, not of the clock, in one turn while full batches are sent.

    That is what others wait for it at most; other work on the machine does not lengthen it.
    """
    turns_ms: list[float] = []
    for one in batches(first, 20 * batch, batch):
        task = asyncio.ensure_future(send(one))
        before_s = time.thread_time()
        while not task.done():
            await asyncio.sleep(0)
            now_s = time.thread_time()
            turns_ms.append((now_s - before_s) * 1000)
            before_s = now_s
        await task
    busy = sorted(turn for turn in turns_ms if turn > 0.05)  # the others only waited for the database
    print(f"turns of the loop with work: median {busy[len(busy) // 2]:.2f} ms of CPU, the longest {busy[-1]:.2f} ms")
