"""
The tables in docs/ that are made from the code: `make docs` writes them, tests/docs/test_generated.py fails when they are stale.

A page holds a pair of marks, `<!-- generated: NAME -->` and `<!-- end of NAME -->`; what stands between them is the table NAME of
TABLES. Everything else on the page is written by hand and stays.
"""

from __future__ import annotations

import ast
import csv
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import click
from teslafast.cli.commands import teslafast
from teslafast.config import Settings
from teslafast.environment import rows
from teslafast.onboarding import presets
from teslafast.protocol import messages, signals
from teslafast.server import prometheus
from teslafast.server.node_reports import NODE_ROWS

from tests.support import DATA, ROOT
from tests.test_architecture import PACKAGE, ROOMS

DOCS = ROOT / "docs"
MARKS = re.compile(r"(<!-- generated: ([\w-]+) -->\n).*?(<!-- end of \2 -->)", re.DOTALL)
NONE = "–"
SIZES = {1 << 30: "GiB", 1 << 20: "MiB", 1 << 10: "KiB"}

# Settings


def default_text(default: object, form: str) -> str:
    """A default as one would write it in the environment; `form` says whether a number is seconds or bytes."""
    match default:
        case None | "" | b"" | () | frozenset():
            return NONE
        case bool():
            return f"`{default}`".lower()
        case tuple():
            return f"`{','.join(map(str, default))}`"
        case int() | float() if form.startswith("bytes"):
            return f"`{size_text(int(default))}`"
        case int() | float():
            return f"`{default:g}{'s' if form.startswith('seconds') else ''}`"
    return f"`{default}`"


def size_text(size: int) -> str:
    return next((f"{size // unit}{name}" for unit, name in SIZES.items() if size and size % unit == 0), str(size))


def settings() -> Iterator[str]:
    yield "| variable | default | form | meaning |"
    yield "|---|---|---|---|"
    for row in rows(Settings):
        yield f"| `{row.variable}` | {default_text(row.default, row.form)} | {cell(row.form)} | {cell(row.meaning)} |"


# Metrics


def metrics() -> Iterator[str]:
    yield "| metric | type | label | meaning |"
    yield "|---|---|---|---|"
    for row in prometheus.TABLE:
        labels = [row.label, getattr(row, "second_label", "")]  # outputs' metrics have two
        shown = ", ".join(f"`{label}`" for label in labels if label)
        yield f"| `{row.name}` | {row.kind} | {shown} | {cell(row.help)} |"


def node_metrics() -> Iterator[str]:
    yield "| metric | type | label | meaning |"
    yield "|---|---|---|---|"
    for row in NODE_ROWS:
        yield f"| `{row.name}` | {row.kind} | `node` | {cell(row.help)} |"


# Commands


OF_TESLAS_ACCOUNT = ("login", "logout", "setup", "vehicle")  # commands that have a page of their own


def commands() -> Iterator[str]:
    for word, command in sorted(teslafast.commands.items()):
        if word not in OF_TESLAS_ACCOUNT and not command.hidden:  # for our own scripts
            yield from command_section(f"teslafast {word}", command)


def account_commands() -> Iterator[str]:
    for word in OF_TESLAS_ACCOUNT:
        yield from command_section(f"teslafast {word}", teslafast.commands[word])


def command_section(name: str, command: click.Command) -> Iterator[str]:
    """The section of a command, then those of its sub-commands."""
    context = click.Context(command, info_name=name)
    yield f"## {name}"
    yield ""
    yield " ".join((command.help or "").split())
    if not isinstance(command, click.Group):
        yield ""
        yield f"    {name} {' '.join(command.collect_usage_pieces(context))}"
        yield from option_table(command, context)
    yield ""
    if isinstance(command, click.Group):
        for word, child in sorted(command.commands.items()):
            yield from command_section(f"{name} {word}", child)


def option_table(command: click.Command, context: click.Context) -> Iterator[str]:
    """A row an option; an argument has no words of its own, it stands in the line above."""
    options = [record for one in command.params if isinstance(one, click.Option) and (record := one.get_help_record(context))]
    if options:
        yield ""
        yield "| option | meaning |"
        yield "|---|---|"
    for names, meaning in options:
        yield f"| `{cell(names)}` | {cell(' '.join(meaning.split()))} |"


# Fields

_ALTERNATIVES = {field.name: field.type for field in messages.VALUE}
_PLAIN = {"string": "text", "int32": "integer", "int64": "integer", "float": "number", "double": "number", "bool": "boolean"}
_STRUCTURES = {"LocationValue": "`{latitude, longitude}`", "Time": "`{hour, minute, second}`"}
_STRUCTURES |= {
    "Doors": "object of booleans: [doors](enums.md#doors)",
    "TireLocation": "object of booleans: [tyres](enums.md#tyres)",
}


def type_text(alternative: str) -> str:
    """What stands in the JSON for this alternative of the protocol's Value."""
    kind = _ALTERNATIVES.get(alternative, "")
    if kind in signals.ENUMS:
        return f"[{kind}](enums.md#{kind.lower()})"
    return _PLAIN.get(kind) or _STRUCTURES.get(kind, NONE)


