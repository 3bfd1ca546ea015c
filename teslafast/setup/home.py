"""
A server at home: which name leads here, who answers on port 443, and whether anybody from outside can come in at all.

Two things must be reachable from outside under one name: port 443 with a public certificate, for Tesla's download of the key, and
one port passed through untouched, for cars. A router that tells its outside address (router.py) shows at once what otherwise only
a car would find out: that the provider shares the address, or that the name leads elsewhere.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from ..onboarding.app_key import KEY_PATH_AT_DOMAIN
from ..onboarding.served_key import CARRIER_NAT, NotServed, addresses_of, check_served_key
from ..onboarding.vehicle_host import check_root, check_vehicle_host, root_of
from .context import SetupContext
from .outcome import Blocked, Waiting
from .router import outside_address, own_address

FRONT_PORT = 443
NOT_FROM_HERE = "If a phone without Wi-Fi gets it, only your router does not lead back: go on with teslafast setup --from portal"
CADDY, OWN_PROXY, PAGES = "caddy", "proxy", "pages"  # who answers on port 443: notes.front
_QUESTION = "Who answers on port 443 here?"
_FRONTS = (
    (CADDY, "nobody: Caddy gets a certificate, and passes the page and the key on (needs 443 and 80 from outside)"),
    (OWN_PROXY, "my own web server"),
    (PAGES, "no 443 at all: the key stands on GitHub Pages (only with a domain of your own)"),
)


def introduce(context: SetupContext) -> None:
    """Who this machine is, before it is asked which name leads here. Raises Blocked if nobody from outside can come in."""
    here, outside = own_address() or "without a network", _outside(context)
    said = f"from outside you are {outside}" if outside else "your router does not say how you are reached from outside"
    context.console.line(f"  This machine is {here}; {said}.")
    _check_outside(outside)


def check_name(context: SetupContext) -> None:
    """Raises Blocked or Waiting if the router's address shows that the cars' name cannot lead here; asks the router alone."""
    outside = _outside(context)
    _check_outside(outside)
    found = addresses_of(context.hostname)
    if outside and found and outside not in found:
        says = f"{context.hostname} is {', '.join(found)}, not you: your router says {outside}"
        raise Waiting(says, "update it (your router or ddclient can keep a dynamic name up to date), then run setup again")


def _outside(context: SetupContext) -> str:
    """The router is asked once a run: one that does not answer takes two seconds."""
    if context.outside is None:
        context.outside = outside_address()
    return context.outside


def _check_outside(outside: str) -> None:
    if not outside:
        return
    address = ipaddress.ip_address(outside)
    if address in CARRIER_NAT:
        says = f"your router's outside address is {outside}: your provider shares it (CGNAT); no car can reach you"
        raise Blocked(says, "use Fly.io or a small VPS, or ask the provider for an IPv4 address of your own")
    if not address.is_global:
        says = f"your router's outside address is {outside}: another router stands in front of it; no car can reach you so"
        raise Blocked(says, "make the first router a bridge, or forward the ports in both")


def key_seen_otherwise(context: SetupContext, ours: str) -> str:
    """
    Where the domain's port 443 gives no answer from here: how it is known that it serves the key nevertheless, "" if it is not.
    Many routers do not lead back to the network that they stand in front of. `ours`: the key, as hex. Raises Waiting.
    """
    for address in ("127.0.0.1", own_address()):
        try:
            check_served_key(context.domain, ours, at=(address, FRONT_PORT))
        except NotServed:
            continue
        return f"port {FRONT_PORT} of {address} serves it, publicly trusted; from here the router does not lead back to it"
    if context.console.ask is None or context.options.wait_s <= 0 or context.asked_for_key:
        return ""
    context.asked_for_key = True
    context.console.line("  many routers do not lead back to their own network; on a phone without Wi-Fi, open:")
    context.console.line(f"    https://{context.domain}{KEY_PATH_AT_DOMAIN}")
    choices = ("an error, or it loads without end", "BEGIN PUBLIC KEY, or it offers to save a file")
    missing = Waiting("it is not known whether the key is served", "look with a phone, and run setup again")
    seen = context.console.choose("What does the phone show?", choices, missing) == 1
    return "a phone outside gets it; from here the router does not lead back" if seen else ""


def choose_front(context: SetupContext) -> None:
    """Who answers on port 443, asked once; with a key on other pages, the cars' name too. Raises Waiting, Misconfigured."""
    notes = context.notes
    if not notes.front:
        if context.console.ask is None:
            notes.front = OWN_PROXY
            return
        missing = Waiting("it is not known who answers on port 443", "run setup again")
        notes.front = _FRONTS[context.console.choose(_QUESTION, [shown for _, shown in _FRONTS], missing)][0]
    if notes.front == PAGES and context.hostname == context.domain and context.console.ask is not None:
        missing = Waiting("it is not known to which name cars connect", "give it with --hostname")
        question = f"The name to which cars connect, under {root_of(context.domain)}, which leads here"

        def read(given: str) -> str:
            host = check_vehicle_host(given)
            check_root(host, context.domain)
            return host

        notes.hostname = context.console.answer_as(question, "", missing, read)


def front_lines(context: SetupContext, url: str) -> Iterator[str]:
    """What to do so that Tesla finds the key, and that cars come in. `url`: where the server answers on this machine."""
    domain, at = context.domain, url.removeprefix("http://")
    if context.notes.front == PAGES:
        yield f"put {context.folder.path / 'public-key.pem'} at https://{domain}{KEY_PATH_AT_DOMAIN}, and leave it there"
        yield "    (GitHub Pages: below .well-known/appspecific/ of the repository, beside an empty file .nojekyll)"
    elif context.notes.front == CADDY:
        yield "port 443: install Caddy (https://caddyserver.com), write these lines into a Caddyfile, and: caddy run"
        yield from (f"    {line}" for line in (f"{domain} {{", f"    reverse_proxy {at}", "}"))
        yield f"    forward ports 443 and 80 (TCP) of your router to {own_address() or 'this machine'}"
    else:
        yield f"port 443 of {domain} must pass /.well-known/appspecific/* (or everything) to {url}:"
        yield f"    Caddy     reverse_proxy {at}"
        yield f"    nginx     location /.well-known/appspecific/ {{ proxy_pass {url}; }}"
        yield f"    Traefik   rule: Host(`{domain}`) && PathPrefix(`/.well-known/appspecific/`), service: {url}"
    yield f"cars: forward port {context.port} (TCP) of your router to {own_address() or 'this machine'}, untouched by any proxy"
