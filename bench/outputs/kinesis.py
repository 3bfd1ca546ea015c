"""
What Kinesis costs this process: µs of CPU an event of 14 fields, in all its threads.

    python -m bench.outputs.kinesis [--events 2000] [--rounds 3]

The service is moto's, in a process of its own, whose work is not counted. 50 vehicles send: a request holds 50 records at most.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter

import uvloop
from teslafast.outputs import Context
from teslafast.outputs.kinesis import KinesisOutput, KinesisSettings
from tests.support.kinesis import CREDENTIALS, KinesisServer

from bench.outputs.load import arguments, compared_in_batches


async def measured(url: str, events: int, rounds: int) -> None:
    output = KinesisOutput(
        KinesisSettings(stream="cars", endpoint=url, region="eu-west-1"), Context("0123456789abcdef", Counter())
    )
    await output.connect()
    await compared_in_batches({"kinesis": output.send}, events, rounds, (100, 200))
    await output.close()


def main() -> None:
    options = arguments(__doc__, events=2_000, rounds=3)
    os.environ |= CREDENTIALS
    with KinesisServer() as server, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        server.start("cars")
        runner.run(measured(server.url, options.events, options.rounds))


if __name__ == "__main__":
    main()
