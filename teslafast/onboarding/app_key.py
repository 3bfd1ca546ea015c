"""
The app's key: where Tesla looks for its public half, and whether Tesla has ours.

Tesla takes a config whoever has signed it; the car alone looks, and refuses another key ("InvalidSignature: unknown issuer"). So
the key is compared with the registered one before every push.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from ..errors import Declined, Misconfigured, Unhealthy
from . import jws
from .accounts import DOMAIN_VARIABLE, domain_of, oauth_of, partner_api
from .fleet_api import FleetApi
from .state_folder import StateFolder

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

_NOT_SENT = "nothing was sent, because the key could not be compared with the one that Tesla has"
KEY_PATH_AT_DOMAIN = "/.well-known/appspecific/com.tesla.3p.public-key.pem"


def public_hex(key: EllipticCurvePrivateKey) -> str:
    """The public key as Tesla writes it: 04…, 130 digits."""
    return jws.public_bytes(key).hex()


def public_pem(key: EllipticCurvePrivateKey) -> bytes:
    """The public key as the domain serves it."""
    from cryptography.hazmat.primitives import serialization

    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.PEM, form)


def hex_of_pem(pem: bytes) -> str:
    """The public key in a PEM, as Tesla writes it; "" if it is not a P-256 key."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    try:
        key = serialization.load_pem_public_key(pem)
    except ValueError:
        return ""
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        return ""
    return key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint).hex()


def require_same_key(registered: str, key: EllipticCurvePrivateKey, domain: str) -> None:
    """Raises Misconfigured unless Tesla's key (hex) is ours."""
    if registered == public_hex(key):
        return
    if not registered:
        fault = f"Tesla has no key for {domain}"
        raise Misconfigured("app key", fault, "register the domain: teslafast setup --only registration")
    fault = f"is not the key that Tesla has for {domain}: every car would refuse a config that it has signed"
    raise Misconfigured(
        "app key", fault, "sign with the key whose public half was registered, or register this one and pair again"
    )


def compare_before_push(
    environment: Mapping[str, str],
    folder: StateFolder,
    key: EllipticCurvePrivateKey,
    api: FleetApi,
    note: Callable[[str], None],
) -> None:
    """
    Raises Misconfigured if Tesla has another key than this; Declined or Unhealthy if Tesla does not say: nothing is sent then.
    Where it cannot be asked, because the app's secret or domain is not known here, `note` gets the reason, and the danger.
    """
    domain, oauth = domain_of(environment, folder), oauth_of(environment, folder)
    if not domain or not oauth.client_id or not oauth.client_secret:
        lacking = DOMAIN_VARIABLE if not domain else "TESLA_CLIENT_ID and TESLA_CLIENT_SECRET"
        note(
            f"the key was not compared with the one that Tesla has: set {lacking}, or use `teslafast setup`. Tesla takes a "
            "config of any key; if this is another than the paired one, only the car refuses it: see `teslafast vehicle errors`"
        )
        return
    try:
        registered = partner_api(environment, folder, api.base_url).registered_key(domain)
    except Declined as error:
        raise Declined(error.status, f"{_NOT_SENT}: {error.fault}", error.remedy, error.words) from None
    except Unhealthy as error:
        raise type(error)(f"{_NOT_SENT}: {error.fault}", error.remedy) from None
    require_same_key(registered, key, domain)
