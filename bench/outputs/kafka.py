"""
What Kafka costs this process: µs of CPU an event of 14 fields, in all its threads, in batches as 1,000 events a second make them.

    python -m bench.outputs.kafka [--events 10240] [--rounds 5]

The cluster is librdkafka's own mock, in another process, whose work is not counted. The bar is 30 µs.
"""

from __future__ import annotations

import argparse
import asyncio
from collections import Counter

import uvloop
from teslafast.outputs import Context
from teslafast.outputs.kafka import KafkaOutput, KafkaSettings
from tests.support.kafka import MockCluster

from bench.outputs.database_load import compared


async def measured(servers: str, events: int, rounds: int) -> None:
    output = KafkaOutput(KafkaSettings(servers=servers), Context("0123456789abcdef", Counter(), shape="fleet"))
    await output.connect()
    for batch in (128, 512):  # 1,000 events/s come as some hundred in a batch while acks wait for it, as 512 and the rest if not
        await compared({"kafka": output.send}, events, rounds, batch, first=batch * 10_000_000)
    await output.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=10_240)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with MockCluster() as cluster, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(measured(cluster.servers, options.events, options.rounds))


if __name__ == "__main__":
    main()
