"""How a run begins, ends, and what it refuses."""

import asyncio
import math
import os
import signal
import ssl
import subprocess
import sys
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from teslafast.certificates import folder
from teslafast.errors import Misconfigured
from teslafast.simulator.fleet import simulate
from teslafast.simulator.simulated_vehicle import SimulatedVehicle
from teslafast.simulator.summary import Summary
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from tests.support import ROOT
from tests.support.fake_vehicle_server import FakeVehicleServer, run
from tests.support.ports import free_port


def test_vehicles_start_at_equal_distances_within_one_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    starts: list[float] = []

    async def drive(vehicle: SimulatedVehicle, after_s: float) -> None:
        starts.append(after_s)

    monkeypatch.setattr(SimulatedVehicle, "drive", drive)

    async def test() -> None:
        async with FakeVehicleServer().listening() as server:
            await simulate(server.url, vehicles=8, interval_s=0.4)

    run(test())
    assert starts == pytest.approx([number * 0.05 for number in range(8)])


def test_a_duration_shorter_than_the_start_of_all_vehicles_begins_once_the_last_has_tried_to_connect() -> None:
    async def test() -> FakeVehicleServer:
        async with FakeVehicleServer().listening() as server:
            await simulate(server.url, vehicles=5, interval_s=0.5, duration_s=0.01)
        return server

    assert len({connection.path for connection in run(test()).connections}) == 5


def test_progress_is_reported_with_sums_that_never_fall() -> None:
    reported: list[Summary] = []
    stop = asyncio.Event()

    def on_progress(summary: Summary) -> None:
        reported.append(summary)
        if len(reported) == 3:
            stop.set()

    async def test() -> None:
        async with FakeVehicleServer().listening() as server:
            await simulate(server.url, vehicles=3, interval_s=0.1, stop=stop, on_progress=on_progress)

    run(test())
    assert reported[-1].sent > 0
    assert [summary.sent for summary in reported] == sorted(summary.sent for summary in reported)


def refused(url: str, **options: Any) -> Misconfigured:
    with pytest.raises(Misconfigured) as failure:
        run(simulate(url, duration_s=0.1, **options))
    assert "\n" not in str(failure.value)
    return failure.value


def test_a_port_where_nothing_listens_is_refused_with_the_reason() -> None:
    assert "nothing listens" in refused(f"ws://localhost:{free_port()}/").fault


@pytest.mark.parametrize(
    ("status", "remedy"), [(403, "TESLA_VIN"), (404, "path /"), (426, "upgrade"), (503, "later"), (500, "later"), (400, "log")]
)
def test_an_http_refusal_is_reported_with_its_reason_and_a_remedy(status: int, remedy: str) -> None:
    async def test() -> None:
        async with FakeVehicleServer(refuse=HTTPStatus(status)).listening() as server:
            await simulate(server.url, duration_s=0.1)

    with pytest.raises(Misconfigured, match=f"{status} .*no, because") as failure:
        run(test())
    assert remedy in failure.value.remedy


def test_a_server_certificate_of_another_ca_is_refused_with_the_reason(mutual_tls: ssl.SSLContext, tmp_path: Path) -> None:
    other = folder.init(tmp_path / "other", "localhost", vehicles=1)

    async def test() -> None:
        async with FakeVehicleServer().listening(mutual_tls) as server:
            await simulate(server.url, duration_s=0.1, certs_dir=other.directory)

    with pytest.raises(Misconfigured, match="does not verify"):
        run(test())


def test_a_vehicle_certificate_that_the_server_refuses_is_reported(
    installation: folder.Installation, mutual_tls: ssl.SSLContext, tmp_path: Path
) -> None:
    stranger = folder.init(tmp_path / "other", "localhost", vehicles=1)
    (stranger.directory / "ca.pem").write_bytes(installation.ca.read_bytes())

    async def test() -> None:
        async with FakeVehicleServer().listening(mutual_tls) as server:
            await simulate(server.url, duration_s=0.1, certs_dir=stranger.directory)

    with pytest.raises(Misconfigured, match=r"CA_PATH|TLS"):
        run(test())


