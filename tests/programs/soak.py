"""
Load for minutes, and whether memory stays flat.

    python -m tests.programs.soak [--seconds 600]

Vehicles that keep sending, dashboards that keep reading, some that stop, others that come and go, and a little rubbish: all that
could leave something behind. RSS is sampled every 2 s; the slope is that of a straight line through the second half, when ring
and caches are full. Exit 1 if that is more than LIMIT_PER_HOUR.
"""

from __future__ import annotations

import argparse
import random
import selectors
import sys
import tempfile
import threading
import time
from pathlib import Path

from teslafast.close_reasons import DASHBOARD_DRAIN
from websockets.frames import Frame, Opcode

from tests.programs import fuzz_server
from tests.support.faults import Load, resident_bytes
from tests.support.healthy import Healthy
from tests.support.peers import PATIENCE_S, Place
from tests.support.servers import Process

SAMPLE_S = 2.0
READERS = 20
LAST_BYTES = 10_000
PING_S = 5
MIB = 1 << 20
LIMIT_PER_HOUR = 12 * MIB  # 2 MiB in 10 minutes: what an allocator's arenas may wander by


class Readers:
    """Dashboards that take all they get and keep none of it, and say PONG now and then, until the server ends them."""

    def __init__(self, place: Place) -> None:
        self._last = dict.fromkeys(range(READERS), b"")
        self._members = {number: place.raw_dashboard("?snapshot=0") for number in range(READERS)}
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        pong, said_s = Frame(Opcode.PONG, b"").serialize(mask=True), time.monotonic()
        with selectors.DefaultSelector() as selector:
            for number, member in self._members.items():
                selector.register(member.socket, selectors.EVENT_READ, number)
            while selector.get_map():
                for key, _ in selector.select(PATIENCE_S):
                    try:
                        data = self._members[key.data].socket.recv(1 << 16)
                    except ConnectionResetError:
                        data = b""
                    self._last[key.data] = (self._last[key.data] + data)[-LAST_BYTES:]
                    if not data:
                        selector.unregister(key.fileobj)
                if time.monotonic() - said_s > PING_S / 2:
                    said_s = time.monotonic()
                    for key in selector.get_map().values():
                        self._members[key.data].send(pong)

    def check(self) -> None:
        """After the server's end: all were there until then, and have read the same last."""
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()
        goodbye = (1012).to_bytes(2, "big") + DASHBOARD_DRAIN.text.encode()
        (last,) = set(self._last.values())
        assert last.endswith(goodbye), last
        for member in self._members.values():
            member.socket.close()


def sulk(place: Place, until: float) -> None:
    """One dashboard after the other that asks for all and takes nothing, each until it is shown out for that."""
    while time.monotonic() < until:
        with place.raw_dashboard("?since=0"):
            time.sleep(4 * PING_S)  # its end comes after what it does not take, so nothing would tell of it


def churn(place: Place, until: float, chance: random.Random) -> None:
    """Peers that come and go, in good manners and without."""
    while time.monotonic() < until:
        with place.dashboard("?vin=churn") as dashboard, place.vehicle("churn") as vehicle:
            vehicle.tell({"VehicleName": {"stringValue": "x" * chance.randrange(20_000)}})
            dashboard.until("data")
        fuzz_server.attack(place.port, chance)
        place.get("/metrics")


def slope_per_hour(samples: list[tuple[float, int]]) -> float:
    """Bytes an hour, by least squares."""
    mean_s = sum(at for at, _ in samples) / len(samples)
    mean = sum(size for _, size in samples) / len(samples)
    spread = sum((at - mean_s) ** 2 for at, _ in samples)
    return 3600 * sum((at - mean_s) * (size - mean) for at, size in samples) / spread


def run(seconds: float) -> float:
    """The slope; says a line a minute."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Process(JOURNAL_PATH=str(Path(folder) / "journal"), RING_BYTES="4MiB", PING_INTERVAL=str(PING_S)) as process,
    ):
        place, began_s = process.place, time.monotonic()
        until = began_s + seconds
        others = [threading.Thread(target=churn, args=[place, until, random.Random(1)])]
        others += [threading.Thread(target=sulk, args=[place, until])]
        for other in others:
            other.start()
        samples: list[tuple[float, int]] = []
        readers = Readers(place)
        with Healthy(place), Load(place, ["steady-1", "steady-2"], 1, pause_s=0.002):
            while time.monotonic() < until:
                time.sleep(SAMPLE_S)
                samples.append((time.monotonic() - began_s, resident_bytes(process.process.pid)))
                if len(samples) % 30 == 0:
                    seq = place.get("/health").json["seq"]
                    print(f"{samples[-1][0]:6.0f} s  {samples[-1][1] / MIB:7.2f} MiB  seq {seq}", flush=True)
            for other in others:
                other.join()
        process.lines.wait_for("dashboard_disconnected", cause="stalled")
        process.process.terminate()
        process.process.wait(PATIENCE_S)
        readers.check()
    return slope_per_hour(samples[len(samples) // 2 :])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600)
    slope = run(parser.parse_args().seconds)
    print(f"RSS slope in the second half: {slope / MIB:+.2f} MiB an hour (limit {LIMIT_PER_HOUR / MIB:.0f})")
    sys.exit(slope > LIMIT_PER_HOUR)


if __name__ == "__main__":
    main()
