"""Who asks to be let in as a vehicle, and what is known of the one that is."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..core.load import ServerLoad
from ..protocol.identity import Certificate, Device


@dataclass(frozen=True, slots=True)
class VehicleCaller:
    """
    Who asks, as far as the connection tells.

    certificate     what TLS has verified; None if the client showed none
    unverified      None if such a client may name itself (development only); otherwise the reason why there is no certificate
    """

    certificate: Certificate | None
    unverified: str | None
    load: ServerLoad


@dataclass(frozen=True, slots=True)
class AdmitVehicle:
    """
    `verified`: its certificate says who it is. Otherwise (development only) it named itself, or will do so in its first message
    (`device.vin` is empty until then), and it may send JSON text. `certificate_ends_at`: seconds since 1970.
    """

    device: Device
    verified: bool
    network_interface: str
    client_version: str
    connection_id: str | None
    certificate_ends_at: float = math.inf


def short(text: str | None) -> str:
    """A header's value fit for a log and a page: printable ASCII, 32 characters at most."""
    return "".join(character for character in (text or "")[:32] if " " <= character <= "~")


def uuid_of(text: str | None) -> str | None:
    """X-TXID names the connection if it is a UUID in any of the usual spellings; otherwise it is ignored."""
    digits = (text or "").lower().removeprefix("urn:uuid:").strip("{}").replace("-", "")
    if len(digits) != 32 or not set(digits) <= set("0123456789abcdef"):
        return None
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