@pytest.mark.parametrize(
    ("url", "options", "subject"),
    [
        ("ftp://localhost/", {}, "URL"),
        ("ws://", {}, "URL"),
        ("ws://localhost:99999/", {}, "URL"),
        ("ws://localhost:3000/stream", {}, "URL"),
        ("wss://localhost:4443/", {}, "--certs"),
        ("ws://localhost/", {"vehicles": 0}, "--vehicles"),
        ("ws://localhost/?vin=A", {"vehicles": 2}, "--vehicles"),
        ("ws://localhost/", {"interval_s": 0}, "--interval"),
        ("ws://localhost/", {"interval_s": math.nan}, "--interval"),
        ("ws://localhost/", {"chaos": "rain"}, "--chaos"),
    ],
)
def test_an_unusable_option_is_refused_before_anything_is_sent(url: str, options: dict[str, Any], subject: str) -> None:
    assert refused(url, **options).subject == subject


def test_a_certificate_file_that_cannot_be_read_is_refused_with_its_name(
    installation: folder.Installation, tmp_path: Path
) -> None:
    (tmp_path / "vehicles").mkdir()
    (tmp_path / "vehicles/X.pem").write_text("nonsense")
    (tmp_path / "vehicles/X.key").write_text("nonsense")
    assert refused("wss://localhost:4443/", certs_dir=tmp_path).subject.endswith("X.pem")


def test_a_vehicle_that_the_server_refuses_for_good_does_not_stop_the_others() -> None:
    server = FakeVehicleServer()
    let_in: list[Request] = []

    def only_the_first(connection: ServerConnection, request: Request) -> Response | None:
        if let_in:
            return connection.respond(HTTPStatus.FORBIDDEN, "not in TESLA_VIN\n")
        let_in.append(request)
        return None

    async def test() -> Summary:
        async with serve(server.handle, "127.0.0.1", 0, process_request=only_the_first) as bound:
            port = next(iter(bound.sockets)).getsockname()[1]
            return await simulate(f"ws://127.0.0.1:{port}", vehicles=3, interval_s=0.1, duration_s=0.5)

    summary = run(test())
    assert (summary.connected, summary.vehicles, summary.unacknowledged) == (1, 3, 0)
    assert not summary.ok
    assert list(summary.failures.values()) == [2]
    assert "403 Forbidden: not in TESLA_VIN" in "\n".join(summary.lines())


def test_ctrl_c_ends_a_run_with_its_summary() -> None:
    program = (
        "import sys; from teslafast.simulator.fleet import run\n"
        "summary = run(sys.argv[1], interval_s=0.1, on_progress=lambda s: print(s.sent, flush=True))\n"
        "print('ok' if summary.ok and summary.sent else summary)"
    )

    async def test() -> tuple[str, int | None]:
        async with FakeVehicleServer().listening() as server:
            environment = {**os.environ, "PYTHONPATH": str(ROOT)}
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-c", program, server.url, stdout=subprocess.PIPE, env=environment
            )
            assert process.stdout is not None
            await process.stdout.readline()
            process.send_signal(signal.SIGINT)
            output, _ = await process.communicate()
            return output.decode(), process.returncode

    output, code = run(test())
    assert output.rstrip().endswith("ok")
    assert code == 0


def test_a_cancelled_run_closes_its_connections() -> None:
    async def test() -> FakeVehicleServer:
        async with FakeVehicleServer().listening() as server:
            running = asyncio.create_task(simulate(server.url, vehicles=2, interval_s=0.1))
            await server.until(lambda: len(server.txids) >= 2)
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
            await server.until(lambda: all(connection.ended for connection in server.connections))
            return server

    assert {connection.close_code for connection in run(test()).connections} == {1000}
