"""
What a webhook costs this process: µs of CPU an event, signed, to a receiver in a process of its own.

    python -m bench.outputs.webhook [--events 6400] [--rounds 5]

Two loads: one vehicle's events one after the other, and those of sixteen vehicles over all lanes. Of the rounds, the lowest and
the median are shown: other work on the machine makes the same work cost more. The bar is 30 µs.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections import Counter
from pathlib import Path

import uvloop
from teslafast.outputs import Context, Event
from teslafast.outputs.webhook import WebhookOutput, WebhookSettings
from tests.support.webhook_receiver import port_of, spawned

BATCH = 32
TEXT = (
    b'{"type":"alerts","seq":1,"vin":"5YJ3E1EA7KF000001","createdAt":"2026-11-23T08:00:00.123Z","alerts":[{"name":"VCFRONT_a182",'
    b'"startedAt":"2026-11-23T08:00:00.123Z","endedAt":null,"audiences":["Customer"]}]}'
)


async def cpu_us(output: WebhookOutput, events: int, vehicles: int, first: int) -> float:
    began_s = time.process_time()
    for start in range(first, first + events, BATCH):
        await output.send(
            [Event(seq, 1, f"vehicle{seq % vehicles}", TEXT, 1_795_420_800_000) for seq in range(start, start + BATCH)]
        )
    return (time.process_time() - began_s) / events * 1e6


async def measured(port: int, events: int, rounds: int) -> None:
    settings = WebhookSettings(urls=(f"http://127.0.0.1:{port}/",), secrets=(b"k" * 32,), private=True)
    output = WebhookOutput(settings, Context("0123456789abcdef", Counter()))
    await output.connect()
    for vehicles in (1, 16):
        found = sorted([await cpu_us(output, events, vehicles, 1 + number * events) for number in range(rounds)])
        print(f"{vehicles:3} vehicles: lowest {found[0]:.1f}, median {found[len(found) // 2]:.1f} µs an event")
    await output.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=6400)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        receiver = spawned(0, Path(folder) / "received")
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(measured(port_of(receiver), options.events, options.rounds))
        finally:
            receiver.kill()
            receiver.wait()


if __name__ == "__main__":
    main()
