"""
`make bench-micro`, last part: `teslafast serve` as it is, one vehicle, a thousand dashboards, a few seconds.

The vehicle speaks Tesla's binary protocol and keeps 64 messages un-acknowledged; an event is 300 bytes of JSON on /stream. The
server has core 0, the load core 1. Ends with 1 if an event was lost, came out of order, or was not acknowledged as it should be.

    python -m bench.fan_out.end_to_end [--readers 1000] [--seconds 3]
"""

import argparse
import sys
from typing import Any

from ..support import load_tools, servers

MUST_BE_ZERO = ("lost", "disordered", "closed", "ack_errors")


def report(readers: int, figures: dict[str, Any]) -> str:
    return (
        f"{readers:,} dashboards, events of {figures['bytes_per_event']:.0f} bytes: {figures['deliveries']:,} deliveries, "
        f"{figures['deliveries_per_s']:,.0f} a second, {figures['server_cpu_ns']:,.0f} ns of server CPU each\n"
        f"{figures['events_per_s']:,.0f} events/s in; "
        f"latency p50 {figures['p50_us'] / 1e3:.1f} ms, p99 {figures['p99_us'] / 1e3:.1f} ms"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--readers", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=3)
    options = parser.parse_args()
    load_tools.build()
    ours = servers.teslafast()
    with servers.running(ours) as at:
        figures = load_tools.fan_out(
            ours, at, 300, readers=options.readers, window=64, window_by_ack=True, seconds=options.seconds
        )
    faults = {name: figures[name] for name in MUST_BE_ZERO if figures[name]}
    if figures["acked"] != figures["events"]:
        faults["not acknowledged"] = figures["events"] - figures["acked"]
    print(report(options.readers, figures))
    print(f"faults: {faults}" if faults else "nothing lost, nothing out of order, every message acknowledged")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
