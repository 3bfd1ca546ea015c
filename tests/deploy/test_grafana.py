"""The Grafana dashboard asks for metrics that `/metrics` gives, by labels that they have."""

import json
import re
from typing import Any

import pytest
from teslafast.server.prometheus import TABLE, Row

from tests.support import ROOT

DASHBOARD = json.loads((ROOT / "deploy" / "grafana.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
FROM_SCRAPING = {"job", "instance", "le"}
OF_PROCESS = {"process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds", "process_max_fds"}
FUNCTIONS = {"time", "sum", "min", "max", "by", "rate", "histogram_quantile"}


def exposed(row: Row) -> set[str]:
    """The names of a row's series; prometheus-client adds the endings of a histogram."""
    return {f"{row.name}_{end}" for end in ("bucket", "sum", "count")} if row.kind == "histogram" else {row.name}


LABELS = {name: {row.label} - {""} for row in TABLE for name in exposed(row)} | {name: set() for name in OF_PROCESS}


def expressions() -> list[str]:
    return [target["expr"] for panel in PANELS for target in panel["targets"]]


def names(expression: str) -> set[str]:
    without_labels = re.sub(r"\{[^}]*\}|\[[^\]]*\]|\bby \([^)]*\)", "", expression)
    return set(re.findall(r"[a-z_][a-z0-9_]*", without_labels)) - FUNCTIONS


@pytest.mark.parametrize("expression", expressions())
def test_every_metric_asked_for_is_given(expression: str) -> None:
    assert names(expression)
    assert names(expression) <= set(LABELS)


@pytest.mark.parametrize("expression", expressions())
def test_every_label_asked_for_is_one_that_the_metric_has(expression: str) -> None:
    asked = set(re.findall(r"(\w+)=", expression)) | {
        label.strip() for group in re.findall(r"\bby \(([^)]*)\)", expression) for label in group.split(",")
    }
    known = set().union(*(LABELS[name] for name in names(expression)))
    assert asked - FROM_SCRAPING <= known


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_every_counter_is_shown_as_a_rate(panel: dict[str, Any]) -> None:
    for target in panel["targets"]:
        for name in re.findall(r"\b\w+_total\b|\b\w+_bucket\b", target["expr"]):
            assert re.search(rf"rate\({name}\{{", target["expr"]), name


def test_no_two_panels_lie_upon_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        taken |= cells


def test_panels_have_numbers_of_their_own() -> None:
    numbers = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(numbers)) == len(numbers)
