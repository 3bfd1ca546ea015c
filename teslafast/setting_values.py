"""What the server's own settings may be: text → value, or ValueError. environment.py has the parsers of every program."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

from .environment import comma_list, refuse, some_of
from .errors import Misconfigured
from .hosts import WebOrigin
from .vin import is_vin, mended_vin

LEAST_SECRET_BYTES = {"HS256": 32, "HS384": 48, "HS512": 64}  # RFC 7518, 3.2: as long as the hash; PyJWT takes no shorter one
HMAC_ALGORITHMS = frozenset(LEAST_SECRET_BYTES)
KEY_ALGORITHMS = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"})
DOOR_NAMES = ("stream", "sse", "tessie", "teslamate")
FORM_OF_DOORS = f"comma list of {', '.join(DOOR_NAMES)}"
NATS_CREDENTIALS_HOLD = (b"BEGIN NATS USER JWT", b"BEGIN USER NKEY SEED")  # without them nats-py would read for ever
LONGEST_CREDIT = 200  # characters: one line under a map

# A host that a Content-Security-Policy can name (no `*`, no IPv6), then what ends neither a policy's rule nor an attribute.
_TILES = re.compile(r"https?://[a-z0-9][a-z0-9.-]{0,252}(?::\d+)?/[a-z0-9._~:/?@!$&()*+=%{}-]{1,1000}", re.IGNORECASE)
_PLACES = ["{x}", "{y}", "{z}"]
_BASE_PATH = re.compile(r"(/[A-Za-z0-9._~-]{1,64}){1,8}")  # no `%`: a path is compared as it was sent

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def algorithms(text: str) -> tuple[str, ...]:
    words = comma_list(text)
    return words if words and set(words) <= HMAC_ALGORITHMS | KEY_ALGORITHMS else refuse(text)


def origins(text: str) -> frozenset[WebOrigin | None]:
    """None stands for `null`, which browsers send for a page from a file or a sandboxed frame."""
    words = comma_list(text)
    return frozenset(None if word == "null" else WebOrigin.parse(word.removesuffix("/")) for word in words)


def vins(text: str) -> frozenset[str]:
    words = [mended_vin(word) for word in comma_list(text)]
    return frozenset(words) if all(is_vin(word) for word in words) else refuse(text)


doors = some_of(*DOOR_NAMES)


def tiles(text: str) -> str:
    address = text.strip()
    placed = sorted(re.findall(r"{.*?}|[{}]", address)) == _PLACES
    return address if placed and _TILES.fullmatch(address) and urlsplit(address).port != 0 else refuse(text)


def credit(text: str) -> str:
    words = text.strip()
    return words if len(words) <= LONGEST_CREDIT and words.isprintable() else refuse(text)


def base_path(text: str) -> str:
    """With a `/` at its beginning and none at its end; `/` alone is no prefix."""
    path = "/" + text.strip().strip("/")
    dots = {".", ".."} & set(path.split("/"))
    return "" if path == "/" else path if _BASE_PATH.fullmatch(path) and not dots else refuse(text)


def nats_urls(text: str) -> tuple[str, ...]:
    """Servers of one NATS cluster: all with TLS, or all without. Raises Misconfigured for a password, which nobody may print."""
    words = comma_list(text)
    for word in words:
        address = urlsplit(word)
        if address.username is not None or "@" in word:
            remedy = "name the servers alone, and log in by CLUSTER_NKEY_PATH or CLUSTER_CREDS_PATH"
            raise Misconfigured("CLUSTER_URL", "names a user", remedy)
        if address.scheme not in ("nats", "tls") or not address.hostname or address.port == 0 or address.path not in ("", "/"):
            refuse(text)
    return words if words and len({urlsplit(word).scheme for word in words}) == 1 else refuse(text)


def monitor_urls(text: str) -> tuple[str, ...]:
    """Monitoring pages of NATS servers, each as the address of its `/varz`. Raises Misconfigured for a password."""
    found = []
    for word in comma_list(text):
        address = urlsplit(word)
        if address.username is not None or "@" in address.netloc:
            raise Misconfigured("CLUSTER_MONITOR_URL", "names a user", "name the server alone: its monitoring port has no users")
        if address.scheme not in ("http", "https") or not address.hostname or address.port == 0 or address.query:
            refuse(text)
        page = word.rstrip("/")
        found.append(page if page.endswith("/varz") else f"{page}/varz")
    return tuple(found) or refuse(text)


def stream_name(text: str) -> str:
    name = text.strip()
    return name if re.fullmatch(r"[A-Za-z0-9_-]{1,32}", name) else refuse(text)


def networks(text: str) -> tuple[Network, ...]:
    """An address is a network of one; host bits beside a mask are a mistake."""
    return tuple(ipaddress.ip_network(word) for word in comma_list(text))
