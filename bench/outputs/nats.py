"""
What NATS costs this process: µs of CPU an event of 14 fields, in batches as 1,000 events a second make them.

    python -m bench.outputs.nats [--events 10240] [--rounds 5]

The server is a real one in a process of its own, whose work is not counted: with nobody's acknowledgement but the server's, and
with a JetStream stream's for each event. The bar is 30 µs.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from pathlib import Path

import uvloop
from teslafast.outputs import Context, SharedSettings
from teslafast.outputs.nats import NatsOutput, NatsSettings
from tests.support.nats_servers import NatsServers

from bench.outputs.load import Send, arguments, compared_in_batches


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
    await compared_in_batches(ways, events, rounds)
    for output in outputs:
        await output.close()
    await client.close()


def main() -> None:
    options = arguments(__doc__)
    with (
        tempfile.TemporaryDirectory() as folder,
        NatsServers(Path(folder)) as server,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        runner.run(measured(server.url, options.events, options.rounds))


if __name__ == "__main__":
    main()
