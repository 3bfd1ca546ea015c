"""
The owner's login: Tesla's page in a browser, and the code that comes back to this machine, or by hand.

Tesla sends the browser to the redirect address with `code` and `state`. If that address is this machine's
(http://localhost:8765/callback), a listener here takes it. It lives for one login, answers at one path, and takes only the first
answer. Without a browser here, the address at which the person ends is pasted. Either way `state` must be ours: otherwise
somebody else's login could be slipped under.
"""

from __future__ import annotations

import hmac
import http.server
import queue
import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, urlsplit

from ..errors import Declined, Misconfigured
from ..text import one_line
from ..urls import is_this_machine, parse_url
from .access_token import read_token
from .oauth import Attempt
from .refusals_of_tesla import AUTHORISE, SCOPES_FOR_TELEMETRY, explain
from .tesla_hosts import region_in
from .token_store import Tokens, TokenStore

DEFAULT_REDIRECT = "http://localhost:8765/callback"
LOGIN_SUBJECT = "login"  # of what is wrong with an answer
LONGEST_ADDRESS = 8 << 10  # characters of a pasted address; Tesla's have about 300
_HEAD_S = 5.0  # for a browser to send its request
_PAGE = """<!doctype html><meta charset="utf-8"><title>teslafast</title>
<body style="font: 1.2rem system-ui; margin: 4rem auto; max-width: 32rem"><p>{}</p>"""
_DONE, _NOT_OURS = "teslafast has it. You can close this page.", "This is not the login that teslafast is waiting for."


def check_redirect(redirect: str) -> str:
    """The redirect address, as it must stand in the portal. Raises Misconfigured."""
    text = redirect.strip()
    parts = parse_url(text, ("http", "https"), default="", example=DEFAULT_REDIRECT, subject="--redirect")
    if parts.scheme == "http" and not is_this_machine(parts.hostname or ""):
        fault = f"{text!r}: Tesla registers http only for localhost"
        raise Misconfigured("--redirect", fault, f"give {DEFAULT_REDIRECT}, or an https:// address")
    if parts.path in ("", "/") or parts.query or parts.fragment:
        raise Misconfigured("--redirect", f"{text!r} has no path, or more than one", f"give one such as {DEFAULT_REDIRECT}")
    return text


def is_local(redirect: str) -> bool:
    """Whether a listener here can take the answer."""
    return is_this_machine(urlsplit(redirect).hostname or "")


def read_answer(text: str, attempt: Attempt) -> str:
    """
    The code in the address to which Tesla has sent the browser. Raises Declined if Tesla says no, or if the answer belongs to
    another login; Misconfigured if it is not such an address.
    """
    cleaned = "".join(text[:LONGEST_ADDRESS].split())  # terminals break long lines
    query = urlsplit(cleaned).query if "?" in cleaned else cleaned
    found = {name: values[0] for name, values in parse_qs(query).items()}
    if "error" in found:
        words = one_line(f"{found['error']} {found.get('error_description', '')}".strip())
        raise Declined(403, f"Tesla's login page: {words}", explain(403, words).remedy, words)
    if not found.get("code"):
        remedy = "paste the whole address that you end at; it holds code= and state="
        raise Misconfigured(LOGIN_SUBJECT, "this is not the address that Tesla's page leads to", remedy)
    if not hmac.compare_digest(found.get("state", "").encode(), attempt.state.encode()):
        fault = "the answer belongs to another login: its state differs"
        raise Declined(400, fault, "start again, and use the newest page: teslafast login", "state differs")
    return found["code"]


def finish(store: TokenStore, attempt: Attempt, answer: str) -> Tokens:
    """The owner's tokens, on disk. Raises as `read_answer`, Declined also if a scope is missing, Unhealthy."""
    code = read_answer(answer, attempt)
    region = region_in(code)
    audience = store.oauth.hosts.base_of("na" if region in ("", "cn") else region)
    pair = store.oauth.exchange(code, attempt, audience)
    if not pair.get("refresh_token"):  # one of an earlier login must not stand in for it
        raise _no_refresh_token()
    return checked(store.keep(pair))


