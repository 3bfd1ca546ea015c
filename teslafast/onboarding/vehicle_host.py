"""
The host name of a vehicle's config: checked before it is sent, because Tesla accepts names that no vehicle can reach.

A vehicle resolves the name on the public Internet and verifies the server's certificate against it. So an address, a name of a
private network, a URL, and a name that the certificate lacks all end in a vehicle that never connects.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection
from urllib.parse import urlsplit

from ..errors import Misconfigured

# Names that public DNS never has (RFC 6761, RFC 6762, RFC 8375, ICANN's `internal`), and those that routers hand out at home.
PRIVATE_SUFFIXES = frozenset(
    "arpa corp fritz.box home internal intranet invalid lan local localdomain localhost onion private test".split()  # noqa: SIM905
)
ADDRESS_SUFFIXES = frozenset({"nip.io", "sslip.io", "xip.io"})  # an address in a name's clothes: Tesla refuses them

# Names below which strangers have names of their own: there the root domain that Tesla compares has one label more. Those that an
# owner of one car is likely to have, each of them in the public suffix list. That whole list (10,000 names, 340 KB) would tell no
# more than Tesla, which looks at it itself: where a name is missing here, we take a host to be under the root, and Tesla refuses.
_HOSTERS = (
    "fly.dev github.io gitlab.io pages.dev workers.dev vercel.app netlify.app web.app firebaseapp.com herokuapp.com onrender.com "
    "azurewebsites.net ts.net up.railway.app deno.dev surge.sh ondigitalocean.app amplifyapp.com hf.space is-a.dev js.org"
)
_DYNAMIC_DNS = (
    "duckdns.org dedyn.io dynv6.net ddns.net hopto.org zapto.org no-ip.org no-ip.biz ddns.me myftp.org servebeer.com sytes.net "
    "gotdns.ch ddnsfree.com freeddns.org freeddns.us kozow.com loseyourip.com ooguy.com giize.com gleeze.com camdvr.org "
    "casacam.net accesscam.org mywire.org webredirect.org theworkpc.com dyndns.org dynalias.com homeip.net ath.cx nsupdate.info "
    "dnshome.de spdns.de goip.de my-gateway.de feste-ip.net dy.fi freemyip.com myfritz.net synology.me diskstation.me dscloud.me "
    "myds.me i234.me remotewd.com eu.org nl.eu.org pp.ua"
)
_COUNTRIES = (
    "co.uk org.uk me.uk ac.uk gov.uk com.au net.au org.au co.nz net.nz org.nz geek.nz co.jp ne.jp or.jp gr.jp com.br co.za "
    "com.mx com.tr co.kr com.sg com.hk com.tw com.cn net.cn co.in com.my com.ph com.vn co.th co.id web.id co.il org.il com.ar "
    "com.pe com.co com.ec com.uy com.py com.ve com.pl co.at or.at com.pt com.es com.gr com.ro com.hr co.hu com.ua priv.no"
)
SHARED_SUFFIXES = frozenset(f"{_HOSTERS} {_DYNAMIC_DNS} {_COUNTRIES}".split())

_EXAMPLE = "give the full name under your app's domain, for example telemetry.example.com"
_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")
_AMBIGUOUS = "ßς\u200c\u200d"  # IDNA 2003, which Python's codec follows, maps them to other letters than browsers do


def check_vehicle_host(given: str, subject: str = "--hostname") -> str:
    """The name in lower case, in ASCII (`xn--`), without a dot at its end. Raises Misconfigured."""
    text = given.strip()
    if re.search(r"[/:?#@\[]", text) and not _is_address(text):
        raise Misconfigured(subject, f"{given!r} is not a host name alone", _meant(text, subject))
    if _is_address(text):
        raise Misconfigured(subject, f"{given!r} is an address: Tesla accepts only names", _EXAMPLE)
    try:
        host = _ascii_host(text)
    except ValueError:
        raise Misconfigured(subject, f"{given!r} is not a name that a vehicle can find", _EXAMPLE) from None
    labels = host.split(".")
    if len(host) > 253 or len(labels) < 2 or labels[-1].isdigit() or not all(map(_LABEL.fullmatch, labels)):
        raise Misconfigured(subject, f"{given!r} is not a name that a vehicle can find", _EXAMPLE)
    if _ends_with(labels, PRIVATE_SUFFIXES):
        raise Misconfigured(subject, f"{given!r} is a name of a private network: vehicles cannot find it", _EXAMPLE)
    if _ends_with(labels, ADDRESS_SUFFIXES):
        raise Misconfigured(subject, f"{given!r} stands for an address: Tesla accepts only names of your own domain", _EXAMPLE)
    return host


def check_root(host: str, domain: str, subject: str = "--hostname") -> None:
    """Raises Misconfigured unless the host is under the root of the app's domain: Tesla refuses any other."""
    if root_of(host) != root_of(domain):
        why = "Tesla refuses others (hostname domain does not match with partner account)"
        raise Misconfigured(
            subject, f"{host} is not under the app's domain {domain}", f"give a name under {root_of(domain)}: {why}"
        )


def root_of(name: str) -> str:
    """The part of a name that has one owner, which Tesla compares: example.com of a.b.example.com, x.fly.dev of a.x.fly.dev."""
    labels = name.split(".")
    shared = next((count for count in (3, 2) if ".".join(labels[-count:]) in SHARED_SUFFIXES), 1)
    return ".".join(labels[-shared - 1 :])


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True


def _meant(text: str, subject: str) -> str:
    """The host and port that stand in a URL, as options."""
    try:
        parts = urlsplit(text if "://" in text else f"//{text}")
        host, port = parts.hostname, parts.port
    except ValueError:
        return _EXAMPLE
    if not host or "." not in host:
        return _EXAMPLE
    option = subject if subject.startswith("--") else "--hostname"
    return f"did you mean {option} {host}" + (f" --port {port}?" if port else "?")


def _ascii_host(text: str) -> str:
    """Raises ValueError (UnicodeError is one)."""
    if any(character in text for character in _AMBIGUOUS):
        raise ValueError(text)
    return text.removesuffix(".").encode("idna").decode("ascii").lower()


def _ends_with(labels: list[str], suffixes: Collection[str]) -> bool:
    return any(".".join(labels[start:]) in suffixes for start in range(len(labels)))
