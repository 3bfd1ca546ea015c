"""
Every reason for which a request is refused: its cause, the HTTP answer, what it means and what to do. The whole table.

`errors.Refused` carries one of these rows. The cause is the word that counters and log lines show; documents are tested against
the table. A reason that names details may replace `meaning` where the refusal is raised.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

RETRY_AFTER_S = 5  # long enough for a drain's successor to listen, short enough for a person who waits


@dataclass(frozen=True, slots=True)
class Refusal:
    """
    `headers`: sent with the answer. `remedy`: for the operator, or for whoever sent the request.

    The client reads the reason too, except where it would tell a stranger about the set-up: a 403 shows the cause alone, unless
    it `repeats` only what the client has sent.
    """

    cause: str
    status: HTTPStatus
    meaning: str
    remedy: str
    headers: tuple[tuple[str, str], ...] = ()
    repeats: bool = False

    def body(self, reason: str) -> bytes:
        shown = self.cause.replace("_", " ") if self.status is HTTPStatus.FORBIDDEN and not self.repeats else reason
        return f"{self.status.value} {self.status.phrase}: {shown}\n".encode()


_VERSION = ("Sec-WebSocket-Version", "13")
_BEARER = (("WWW-Authenticate", "Bearer"),)
_LATER = (("Retry-After", str(RETRY_AFTER_S)),)

# ---- any request

NOT_HTTP = Refusal("not_http", HTTPStatus.BAD_REQUEST, "the request is not HTTP/1.1", "use an HTTP or WebSocket client")
HEAD_TOO_LARGE = Refusal(
    "head_too_large",
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    "the request head is larger than 16 KiB",
    "send fewer cookies, or a shorter token",
)
HEAD_TOO_SLOW = Refusal(
    "head_too_slow",
    HTTPStatus.REQUEST_TIMEOUT,
    "no complete request head arrived within HANDSHAKE_TIMEOUT",
    "a scanner, a health check that only connects, or a bad connection; raise HANDSHAKE_TIMEOUT if it is a slow vehicle",
)
UNKNOWN_PATH = Refusal("unknown_path", HTTPStatus.NOT_FOUND, "there is nothing at this path", "check the address")
METHOD = Refusal(
    "method",
    HTTPStatus.METHOD_NOT_ALLOWED,
    "only GET and HEAD are answered here, and a WebSocket is opened with GET",
    "use GET",
    (("Allow", "GET, HEAD"),),
)
HOST_HEADER = Refusal(
    "host_header",
    HTTPStatus.BAD_REQUEST,
    "HTTP/1.1 needs one Host header with the name of the host",
    "use an HTTP/1.1 client; a health check without Host may speak HTTP/1.0",
)
REPEATED_HEADER = Refusal(
    "repeated_header",
    HTTPStatus.BAD_REQUEST,
    "a header that may stand once stands twice",
    "look for a proxy that adds the header instead of setting it",
)
BODY = Refusal("body", HTTPStatus.BAD_REQUEST, "a request with a body is not accepted here", "send no body")
HANDSHAKE = Refusal(
    "handshake", HTTPStatus.BAD_REQUEST, "the WebSocket handshake breaks RFC 6455", "use a WebSocket client", (_VERSION,)
)
NO_UPGRADE = Refusal(
    "no_upgrade",
    HTTPStatus.UPGRADE_REQUIRED,
    "this path is a WebSocket: connect with an upgrade",
    "use a ws:// or wss:// client; a proxy in front must pass the Upgrade header on",
    (_VERSION, ("Upgrade", "websocket")),
)
QUERY = Refusal("query", HTTPStatus.BAD_REQUEST, "the query cannot be read", "the answer names the parameter: correct it")
DRAINING = Refusal(
    "draining",
    HTTPStatus.SERVICE_UNAVAILABLE,
    "the server is restarting",
    "nothing: vehicles and dashboards come back by themselves",
    _LATER,
)
_JOINING = "nothing, if the node has just started; else look at its log lines `cluster_…`"
CATCHING_UP = Refusal("catching_up", HTTPStatus.SERVICE_UNAVAILABLE, "this node still reads the cluster's log", _JOINING, _LATER)
LOG_AWAY = Refusal(
    "log_away",
    HTTPStatus.SERVICE_UNAVAILABLE,
    "this node does not reach the cluster's log, so it could acknowledge nothing",
    "look at the NATS servers of CLUSTER_URL; vehicles try another node",
    _LATER,
)
SERVER_FAULT = Refusal(
    "fault",
    HTTPStatus.INTERNAL_SERVER_ERROR,
    "the server failed to handle this request",
    "the log line `request_failed` has the traceback: please report it",
)

# ---- vehicles

NO_CERTIFICATE = Refusal(
    "no_certificate",
    HTTPStatus.FORBIDDEN,
    "the client showed no certificate",
    "set REQUEST_CLIENT_CERT=true or use VEHICLE_PORT; a proxy in between must not end TLS",
)
CERTIFICATE_HEADER = Refusal(
    "certificate_header",
    HTTPStatus.FORBIDDEN,
    "the certificate that the proxy passed on in Client-Cert is not accepted",
    "let the proxy send Client-Cert and Client-Cert-Chain as RFC 9440 has them, and the vehicle's whole chain",
)
TWO_CERTIFICATES = Refusal(
    "two_certificates",
    HTTPStatus.FORBIDDEN,
    "the connection has a client certificate of its own, and a Client-Cert header beside it: whose is the vehicle's?",
    "the proxy must not show a certificate of its own when it passes the vehicle's on",
)
NOT_VEHICLES_PORT = Refusal(
    "not_vehicles_port",
    HTTPStatus.MISDIRECTED_REQUEST,
    "vehicles connect to VEHICLE_PORT, not to PORT",
    "let the vehicle's config name VEHICLE_PORT, as seen from outside",
)
VIN_NOT_ALLOWED = Refusal("vin_not_allowed", HTTPStatus.FORBIDDEN, "the VIN is not in TESLA_VIN", "add the VIN to TESLA_VIN")
EXPIRED_CERTIFICATE = Refusal(
    "expired",
    HTTPStatus.FORBIDDEN,
    "the client's certificate has expired",
    "the vehicle needs a new certificate from Tesla; is this machine's clock right?",
)
CERTIFICATE_UNREADABLE = Refusal(
    "certificate_unreadable",
    HTTPStatus.FORBIDDEN,
    "the client's certificate cannot be read",
    "look at the certificate: whoever issued it breaks RFC 5280",
)
UNKNOWN_ISSUER = Refusal(
    "unknown_issuer",
    HTTPStatus.FORBIDDEN,
    "the certificate's issuer is not one of Tesla's that issue to vehicles",
    "nothing, if it is another Tesla device; otherwise check which CA signed the certificate",
)
NOT_A_VEHICLE = Refusal(
    "not_a_vehicle", HTTPStatus.FORBIDDEN, "the certificate belongs to a Tesla device that is not a vehicle", "nothing"
)
NO_PRODUCT = Refusal(
    "no_product",
    HTTPStatus.FORBIDDEN,
    "the certificate has no key usage that names a Tesla product",
    "nothing: vehicles have one",
)
WIFI_CERTIFICATE = Refusal(
    "wifi_certificate", HTTPStatus.FORBIDDEN, "the certificate is a Wi-Fi certificate, not the one for telemetry", "nothing"
)
NO_VIN = Refusal(
    "no_vin",
    HTTPStatus.FORBIDDEN,
    "the certificate's subject has no usable common name, which should be the VIN",
    "issue the certificate again, with the VIN as its common name",
)
TOO_MANY_VEHICLES = Refusal(
    "too_many_vehicles",
    HTTPStatus.SERVICE_UNAVAILABLE,
    "MAX_VEHICLES vehicles are connected",
    "raise MAX_VEHICLES; the vehicle comes back by itself",
    _LATER,
)

# ---- dashboards

NO_TOKEN = Refusal(
    "no_token",
    HTTPStatus.UNAUTHORIZED,
    "a token is required: Authorization: Bearer, subprotocol, or ?token=",
    "get a token: teslafast token --sub NAME",
    _BEARER,
)
TOKEN_TOO_LONG = Refusal(
    "token_too_long", HTTPStatus.UNAUTHORIZED, "the token has more than 4,000 bytes", "list fewer VINs, or none for all", _BEARER
)
TOKEN_INVALID = Refusal(
    "token_invalid",
    HTTPStatus.UNAUTHORIZED,
    "the token is not valid",
    "check JWT_ALGORITHMS, JWT_AUDIENCE and JWT_ISSUER against what issues the token",
    _BEARER,
)
TOKEN_SIGNATURE = Refusal(
    "token_signature",
    HTTPStatus.UNAUTHORIZED,
    "the token's signature does not match",
    "sign with the server's JWT_SECRET; after a change of it put the old one into JWT_PREVIOUS_SECRETS",
    _BEARER,
)
EXPIRED_TOKEN = Refusal("token_expired", HTTPStatus.UNAUTHORIZED, "the token has expired", "get a new token", _BEARER)
TOKEN_EARLY = Refusal(
    "token_early", HTTPStatus.UNAUTHORIZED, "the token is not valid yet", "check both machines' clocks", _BEARER
)
VIN_NOT_GRANTED = Refusal(
    "vin_not_granted",
    HTTPStatus.FORBIDDEN,
    "the token does not grant a VIN that was asked for",
    "ask for fewer VINs, or get a token that grants them",
)
ORIGIN = Refusal(
    "origin",
    HTTPStatus.FORBIDDEN,
    "pages of this origin may not connect",
    "add the page's origin to ALLOWED_ORIGINS; a proxy in front must pass the Host header on",
    repeats=True,
)
UNKNOWN_VIN = Refusal(
    "unknown_vin", HTTPStatus.NOT_FOUND, "this server has not heard from the vehicle", "check the VIN; has the vehicle connected?"
)
TOO_MANY_OF_ONE_SUB = Refusal(
    "too_many_of_one_sub",
    HTTPStatus.SERVICE_UNAVAILABLE,
    "dashboards with this token's `sub` use half of the connections that the server may have",
    "close some, give each user a `sub` of its own, or raise the limit of open files (ulimit -n)",
    _LATER,
)
NO_MEMORY = Refusal(
    "no_memory",
    HTTPStatus.SERVICE_UNAVAILABLE,
    "this machine has no memory for one more view of the stream",
    "lower RING_BYTES, or give the machine more memory",
    _LATER,
)
TOO_MANY_DASHBOARDS = Refusal(
    "too_many_dashboards",
    HTTPStatus.SERVICE_UNAVAILABLE,
    "MAX_DASHBOARDS dashboards are connected",
    "raise MAX_DASHBOARDS",
    _LATER,
)

OF_VEHICLES = (
    NO_CERTIFICATE,
    CERTIFICATE_HEADER,
    TWO_CERTIFICATES,
    NOT_VEHICLES_PORT,
    VIN_NOT_ALLOWED,
    EXPIRED_CERTIFICATE,
    CERTIFICATE_UNREADABLE,
    UNKNOWN_ISSUER,
    NOT_A_VEHICLE,
    NO_PRODUCT,
    WIFI_CERTIFICATE,
    NO_VIN,
    TOO_MANY_VEHICLES,
    LOG_AWAY,
    DRAINING,
)
OF_DASHBOARDS = (
    NO_TOKEN,
    TOKEN_TOO_LONG,
    TOKEN_INVALID,
    TOKEN_SIGNATURE,
    EXPIRED_TOKEN,
    TOKEN_EARLY,
    VIN_NOT_GRANTED,
    ORIGIN,
    UNKNOWN_VIN,
    TOO_MANY_DASHBOARDS,
    TOO_MANY_OF_ONE_SUB,
    NO_MEMORY,
)
OF_ANY_REQUEST = (
    NOT_HTTP,
    HEAD_TOO_LARGE,
    HEAD_TOO_SLOW,
    UNKNOWN_PATH,
    METHOD,
    HOST_HEADER,
    REPEATED_HEADER,
    BODY,
    HANDSHAKE,
    NO_UPGRADE,
    QUERY,
    CATCHING_UP,
    SERVER_FAULT,
)
REFUSALS = (*OF_ANY_REQUEST, *OF_VEHICLES, *OF_DASHBOARDS)
