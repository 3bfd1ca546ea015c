"""
The app's public key as Tesla will find it: fetched from outside, over TLS that the public trusts, without a redirect.

A server at a loopback address whose domain no DNS knows is a trial: then that server is asked instead, and it is said.
"""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import urlsplit

from .. import https
from ..errors import Unhealthy
from ..text import one_line
from ..urls import is_this_machine
from .app_key import KEY_PATH_AT_DOMAIN, hex_of_pem

CARRIER_NAT = ipaddress.ip_network("100.64.0.0/10")  # RFC 6598: addresses that a provider shares among its customers
_SHOWN = 60  # characters of what is served instead of a key
_SERVE_IT = "set TESLA_PUBLIC_KEY_PATH of the server to public-key.pem of the set-up's folder, and start it again"


class NotServed(Unhealthy):
    """
    The key cannot be fetched. `wrong`: something else answers, or nobody from outside can: waiting does not make it right;
    `silent`: nobody answers from here.
    """

    def __init__(self, fault: str, remedy: str, *, wrong: bool, silent: bool = False) -> None:
        super().__init__(fault, remedy)
        self.wrong = wrong
        self.silent = silent


def is_trial(url: str, domain: str) -> bool:
    """Whether the server is a loopback address, and no DNS knows the domain, or as this machine alone."""
    return is_this_machine(urlsplit(url).hostname or "") and all(map(is_this_machine, addresses_of(domain)))


def addresses_of(host: str) -> list[str]:
    """What DNS says, IPv4 first; nothing if it does not know the name."""
    try:
        found = {str(entry[4][0]) for entry in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
    except (OSError, UnicodeError):
        return []
    return sorted(found, key=lambda one: (":" in one, one))


def check_public_address(host: str) -> None:
    """Raises NotServed if DNS does not know the name, or if Tesla and the cars cannot reach its address."""
    found = addresses_of(host)
    if not found:
        remedy = f"make an A record for {host} with the server's public IPv4 address (DNS may take minutes to know it)"
        raise NotServed(f"DNS does not know {host}", remedy, wrong=False)
    if any(ipaddress.ip_address(one).is_global for one in found):
        return
    shown = ", ".join(found)
    if any(ipaddress.ip_address(one) in CARRIER_NAT for one in found if ":" not in one):
        says = f"{host} is {shown}: your provider shares this address (CGNAT), no car can reach you"
        raise NotServed(says, "use Fly.io or a small VPS, or ask the provider for an IPv4 address of your own", wrong=True)
    remedy = "give it the public address (your router's outside address), and forward the ports from there"
    raise NotServed(f"{host} is {shown}: a private address, which neither Tesla nor a car can reach", remedy, wrong=True)


def check_served_key(domain: str, ours: str, trial_url: str = "", at: tuple[str, int] | None = None) -> str:
    """
    Where the key was found. `ours`: hex, "" if any EC key will do; `trial_url`: a server on this machine to ask instead; `at`:
    address and port to ask in place of those that DNS gives. Raises NotServed.
    """
    base = trial_url or f"https://{domain}"
    url = base + KEY_PATH_AT_DOMAIN
    if not trial_url and at is None and (addresses_of(domain) or not https.is_proxied(url)):
        check_public_address(domain)  # behind a company's proxy only the proxy may know the name
    try:
        if trial_url:
            reply = https.get_unverified(url, https.TIMEOUT_S)
        else:
            headers = {"Accept": "*/*", "User-Agent": "teslafast"}
            reply = https.request("GET", url, headers) if at is None else https.request("GET", url, headers, at=at)
    except Unhealthy as error:
        if "does not verify" in error.fault:
            remedy = "port 443 needs a publicly trusted certificate (the vehicles' CA is another matter): Tesla refuses this one"
            if "clock" in error.remedy:
                remedy += f"; or {error.remedy.partition(';')[0]}"
            raise NotServed(error.fault, remedy, wrong=True) from None
        remedy = "start the server, and let port 443 reach it from outside (some routers keep 443 for themselves)"
        raise NotServed(error.fault, remedy, wrong=False, silent=True) from None
    _judge(url, reply, ours)
    return url


def _seen(reply: https.Reply) -> str:
    """The first bytes of what is there instead, which often say who answers."""
    seen = one_line(reply.body[:_SHOWN].decode(errors="replace"), _SHOWN)
    return f", but {seen!r}" if seen else ", but nothing" if reply.status == 200 else ""


def _judge(url: str, reply: https.Reply, ours: str) -> None:
    server = reply.headers.get("server", "")
    who = f" (answered by {one_line(server, 40)})" if server else ""
    if 300 <= reply.status < 400:
        where = one_line(reply.headers.get("location", "elsewhere"), 80)
        raise NotServed(
            f"{url} is redirected to {where}{who}", "answer 200 at this very address: Tesla does not follow", wrong=True
        )
    if reply.status == 404:
        raise NotServed(f"the public key is not served: {url} answers 404{_seen(reply)}{who}", _SERVE_IT, wrong=False)
    if reply.status != 200:
        remedy = "let this one path through: no login page, no bot filter, no rule of a firewall"
        raise NotServed(f"the public key is not served: {url} answers {reply.status}{_seen(reply)}{who}", remedy, wrong=True)
    found = hex_of_pem(reply.body)
    if not found:
        says = f"{url} serves no EC public key{_seen(reply)}{who}"
        raise NotServed(says, f"a proxy or an old deploy answers: {_SERVE_IT}", wrong=True)
    if ours and found != ours:
        raise NotServed(f"{url} serves another's key, not the one of app.key{who}", _SERVE_IT, wrong=True)
