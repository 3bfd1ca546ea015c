"""The doctor on a set-up: the public key at the app's domain, and the login in the set-up's folder."""

import socket
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from teslafast import https
from teslafast.certificates.issue import key_pem
from teslafast.doctor.finding import State
from teslafast.https import Reply
from teslafast.onboarding import served_key
from teslafast.onboarding.app_key import public_pem
from teslafast.onboarding.setup_notes import SetupNotes, save_notes
from teslafast.onboarding.state_folder import StateFolder

from tests.support.certificates import HOST
from tests.support.ports import free_port
from tests.support.sites import Site, assert_said, only

KEY, OTHER = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))


@pytest.fixture
def folder(site: Site, tmp_path: Path) -> StateFolder:
    """A set-up's folder with a key and a domain, which the doctor finds through TESLAFAST_STATE."""
    folder = StateFolder(tmp_path / "state")
    folder.write("app.key", key_pem(KEY))
    save_notes(folder, SetupNotes(domain="road.example.com", client_id="an-app"))
    site.environment["TESLAFAST_STATE"] = str(folder.path)
    return folder


def serving(monkeypatch: pytest.MonkeyPatch, reply: Reply, *addresses: str) -> None:
    monkeypatch.setattr(https, "request", lambda *_: reply)
    monkeypatch.setattr(served_key, "addresses_of", lambda host: list(addresses))


@pytest.mark.parametrize(
    ("reply", "addresses", "state", "says", "remedy"),
    [
        (Reply(200, public_pem(OTHER)), ["93.184.215.14"], State.WRONG, "another's key", "TESLA_PUBLIC_KEY_PATH"),
        (Reply(404), ["93.184.215.14"], State.WRONG, "the public key is not served", "TESLA_PUBLIC_KEY_PATH"),
        (Reply(404), ["100.72.1.9"], State.WRONG, "CGNAT", "Fly.io or a small VPS"),
        (Reply(404), ["192.168.1.20"], State.WRONG, "a private address", "forward the ports"),
    ],
)
def test_the_public_key_at_the_apps_domain_is_looked_at(
    site: Site,
    folder: StateFolder,
    monkeypatch: pytest.MonkeyPatch,
    reply: Reply,
    addresses: list[str],
    state: State,
    says: str,
    remedy: str,
) -> None:
    site.environment.pop("TESLA_ACCESS_TOKEN")
    serving(monkeypatch, reply, *addresses)
    assert_said(site.look(free_port()), "public key", state, says, remedy)


def test_our_own_key_is_well(site: Site, folder: StateFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    site.environment.pop("TESLA_ACCESS_TOKEN")
    serving(monkeypatch, Reply(200, public_pem(KEY)), "93.184.215.14")
    (finding,) = only(site.look(free_port()), "public key")
    assert finding.state is State.WELL
    assert "is ours, publicly trusted" in finding.says


def test_a_providers_shared_address_is_told_apart_from_a_private_one(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    del site.options["address"]
    found = [(0, 0, 0, "", ("100.72.1.9", 0))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    assert_said(site.look(free_port()), "address", State.WRONG, f"{HOST} is 100.72.1.9: your provider shares", "small VPS")


def test_tokens_that_a_server_has_are_said_not_used(site: Site, folder: StateFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    site.environment.pop("TESLA_ACCESS_TOKEN")
    folder.write_json("tokens.json", {"owner": "an-app-at-fly"})
    serving(monkeypatch, Reply(404))
    assert_said(site.look(free_port()), "Fleet API", State.WRONG, "handed over to an-app-at-fly", "run this command there")
