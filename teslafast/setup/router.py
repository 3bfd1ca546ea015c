"""
What this machine and the router in front of it say of their addresses, over the local network alone.

    NAT-PMP (RFC 6886)    two bytes to the gateway's port 5351, twelve back
    UPnP IGD              a search by multicast, the router's description, one question

Nobody outside is asked: an echo on the Internet would learn who runs this. Answers are bounded, and believed only as far as an
address that is shown to the person who sits here.
"""

from __future__ import annotations

import contextlib
import ipaddress
import re
import socket
import struct
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from .. import https
from ..errors import TeslafastError

ROUTERS_ANSWER_S = 1.0  # a router is a millisecond away, and busy at most
NAT_PMP_PORT = 5351
SEARCH_AT = ("239.255.255.250", 1900)
ROUTES = Path("/proc/net/route")
_SERVICES = re.compile(r"urn:schemas-upnp-org:service:WAN(?:IP|PPP)Connection:[12]")
_SEARCH = (
    b'M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: "ssdp:discover"\r\nMX: 1\r\n'
    b"ST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\n\r\n"
)


def own_address() -> str:
    """This machine's address in its network, "" if it has none. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        try:
            asked.connect(("192.0.2.1", 9))  # an address of documentation: the route to it is all that is looked up
            return str(asked.getsockname()[0])
        except OSError:
            return ""


def gateway(routes: str) -> str:
    """The default gateway in the text of /proc/net/route, "" if there is none."""
    for line in routes.splitlines()[1:]:
        words = line.split()
        if len(words) > 2 and words[1] == "00000000":
            with contextlib.suppress(ValueError, struct.error):
                return socket.inet_ntoa(struct.pack("<L", int(words[2], 16)))
    return ""


def outside_address(
    router: str | None = None,
    port: int = NAT_PMP_PORT,
    search_at: tuple[str, int] = SEARCH_AT,
    answer_s: float = ROUTERS_ANSWER_S,
) -> str:
    """The router's address at its provider, "" if it does not say. `router`: None = the default gateway."""
    if router is None:
        try:
            router = gateway(ROUTES.read_text())
        except OSError:  # not Linux
            router = ""
    return (router and _by_nat_pmp(router, port, answer_s)) or _by_upnp(search_at, answer_s)


def _by_nat_pmp(router: str, port: int, answer_s: float) -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        asked.settimeout(answer_s)
        try:
            asked.connect((router, port))
            asked.send(b"\0\0")
            answer = asked.recv(64)
        except OSError:
            return ""
    if len(answer) != 12 or answer[:4] != b"\0\x80\0\0":
        return ""
    return _address(socket.inet_ntoa(answer[8:12]))


def _by_upnp(search_at: tuple[str, int], answer_s: float) -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        asked.settimeout(answer_s)
        try:
            asked.sendto(_SEARCH, search_at)
            answer, (router, _) = asked.recvfrom(4096)
        except OSError:
            return ""
    found = re.search(rb"^location:\s*(http://[^\s]+)", answer, re.IGNORECASE | re.MULTILINE)
    location = found[1].decode("ascii", "replace") if found else ""
    with contextlib.suppress(TeslafastError, ValueError):  # an address that is none, an answer that does not come
        if urlsplit(location).hostname == router and not ipaddress.ip_address(router).is_global:
            return _asked(location, answer_s)  # what answers here speaks for itself alone
    return ""


def _asked(location: str, answer_s: float) -> str:
    """The answer of the service that a router's description names. Raises Unhealthy, Misconfigured, ValueError."""
    description = https.local_request("GET", location, {}, None, answer_s).body.decode(errors="replace")
    service = _SERVICES.search(description)
    control = re.search(r"<controlURL>\s*([^<\s]+)", description[service.end() :]) if service else None
    if service is None or control is None:
        return ""
    url = urljoin(location, control[1])
    if urlsplit(url).netloc != urlsplit(location).netloc:
        return ""
    body = (
        '<?xml version="1.0"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" '
        's:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"><s:Body>'
        f'<u:GetExternalIPAddress xmlns:u="{service[0]}"/></s:Body></s:Envelope>'
    ).encode()
    headers = {"Content-Type": 'text/xml; charset="utf-8"', "SOAPAction": f'"{service[0]}#GetExternalIPAddress"'}
    answer = https.local_request("POST", url, headers, body, answer_s).body.decode(errors="replace")
    said = re.search(r"<NewExternalIPAddress>\s*([0-9.]+)", answer)
    return _address(said[1]) if said else ""


def _address(text: str) -> str:
    """An address that means something, else ""."""
    found = ipaddress.ip_address(text)
    return "" if found.is_unspecified or found.is_loopback else str(found)
