"""
What Tesla says when it does not do what it was asked: what it means, what helps, and whether to try again. One table.

A status alone is not enough: 412 has four meanings, 403 three and 422 two. So Tesla's words are looked at first, then the status.
Three kinds of answer:

    wait    it comes right by itself: try again, with a pause, for as long as the caller has patience
    do      a person must do something; the same command then goes on
    stop    trying again makes nothing better, and may make it worse

Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

TOKEN_REMEDY = "get a new access token: teslafast login; or set TESLA_ACCESS_TOKEN to one (it lives 8 hours)"  # noqa: S105
SCOPES_FOR_TELEMETRY = ("vehicle_device_data", "vehicle_location")
LATER = "try again later: the fault is Tesla's"
PARTNER_REMEDY = (
    "this list wants a partner token (the app's own, not the owner's): let setup keep the client secret, or set "
    "TESLA_CLIENT_ID and TESLA_CLIENT_SECRET, or set TESLA_ACCESS_TOKEN to a partner token (client_credentials)"
)
BILLING_REMEDY = (
    "raise the account's billing limit on developer.tesla.com, or wait for the next month, and do not retry before; then "
    "configure the vehicles again, because Tesla has deleted their configs"
)
AUTHORISE = (
    f"authorise your app again with the scopes {' and '.join(SCOPES_FOR_TELEMETRY)} (teslafast login): ticked in the app on "
    "developer.tesla.com, and granted by the owner on the consent page; if one stays away, revoke the consent and log in again"
)
_REGISTER = "register your app's domain in the owner's region: teslafast setup --only registration"
_LOGIN_PLACES = (
    "the refresh token was used, is older than three months, the password was changed, or another process has refreshed it "
    "(another machine, a server, Home Assistant: only one may)"
)
_OTHER_APP = "use the client id of the app that has it; never make a second app to get a new secret"


class Step(StrEnum):
    """The steps of a set-up, as they are called everywhere; the first has the number 1."""

    APP_KEY = "app key"
    SERVER = "server"
    PORTAL = "app at Tesla"
    REGISTRATION = "registration"
    LOGIN = "login"
    REGION = "region"
    VEHICLE = "vehicle"
    PAIRING = "key on the car"
    ROAD_TEST = "road test"
    CONFIG = "config"
    FIRST_DATA = "first data"
    KEEPING = "keeping it"

    @property
    def number(self) -> int:
        return list(Step).index(self) + 1


class Kind(StrEnum):
    """What to do about a refusal."""

    WAIT = "wait"
    DO = "do"
    STOP = "stop"


@dataclass(frozen=True)
class Explained:
    """What an answer means. `again`: the step to do over, None if it is the one that failed."""

    meaning: str
    remedy: str
    kind: Kind = Kind.STOP
    again: Step | None = None


def wait(meaning: str, remedy: str, again: Step | None = None) -> Explained:
    """Comes right by itself."""
    return Explained(meaning, remedy, Kind.WAIT, again)


def do(meaning: str, remedy: str, again: Step | None = None) -> Explained:
    """Wants a person."""
    return Explained(meaning, remedy, Kind.DO, again)


def stop(meaning: str, remedy: str, again: Step | None = None) -> Explained:
    """Will not be tried again."""
    return Explained(meaning, remedy, Kind.STOP, again)


_CREDENTIALS = stop(
    "Tesla does not know this client id and secret",
    "copy both again from View Details → Credentials & APIs: the id is a UUID, the secret begins with ta-secret.",
    Step.PORTAL,
)
_UNREGISTERED = do("the app is not registered in the owner's region", _REGISTER, Step.REGISTRATION)

APPS_OWN_TOKEN = "it is the app's own token, made a moment ago"  # noqa: S105 — what is said of a partner token
NOT_AN_ANSWER = "not an answer of"
NOT_FOLLOWED = "not followed, the token stays here"
_FOREIGN = stop(
    "the answer sends the owner's token to a host that is not Tesla's",
    "look at what answers in Tesla's place: TESLA_API_BASE_URL, HTTPS_PROXY; Tesla itself names only hosts under tesla.com "
    "and tesla.cn",
    Step.REGION,
)

# (what stands in Tesla's answer in lower case, meaning); the first that fits counts
LIMIT_WORDS = ("exceeded_limit", "account disabled")
WORDS: tuple[tuple[str, Explained], ...] = (
    (LIMIT_WORDS[0], stop("the account's billing limit is reached", BILLING_REMEDY)),
    (LIMIT_WORDS[1], stop("Tesla has disabled the account", BILLING_REMEDY)),
    (
        APPS_OWN_TOKEN,
        do(
            "Tesla does not take the app's own token",
            "look on developer.tesla.com whether the app is active, and has this client secret; then run setup again",
            Step.PORTAL,
        ),
    ),
    # ---- tokens
    ("unauthorized_client", _CREDENTIALS),
    ("client_id and client_secret combination", _CREDENTIALS),
    ("invalid_client", _CREDENTIALS),
    ("'client_id' parameter is missing", stop("no client id was sent", "set TESLA_CLIENT_ID", Step.PORTAL)),
    ("login_required", stop("the login is over", f"log in again (teslafast login): {_LOGIN_PLACES}", Step.LOGIN)),
    ("invalid_auth_code", do("the code is older than two minutes, or was used already", "open the login page again", Step.LOGIN)),
    (
        "invalid_redirect_url",
        stop("the redirect address is not that of the login page", "give one --redirect for both", Step.LOGIN),
    ),
    ("temporarily_unavailable", wait("Tesla's login is away for the moment", LATER)),
    ("server_error", wait("Tesla's login has an error of its own", LATER)),
    ("invalid_grant", do("Tesla no longer takes this code or token", "log in again: teslafast login", Step.LOGIN)),
    (
        "recognize this redirect_uri",
        do("the redirect address is not registered", "add exactly it to the app's Allowed Redirect URIs, and wait", Step.PORTAL),
    ),
    # ---- scopes and regions
    (
        "state differs",
        do("the answer belongs to another login: its state is not ours", "start again, and use the newest page", Step.LOGIN),
    ),
    ("access_denied", do("the owner did not agree on Tesla's page", "log in again and leave every box ticked", Step.LOGIN)),
    ("missing scopes", do("the token lacks a scope", AUTHORISE, Step.LOGIN)),
    (
        "location access not granted",
        do("this car is shared without its location", "use the owner's account, or leave out location", Step.LOGIN),
    ),
    (NOT_FOLLOWED, _FOREIGN),
    (
        NOT_AN_ANSWER,
        stop(
            "something else answers in Tesla's place",
            "correct TESLA_API_BASE_URL and TESLA_TOKEN_URL, or look at the proxy in between",
        ),
    ),
    ("must be registered in the current region", _UNREGISTERED),
    ("set a domain for your account", _UNREGISTERED),
    # ---- registration
    ("ensure that domain", do("Tesla does not take the domain", "give the host name alone, in lower case, without https://")),
    ("expected partner account", wait("Tesla does not know the new app yet", "wait, up to an hour", Step.REGISTRATION)),
    (
        "must match registered allowed origin",
        wait(
            "Tesla does not know the Allowed Origin (a change takes effect after up to ten minutes)",
            "set the app's Allowed Origin to exactly https://DOMAIN on the page that Tesla names, and Save",
            Step.PORTAL,
        ),
    ),
    (
        "public key hash has already been taken",
        stop(
            "this key is registered for another app or domain",
            f"{_OTHER_APP}; or make a new key (move app.key away), and pair every car again",
            Step.REGISTRATION,
        ),
    ),
    ("domain has already been taken", stop("another app owns this domain", _OTHER_APP, Step.PORTAL)),
    (
        "too large",
        stop(
            "what the domain serves is not an EC public key: Tesla finds it too large",
            "serve the P-256 public key alone (178 bytes), and look at it: teslafast setup --only server",
            Step.SERVER,
        ),
    ),
    (
        "public key download failed",
        do(
            "Tesla cannot fetch the public key from the domain",
            "look from outside: teslafast setup --only server; the address must answer 200 over public TLS, without a redirect",
            Step.SERVER,
        ),
    ),
    ("other update in progress", wait("Tesla is still at the last change", "wait: it is tried again by itself")),
    # ---- configs
    (
        "must be called through",
        stop("the config was not signed", "sign the config with --key, or set TESLA_API_BASE_URL to your vehicle-command proxy"),
    ),
    (
        "hostname domain does not match",
        stop(
            "the host name is not under the app's domain", "give a --hostname under the domain that your app is registered with"
        ),
    ),
    ("invalid domain", stop("Tesla does not take the host name", "give a --hostname under the app's domain, the name alone")),
    ("not a valid pem", stop("Tesla cannot read the `ca`", "give the CA and root of the server's certificate with --ca")),
    (
        "expiration should be",
        stop(
            "Tesla does not take this end",
            "give a shorter --expires, for example 300d (teslafast vehicle configure); if Tesla refuses that, too, correct this "
            "machine's clock, by which the end is reckoned",
        ),
    ),
    ("unknown field", stop("Tesla does not know a field", "leave out the field that Tesla names")),
    (
        "vin not_found",
        do(
            "Tesla does not find the vehicle for this account",
            "check the VIN, and use the account of the owner: a driver's, or a partner token, does not find it",
            Step.LOGIN,
        ),
    ),
    # ---- any
    ("token expired", do("the access token has expired", TOKEN_REMEDY, Step.LOGIN)),
    ("invalid bearer token", do("Tesla does not take the access token", TOKEN_REMEDY, Step.LOGIN)),
    ("access denied", do("a gateway of Tesla's refuses this network", "try without VPN, and with Tesla's own addresses")),
    ("clientinfo", wait("Tesla's servers do not reach each other", LATER)),
)

STATUSES: Mapping[int, Explained] = {
    401: do("Tesla does not take the access token", TOKEN_REMEDY, Step.LOGIN),
    403: do("Tesla does not allow this", AUTHORISE, Step.LOGIN),
    404: do(
        "Tesla does not find it",
        "check the VIN, that the token's account owns the vehicle, and that TESLA_API_BASE_URL is that of its region",
    ),
    408: wait("the vehicle could not be reached", "try again later: the vehicle could not be reached"),
    412: do("something else comes first", _REGISTER, Step.REGISTRATION),
    421: do("the owner is in another region", "set TESLA_API_BASE_URL to the region that Tesla names here", Step.REGION),
    423: stop("Tesla has locked this", "ask Tesla: fleetapisupport@tesla.com"),
    424: do("Tesla cannot fetch the public key", "look at it from outside: teslafast setup --only server", Step.SERVER),
    429: wait("too many requests", "wait for as long as Tesla says, or raise the account's billing limit on developer.tesla.com"),
    451: stop("Tesla may not do this where the vehicle is", "ask Tesla: fleetapisupport@tesla.com"),
}
_TESLAS_FAULT = wait("Tesla's servers have an error of their own", LATER)
_ELSEWHERE = stop(
    "the answer leads elsewhere, which Tesla's never do",
    "a login page of a network, or a proxy, stands in between: correct TESLA_API_BASE_URL, TESLA_TOKEN_URL or HTTPS_PROXY",
)
UNKNOWN_REFUSAL = stop("Tesla refuses", "read Tesla's sentence; its support wants the txid in it: fleetapisupport@tesla.com")


def explain(status: int, text: str) -> Explained:
    """What an answer means. `text`: what Tesla said."""
    lowered = text.lower()
    by_words = next((meaning for words, meaning in WORDS if words in lowered), None)
    if by_words or status in STATUSES:
        return by_words or STATUSES[status]
    return _TESLAS_FAULT if status >= 500 else _ELSEWHERE if 300 <= status < 400 else UNKNOWN_REFUSAL


def is_limit(text: str) -> bool:
    """Whether Tesla says that the account's billing limit is reached: then nothing more is asked."""
    return any(words in text.lower() for words in LIMIT_WORDS)


def remedy(status: int, text: str) -> str:
    """What helps against an answer. `text`: what Tesla said."""
    return explain(status, text).remedy
