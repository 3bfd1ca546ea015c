"""docs/websocket-conformance.md holds the outcomes of a whole run of the Autobahn suite, and how they are told apart."""

from __future__ import annotations

import re

from tests.programs.autobahn import BEGIN, CASES, END, GOOD, GROUPS, failures, table
from tests.support import ROOT

PAGE = (ROOT / "docs" / "websocket-conformance.md").read_text()


def outcomes(behavior: str = "OK", closing: str = "OK") -> dict[str, dict[str, dict[str, str]]]:
    return {"vehicle": {"7.1.1": {"behavior": behavior, "behaviorClose": closing, "reportfile": "a.json"}}}


def test_the_page_tells_of_every_group_and_every_case_of_both_roles_and_all_are_good() -> None:
    written = PAGE.partition(BEGIN)[2].partition(END)[0].strip().splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in written[2:]]
    assert [(group, meaning) for group, meaning, *_ in rows] == list(GROUPS.items())
    for role in (2, 3):
        counted = [re.fullmatch(r"(\d+) (.+)", part) for row in rows for part in row[role].split(", ")]
        assert {one[2] for one in counted if one} <= GOOD
        assert sum(int(one[1]) for one in counted if one) == CASES


def test_a_case_that_failed_is_told_with_its_role_number_and_report() -> None:
    assert failures(outcomes()) == []
    assert failures(outcomes("NON-STRICT", "INFORMATIONAL")) == []
    assert failures(outcomes("FAILED")) == ["vehicle 7.1.1: FAILED, see a.json"]
    assert failures(outcomes("OK", "WRONG CODE")) == ["vehicle 7.1.1: WRONG CODE when closing, see a.json"]


def test_the_table_counts_outcomes_by_group() -> None:
    lines = table(outcomes("OK", "UNCLEAN")).splitlines()
    assert lines[0] == "| Cases | What they try | Vehicle |"
    assert "| 7 | Closing: order, codes, reasons | 1 UNCLEAN when closing |" in lines
    assert "| 2 | Pings and pongs | none |" in lines
