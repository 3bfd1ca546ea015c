"""
What Kafka costs this process: µs of CPU an event of 14 fields, in all its threads, in batches as 1,000 events a second make them.

    python -m bench.outputs.kafka [--events 10240] [--rounds 5]

The cluster is librdkafka's own mock, in another process, whose work is not counted. The bar is 30 µs.
"""

from __future__ import annotations

import asyncio
from collections import Counter

import uvloop
from teslafast.outputs import Context
from teslafast.outputs.kafka import KafkaOutput, KafkaSettings
from tests.support.kafka import MockCluster

from bench.outputs.load import arguments, compared_in_batches


async def measured(servers: str, events: int, rounds: int) -> None:
    output = KafkaOutput(KafkaSettings(servers=servers), Context("0123456789abcdef", Counter(), shape="fleet"))
    await output.connect()
    await compared_in_batches({"kafka": output.send}, events, rounds)
    await output.close()


def main() -> None:
    options = arguments(__doc__)
    with MockCluster() as cluster, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(measured(cluster.servers, options.events, options.rounds))


if __name__ == "__main__":
    main()
