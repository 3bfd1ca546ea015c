"""What is asked of the members of a dashboard's message."""

from __future__ import annotations

from typing import Any

from . import messages


def no_name_twice(members: list[tuple[str, Any]]) -> None:
    """Raises Refused."""
    names = [name for name, _ in members]
    for name in names:
        if names.count(name) > 1:
            raise messages.invalid(f"{name[:40]!r} is given twice")


def strings(said: dict[str, Any], name: str) -> list[str] | None:
    """Raises Refused."""
    value = said[name]
    if value is None or (isinstance(value, list) and all(isinstance(item, str) for item in value)):
        return value
    raise messages.invalid(f"{name} must be a list of strings, or null for all")