def field_facts() -> dict[str, dict[str, str]]:
    """What Tesla's schema and other consumers say of a field and its code does not: likely alternative, unit, firmware."""
    with (DATA / "field_facts.tsv").open(newline="") as file:
        return {row["field"]: row for row in csv.DictReader(file, delimiter="\t")}


def fields() -> Iterator[str]:
    facts = field_facts()
    unknown: dict[str, str] = {}
    yield "| no. | field | type | unit | minimal | charging | driving |"
    yield "|---|---|---|---|---|---|---|"
    for number, name in enumerate(signals.FIELDS):
        if name not in presets.OF_CARS:
            continue
        fact = facts.get(name, unknown)
        asked = [f"{seconds} s" if (seconds := presets.PRESETS[preset].get(name)) else "" for preset in PRESETS_SHOWN]
        yield f"| {number} | `{name}` | {type_text(fact.get('value', ''))} | {fact.get('unit', '')} | {' | '.join(asked)} |"


PRESETS_SHOWN = ("minimal", "charging", "driving")


def truck_fields() -> Iterator[str]:
    names = [name for name in signals.FIELDS if name not in presets.OF_CARS and not name.startswith(presets._HOLLOW)]
    yield ", ".join(f"`{name}`" for name in names) + "."


def preset_costs() -> Iterator[str]:
    yield "| preset | fields | signals a month | about, a month and vehicle |"
    yield "|---|---|---|---|"
    for name, asked in presets.PRESETS.items():
        month = presets.signals_a_month(asked)
        yield f"| `{name}` | {len(asked)} | {month:,} | ${presets.dollars_a_month(asked):.2f} |"


def enums() -> Iterator[str]:
    """A heading per enum, so that the fields' table can point to it."""
    for name, words in signals.ENUMS.items():
        if name != "Field":
            yield f"### {name}"
            yield ""
            yield " ".join(f"`{word}`" for word in words)
            yield ""


# Rooms


def rooms() -> Iterator[str]:
    yield "| room | what is in it | may import, besides the ground |"
    yield "|---|---|---|"
    for room, others in ROOMS.items():
        about = ast.get_docstring(ast.parse((PACKAGE / room / "__init__.py").read_text())) or ""
        first = " ".join(about.partition("\n\n")[0].split())
        yield f"| `{room}/` | {cell(first)} | {', '.join(others.split()) or NONE} |"


# Types for programs


def field_types() -> Iterator[str]:
    """TypeScript: every field of a car's data, all optional, any of them null."""
    facts = field_facts()
    unknown: dict[str, str] = {}
    for name in signals.FIELDS:
        if not name.startswith(presets._HOLLOW):
            fact = facts.get(name, unknown)
            unit = f"  // {fact['unit']}" if fact.get("unit") else ""
            yield f"  {name}?: {typescript_of(fact.get('value', ''))} | null;{unit}"


def typescript_of(alternative: str) -> str:
    kind = _ALTERNATIVES.get(alternative, "")
    plain = {"text": "string", "integer": "number", "number": "number", "boolean": "boolean"}.get(_PLAIN.get(kind, ""))
    structures = {"LocationValue": "Location", "Time": "TimeOfDay", "Doors": "Doors", "TireLocation": "Tyres"}
    return plain or structures.get(kind) or (kind if kind in signals.ENUMS else "Value")


def enum_types() -> Iterator[str]:
    for name, words in signals.ENUMS.items():
        if name in TYPED_ENUMS:
            yield f"export type {name} = {' | '.join(json.dumps(word) for word in words)} | number;"


TYPED_ENUMS = {kind for kind in _ALTERNATIVES.values() if kind in signals.ENUMS} | {"Audience"}


def cell(text: str) -> str:
    return text.replace("|", "\\|")


TABLES: dict[str, Callable[[], Iterator[str]]] = {
    "settings": settings,
    "metrics": metrics,
    "commands": commands,
    "account-commands": account_commands,
    "fields": fields,
    "truck-fields": truck_fields,
    "preset-costs": preset_costs,
    "enums": enums,
    "node-metrics": node_metrics,
    "rooms": rooms,
}
TYPES: dict[str, Callable[[], Iterator[str]]] = {"fields": field_types, "enums": enum_types}


def renewed(page: Path) -> str:
    """The page with its tables as the code has them now."""
    tables = TYPES if page.suffix == ".ts" else TABLES

    def table(match: re.Match[str]) -> str:
        return f"{match[1]}" + "\n".join(tables[match[2]]()).rstrip("\n") + f"\n{match[3]}"

    pattern = TYPES_MARKS if page.suffix == ".ts" else MARKS
    return pattern.sub(table, page.read_text())


TYPES_MARKS = re.compile(r"([ ]*// generated: ([\w-]+)\n).*?([ ]*// end of \2)", re.DOTALL)


def pages() -> list[Path]:
    return sorted([*DOCS.rglob("*.md"), *DOCS.glob("*.d.ts")])


def main() -> None:
    for page in pages():
        text = renewed(page)
        if text != page.read_text():
            page.write_text(text)
            print(f"wrote {page.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
