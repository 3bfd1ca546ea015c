"""
Names of fields as operators type them: known, misspelt, or newer than this version.

Tesla adds fields every few months, and answers for itself about names that it does not know. So a name that looks like a field's
is passed on; only one that is nearly the name of a known field is held back. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from ..errors import Misconfigured
from ..protocol.signals import FIELDS
from ..text import typing_errors

KNOWN = tuple(FIELDS[1:])  # the first, Unknown, is no field
FIELD_TYPOS_AT_MOST = 2  # typing errors; new fields differ from their siblings by a word (…ChargedKwh and …DischargedKwh: four)

_CAMEL_CASE = re.compile(r"[A-Z][A-Za-z0-9]{2,63}")
_LIST = "list the fields: teslafast vehicle configure --preset everything --dry-run"


def unknown_fields(names: Iterable[str]) -> list[str]:
    """
    Those of the names that this version does not know, but that may be new fields of Tesla's. Raises Misconfigured for a name
    that is none, and for one that is nearly the name of a known field.
    """
    unknown = sorted(set(names).difference(KNOWN))
    for name in unknown:
        if meant := nearest(name):
            remedy = f"did you mean {meant}? If Tesla has added this very name, give it with --new-field"
            raise Misconfigured("--field", f"{name!r} is not a field", remedy)
        check_form(name)
    return unknown


def check_form(name: str) -> None:
    """Raises Misconfigured unless the name is written as Tesla writes them."""
    if not _CAMEL_CASE.fullmatch(name) or name == FIELDS[0]:
        raise Misconfigured("--field", f"{name!r} is not a field", _LIST)


def nearest(word: str) -> str:
    """The known field that was probably meant, "" if none is near enough."""
    if word == FIELDS[0]:
        return ""
    lowered = word.lower()
    allowed = min(FIELD_TYPOS_AT_MOST, len(word) // 4)
    near = ((typing_errors(lowered, known.lower(), allowed), known) for known in KNOWN)
    return min((found for found in near if found[0] <= allowed), default=(0, ""))[1]
