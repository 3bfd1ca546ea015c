"""
A client certificate, already verified against the anchors by TLS, and the device that it names: or a refusal in plain words.

The rules and their order are the reference server's (docs/protocol.md, "Identity"): the issuer's common name decides whether the
leaf's extended-key-usage OIDs or the issuer itself say what kind of device this is. Only vehicles may stream here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..errors import Refused
from ..refusals import CERTIFICATE_UNREADABLE, NO_PRODUCT, NO_VIN, NOT_A_VEHICLE, UNKNOWN_ISSUER, WIFI_CERTIFICATE
from ..vin import is_vin, mended_vin

_TESLA = "1.3.6.1.4.1.49279.2."

OID_ISSUERS = frozenset(
    {
        "Tesla Motors Product Issuing CA",
        "Tesla Motors Product RSA Issuing CA",
        "Tesla Motors GF3 Product Issuing CA",
        "Tesla Motors GF3 Product RSA Issuing CA",
        "Tesla Energy Product Issuing CA",
        "Tesla Energy GF0 Product Issuing CA",
        "Tesla Motors GF0 Product Issuing CA",
        "Tesla Motors GF Austin Product Issuing CA",
        "Tesla Motors GF Berlin Product Issuing CA",
        "Tesla Product Access Issuing CA",
        "Tesla China Product Access Issuing CA",
        "Tesla GF0 Product Access Issuing CA",
        "Tesla GF3 Product Access Issuing CA",
        "Tesla GF Austin Product Access Issuing CA",
        "Tesla GF Berlin Product Access Issuing CA",
    }
)
LEGACY_ISSUERS = frozenset({"TeslaMotors", "Tesla Issuing CA", "Tesla Motors Products CA"})
BOARD_ISSUER, BOARD_UNIT = "Tesla Motors Products CA", "Tesla Motors SN"

_KINDS_BY_SUFFIX = {
    1: "vehicle_device",
    11: "vehicle_board_device",
    2: "energy_device",
    12: "das_device",
    14: "vehicle_service",
    15: "das_service",
    16: "energy_service",
    28: "robotics_device",
}
KINDS_BY_OID = {f"{_TESLA}{realm}.{n}": kind for realm in (4, 5) for n, kind in _KINDS_BY_SUFFIX.items()}  # 4 = eng, 5 = prod
EXCLUDED_OID = f"{_TESLA}5.1.1"
KINDS_BY_UNIT = {"Solar Inverter": "solar_inverter_device", "Gen3 Wall Connector": "wall_connector_device"}
STREAMING_KINDS = frozenset({"vehicle_device", "vehicle_board_device"})

# Tesla's own numbers are not among the usages that RFC 5280 names; those are passed over, as the reference does.
_STANDARD_USAGES = ("1.3.6.1.5.5.7.3.", "2.5.29.37.")


@dataclass(frozen=True, slots=True)
class Certificate:
    """
    What identity is decided on.

    common_name, issuer   of several common names the last one, as for the reference server
    usages, units         extended-key-usage OIDs, dotted, in their order; the subject's OUs
    ends_at               seconds since 1970, of the first in its chain to end: TLS asks at the handshake only
    unreadable            why the rest could not be read
    """

    common_name: str
    issuer: str
    usages: Sequence[str] = ()
    units: Sequence[str] = ()
    ends_at: float = math.inf
    unreadable: str = ""

    def ending_by(self, moment: float) -> Certificate:
        """The same, with a chain that ends then."""
        return self if self.ends_at <= moment else replace(self, ends_at=moment)


@dataclass(frozen=True, slots=True)
class Device:
    """
    `vin`: the subject's common name with `.` as `-`, as every filter, token and setting names it; `kind`: what it is,
    `vehicle_device` for a car; `spelling`: the name as the certificate has it, if that is another.
    """

    vin: str
    kind: str
    spelling: str = ""

    @property
    def sender_id(self) -> str:
        """What its envelopes name as their sender."""
        return f"{self.kind}.{self.device_id}"

    @property
    def device_id(self) -> str:
        return self.spelling or self.vin


def identify(certificate: Certificate) -> Device:
    """The vehicle that the verified leaf names. Raises Refused (403)."""
    if certificate.unreadable:
        raise Refused(CERTIFICATE_UNREADABLE, f"the client's certificate cannot be read: {certificate.unreadable[:100]}")
    kind = _kind_of(certificate)
    if kind not in STREAMING_KINDS:
        raise Refused(NOT_A_VEHICLE, f"the certificate belongs to a {kind.replace('_', ' ')}, not to a vehicle")
    name = certificate.common_name.replace(".", "-")
    if not is_vin(name):  # what cannot be asked for by a filter, a token or a setting may not come in
        raise Refused(NO_VIN)
    vin = mended_vin(name)  # as those mend it: in lower case nobody would find it
    return Device(vin, kind, "" if vin == name else name)


def _kind_of(certificate: Certificate) -> str:
    if certificate.issuer in OID_ISSUERS:
        return _kind_by_usage(certificate)
    if certificate.issuer in LEGACY_ISSUERS:
        board = certificate.issuer == BOARD_ISSUER and list(certificate.units[:1]) == [BOARD_UNIT]
        return "vehicle_board_device" if board else "vehicle_device"
    raise Refused(UNKNOWN_ISSUER, f"issuer {certificate.issuer!r:.80} is not one of Tesla's that issue to vehicles")


def _kind_by_usage(certificate: Certificate) -> str:
    """The first OID that says anything decides; an OU that names a product goes before the OID's kind."""
    for usage in certificate.usages:
        if usage.startswith(_STANDARD_USAGES):
            continue
        if usage == EXCLUDED_OID:
            raise Refused(WIFI_CERTIFICATE)
        if usage in KINDS_BY_OID:
            named = (KINDS_BY_UNIT[unit] for unit in certificate.units if unit in KINDS_BY_UNIT)
            return next(named, KINDS_BY_OID[usage])
    raise Refused(NO_PRODUCT)
