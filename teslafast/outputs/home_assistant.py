"""
A vehicle in Home Assistant, by MQTT discovery: one device message, retained, with all its entities.

    PREFIX/device/teslafast_VIN/config     {"device": …, "origin": …, "availability": …, "components": {key: …}}
    PREFIX/status                          Home Assistant's birth: everything is sent again

Each entity reads the topic of its field. All are available while this server is connected to the broker, and stay so while the
car sleeps: its values are the last ones; whether it streams is an entity of its own. A value that Home Assistant would warn of
becomes `None`, which is shown as unknown.

An entity that an update of ours does not have any more is removed explicitly, as Home Assistant wants it: first a message in
which its component says nothing but its platform, then one without it. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from ..vin import model_of
from .home_assistant_entities import ENTITIES, Entity
from .mqtt_topics import level

SUPPORT_URL = "https://github.com/teslafast/teslafast"
ONLINE, OFFLINE = b"online", b"offline"
BIRTH = b"online"  # of Home Assistant itself

_TEMPLATES = {
    "number": "{{ value_json|float('None') }}",
    "text": "{{ value_json }}",
    "boolean": "{{ {true:'ON',false:'OFF'}.get(value_json,'None') }}",
    "any": "{{ 'None' if value_json is not mapping else 'ON' if value_json.values()|select|list else 'OFF' }}",
    "connected": "{{ 'ON' if value_json.Status == 'CONNECTED' else 'OFF' }}",
    "position": "{{ value if value_json is mapping else '{}' }}",
}

# Without an update a car says " ", or nothing: then what is installed is the latest. The two topics come in any order, so each
# looks at what the other has said. A version is followed by a hash that would make it incomparable.
_INSTALLED = (
    "{% set it = value_json|string|trim %}{% set it = it.split(' ')[0] if it != 'None' else '' %}"
    "{{ {'installed_version': it, 'latest_version': (this.attributes.latest_version if this else none) or it}|tojson if it }}"
)
_LATEST = (
    "{% set it = value_json|string|trim %}"
    "{{ it.split(' ')[0] if it not in ('', 'None') else (this.attributes.installed_version if this else none) or '' }}"
)


@dataclass(frozen=True, slots=True)
class AnnouncedCar:
    """What a device message says besides its entities. `name`: its owner's for it; `version`: its software's; "" if unknown."""

    vin: str
    name: str = ""
    version: str = ""


@dataclass(frozen=True, slots=True)
class Places:
    """`status`: the topic that says whether this server is connected; `base`: of all topics; `prefix`: Home Assistant's."""

    prefix: str
    base: str
    status: str
    server_version: str


def config_topic(prefix: str, vin: str) -> bytes:
    return f"{prefix}/device/{device_id(vin)}/config".encode()


def device_id(vin: str) -> str:
    """Home Assistant takes letters, digits, `_` and `-`."""
    return "teslafast_" + "".join(letter if letter.isascii() and (letter.isalnum() or letter in "_-") else "_" for letter in vin)


def birth_topic(prefix: str) -> bytes:
    return f"{prefix}/status".encode()


def discovery(car: AnnouncedCar, places: Places, gone: Mapping[str, str] | None = None) -> bytes:
    """The device message. `gone`: components that are to be removed with it, and the platform of each."""
    components: dict[str, Any] = {entity.key: _component(entity, car.vin, places.base) for entity in ENTITIES}
    components |= {key: {"platform": platform} for key, platform in (gone or {}).items()}
    return orjson.dumps(
        {
            "device": _device(car),
            "origin": {"name": "teslafast", "sw_version": places.server_version, "support_url": SUPPORT_URL},
            "availability": [{"topic": places.status}],
            "components": components,
        }
    )


def _device(car: AnnouncedCar) -> dict[str, Any]:
    device = {
        "identifiers": [device_id(car.vin)],
        "name": car.name or f"Tesla {car.vin[-6:]}",
        "manufacturer": "Tesla",
        "model": model_of(car.vin) or None,
        "serial_number": car.vin,
        "sw_version": car.version or None,
    }
    return {name: value for name, value in device.items() if value is not None}


def _component(entity: Entity, vin: str, base: str) -> dict[str, Any]:
    start = f"{base}/{level(vin)}"
    topic = f"{start}/connectivity" if entity.field == "connectivity" else f"{start}/v/{entity.field}"
    component: dict[str, Any] = {
        "platform": entity.platform,
        "unique_id": f"{device_id(vin)}_{entity.key}",
        "default_entity_id": f"{entity.platform}.tesla_{device_id(vin)[-6:].lower()}_{entity.key}",
        "name": entity.name or None,
    }
    if entity.reads == "position":
        component |= {"json_attributes_topic": topic, "json_attributes_template": _TEMPLATES["position"], "source_type": "gps"}
    else:
        component |= {"state_topic": topic, "value_template": template(entity)}
    if entity.platform == "update":
        latest = {"latest_version_topic": f"{start}/v/SoftwareUpdateVersion", "latest_version_template": _LATEST}
        component |= {"value_template": _INSTALLED, **latest}
    options = {
        "device_class": entity.device_class,
        "state_class": entity.state_class,
        "unit_of_measurement": entity.unit,
        "icon": f"mdi:{entity.icon}" if entity.icon else "",
        "entity_category": "diagnostic" if entity.diagnostic else "",
        "options": list(states_of(entity)[1]) if entity.device_class == "enum" else "",
    }
    component |= {name: value for name, value in options.items() if value}
    if entity.digits is not None:
        component["suggested_display_precision"] = entity.digits
    if not entity.enabled:
        component["enabled_by_default"] = False
    return component


def states_of(entity: Entity) -> tuple[str, list[str]]:
    """The enum's prefix, and its states."""
    prefix, states = entity.reads.removeprefix("names ").split(": ")
    return prefix, states.split()


def template(entity: Entity) -> str:
    """How Home Assistant makes the state from the payload."""
    kind, _, rest = entity.reads.partition(" ")
    if kind == "names":
        prefix, states = states_of(entity)
        return f"{{% set it = value_json|string|replace('{prefix}','')|lower %}}{{{{ it if it in {states} else 'None' }}}}"
    if kind == "part":
        return f"{{{{ 'None' if value_json is not mapping else 'ON' if value_json.{rest} else 'OFF' }}}}"
    if kind == "on":
        word, _, values = rest.partition(" ")
        hits, misses = ("ON", "OFF") if word == "if" else ("OFF", "ON")
        listed = "(false,)" if values == "false" else f"({','.join(repr(value) for value in values.split())},)"
        unknown = "value_json is none or value_json|string is search('Unknown$')"
        return f"{{{{ 'None' if {unknown} else '{hits}' if value_json in {listed} else '{misses}' }}}}"
    return _TEMPLATES[kind]


def removed(retained: bytes) -> dict[str, str]:
    """The components of a message that the broker has kept, and that we have no more: their platforms by their keys."""
    try:
        components = orjson.loads(retained)["components"]
        had = {str(key): str(component["platform"]) for key, component in components.items()}
    except (ValueError, LookupError, TypeError, AttributeError):
        return {}  # nothing that an earlier version of ours has written
    ours = {entity.key for entity in ENTITIES}
    return {key: platform for key, platform in had.items() if key not in ours}
