"""Every refusal of Tesla's that owners have reported, in its exact words: what it means, what helps, which step is done over."""

import pytest
from teslafast.onboarding.refusals_of_tesla import Kind, Step, explain, is_limit

DO, WAIT, STOP = Kind.DO, Kind.WAIT, Kind.STOP
PROXY = "This endpoint must be called through the Vehicle Command HTTP Proxy. Refer to https://developer.tesla.com"

REPORTED = [
    # ---- tokens
    (400, "unauthorized_client: We don't recognize this client_id and client_secret combination", STOP, Step.PORTAL,
     "ta-secret."),
    (400, "invalid_request: The 'client_id' parameter is missing", STOP, Step.PORTAL, "TESLA_CLIENT_ID"),
    (403, "<HTML><HEAD><TITLE>Access Denied</TITLE></HEAD>", DO, None, "VPN"),
    # ---- registration
    (400, "Invalid domain: X. Ensure that domain is lowercase and starts without https://", DO, None, "lower case"),
    (400, "Expected partner account", WAIT, Step.REGISTRATION, "up to an hour"),
    (412, "Root domain x.dev must match registered allowed origin on https://developer.tesla.com/dashboard/app-details/1", WAIT,
     Step.PORTAL, "exactly https://DOMAIN"),
    (424, "Public key download failed for https://x, error: too large", STOP, Step.SERVER, "P-256"),
    (424, "Public key download failed for https://x, error: not found", DO, Step.SERVER, "from outside"),
    (424, "Public key download failed for https://x, error: no such host", DO, Step.SERVER, "from outside"),
    (424, "Public key download failed for https://x, error: certificate", DO, Step.SERVER, "public TLS"),
    (422, "Validation failed: Public key hash has already been taken", STOP, Step.REGISTRATION,
     "client id of the app that has it"),
    (422, "Validation failed: Domain has already been taken", STOP, Step.PORTAL, "client id of the app that has it"),
    (429, "Other update in progress", WAIT, None, "by itself"),
    (500, "An unexpected error has occurred - 0A1B", WAIT, None, "later"),
    (500, "rpc error: clientinfo => operation_timedout", WAIT, None, "later"),
    # ---- any call with the owner's token
    (412, "Account ID must be registered in the current region URL, please see …", DO, Step.REGISTRATION, "owner's region"),
    (412, "set a domain for your account first", DO, Step.REGISTRATION, "owner's region"),
    (421, "user out of region, use base URL: https://fleet-api.prd.eu.vn.cloud.tesla.com, see …", DO, Step.REGION, "region"),
    (401, "token expired (401)", DO, Step.LOGIN, "teslafast login"),
    (401, "invalid bearer token", DO, Step.LOGIN, "teslafast login"),
    (403, "account disabled: EXCEEDED_LIMIT", STOP, None, "do not retry before"),
    (403, "Unauthorized missing scopes [vehicle_location]", DO, Step.LOGIN, "granted by the owner"),
    (403, "location access not granted", DO, Step.LOGIN, "owner's account"),
    (423, "locked", STOP, None, "fleetapisupport@tesla.com"),
    (451, "unavailable for legal reasons", STOP, None, "fleetapisupport@tesla.com"),
    (429, "Retry in 30 seconds", WAIT, None, "as long as Tesla says"),
    (408, "vehicle unavailable: vehicle is offline or asleep", WAIT, None, "later"),
    # ---- login
    (400, "We don't recognize this redirect_uri", DO, Step.PORTAL, "exactly it"),
    (400, "invalid_auth_code", DO, Step.LOGIN, "again"),
    (400, "invalid_redirect_url", STOP, Step.LOGIN, "--redirect"),
    (401, "login_required: Login required", STOP, Step.LOGIN, "Home Assistant"),
    (400, "invalid_grant", DO, Step.LOGIN, "teslafast login"),
    (403, "access_denied: The resource owner denied the request", DO, Step.LOGIN, "every box"),
    (400, "state differs", DO, Step.LOGIN, "newest page"),
    # ---- configs
    (400, "hostname domain does not match with partner account", STOP, None, "--hostname"),
    (400, "ca is not a valid PEM", STOP, None, "--ca"),
    (400, "Unknown field Foo", STOP, None, "leave out"),
    (400, "expiration should be greater than 1 and less than 31449600", STOP, None, "--expires"),
    (404, "VIN not_found", DO, Step.LOGIN, "driver"),
    (412, PROXY, STOP, None, "sign"),
    # ---- not Tesla at all
    (302, "", STOP, None, "login page of a network"),
    (418, "I am a teapot", STOP, None, "fleetapisupport@tesla.com"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("status", "words", "kind", "again", "helps"), REPORTED, ids=[f"{row[0]} {row[1][:40]}" for row in REPORTED]
)
def test_a_refusal_is_known_by_its_words(status: int, words: str, kind: Kind, again: Step | None, helps: str) -> None:
    meant = explain(status, words)
    assert (meant.kind, meant.again) == (kind, again)
    assert helps in meant.remedy
    assert meant.meaning
    assert meant == explain(status, words.upper())  # Tesla's capitals differ from endpoint to endpoint


def test_no_two_remedies_of_one_status_are_mistaken_for_each_other() -> None:
    """412 has four meanings, 403 four, 422 two: a remedy per status would be wrong for most."""
    for status, count in ((412, 3), (403, 5), (422, 2)):
        assert len({explain(status, row[1]).meaning for row in REPORTED if row[0] == status}) == count


@pytest.mark.parametrize("words", ["account disabled: EXCEEDED_LIMIT", "Account Disabled"])
def test_the_billing_limit_is_told_apart(words: str) -> None:
    assert is_limit(words)
    assert not is_limit("Unauthorized missing scopes")


def test_whose_fault_it_is_is_said_once() -> None:
    meant = explain(503, "upstream")
    assert f"{meant.meaning}: {meant.remedy}".count("fault is Tesla's") == 1
