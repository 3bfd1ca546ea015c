"""
What the kernel takes for a send, by how it comes: one at a time from sleep, or a thousand in a row. No server of anybody's.

A dashboard of its own one vehicle costs the first, one of a crowd that sees the same event the second: this is why the scenario
"own" cannot cost what S3 does. CPU of the sending process, on core 0, without that of its waiting; a second process reads on
core 1, as the load tool does.

    python -m bench.kernel.sends [--connections 8000] [--rate 4000] [--rounds 3]
"""

import argparse
import contextlib
import os
import random
import resource
import select
import signal
import socket
import statistics
import time
from collections.abc import Callable, Iterator

EVENT = bytes(320)
CROWD, CROWD_RATE = 1000, 20  # S3
SECONDS = 3.0


def read_all(address: tuple[str, int], connections: int) -> None:
    """Connects so often, and reads what comes, for ever."""
    os.sched_setaffinity(0, {1})
    ready, open_ones = select.epoll(), {}
    for _ in range(connections):
        connected = socket.create_connection(address)
        open_ones[connected.fileno()] = connected
        ready.register(connected.fileno(), select.EPOLLIN)
    while True:
        for descriptor, _ in ready.poll():
            open_ones[descriptor].recv(1 << 16)


@contextlib.contextmanager
def connected(connections: int) -> Iterator[list[socket.socket]]:
    """The sending ends; another process has the others."""
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as listening:
        reader = os.fork()
        if not reader:
            read_all(listening.getsockname(), connections)
        os.sched_setaffinity(0, {0})
        accepted = [listening.accept()[0] for _ in range(connections)]
        for one in accepted:
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            yield accepted
        finally:
            os.kill(reader, signal.SIGKILL)
            os.waitpid(reader, 0)
            for one in accepted:
                one.close()


def cpu_us(act: Callable[[], object], rate: float) -> float:
    """CPU of one `act()`, with the waiting before it, when there are `rate` of them a second."""
    count, began_s = int(SECONDS * rate), time.monotonic()
    before = resource.getrusage(resource.RUSAGE_SELF)
    for number in range(count):
        act()
        time.sleep(max(0.0, began_s + (number + 1) / rate - time.monotonic()))
    after = resource.getrusage(resource.RUSAGE_SELF)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / count * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connections", type=int, default=8000)
    parser.add_argument("--rate", type=float, default=4000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    ratios = []
    with connected(options.connections) as sockets:
        for _ in range(options.rounds):
            alone = cpu_us(lambda: random.choice(sockets).send(EVENT), options.rate)
            alone -= cpu_us(lambda: random.choice(sockets), options.rate)
            crowd = cpu_us(lambda: [one.send(EVENT) for one in sockets[:CROWD]], CROWD_RATE) / CROWD
            ratios.append(alone / crowd)
            print(f"one at a time {alone:.1f} us, {CROWD:,} in a row {crowd:.1f} us each: {ratios[-1]:.2f} x", flush=True)
    print(f"a send by itself costs {statistics.median(ratios):.2f} x (median)")


if __name__ == "__main__":
    main()
