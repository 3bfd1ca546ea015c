"""
The live page's files as answers: a fixed table of paths, made once; each answer is made when it is first asked for.

A path is looked up, never assembled, so no request can leave the table. Every answer carries headers that isolate the page:
scripts, styles, fonts and connections of this host only, nothing inline, framed by nobody but Home Assistant's ingress. Bodies
are gzipped once, for clients that accept it; an ETag saves sending a file again. Pure, except for reading the package's own files
when the table is made.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from html import escape
from http import HTTPStatus
from importlib import resources
from importlib.resources.abc import Traversable
from typing import NamedTuple
from urllib.parse import urlsplit

from ..dashboards.tokens import Grant
from ..http_messages import Answer, Request
from .routes import Page

CONTENT_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}

# Where the page's link "Map" leads: nothing is sent there unless somebody follows it, and then the place alone.
MAP_LINK = "https://www.openstreetmap.org/?mlat={latitude}&mlon={longitude}#map=16/{latitude}/{longitude}"

FOLDERS_DEEP = 1  # `web/` has folders and these have files: anything deeper is not the page's, or a link that leads in a circle
# What a file or folder of the page is called. A name that begins with a dot or an underscore (`.DS_Store`, `__pycache__`) is
# somebody else's, and one that would need quoting in a URL cannot be asked for.
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*(\.[a-z0-9]+)?")

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src {images}; connect-src 'self'; "
    "manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors {frames}; require-trusted-types-for 'script'; "
    "trusted-types 'none'"
)
HEADERS = (
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    ("Cache-Control", "no-cache"),  # browsers keep it, but ask each time: the page is never older than the server
    ("Vary", "Accept-Encoding"),
)


def files() -> Iterator[tuple[str, bytes]]:
    """(path below `web/`, content) of each file of the page, in the order of their names."""
    return walk(resources.files("teslafast.web"))


def walk(folder: Traversable, prefix: str = "", depth: int = FOLDERS_DEEP) -> Iterator[tuple[str, bytes]]:
    """(path, content) of each file of a known content type in this folder, and in the `depth` levels of folders below it."""
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        path = f"{prefix}{entry.name}"
        if not _NAME.fullmatch(entry.name):
            continue
        if entry.is_dir():
            if depth:
                yield from walk(entry, f"{path}/", depth - 1)
        elif entry.name.endswith(tuple(CONTENT_TYPES)):
            yield path, entry.read_bytes()


def answers(tiles: str = "", credit: str = "") -> dict[str, Page]:
    """
    Path → page, for routes.py: `/` is index.html, every other file is under `/web/`.

    tiles    the address of map tiles, `https://host/{z}/{x}/{y}.png`; `credit` names their source. Without it there is no map,
             and the page's policy allows no other host

    index.html also names the tiles and every module, so that a browser requests all modules at once. Otherwise it learns of a
    module only from the one that imports it, which costs a round trip for each level.
    """
    origin = urlsplit(tiles)
    images = f"'self' {origin.scheme}://{origin.netloc}" if tiles else "'self'"
    content = dict(files())
    head = "".join(f'<link rel="modulepreload" href="web/{name}">\n' for name in content if name.endswith(".js"))
    head += f'<meta name="map-link" content="{escape(MAP_LINK)}">\n'
    if tiles:
        head += f'<meta name="tiles" content="{escape(tiles)}" data-credit="{escape(credit)}">\n'
    index = content.pop("index.html").replace(b"</head>", f"{head}</head>".encode())
    return {"/": _page("index.html", index, images)} | {f"/web/{name}": _page(name, content[name], images) for name in content}


class _Versions(NamedTuple):
    """A file's answers."""

    tag: str
    plain: Answer
    packed: Answer
    unchanged: Answer


def _page(name: str, content: bytes, images: str) -> Page:
    @cache
    def versions_for(in_ingress: bool) -> _Versions:  # when it is asked for: packing 50 files is a tenth of the whole start
        return _versions(name, content, images, in_ingress)

    def page(request: Request, grant: Grant | None) -> Answer:
        answers = versions_for(request.header("x-ingress-path") is not None)
        if answers.tag in (word.removeprefix("W/") for word in request.tokens("if-none-match")):
            return answers.unchanged
        return answers.packed if _takes_gzip(request) else answers.plain

    return page


def _versions(name: str, content: bytes, images: str, in_ingress: bool) -> _Versions:
    """
    in_ingress   Home Assistant's ingress shows an add-on's page in a frame of its own origin. It says so in a header, which no
                 page of another origin can send along with the frames that it makes
    """
    content_type = CONTENT_TYPES[name[name.rindex(".") :]]
    tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    frames, frame_options = ("'self'", "SAMEORIGIN") if in_ingress else ("'none'", "DENY")
    policy = _POLICY.format(images=images, frames=frames)
    headers = (("Content-Security-Policy", policy), ("X-Frame-Options", frame_options), *HEADERS, ("ETag", tag))
    plain = Answer(HTTPStatus.OK, content, content_type, headers, keeps_open=True)
    packed = replace(plain, body=gzip.compress(content, mtime=0), headers=(*headers, ("Content-Encoding", "gzip")))
    return _Versions(tag, plain, packed, replace(plain, status=HTTPStatus.NOT_MODIFIED, body=b""))


def _takes_gzip(request: Request) -> bool:
    """Whether `gzip` is among the encodings accepted, and not at `q=0`."""
    for word in request.tokens("accept-encoding"):
        name, _, weight = word.partition(";")
        if name.strip().lower() == "gzip":
            return weight.replace(" ", "").lower() not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False
