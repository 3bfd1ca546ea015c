"""The alert rules use metrics that the server has, and the page on monitoring explains each of them."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from teslafast.server import prometheus

from tests.support import ROOT

RULES: list[dict[str, Any]] = yaml.safe_load((ROOT / "deploy" / "alerts.yml").read_text())["groups"][0]["rules"]
OF_OTHERS = {"up", "process_open_fds", "process_max_fds"}  # Prometheus', prometheus-client's
WORDS = re.compile(r"\b(?:up|[a-z]+(?:_[a-z]+)+)\b(?!\()")
FUNCTIONS = {"max_over_time"}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule["alert"]))
def test_a_rule_asks_for_metrics_that_exist(rule: dict[str, Any]) -> None:
    expression = re.sub(r"\{[^}]*\}", "", rule["expr"])
    names = set(WORDS.findall(expression)) - FUNCTIONS
    assert names
    assert names <= {row.name for row in prometheus.TABLE} | OF_OTHERS


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule["alert"]))
def test_a_label_in_a_rule_is_one_that_the_metric_has(rule: dict[str, Any]) -> None:
    labels = {row.name: row.label for row in prometheus.TABLE}
    for name, label in re.findall(r"(\w+)\{(\w+)=", rule["expr"]):
        assert label == "job" or label == labels[name]


def test_the_page_explains_every_rule() -> None:
    page = (ROOT / "docs" / "monitoring.md").read_text()
    assert re.findall(r"^\| `(Teslafast\w+)` \|", page, re.MULTILINE) == [rule["alert"] for rule in RULES]
