"""The owner's login: the address of the page, the listener that takes the answer, and what is pasted."""

import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from teslafast import https
from teslafast.errors import Declined, Misconfigured
from teslafast.onboarding import login
from teslafast.onboarding.accounts import oauth_of
from teslafast.onboarding.oauth import Attempt, OAuth
from teslafast.onboarding.state_folder import StateFolder
from teslafast.onboarding.token_store import TokenStore

from tests.support.fake_tesla import FakeTesla, Refusal
from tests.support.fake_tesla_server import Raw, TeslaServer
from tests.support.peers import PATIENCE_S
from tests.support.ports import free_port


@pytest.fixture
def tesla() -> FakeTesla:
    return FakeTesla("road.example", lambda: b"", {}, redirect=f"http://localhost:{free_port()}/callback")


@pytest.fixture
def server(tesla: FakeTesla) -> Iterator[TeslaServer]:
    with TeslaServer(tesla) as running:
        yield running


@pytest.fixture
def store(server: TeslaServer, tmp_path: Path) -> TokenStore:
    folder = StateFolder(tmp_path / "state")
    return TokenStore(folder, oauth_of(server.environment, folder))


@pytest.fixture
def attempt(store: TokenStore, tesla: FakeTesla) -> Attempt:
    return store.oauth.attempt(tesla.redirect)


def where_tesla_sends(tesla: FakeTesla, attempt: Attempt) -> str:
    """The address at which a browser ends that opens the page and grants everything."""
    query = {name: values[0] for name, values in parse_qs(urlsplit(attempt.url).query).items()}
    status, address = tesla.authorize(query)
    assert status == 302, address
    return address


def test_the_pages_address_asks_for_missing_scopes_and_holds_no_secret(attempt: Attempt, store: TokenStore) -> None:
    query = {name: values[0] for name, values in parse_qs(urlsplit(attempt.url).query).items()}
    assert query["scope"] == "openid offline_access vehicle_device_data vehicle_location"
    assert query["prompt_missing_scopes"] == query["require_requested_scopes"] == query["show_keypair_step"] == "true"
    assert query["code_challenge_method"] == "S256"
    assert attempt.verifier not in attempt.url
    assert store.oauth.client_secret not in attempt.url
    assert "scope=openid%20offline_access" in attempt.url


def test_a_browser_on_this_machine_brings_the_code_and_the_tokens_are_kept(
    store: TokenStore, tesla: FakeTesla, attempt: Attempt
) -> None:
    with login.LoopbackListener(attempt) as listener:
        page = https.request("GET", where_tesla_sends(tesla, attempt))
        assert b"You can close this page" in page.body
        assert page.headers["referrer-policy"] == "no-referrer"
        answer = listener.wait(PATIENCE_S)
    assert answer is not None
    tokens = login.finish(store, attempt, answer)
    assert tokens.refresh_token == tesla.refresh_token
    assert store.load() == tokens


def test_a_pasted_address_does_as_well_even_if_the_terminal_broke_it(
    store: TokenStore, tesla: FakeTesla, attempt: Attempt
) -> None:
    address = where_tesla_sends(tesla, attempt)
    assert login.finish(store, attempt, f"  {address[:60]}\n{address[60:]}\n").access_token == tesla.access_token


def test_an_answer_with_another_state_is_refused_and_nothing_is_exchanged(
    store: TokenStore, tesla: FakeTesla, attempt: Attempt
) -> None:
    other = store.oauth.attempt(tesla.redirect)
    with pytest.raises(Declined, match="its state differs — start again"):
        login.finish(store, attempt, where_tesla_sends(tesla, other))
    with login.LoopbackListener(attempt) as listener:
        assert https.request("GET", where_tesla_sends(tesla, other)).status == 400
        assert listener.wait(PATIENCE_S) is not None  # it is taken after the browser has its page
    assert ("POST", "/token authorization_code") not in tesla.calls


def test_what_is_no_answer_is_not_taken_for_one(attempt: Attempt) -> None:
    with login.LoopbackListener(attempt) as listener:
        base = attempt.redirect.removesuffix("/callback")
        for path in ("/favicon.ico", "/callback", "/callback?state=x", "/callback?code=a" + "b" * 9000):
            assert https.request("GET", base + path).status == 404
        assert listener.wait(0) is None


