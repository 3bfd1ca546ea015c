"""
What InfluxDB costs this process: µs of CPU an event of 14 fields, in batches as 1,000 events a second make them.

    python -m bench.outputs.influx [--events 10240] [--rounds 5]

The database is a real InfluxDB 1, in a process of its own, whose work is not counted. Of the rounds the lowest and the median are
shown: other work on the machine makes the same work cost more. The bar is 60 µs.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import uvloop
from tests.support.influx import Influx
from tests.support.influx_stage import output_for

from bench.outputs.load import arguments, compared_in_batches, told_turns


async def measured(influx: Influx, events: int, rounds: int) -> None:
    output = output_for(influx.url)
    await output.connect()
    await compared_in_batches({"output": output.send}, events, rounds)
    await told_turns(output.send, 512, first=1)
    await output.close()


def main() -> None:
    options = arguments(__doc__)
    loops = asyncio.Runner(loop_factory=uvloop.new_event_loop)
    with tempfile.TemporaryDirectory() as folder, Influx(Path(folder)) as influx, loops as runner:
        runner.run(measured(influx, options.events, options.rounds))


if __name__ == "__main__":
    main()
