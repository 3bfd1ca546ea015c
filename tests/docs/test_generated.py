"""The tables that are made from the code are what the code says now: `make docs` writes them."""

from __future__ import annotations

from pathlib import Path

import pytest
from teslafast.protocol import messages, signals

from tests.docs import generate
from tests.support import ROOT


@pytest.mark.parametrize("page", generate.pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_a_generated_table_is_up_to_date(page: Path) -> None:
    assert generate.renewed(page) == page.read_text(), f"{page.relative_to(ROOT)} is stale: run make docs, and commit it"


def test_every_table_stands_on_a_page() -> None:
    text = "\n".join(page.read_text() for page in generate.pages())
    assert all(f"generated: {name}" in text for name in [*generate.TABLES, *generate.TYPES])


def test_the_facts_of_fields_name_alternatives_that_the_protocol_has() -> None:
    known = {field.name for field in messages.VALUE}
    facts = generate.field_facts()
    of_this_version = {name: fact["value"] for name, fact in facts.items() if name in signals.FIELDS}
    assert {name: value for name, value in of_this_version.items() if value and value not in known} == {}


@pytest.mark.parametrize(
    ("default", "form", "text"),
    [
        (64 << 20, "bytes (64MiB)", "`64MiB`"),
        (1_000_000, "bytes, 1024 to 64MiB", "`1000000`"),
        (20.0, "seconds (20, 20s)", "`20s`"),
        (0, "milliseconds, 0 to 10000", "`0`"),
        (True, "true or false", "`true`"),
        ((), "comma list", "–"),
        (("HS256",), "comma list", "`HS256`"),
    ],
)
def test_a_default_is_shown_as_one_would_write_it(default: object, form: str, text: str) -> None:
    assert generate.default_text(default, form) == text
