"""`/metrics`: every name of the table with what it counts, and nothing of anybody in it."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterator, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families
from teslafast import __version__
from teslafast.metrics import Counts, Durations
from teslafast.outputs import OutputGauges
from teslafast.server import exposition
from teslafast.server.prometheus import CLUSTER_ROWS, TABLE, Gauges
from teslafast.server.samples import packed, unpacked
from teslafast.server.samples import samples as of_node
from teslafast.setup_checks import UpkeepGauges
from teslafast.storage import checkpointer

from tests.support.certificates import World
from tests.support.peers import Place, token
from tests.support.servers import Inside

OF_THE_REFERENCE = {
    "num_connections",
    "record_total",
    "record_size_bytes_total",
    "signal_count",
    "rate_limit_exceeded_total",
    "record_too_big_total",
    "unexpected_record_err_total",
    "unknown_message_type_error_total",
    "socket_err_total",
}
Samples = Mapping[tuple[str, str], float]  # (name, value of its label) → number


def samples(text: bytes) -> Samples:
    families = text_string_to_metric_families(text.decode())
    return {(one.name, ",".join(one.labels.values())): one.value for family in families for one in family.samples}


def scraped(place: Place) -> Samples:
    return samples(place.get("/metrics").body)


@pytest.fixture
def server() -> Iterator[Inside]:
    with Inside() as inside:
        yield inside


def test_metrics_have_the_references_names_or_start_with_teslafast() -> None:
    names = [row.name for row in TABLE]
    assert len(names) == len(set(names))
    assert set(names) >= OF_THE_REFERENCE
    assert all(name.startswith("teslafast_") for name in set(names) - OF_THE_REFERENCE)


def test_every_metric_of_the_table_is_in_the_text() -> None:
    counts = Counts()
    for labelled in (name for name in Counts.__slots__ if isinstance(getattr(counts, name), dict)):
        getattr(counts, labelled)["a_cause"] = 1
    journal = checkpointer.JournalGauges(recovered=3, cut=0, recovery_s=0.1, unsaved=1)
    output = OutputGauges(state="up", lag_events=0, lag_seconds=0.0, sent=0, retried=0, dropped={"overtaken": 0}, here=True)
    groups = {"connections": {("vehicle", "vehicle"): 1}, "readers": {"flat": 1}, "outputs": {"jsonl": output}}
    upkeep = UpkeepGauges(config_days=300.0, login_days=80.0, renewals={"renewed": 1}, tesla_errors={"other": 1})
    cluster = {name: 1.0 for name, _, _ in CLUSTER_ROWS}
    text = exposition.text(
        Gauges(counts=counts, certificate_ends_s=2e9, oldest_s=1e9, journal=journal, upkeep=upkeep, cluster=cluster, **groups)  # type: ignore[arg-type]
    )
    found = {family.name for family in text_string_to_metric_families(text.decode())}
    assert {row.name.removesuffix("_total") for row in TABLE} <= found


def test_each_output_has_its_numbers_and_what_it_dropped_by_cause() -> None:
    output = OutputGauges(state="failing", lag_events=7, lag_seconds=2.5, sent=10, retried=3, dropped={"overtaken": 4}, rebuilt=2)
    found = samples(exposition.text(Gauges(counts=Counts(), outputs={"jsonl": output})))
    assert {name: number for (name, labels), number in found.items() if labels == "jsonl"} == {
        "teslafast_output_up": 0,
        "teslafast_output_lag_events": 7,
        "teslafast_output_lag_seconds": 2.5,
        "teslafast_output_sent_total": 10,
        "teslafast_output_retried_total": 3,
        "teslafast_output_rebuilt_total": 2,
    }
    assert found["teslafast_output_dropped_total", "overtaken,jsonl"] == 4


def test_of_several_nodes_the_one_that_works_an_output_says_whether_it_delivers() -> None:
    numbers = {"lag_events": 0, "lag_seconds": 0.0, "sent": 0, "retried": 0}
    here = OutputGauges(state="up", dropped={}, here=True, **numbers)  # type: ignore[arg-type]
    elsewhere = OutputGauges(state="elsewhere", dropped={}, here=False, **numbers)  # type: ignore[arg-type]
    found = samples(exposition.text(Gauges(counts=Counts(), outputs={"jsonl": here, "mqtt": elsewhere})))
    assert {labels: number for (name, labels), number in found.items() if name == "teslafast_output_here"} == {
        "jsonl": 1,
        "mqtt": 0,
    }
    assert {labels: number for (name, labels), number in found.items() if name == "teslafast_output_up"} == {"jsonl": 1}
    told = of_node(Gauges(counts=Counts(), outputs={"jsonl": here, "mqtt": elsewhere}))
    heard = unpacked(packed(told))
    assert heard.keys() == told.keys(), "another node is told all of it"
    assert {name: value for name, value in heard.items() if "output" in name} == {n: v for n, v in told.items() if "output" in n}


def test_a_metric_that_does_not_apply_is_left_out() -> None:
    found = {name for name, _ in samples(exposition.text(Gauges(counts=Counts())))}
    assert not any(name.startswith(("teslafast_journal_cut", "teslafast_certificate", "teslafast_output")) for name in found)


def test_the_end_of_the_certificate_is_a_time_and_not_a_number_of_days() -> None:
    found = samples(exposition.text(Gauges(counts=Counts(), certificate_ends_s=10 * 86400.0)))
    assert found["teslafast_certificate_expiry_timestamp_seconds", ""] == 864000


def test_build_info_is_1_and_names_versions() -> None:
    families = text_string_to_metric_families(exposition.text(Gauges(counts=Counts())).decode())
    [sample] = next(family for family in families if family.name == "teslafast_build_info").samples
    assert (sample.value, sample.labels) == (1, {"version": __version__, "python_version": platform.python_version()})


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1", True),
        ("application/openmetrics-text; version=1.0.0; charset=utf-8", True),
        ("Application/OpenMetrics-Text", True),
        ("application/openmetrics-text;version=2.0.0", False),
        ("application/openmetrics-text;q=0", False),
        ("application/openmetrics-text;q=0.0,text/plain", False),
        ("text/plain", False),
        ("*/*", False),
        ("", False),
        (";;,=;", False),
    ],
)
def test_openmetrics_is_what_an_accept_header_must_name(accept: str, wanted: bool) -> None:
    assert exposition.wants_openmetrics(accept.split(",")) is wanted


def test_a_scraper_that_asks_gets_openmetrics_that_its_parser_takes(server: Inside) -> None:
    with server.place.dashboard() as dashboard, server.place.vehicle() as vehicle:
        vehicle.tell({"Soc": {"floatValue": 1.0}})
        dashboard.until("data")
        accept = "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"
        answer = server.place.get("/metrics", Accept=accept)
    assert answer.headers["Content-Type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert answer.body.endswith(b"# EOF\n")
    assert answer.body.count(b"# EOF") == 1
    families = openmetrics_families(answer.body.decode())  # type: ignore[no-untyped-call]
    found = {one.name: one.value for family in families for one in family.samples}
    assert found["teslafast_seq"] >= 1
    assert found["process_open_fds"] > 3
    assert time.time() - 3600 < found["teslafast_ring_oldest_timestamp_seconds"] <= time.time()


def test_an_empty_log_has_no_oldest_event(server: Inside) -> None:
    assert ("teslafast_ring_oldest_timestamp_seconds", "") not in scraped(server.place)


def test_every_counter_has_the_type_counter_and_ends_in_total() -> None:
    kinds = {
        family.name: family.type for family in text_string_to_metric_families(exposition.text(Gauges(counts=Counts())).decode())
    }
    for row in TABLE:
        assert (row.kind == "counter") == row.name.endswith("_total")
        if row.name in kinds:
            assert kinds[row.name] == row.kind


@given(st.lists(st.floats(0, 100)))
def test_each_duration_is_counted_once_in_cumulative_buckets(seconds: list[float]) -> None:
    counts = Counts()
    for one in seconds:
        counts.turns.add(one)
    found = samples(exposition.text(Gauges(counts=counts)))
    buckets = [value for (name, _), value in found.items() if name == "teslafast_turn_seconds_bucket"]
    assert buckets == sorted(buckets)
    assert buckets[-1] == found["teslafast_turn_seconds_count", ""] == len(seconds)
    assert found["teslafast_turn_seconds_sum", ""] == pytest.approx(sum(seconds))
    for (name, limit), value in found.items():
        if name == "teslafast_turn_seconds_bucket" and limit != "+Inf":
            assert value == sum(int(one * 1e6) < round(float(limit) * 1e6) for one in seconds)


def test_a_very_long_duration_is_in_the_last_bucket() -> None:
    durations = Durations()
    durations.add(1e9)
    assert durations.buckets[-1] == 1


def test_records_and_connections_are_counted(server: Inside) -> None:
    place = server.place
    with place.dashboard() as dashboard, place.vehicle() as vehicle:
        vehicle.tell({"Soc": {"floatValue": 1.0}, "Gear": {"shiftStateValue": "ShiftStateD"}})
        vehicle.send_payload(b"V", b"\xff")
        vehicle.reply()
        dashboard.until("data")
        found = scraped(place)
    assert found["num_connections", ""] == found["teslafast_vehicles", ""] == 1
    assert found["teslafast_connections", "stream,dashboard"] == found["teslafast_readers", "flat"] == 1
    assert found["record_total", "V"] == 1
    assert found["record_size_bytes_total", "V"] > 0
    assert found["signal_count", ""] == 2
    assert found["unexpected_record_err_total", ""] == 1
    assert found["teslafast_messages_refused_total", "malformed"] == 1
    assert found["teslafast_seq", ""] == found["teslafast_events_kept", ""] == 2
    assert found["teslafast_known_vehicles", ""] == 1
    assert 0 < found["teslafast_ring_used_bytes", ""] < found["teslafast_ring_bytes", ""] == 8 << 20
    assert found["teslafast_view_ring_bytes", ""] == 0
    assert found["teslafast_sent_bytes_total", ""] > 0
    assert found["teslafast_turn_seconds_count", ""] >= 2
    assert found["process_open_fds", ""] > 3


def test_bytes_sent_to_a_closed_dashboard_stay_counted(server: Inside) -> None:
    with server.place.dashboard() as dashboard, server.place.vehicle():
        dashboard.until("connectivity")
        before = scraped(server.place)["teslafast_sent_bytes_total", ""]
    server.lines.wait_for("dashboard_disconnected")
    server.lines.wait_for("vehicle_disconnected")
    found = scraped(server.place)
    assert found["teslafast_sent_bytes_total", ""] >= before > 0
    assert found["teslafast_closes_total", "peer"] == 2
    assert found["teslafast_connections", "stream,dashboard"] == 0


def test_refused_requests_are_counted_by_cause(server: Inside) -> None:
    assert server.place.get("/nothing-here").status == 404
    assert server.place.get("/vehicles").status == 401
    found = scraped(server.place)
    assert found["teslafast_requests_refused_total", "unknown_path"] == 1
    assert found["teslafast_requests_refused_total", "no_token"] == 1


def test_the_text_contains_no_vin_token_or_address(server: Inside) -> None:
    vin, secret = "5YJ3E1EA7KF000001", token(sub="somebody")
    with server.place.vehicle(vin) as vehicle, server.place.dashboard(bearer=secret):
        vehicle.tell({"Soc": {"floatValue": 1.0}})
        server.place.get(f"/{vin}?token={secret}")
        answer = server.place.get("/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    for word in (vin, secret, "somebody", "127.0.0.1"):
        assert word.encode() not in answer.body


def test_the_vehicle_port_does_not_serve_metrics(world: World) -> None:
    with Inside(world, VEHICLE_PORT="0") as server:
        assert server.place.get("/metrics").status == 200
        with server.place.raw(world.vehicle("device-1"), server.place.vehicle_port) as raw:
            raw.send(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert raw.status() == 404
