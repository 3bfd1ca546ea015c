"""
Metrics as values that travel: what one node counts, packed for another, and the counts of several nodes as one.

A counter of several nodes is their sum, and so is a gauge of what each node has for itself. What all of them see alike, or what
only the worst tells, is in ONE_OF_ALL. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ..metrics import Durations
from .prometheus import TABLE, Gauges, Value

Samples = Mapping[str, Value]  # by the name of a row of TABLE, or of what ProcessCollector gives

MOST_LABELS = 1000  # values of one metric's labels: some ten times what a server has
LONGEST_LABEL = 100
ONE_OF_ALL: Mapping[str, Callable[[Iterable[float]], float]] = {
    "teslafast_known_vehicles": max,
    "teslafast_seq": max,
    "teslafast_events_kept": min,  # what a dashboard can replay at whatever node
    "teslafast_ring_oldest_timestamp_seconds": max,
    "teslafast_most_behind_events": max,
    "teslafast_build_info": max,
    "teslafast_uptime_seconds": max,
    "teslafast_draining": max,
    "teslafast_certificate_expiry_timestamp_seconds": min,
    "teslafast_journal_stopped": max,
    "teslafast_journal_recovery_seconds": max,
    "teslafast_config_days": min,
    "teslafast_login_days": min,
    "teslafast_output_up": max,  # one node works at an output, the others stand by
    "teslafast_output_here": max,
    "teslafast_output_lag_events": max,
    "teslafast_output_lag_seconds": max,
    "teslafast_cluster_runs": max,
    "teslafast_cluster_vehicles": max,
    "teslafast_cluster_away_seconds": max,
    "teslafast_cluster_behind": max,
    "process_start_time_seconds": min,
}


def samples(reading: Gauges) -> dict[str, Value]:
    """What applies of the table."""
    found = ((row.name, row.read(reading)) for row in TABLE)
    return {name: value for name, value in found if value is not None}


def packed(values: Samples) -> dict[str, Any]:
    """
    For JSON: a number; `{"by": [[label, …, number], …]}`; or, of a histogram, `{"buckets": [count, …], "sum": seconds}`.
    """
    return {name: _packed(value) for name, value in values.items()}


def _packed(value: Value) -> object:
    if isinstance(value, Durations):
        return {"buckets": value.buckets, "sum": value.sum_s}
    if isinstance(value, Mapping):
        return {"by": [[*([words] if isinstance(words, str) else words), number] for words, number in value.items()]}
    return value


def unpacked(said: object) -> dict[str, Value]:
    """What another node has packed; a metric that is not as it should be is left out."""
    found: dict[str, Value] = {}
    for name, value in (said if isinstance(said, dict) else {}).items():
        try:
            found[name] = _unpacked(value)
        except (TypeError, ValueError, KeyError):
            continue
    return found


def _unpacked(said: Any) -> Value:
    if not isinstance(said, dict):
        return _number(said)
    if "by" in said:
        return dict(_labelled(one) for one in said["by"][:MOST_LABELS])
    durations = Durations()
    buckets = [int(_number(count)) for count in said["buckets"]]
    if len(buckets) != len(durations.buckets):
        raise ValueError("another table of buckets")
    durations.buckets, durations.sum_s = buckets, _number(said["sum"])
    return durations


def _labelled(said: Sequence[Any]) -> tuple[Any, float]:
    *words, number = said
    labels = [word[:LONGEST_LABEL] for word in words if isinstance(word, str)]
    if len(labels) != len(words) or not 1 <= len(labels) <= 2:
        raise ValueError("not labels")
    return (labels[0] if len(labels) == 1 else (labels[0], labels[1])), _number(number)


def _number(said: object) -> float:
    if isinstance(said, bool) or not isinstance(said, int | float):
        raise ValueError("not a number")
    return said


def merged(nodes: Sequence[Samples]) -> dict[str, Value]:
    """The counts of all of them as one; where versions differ in a metric's shape, the first node's."""
    found: dict[str, Value] = {}
    for name in dict.fromkeys(name for one in nodes for name in one):
        values = [one[name] for one in nodes if name in one]
        found[name] = _merged(values, ONE_OF_ALL.get(name, sum))
    return found


def _merged(values: list[Value], together: Callable[[Iterable[float]], float]) -> Value:
    first = values[0]
    if isinstance(first, Durations):
        return _added([one for one in values if isinstance(one, Durations)])
    if isinstance(first, Mapping):
        columns: dict[Any, list[float]] = {}
        for one in values:
            for words, number in one.items() if isinstance(one, Mapping) else ():
                columns.setdefault(words, []).append(number)
        return {words: together(numbers) for words, numbers in columns.items()}
    return together(one for one in values if isinstance(one, int | float))


def _added(values: Sequence[Durations]) -> Durations:
    found = Durations()
    found.buckets = [sum(column) for column in zip(*(one.buckets for one in values), strict=True)]
    found.sum_s = sum(one.sum_s for one in values)
    return found