def checked(tokens: Tokens) -> Tokens:
    """The tokens, if their scopes suffice. Tesla drops scopes without a word, so the token is looked at. Raises Declined."""
    if not tokens.refresh_token:
        raise _no_refresh_token()
    if lacking := missing_scopes(tokens):
        fault = f"the owner's token lacks the scope {', '.join(lacking)}"
        raise Declined(403, fault, AUTHORISE, f"missing scopes {lacking}")
    return tokens


def _no_refresh_token() -> Declined:
    remedy = "log in again and leave every box ticked; the app's grant type must be Authorization Code"
    return Declined(403, "Tesla gave no refresh token: the scope offline_access was not granted", remedy, "missing scopes")


def missing_scopes(tokens: Tokens) -> list[str]:
    """What telemetry needs and the owner has not granted; nothing if the token does not say."""
    facts = read_token(tokens.access_token)
    scopes = facts.scopes if facts else tokens.scopes
    return [scope for scope in SCOPES_FOR_TELEMETRY if scopes and scope not in scopes]


class LoopbackListener:
    """`with LoopbackListener(attempt) as listener`: takes the browser's answer; `wait` gives its address, once it is there."""

    def __init__(self, attempt: Attempt) -> None:
        """Raises Misconfigured if the port cannot be listened on."""
        parts = urlsplit(attempt.redirect)
        self._answers: queue.Queue[str] = queue.Queue(maxsize=1)
        handler = _handler(parts.path, attempt, self._take)
        self._servers = [_listen(family, parts.port or 80, handler) for family in _families()]
        self._threads = [threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True) for server in self._servers]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()

    def wait(self, patience_s: float) -> str | None:
        """The address of the answer, None if none has come."""
        try:
            return self._answers.get(timeout=max(patience_s, 0.001))
        except queue.Empty:
            return None

    def _take(self, address: str) -> None:
        try:
            self._answers.put_nowait(address)
        except queue.Full:
            return  # only the first counts


class _LoopbackServer(http.server.ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True


def _families() -> list[socket.AddressFamily]:
    """A browser may take either address for localhost."""
    return [socket.AF_INET, socket.AF_INET6] if socket.has_ipv6 else [socket.AF_INET]


def _listen(family: socket.AddressFamily, port: int, handler: type[http.server.BaseHTTPRequestHandler]) -> _LoopbackServer:
    class Server(_LoopbackServer):
        address_family = family

    try:
        return Server(("127.0.0.1" if family is socket.AF_INET else "::1", port), handler)
    except OSError as error:
        remedy = "stop what uses it, or paste the address instead: --paste"
        raise Misconfigured("--redirect", f"port {port} cannot be listened on ({error.strerror})", remedy) from None


def _handler(path: str, attempt: Attempt, take: Callable[[str], None]) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        timeout = _HEAD_S

        def do_GET(self) -> None:
            if urlsplit(self.path).path != path or len(self.path) > LONGEST_ADDRESS:
                self._answer(404, "Nothing is here.")
                return
            try:
                read_answer(self.path, attempt)
            except Misconfigured:
                self._answer(404, _NOT_OURS)
                return
            except Declined as error:
                self._answer(400, _NOT_OURS if error.words == "state differs" else error.fault)
            else:
                self._answer(200, _DONE)
            take(self.path)

        def _answer(self, status: int, text: str) -> None:
            content = _PAGE.format(text.replace("&", "&amp;").replace("<", "&lt;")).encode()
            self.send_response_only(status)
            for name, value in (("Content-Type", "text/html; charset=utf-8"), ("Content-Length", str(len(content)))):
                self.send_header(name, value)
            self.send_header("Cache-Control", "no-store")
            self.send_header("Referrer-Policy", "no-referrer")  # the page's address holds the code
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Says nothing: the request line holds the code."""

    return Handler