@pytest.mark.parametrize("text", ["", "hello", "http://localhost:8765/callback", "https://x.example/?state=1"])
def test_a_pasted_text_without_a_code_is_refused_with_what_is_wanted(attempt: Attempt, text: str) -> None:
    with pytest.raises(Misconfigured, match="paste the whole address"):
        login.read_answer(text, attempt)


def test_a_code_that_was_used_sends_back_to_the_page(store: TokenStore, tesla: FakeTesla, attempt: Attempt) -> None:
    address = where_tesla_sends(tesla, attempt)
    login.finish(store, attempt, address)
    with pytest.raises(Declined, match="open the login page again"):
        login.finish(store, attempt, address)


def test_no_on_teslas_page_is_said_in_its_words(attempt: Attempt) -> None:
    with pytest.raises(Declined, match="access_denied the owner said no"):
        login.read_answer(
            f"http://localhost/?error=access_denied&error_description=the+owner+said+no&state={attempt.state}", attempt
        )


def test_scopes_that_tesla_dropped_without_a_word_are_named(store: TokenStore, tesla: FakeTesla, attempt: Attempt) -> None:
    tesla.scopes = ("openid", "offline_access", "vehicle_device_data")
    with pytest.raises(Declined, match="lacks the scope vehicle_location — authorise your app again"):
        login.finish(store, attempt, where_tesla_sends(tesla, attempt))


def test_a_login_without_a_refresh_token_is_none_even_if_an_earlier_one_had_it(
    store: TokenStore, tesla: FakeTesla, attempt: Attempt
) -> None:
    login.finish(store, attempt, where_tesla_sends(tesla, attempt))
    before = store.load()
    fields = {"access_token": "header.e30.signature", "expires_in": 28800}
    tesla.refusals["token authorization_code"] = Refusal(200, fields)
    with pytest.raises(Declined, match="offline_access was not granted"):
        login.finish(store, attempt, where_tesla_sends(tesla, attempt))
    assert store.load() == before


def test_how_long_the_token_endpoint_wants_to_be_left_alone_is_said(
    store: TokenStore, tesla: FakeTesla, attempt: Attempt
) -> None:
    busy = Raw(b'{"error": "too many requests"}', {"Retry-After": "30"})
    tesla.refusals["token authorization_code"] = Refusal(429, busy)
    with pytest.raises(Declined, match=r"too many requests \(retry after 30 s\)"):
        login.finish(store, attempt, where_tesla_sends(tesla, attempt))


def test_a_port_in_use_is_said_with_the_way_around_it(store: TokenStore) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        attempt = store.oauth.attempt(f"http://localhost:{taken.getsockname()[1]}/callback")
        with pytest.raises(Misconfigured, match="paste the address instead"):
            login.LoopbackListener(attempt)


@pytest.mark.parametrize(
    ("redirect", "fault"),
    [
        ("http://road.example/callback", "only for localhost"),
        ("http://localhost:8765", "has no path"),
        ("http://localhost:8765/?a=b", "has no path"),
        ("localhost:8765/callback", "not a usable address"),
    ],
)
def test_a_redirect_that_tesla_would_not_register_is_refused(redirect: str, fault: str) -> None:
    with pytest.raises(Misconfigured, match=fault):
        login.check_redirect(redirect)


def test_an_audience_is_the_region_in_the_code(tesla: FakeTesla, server: TeslaServer, tmp_path: Path) -> None:
    asked = []

    class Watching(OAuth):
        def exchange(self, code: str, attempt: Attempt, audience: str) -> dict[str, str]:
            asked.append(audience)
            return super().exchange(code, attempt, audience)

    oauth = Watching(
        type(oauth_of({}, StateFolder(tmp_path)).hosts)(
            server.environment["TESLA_AUTH_URL"], server.environment["TESLA_TOKEN_URL"]
        ),
        tesla.client_id,
        tesla.client_secret,
    )
    attempt = oauth.attempt(tesla.redirect)
    login.finish(TokenStore(StateFolder(tmp_path / "state"), oauth), attempt, where_tesla_sends(tesla, attempt))
    assert asked == ["https://fleet-api.prd.eu.vn.cloud.tesla.com"]
