"""
What Redis costs this process: µs of CPU an event of 14 fields, in batches as 1,000 events a second make them.

    python -m bench.outputs.redis [--events 10240] [--rounds 5] [--clients]

The server is a real one, in a process of its own, whose work is not counted. `sets`: two leased channels a vehicle besides its
own. `--clients` compares redis-py's pipeline. Of the rounds the lowest and the median are shown: other work on the machine makes
the same work cost more. The bar is 30 µs.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence

import uvloop
from teslafast.outputs import Context, Event
from teslafast.outputs.redis import RedisOutput, RedisSettings
from teslafast.outputs.redis_settings import redis_servers
from tests.support.redis import RedisServer

from bench.outputs.load import VEHICLES, Send, arguments, compared_in_batches


async def measured(server: RedisServer, events: int, rounds: int, clients: bool) -> None:
    made = [
        RedisOutput(
            RedisSettings(servers=redis_servers(server.url), subscriber_sets=prefix), Context("0123456789abcdef", Counter())
        )
        for prefix in ("", "leases")
    ]
    for output in made:
        await output.connect()
    with server.client() as client:
        for number in range(VEHICLES):
            leased = {f"channel-{number}-{place}": time.time() + 3600 for place in (1, 2)}
            client.zadd(f"leases_tesla_telemetry_V_{{5YJ3E1EA7KF{number:06}}}", leased)
    ways: dict[str, Send] = {"output": made[0].send, "sets": made[1].send}
    if clients:
        import redis.asyncio

        pipe = redis.asyncio.Redis.from_url(server.url).pipeline(transaction=False)

        async def by_pipeline(work: Sequence[Event]) -> None:
            for event in work:
                pipe.publish(f"tesla_telemetry_V_{{{event.vin}}}", event.body)
            await pipe.execute()

        ways["pipeline"] = by_pipeline
    await compared_in_batches(ways, events, rounds)
    for output in made:
        await output.close()


def main() -> None:
    options = arguments(__doc__, "--clients")
    with RedisServer() as server, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(measured(server, options.events, options.rounds, options.clients))


if __name__ == "__main__":
    main()
