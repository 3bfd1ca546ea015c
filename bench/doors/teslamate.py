"""
What a row of TeslaMate's door costs: so many vehicles that each say something once a second, a TeslaMate for each.

The server has core 0, vehicles and readers core 1. The CPU of the server is read twice, without and with readers: the difference,
divided by the rows, is what a row costs; everything else is taking the records in. Ends with 1 if a row was lost.

    python -m bench.doors.teslamate [--vehicles 1000] [--seconds 10] [--door teslamate|stream]
"""

import argparse
import asyncio
import base64
import json
import os
import sys
import time
from pathlib import Path

from ..support import servers

TICKS = os.sysconf("SC_CLK_TCK")
COLUMNS = "speed,odometer,soc,elevation,est_heading,est_lat,est_lng,power,shift_state,range,est_range,heading"


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def masked(text: bytes) -> bytes:
    """A text frame; a mask of zeros leaves the payload as it is."""
    length = len(text)
    head = bytes([0x81, 0x80 | length]) if length < 126 else bytes([0x81, 0xFE]) + length.to_bytes(2, "big")
    return head + b"\0\0\0\0" + text


def record(vin: str, number: int) -> bytes:
    now = time.time()
    created = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1000):03}Z"
    data = {
        "Location": {"latitude": 52.390613 + number / 1e5, "longitude": 13.064567},
        "Gear": "ShiftStateD",
        "VehicleSpeed": 30 + number % 40,
        "GpsHeading": number % 360,
        "PackCurrent": -(number % 90),
        "PackVoltage": 360.5,
        "Soc": 71.4,
    }
    return masked(json.dumps({"vin": vin, "createdAt": created, "data": data}).encode())


async def opened(port: int, path: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    key = base64.b64encode(os.urandom(16)).decode()
    writer.write(
        f"GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    head = await reader.readuntil(b"\r\n\r\n")
    if b" 101 " not in head:
        raise RuntimeError(head.decode())
    return reader, writer


class Rows:
    count = 0


async def read_rows(reader: asyncio.StreamReader, rows: Rows) -> None:
    while chunk := await reader.read(65536):
        rows.count += chunk.count(b"data:update") + chunk.count(b'"isResend"')


async def drop(reader: asyncio.StreamReader) -> None:
    while await reader.read(65536):
        pass


async def drive(writers: list[asyncio.StreamWriter], vins: list[str], seconds: int) -> None:
    """Evenly over each second."""
    slices = 50
    began = time.monotonic()
    for number in range(seconds):
        for part in range(slices):
            for index in range(part, len(vins), slices):
                writers[index].write(record(vins[index], number))
            await asyncio.sleep(max(0.0, began + number + (part + 1) / slices - time.monotonic()))
    await asyncio.sleep(0.5)


async def measure(at: servers.Running, vehicles: int, seconds: int, door: str) -> int:
    vins = [f"5YJ3E1EA7KF{number:06}" for number in range(vehicles)]
    tasks, writers, rows = [], [], Rows()
    for vin in vins:
        reader, writer = await opened(at.port, f"/?vin={vin}")
        tasks.append(asyncio.create_task(drop(reader)))
        writers.append(writer)
    before = cpu_s(at.pid)
    await drive(writers, vins, seconds)
    without_s = cpu_s(at.pid) - before
    token = servers.dashboard_token()
    keep = []
    for vin in vins:
        path = "/streaming/" if door == "teslamate" else f"/stream?vin={vin}&snapshot=0&token={token}"
        reader, writer = await opened(at.port, path)
        if door == "teslamate":
            subscription = {"msg_type": "data:subscribe_oauth", "token": token, "value": COLUMNS, "tag": vin}
            writer.write(masked(json.dumps(subscription).encode()))
        tasks.append(asyncio.create_task(read_rows(reader, rows)))
        keep.append(writer)
    await asyncio.sleep(1)
    before = cpu_s(at.pid)
    await drive(writers, vins, seconds)
    with_s = cpu_s(at.pid) - before
    due = vehicles * seconds
    print(f"{vehicles:,} vehicles, {rows.count:,} of {due:,} rows")
    print(f"CPU per record without readers {without_s / due * 1e6:.1f} µs, with {with_s / due * 1e6:.1f} µs")
    print(f"{door}: a row costs {(with_s - without_s) / due * 1e6:.1f} µs of the server's CPU")
    for task in tasks:
        task.cancel()
    for writer in (*writers, *keep):
        writer.close()
    return 0 if rows.count == due else 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vehicles", type=int, default=1000)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--door", choices=("teslamate", "stream"), default="teslamate", help="`stream`: what a dashboard costs")
    options = parser.parse_args()
    with servers.running(servers.teslafast()) as at:
        os.sched_setaffinity(0, {int(servers.LOAD_CORE)})
        return asyncio.run(measure(at, options.vehicles, options.seconds, options.door))


if __name__ == "__main__":
    sys.exit(main())
