"""
What a database or broker must hold after an outage: every value that was acknowledged, once, in order.

The load is that of `tests.support.faults.Load`: message n of a vehicle says {"Odometer": n}.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence

from tests.support.faults import Load, Victim
from tests.support.peers import PATIENCE_S
from tests.support.servers import Inside, Process

VINS = [f"car{number}" for number in range(10)]
OUTAGE_S = float(os.environ.get("OUTAGE_S", "30"))  # as long as a database's restart takes; a developer may want a shorter one


def caught_up(server: Process | Inside, output: str, patience_s: float = PATIENCE_S) -> None:
    """Until the output has nothing left to send."""
    wanted = f'teslafast_output_lag_events{{output="{output}"}} 0.0'
    until_s = time.monotonic() + patience_s
    while wanted not in (text := server.place.get("/metrics").body.decode()):
        assert time.monotonic() < until_s, text
        time.sleep(0.01)  # nothing tells of it


def check_history(stored: Mapping[str, Sequence[float]], load: Load) -> None:
    """`stored`: each vehicle's odometer, in the order of the log. Those that nobody acknowledged may be there twice."""
    for vin, acked in load.acked.items():
        assert acked, vin
        missing = set(acked) - set(stored[vin])
        assert not missing, f"{vin} lacks {len(missing)} values"
        assert list(stored[vin]) == sorted(stored[vin]), f"{vin} is out of order"


def outage(
    environment: Mapping[str, str], output: str, kill: Callable[[], None], start: Callable[[], None], also_the_server: bool
) -> Load:
    """Half a minute without what takes the events, 200 a second; halfway the server is killed too, if that is wanted."""
    with Victim(None, **environment) as server, Load(server.place, VINS, 1, pause_s=0.05) as load:
        load.wait_for_each(20)
        kill()
        time.sleep(OUTAGE_S / 2)  # the outage is what is tested
        if also_the_server:
            server.kill()
        else:
            time.sleep(OUTAGE_S / 2)
            _come_back(start, load, server, output)
    if also_the_server:
        with Process(None, **environment) as again, load.resumed(again.place) as load:
            time.sleep(OUTAGE_S / 2)
            _come_back(start, load, again, output)
    return load


def _come_back(start: Callable[[], None], load: Load, server: Process, output: str) -> None:
    start()
    load.wait_for_each(len(load.acked[VINS[0]]) + 20)
    load.stop()
    caught_up(server, output, 2 * OUTAGE_S + 60)
