"""The metrics' table as Prometheus text. prometheus-client writes it, and is imported at the first scrape."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from typing import Any

from ..metrics import Durations
from .prometheus import TABLE, Gauges, Row, Value

OPENMETRICS_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SHORTEST = 5  # the first bucket shown: 32 µs


def text(reading: Gauges) -> bytes:
    """The whole answer to a scrape."""
    from prometheus_client import CollectorRegistry, generate_latest

    registry = CollectorRegistry()
    registry.register(_Collector(reading))
    return generate_latest(registry) + generate_latest(_of_process())


def openmetrics(reading: Gauges) -> bytes:
    """The same for a scraper that asks for OpenMetrics. The text has one end mark, so it is made from one registry."""
    from prometheus_client import CollectorRegistry, ProcessCollector
    from prometheus_client.openmetrics.exposition import generate_latest

    written: Callable[[CollectorRegistry], bytes] = generate_latest
    registry = CollectorRegistry()
    registry.register(_Collector(reading))
    ProcessCollector(registry=registry)
    return written(registry)


def wants_openmetrics(accepted: Iterable[str]) -> bool:
    """
    Whether an Accept header names OpenMetrics 1.0, and does not rule it out with `q=0`.

    Prometheus lists it before the plain text; whoever accepts it at all gets it, so weights are not compared.
    """
    for media_range in accepted:
        media_type, *parameters = (part.strip().lower() for part in media_range.split(";"))
        named = dict(parameter.partition("=")[::2] for parameter in parameters)
        if media_type == "application/openmetrics-text" and named.get("version", "1.0.0") == "1.0.0":
            return named.get("q", "1").strip("0.") != ""
    return False


@cache
def _of_process() -> Any:
    """Memory, CPU and descriptors, as prometheus-client reads them from /proc."""
    from prometheus_client import CollectorRegistry, ProcessCollector

    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    return registry


class _Collector:
    def __init__(self, reading: Gauges) -> None:
        self._reading = reading

    def collect(self) -> Iterator[Any]:
        for row in TABLE:
            value = row.read(self._reading)
            if value is not None:
                yield _family(row, value)


def _family(row: Row, value: Value) -> Any:
    from prometheus_client import core

    if isinstance(value, Durations):
        return core.HistogramMetricFamily(row.name, row.help, buckets=_cumulated(value), sum_value=value.sum_s)
    families = {"counter": core.CounterMetricFamily, "gauge": core.GaugeMetricFamily, "unknown": core.UntypedMetricFamily}
    make = families[row.kind]
    if not isinstance(value, Mapping):
        return make(row.name, row.help, value=value)
    family = make(row.name, row.help, labels=[label for label in (row.label, row.second_label) if label])
    for words, number in sorted(value.items()):
        family.add_metric([words] if isinstance(words, str) else words, number)
    return family


def _cumulated(durations: Durations) -> list[tuple[str, float]]:
    total, buckets = 0, []
    for power, count in enumerate(durations.buckets):
        total += count
        if _SHORTEST <= power < Durations.LAST:
            buckets.append((str(2**power / 1e6), float(total)))
    return [*buckets, ("+Inf", float(total))]
