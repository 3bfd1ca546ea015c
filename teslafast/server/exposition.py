"""The metrics' table as Prometheus text. prometheus-client writes it, and is imported at the first scrape."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from ..metrics import Durations
from .node_reports import NODE_ROWS, NodeReport
from .prometheus import TABLE, Gauges, Row, Value
from .samples import Samples, merged, samples

OPENMETRICS_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SHORTEST = 5  # the first bucket shown: 32 µs


def text(reading: Gauges) -> bytes:
    """The whole answer to a scrape."""
    from prometheus_client import CollectorRegistry, generate_latest

    registry = CollectorRegistry()
    registry.register(_Collector(samples(reading)))
    return generate_latest(registry) + generate_latest(_of_process())


def openmetrics(reading: Gauges) -> bytes:
    """The same for a scraper that asks for OpenMetrics. The text has one end mark, so it is made from one registry."""
    from prometheus_client import CollectorRegistry, ProcessCollector

    registry = CollectorRegistry()
    registry.register(_Collector(samples(reading)))
    ProcessCollector(registry=registry)
    return _as_openmetrics(registry)


def together(nodes: Sequence[NodeReport], form: str) -> bytes:
    """What several nodes count, as one, and a few things of each; `form` is one of the two types above."""
    from prometheus_client import CollectorRegistry, generate_latest

    registry = CollectorRegistry()
    registry.register(_Collector(merged([node.samples for node in nodes]), nodes))
    return _as_openmetrics(registry) if form == OPENMETRICS_TYPE else generate_latest(registry)


def _as_openmetrics(registry: Any) -> bytes:
    from prometheus_client.openmetrics.exposition import generate_latest

    written: Callable[[Any], bytes] = generate_latest
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


def process_samples() -> dict[str, float]:
    """Memory, CPU and descriptors of this process, by name."""
    return {one.name: float(one.value) for family in _of_process().collect() for one in family.samples}


class _Collector:
    """`nodes`: those that the values are of, if they are several."""

    def __init__(self, values: Samples, nodes: Sequence[NodeReport] = ()) -> None:
        self._values = values
        self._nodes = nodes

    def collect(self) -> Iterator[Any]:
        for row in TABLE:
            value = self._values.get(row.name)
            if value is not None:
                yield _family(row, value)
        if self._nodes:
            yield from self._of_several()

    def _of_several(self) -> Iterator[Any]:
        for family in _of_process().collect():  # for their names and kinds
            for one in family.samples:
                if (value := self._values.get(one.name)) is not None:
                    yield _family(Row(one.name, family.type, family.documentation, lambda now: None), value)
        for row in NODE_ROWS:
            of_each = {node.name: number for node in self._nodes if (number := row.read(node)) is not None}
            if of_each:
                yield _family(Row(row.name, row.kind, row.help, lambda now: None, "node"), of_each)


def _family(row: Row, value: Value) -> Any:
    from prometheus_client import core

    if isinstance(value, Durations):
        return core.HistogramMetricFamily(row.name, row.help, buckets=_cumulated(value), sum_value=value.sum_s)
    families = {"counter": core.CounterMetricFamily, "gauge": core.GaugeMetricFamily, "unknown": core.UntypedMetricFamily}
    make = families[row.kind]
    if not isinstance(value, Mapping):
        return make(row.name, row.help, value=value)
    labels = [label for label in (row.label, row.second_label) if label]
    family = make(row.name, row.help, labels=labels)
    for words, number in sorted(value.items(), key=lambda item: (item[0],) if isinstance(item[0], str) else item[0]):
        shown = [words] if isinstance(words, str) else words
        if len(shown) == len(labels):  # a node of another version may have others
            family.add_metric(shown, number)
    return family


def _cumulated(durations: Durations) -> list[tuple[str, float]]:
    total, buckets = 0, []
    for power, count in enumerate(durations.buckets):
        total += count
        if _SHORTEST <= power < Durations.LAST:
            buckets.append((str(2**power / 1e6), float(total)))
    return [*buckets, ("+Inf", float(total))]
