"""The app's public key at its domain: what Tesla would find there, and what is said about it."""

from collections.abc import Mapping

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from teslafast import https
from teslafast.errors import Unhealthy
from teslafast.https import Reply
from teslafast.onboarding import served_key
from teslafast.onboarding.app_key import public_hex, public_pem
from teslafast.onboarding.served_key import NotServed, check_public_address, check_served_key, is_trial

KEY, OTHER = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
OURS, DOMAIN = public_hex(KEY), "road.example.com"


def answering(monkeypatch: pytest.MonkeyPatch, answer: Reply | Exception, *addresses: str) -> list[str]:
    """A domain at these addresses whose port 443 answers so; the addresses that are asked for."""
    asked: list[str] = []

    def request(method: str, url: str, headers: Mapping[str, str]) -> Reply:
        asked.append(url)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(https, "request", request)
    monkeypatch.setattr(served_key, "addresses_of", lambda host: list(addresses))
    return asked


def test_our_key_is_found_where_tesla_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = answering(monkeypatch, Reply(200, public_pem(KEY)), "93.184.215.14")
    assert check_served_key(DOMAIN, OURS) == asked[0]
    assert asked == ["https://road.example.com/.well-known/appspecific/com.tesla.3p.public-key.pem"]


@pytest.mark.parametrize(
    ("answer", "says", "helps", "wrong"),
    [
        (Reply(200, public_pem(OTHER)), "serves another's key", "TESLA_PUBLIC_KEY_PATH", True),
        (Reply(200, b"<!doctype html><title>Login", {"server": "nginx"}), "'<!doctype html><title>Login' (answered by nginx)",
         "an old deploy answers", True),
        (Reply(200, b""), "serves no EC public key", "TESLA_PUBLIC_KEY_PATH", True),
        (Reply(302, b"", {"location": "https://www.road.example.com/x"}), "is redirected to https://www.road.example.com/x",
         "Tesla does not follow", True),
        (Reply(403, b"", {"server": "cloudflare"}), "answers 403 (answered by cloudflare)", "no bot filter", True),
        (Reply(404), "answers 404", "TESLA_PUBLIC_KEY_PATH", False),
        (Unhealthy("road.example.com: its certificate does not verify (self-signed)", "x"), "does not verify",
         "publicly trusted certificate", True),
        (Unhealthy("road.example.com: no answer (timed out)", "x"), "no answer", "let port 443 reach it", False),
    ],
)  # fmt: skip
def test_what_tesla_would_refuse_is_named_with_who_answered(
    monkeypatch: pytest.MonkeyPatch, answer: Reply | Exception, says: str, helps: str, wrong: bool
) -> None:
    answering(monkeypatch, answer, "93.184.215.14")
    with pytest.raises(NotServed) as refused:
        check_served_key(DOMAIN, OURS)
    assert says in refused.value.fault
    assert helps in refused.value.remedy
    assert refused.value.wrong is wrong


@pytest.mark.parametrize(
    ("addresses", "says", "wrong"),
    [
        ([], "DNS does not know", False),
        (["100.72.1.9"], "CGNAT", True),
        (["192.168.1.20"], "a private address", True),
        (["127.0.0.1"], "a private address", True),
        (["fd00::1"], "a private address", True),
    ],
)
def test_an_address_that_neither_tesla_nor_a_car_can_reach_is_named(
    monkeypatch: pytest.MonkeyPatch, addresses: list[str], says: str, wrong: bool
) -> None:
    monkeypatch.setattr(served_key, "addresses_of", lambda host: addresses)
    with pytest.raises(NotServed, match=says) as refused:
        check_public_address(DOMAIN)
    assert refused.value.wrong is wrong


def test_one_public_address_among_others_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(served_key, "addresses_of", lambda host: ["192.168.1.20", "93.184.215.14"])
    check_public_address(DOMAIN)


def test_a_loopback_server_is_a_trial_only_while_no_dns_knows_the_domain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(served_key, "addresses_of", lambda host: [])
    assert is_trial("http://127.0.0.1:3000", DOMAIN)
    assert not is_trial("https://road.example.com", DOMAIN)
    monkeypatch.setattr(served_key, "addresses_of", lambda host: ["93.184.215.14"])
    assert not is_trial("http://127.0.0.1:3000", DOMAIN)


def test_without_our_key_any_ec_key_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, Reply(200, public_pem(OTHER)), "93.184.215.14")
    assert check_served_key(DOMAIN, "")
