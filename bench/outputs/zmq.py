"""
What ZeroMQ costs this process: µs of CPU an event of 14 fields, in all its threads, in batches as 1,000 events a second make.

    python -m bench.outputs.zmq [--events 10240] [--rounds 5]

One subscriber, in a process of its own whose work is not counted, reads everything. The bar is 30 µs.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections import Counter

import uvloop
from teslafast.outputs import Context
from teslafast.outputs.zmq import ZmqOutput, ZmqSettings
from tests.support.ports import free_port

from bench.outputs.load import arguments, compared_in_batches

SUBSCRIBER = """
import sys, zmq
socket = zmq.Context().socket(zmq.SUB)
socket.connect(sys.argv[1])
socket.subscribe(b"")
while True:
    socket.recv_multipart()
"""


async def measured(address: str, events: int, rounds: int) -> None:
    context = Context("0123456789abcdef", Counter(), shape="fleet")
    output = ZmqOutput(ZmqSettings(bind=address), context)
    await output.connect()
    await compared_in_batches({"zmq": output.send}, events, rounds)
    print(f"dropped: {dict(context.dropped)}")
    await output.close()


def main() -> None:
    options = arguments(__doc__)
    address = f"tcp://127.0.0.1:{free_port()}"
    subscriber = subprocess.Popen([sys.executable, "-c", SUBSCRIBER, address])
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(measured(address, options.events, options.rounds))
    finally:
        subscriber.kill()
        subscriber.wait()


if __name__ == "__main__":
    main()
