"""
What NATS costs this process: µs of CPU an event of 14 fields, in batches as 1,000 events a second make them.

    python -m bench.outputs.nats [--events 10240] [--rounds 5]

The server is a real one in a process of its own, whose work is not counted: with nobody's acknowledgement but the server's, and
with a JetStream stream's for each event. The bar is 30 µs.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from collections import Counter
from pathlib import Path

import uvloop
from teslafast.outputs import Context, SharedSettings
from teslafast.outputs.nats import NatsOutput, NatsSettings
from tests.support.nats_servers import NatsServers

from bench.outputs.database_load import Send, compared


async def measured(url: str, events: int, rounds: int) -> None:
    import nats

    client = await nats.connect(url)
    await client.jetstream().add_stream(name="CARS", subjects=["kept.>"], max_bytes=64 << 20)
    ways: dict[str, Send] = {}
    outputs = []
    for name, stream in (("nats", ""), ("with a stream", "CARS")):
        shared = SharedSettings(namespace="kept" if stream else "passed")
        context = Context("0123456789abcdef", Counter(), shared, shape="fleet")
        output = NatsOutput(NatsSettings(urls=(url,), stream=stream), context)
        await output.connect()
        ways[name] = output.send
        outputs.append(output)
    for batch in (128, 512):  # 1,000 events/s come as some hundred in a batch while acks wait for it, as 512 and the rest if not
        await compared(ways, events, rounds, batch, first=batch * 10_000_000)
    for output in outputs:
        await output.close()
    await client.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=10_240)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        NatsServers(Path(folder)) as server,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        runner.run(measured(server.url, options.events, options.rounds))


if __name__ == "__main__":
    main()
