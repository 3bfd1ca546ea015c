"""The owner's tokens on disk: when they are refreshed, by whom, and what a kill or a lost answer leaves."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from teslafast.errors import Declined, Misconfigured, Unhealthy
from teslafast.onboarding.accounts import oauth_of, owner_api
from teslafast.onboarding.oauth import OAuth
from teslafast.onboarding.state_folder import TOKENS_FILE, StateFolder
from teslafast.onboarding.tesla_hosts import TeslaHosts
from teslafast.onboarding.token_store import Tokens, TokenStore

from tests.support.fake_tesla import FakeCar, FakeTesla
from tests.support.fake_tesla_server import TeslaServer

VIN = "5YJ3TEST5PF000001"


@pytest.fixture
def tesla() -> FakeTesla:
    return FakeTesla("road.example", lambda: b"", {VIN: FakeCar()}, region="na", registered={"na": "04"})


@pytest.fixture
def server(tesla: FakeTesla) -> Iterator[TeslaServer]:
    with TeslaServer(tesla) as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path) -> StateFolder:
    return StateFolder(tmp_path / "state")


@pytest.fixture
def store(server: TeslaServer, folder: StateFolder) -> TokenStore:
    return TokenStore(folder, oauth_of(server.environment, folder))


def later(store: TokenStore, seconds: float) -> TokenStore:
    """The same folder, as somebody finds it who comes so much later."""
    return TokenStore(store.folder, store.oauth, lambda: time.time() + seconds)


def test_a_refresh_token_of_the_environment_is_used_up_and_its_successor_kept(store: TokenStore, tesla: FakeTesla) -> None:
    tokens = store.adopt("EU_first")
    assert (tokens.refresh_token, tokens.access_token) == (tesla.refresh_token, tesla.access_token)
    assert store.load() == tokens
    assert (tokens.generation, tokens.owner, tokens.scopes) == (1, "here", tesla.scopes)


def test_a_token_is_refreshed_at_three_quarters_of_its_life_and_not_before(store: TokenStore, tesla: FakeTesla) -> None:
    first = store.adopt("EU_first").access_token
    assert later(store, 0.7 * 28800).access_token() == first
    assert later(store, 0.8 * 28800).access_token() == tesla.access_token != first
    assert tesla.refreshed == 2


def test_a_call_that_would_outlive_the_token_refreshes_it_first(store: TokenStore, tesla: FakeTesla) -> None:
    store.adopt("EU_first")
    store.access_token(needed_s=29000)
    assert tesla.refreshed == 2


def test_a_token_that_is_only_due_is_used_while_tesla_is_away(store: TokenStore, tesla: FakeTesla) -> None:
    first = store.adopt("EU_first").access_token
    tesla.lost_answers = 2
    assert later(store, 0.8 * 28800).access_token() == first


def test_a_token_that_is_over_needs_tesla(store: TokenStore, tesla: FakeTesla) -> None:
    store.adopt("EU_first")
    tesla.lost_answers = 2
    with pytest.raises(Unhealthy):
        later(store, 30000).access_token()


def test_a_lost_answer_costs_nothing_because_the_token_works_once_more(store: TokenStore, tesla: FakeTesla) -> None:
    store.adopt("EU_first")
    tesla.lost_answers = 1
    assert later(store, 30000).access_token() == tesla.access_token
    assert store.load().refresh_token == tesla.refresh_token  # type: ignore[union-attr]


def test_the_new_pair_is_on_disk_before_it_is_used(store: TokenStore, monkeypatch: pytest.MonkeyPatch) -> None:
    before = store.adopt("EU_first")
    monkeypatch.setattr(store.folder, "write_json", lambda *_: (_ for _ in ()).throw(Misconfigured("x", "full", "make room")))
    with pytest.raises(Misconfigured, match="full"):
        later(store, 30000).access_token()
    monkeypatch.undo()
    assert store.load() == before
    assert later(store, 30000).access_token()  # the old one is still good: Tesla takes the one used last again


def test_login_required_is_said_once_with_the_other_places_and_never_retried(store: TokenStore, tesla: FakeTesla) -> None:
    store.adopt("EU_first")
    tesla.refuse("token refresh", 401, {"error": "login_required", "error_description": "Login required"})
    with pytest.raises(Declined, match="another process has refreshed it") as declined:
        later(store, 30000).access_token()
    assert "log in again" in declined.value.remedy
    assert tesla.calls.count(("POST", "/token refresh_token")) == 2


def test_processes_that_need_a_new_token_at_once_refresh_it_once(
    store: TokenStore, tesla: FakeTesla, server: TeslaServer
) -> None:
    tokens = store.adopt("EU_first")
    store.folder.write_json(
        TOKENS_FILE, {**json.loads((store.folder.path / TOKENS_FILE).read_text()), "access_expires": time.time() + 1}
    )
    program = (
        "import json, sys; from pathlib import Path; from teslafast.onboarding.accounts import oauth_of\n"
        "from teslafast.onboarding.state_folder import StateFolder; from teslafast.onboarding.token_store import TokenStore\n"
        "folder = StateFolder(Path(sys.argv[1])); store = TokenStore(folder, oauth_of(json.loads(sys.argv[2]), folder))\n"
        "sys.stdin.readline(); print(store.access_token())"
    )
    command = [sys.executable, "-c", program, str(store.folder.path), json.dumps(server.environment)]
    others = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(5)]
    for other in others:
        assert other.stdin is not None
        other.stdin.write("\n")
        other.stdin.flush()
    got = {other.communicate(timeout=30)[0].strip() for other in others}
    assert got == {tesla.access_token} != {tokens.access_token}
    assert tesla.refreshed == 2  # the adoption, and one for all five


def test_a_token_that_tesla_refuses_is_renewed_once_for_a_call(store: TokenStore, tesla: FakeTesla, server: TeslaServer) -> None:
    store.adopt("EU_first")
    api = owner_api(server.environment, store.folder)
    tesla.access_token = "another"  # ended by somebody who refreshed elsewhere
    assert [row["vin"] for row in api.vehicles()] == [VIN]
    assert store.load().access_token == tesla.access_token  # type: ignore[union-attr]


def test_a_refresh_needs_no_client_secret(store: TokenStore, server: TeslaServer, tesla: FakeTesla) -> None:
    store.adopt("EU_first")
    without = OAuth(TeslaHosts.from_env(server.environment), "")
    assert TokenStore(store.folder, without, lambda: time.time() + 30000).access_token() == tesla.access_token


def test_tokens_that_were_handed_over_leave_a_mark_and_are_not_refreshed_here(store: TokenStore) -> None:
    store.adopt("EU_first")
    assert store.forget("teslafast-k7q2")
    assert store.load() == Tokens(owner="teslafast-k7q2", client_id=store.oauth.client_id, scopes=store.load().scopes)  # type: ignore[union-attr]
    with pytest.raises(Misconfigured, match="handed over to teslafast-k7q2"):
        store.access_token()


def test_nobody_has_logged_in_is_said_with_the_command(store: TokenStore) -> None:
    with pytest.raises(Misconfigured, match="teslafast login"):
        store.access_token()


def test_a_weekly_refresh_leaves_a_young_pair_alone(store: TokenStore, tesla: FakeTesla) -> None:
    store.adopt("EU_first")
    assert not later(store, 6 * 86400).refresh_if_older(7 * 86400)
    assert later(store, 8 * 86400).refresh_if_older(7 * 86400)
    assert tesla.refreshed == 2


def test_teslas_words_never_show_the_token_or_the_secret(store: TokenStore, tesla: FakeTesla) -> None:
    said = {"error": "login_required", "error_description": f"EU_first {tesla.client_secret}"}
    tesla.refuse("token", 401, said)
    with pytest.raises(Declined) as declined:
        store.adopt("EU_first")
    assert "EU_first" not in str(declined.value)
    with pytest.raises(Declined) as declined:
        store.oauth.partner_token(store.oauth.hosts.api)
    assert tesla.client_secret not in str(declined.value)


def test_the_access_token_of_the_environment_wins(store: TokenStore, server: TeslaServer) -> None:
    store.adopt("EU_first")
    assert owner_api(server.environment | {"TESLA_ACCESS_TOKEN": "given"}, store.folder).token == "given"
