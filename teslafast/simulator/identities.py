"""Who the simulated vehicles are: a VIN each and, for wss://, the TLS context that shows its certificate."""

import ssl
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, parse_qs

from ..certificates.trust_store import add_trusted
from ..errors import Misconfigured
from ..scratch import scratch_folder
from ..vin import sample_vin

if TYPE_CHECKING:
    from ..certificates.folder import VehicleFiles

Identity = tuple[str, ssl.SSLContext | None]


def identities(parts: SplitResult, vehicles: int, certs_dir: Path | None) -> list[Identity]:
    """VIN and TLS context of each vehicle; the context is None for ws://. Raises Misconfigured."""
    if certs_dir is None:
        named = parse_qs(parts.query).get("vin")
        return [(vin, None) for vin in named or map(sample_vin, range(1, vehicles + 1))]
    from ..certificates import folder  # deferred: cryptography takes a tenth of a second to import

    with scratch_folder() as scratch:
        files = folder.vehicles(certs_dir, vehicles, scratch)
        if parts.scheme == "ws":
            return [(vehicle.vin, None) for vehicle in files]
        return [(vehicle.vin, _context(certs_dir / "ca.pem", vehicle)) for vehicle in files]


def _context(ca: Path, vehicle: "VehicleFiles") -> ssl.SSLContext:
    """A vehicle's TLS: it trusts the `ca` of its config, or the system's CAs if there is no such file."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if ca.exists():
        add_trusted(context, ca)
    else:
        context.load_default_certs()
    try:
        context.load_cert_chain(vehicle.certificate, vehicle.key)
    except OSError as error:  # ssl.SSLError is one
        fault = f"cannot be used with {vehicle.key.name} ({error})"
        raise Misconfigured(str(vehicle.certificate), fault, "make new ones with `teslafast certs init`") from None
    return context
