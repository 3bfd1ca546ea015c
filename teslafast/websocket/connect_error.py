"""Why a WebSocket connection could not be made, in words that say what to mend."""

import socket
import ssl
from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import urlsplit

from picows import WSError, WSHandshakeError, WSUpgradeResponse

from ..errors import Misconfigured
from ..text import one_line
from .connect import TRANSIENT

BODY_SHOWN = 200  # characters of what somebody else wrote: a line, not a page


def connect_error(error: Exception, url: str, remedies: Mapping[int, str]) -> Misconfigured:
    """The failure of `connect`; `remedies`: what to do about an HTTP status, and at 0 about a handshake that was cut off."""
    where = urlsplit(url)._replace(query="").geturl()  # a token may stand in the query
    if isinstance(error, WSHandshakeError) and error.response is not None:
        return _refusal(error.response, error.raw_body or b"", where, remedies)
    fault, remedy = _network_fault(error, where, remedies)
    return Misconfigured("URL", fault, remedy)


def _refusal(response: WSUpgradeResponse, raw_body: bytes, where: str, remedies: Mapping[int, str]) -> Misconfigured:
    """The server answered, but not with 101."""
    status = response.status
    if location := response.headers.get("Location"):
        shown = one_line(location, BODY_SHOWN)
        return Misconfigured("URL", f"{where} redirects to {shown}", "use that address if you trust it")
    body = one_line(raw_body.decode("utf-8", "replace"), BODY_SHOWN)
    answer = f"{int(status)} {status.phrase}"
    reason = body.removeprefix(answer).lstrip(": ")  # a teslafast server's body begins with the status
    fault = f"{where} answers {answer}" + (f": {reason}" if reason else "")
    return Misconfigured("--token" if status == 401 else "URL", fault, remedies.get(status, _remedy(status)))


def _network_fault(error: Exception, where: str, remedies: Mapping[int, str]) -> tuple[str, str]:
    """(fault, remedy)"""
    match error:
        case ssl.SSLCertVerificationError():
            fault = f"the certificate of {where} does not verify ({error.verify_message})"
            return fault, "trust the CA that issued it with --ca, or use the host name in the certificate"
        case ssl.SSLError():
            fault = f"the TLS handshake with {where} failed ({error.reason or error})"
            return fault, "use ws:// if the server has no TLS, wss:// if it has"
        case socket.gaierror():
            return f"{where}: the host name is not known", "correct the host name, or its DNS entry"
        case TimeoutError():
            return f"{where} does not answer", "check the port and the firewall, and that the server runs"
        case ConnectionRefusedError():
            return f"nothing listens at {where}", "start `teslafast serve`, or correct the port"
        case ConnectionError():
            fault = f"{where} ended the connection during the handshake"
            return fault, remedies.get(0, "see the server's log; use ws:// if the server has no TLS, wss:// if it has")
        case WSError():
            fault = f"{where} does not speak WebSocket ({one_line(str(error), BODY_SHOWN)})"
            return fault, "give the address of a teslafast server"
    return f"{where} cannot be reached ({one_line(str(error), BODY_SHOWN)})", "check the address and the network"


def _remedy(status: HTTPStatus) -> str:
    return "try again later" if status in TRANSIENT else "see the server's log"
