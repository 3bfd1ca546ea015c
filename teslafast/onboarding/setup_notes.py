"""
state.json: what the set-up has learnt. It holds no secret, and it is a hint: each step asks the world.

A folder on a server holds a copy, so that `serve` knows the domain, the region and the vehicles.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from ..vin import VIN_LENGTH, is_vin, mended_vin
from .state_folder import NOTES_FILE, StateFolder

FLY, ON_THIS_MACHINE, ELSEWHERE = "fly", "here", "elsewhere"


@dataclass
class SetupNotes:
    """
    domain       the app's domain at Tesla: its public key is served there
    where        fly, here or elsewhere; `url`: the server's address for dashboards
    hostname     where vehicles connect, with `port`
    base_url     the Fleet API's address in the owner's region, "" while it is not known; `region`: its name; `api`: the
                 TESLA_API_BASE_URL with which it was found
    registered   region → when its registration was last seen (RFC 3339)
    front        at home: who answers on port 443 (setup/home.py)
    pushed       VIN → digest of the config that was sent last
    """

    domain: str = ""
    where: str = ""
    url: str = ""
    hostname: str = ""
    port: int = 0
    fly_app: str = ""
    fly_region: str = ""
    client_id: str = ""
    redirect: str = ""
    region: str = ""
    base_url: str = ""
    api: str = ""
    preset: str = ""
    vins: list[str] = field(default_factory=list)
    fields: dict[str, float] = field(default_factory=dict)
    registered: dict[str, str] = field(default_factory=dict)
    pushed: dict[str, str] = field(default_factory=dict)
    handed_over: str = ""
    front: str = ""


def load_notes(folder: StateFolder) -> SetupNotes:
    """The notes of a folder; empty ones if there are none. Raises Misconfigured."""
    found = folder.read_json(NOTES_FILE) or {}
    forms = {one.name: type(getattr(_EMPTY, one.name)) for one in fields(SetupNotes)}
    notes = SetupNotes(**{name: found[name] for name, form in forms.items() if type(found.get(name)) is form})
    notes.vins = [vin for one in notes.vins if is_vin(vin := mended_vin(str(one))) and len(vin) == VIN_LENGTH]
    return notes


def save_notes(folder: StateFolder, notes: SetupNotes) -> None:
    """Writes them if they have changed. Raises Misconfigured."""
    with folder.lock():
        present: Mapping[str, Any] | None = folder.read_json(NOTES_FILE)
        if present != asdict(notes):
            folder.write_json(NOTES_FILE, {**(present or {}), **asdict(notes)})


_EMPTY = SetupNotes()
