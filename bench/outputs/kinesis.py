"""
What Kinesis costs this process: µs of CPU an event of 14 fields, in all its threads.

    python -m bench.outputs.kinesis [--events 2000] [--rounds 3]

The service is moto's, in a process of its own, whose work is not counted. 50 vehicles send: a request holds 50 records at most.
"""

from __future__ import annotations

import argparse
import asyncio
import os
from collections import Counter

import uvloop
from teslafast.outputs import Context
from teslafast.outputs.kinesis import KinesisOutput, KinesisSettings
from tests.support.kinesis import CREDENTIALS, KinesisServer

from bench.outputs.database_load import compared


async def measured(url: str, events: int, rounds: int) -> None:
    output = KinesisOutput(
        KinesisSettings(stream="cars", endpoint=url, region="eu-west-1"), Context("0123456789abcdef", Counter())
    )
    await output.connect()
    for batch in (100, 200):
        await compared({"kinesis": output.send}, events, rounds, batch, first=batch * 10_000_000)
    await output.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    os.environ |= CREDENTIALS
    with KinesisServer() as server, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        server.start("cars")
        runner.run(measured(server.url, options.events, options.rounds))


if __name__ == "__main__":
    main()
