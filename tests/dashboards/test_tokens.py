"""Tokens: the second opinion is PyJWT's own encoder, and forgeries put together by hand."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st
from teslafast.config import Settings
from teslafast.dashboards.tokens import Grant, Verifier, mint
from teslafast.errors import Misconfigured, Refused

NOW = 1_800_000_000.0
SECRET = "the present secret of 32 bytes or more"
OLD = "the secret before it of 32 bytes or more"
STRANGER = "somebody else's secret of 32 bytes or more"


def settings(**variables: str) -> Settings:
    return Settings.from_env({"JWT_SECRET": SECRET} | variables)


def signed(secret: Any = SECRET, algorithm: str = "HS256", **claims: Any) -> str:
    return jwt.encode({"sub": "somebody", "exp": NOW + 60} | claims, secret, algorithm=algorithm)


def verify(token: str, now: float = NOW, own: Settings | None = None) -> Grant:
    return Verifier.from_settings(own or settings()).verify(token, now)


def refusal(token: str, now: float = NOW, own: Settings | None = None) -> Refused:
    with pytest.raises(Refused) as caught:
        verify(token, now, own)
    assert caught.value.status is HTTPStatus.UNAUTHORIZED
    assert token not in str(caught.value)
    return caught.value


def forged(header: dict[str, Any], claims: Any, signature: bytes = b"") -> str:
    def part(value: bytes) -> str:
        return base64.urlsafe_b64encode(value).rstrip(b"=").decode()

    return ".".join([part(json.dumps(header).encode()), part(json.dumps(claims).encode()), part(signature)])


# ---- what is granted


def test_a_valid_token_becomes_its_grant() -> None:
    assert verify(signed(vins=["A", "B"])) == Grant("somebody", frozenset({"A", "B"}), NOW + 60)


@pytest.mark.parametrize("claims", [{}, {"vins": None}, {"vins": ["*"]}, {"vins": ["A", "*"]}])
def test_a_token_without_vins_or_with_a_star_grants_every_vehicle(claims: dict[str, Any]) -> None:
    grant = verify(signed(**claims))
    assert grant.vins is None
    assert grant.allows("anything")


def test_an_empty_list_grants_nothing() -> None:
    grant = verify(signed(vins=[]))
    assert grant.vins == frozenset()
    assert not grant.allows("A")


def test_a_grant_can_be_narrowed_but_never_widened() -> None:
    grant = Grant("somebody", frozenset({"A", "B"}), NOW)
    assert grant.narrowed(None) is grant
    assert grant.narrowed(["A"]).vins == frozenset({"A"})
    with pytest.raises(Refused) as caught:
        grant.narrowed(["A", "C"])
    assert caught.value.status is HTTPStatus.FORBIDDEN


def test_a_grant_of_everything_narrows_to_the_vins_asked_for() -> None:
    assert Grant("somebody", None, NOW).narrowed(["A"]).vins == frozenset({"A"})


# ---- the clock


def test_a_token_ends_at_its_exp_without_leeway() -> None:
    assert verify(signed(exp=NOW + 1), NOW)
    assert refusal(signed(exp=NOW), NOW).cause == "token_expired"
    assert refusal(signed(exp=NOW - 1), NOW).cause == "token_expired"


def test_a_token_is_refused_before_its_nbf() -> None:
    token = signed(nbf=NOW + 20)
    assert refusal(token, NOW).cause == "token_early"
    assert verify(token, NOW + 20)


@pytest.mark.parametrize("exp", ["tomorrow", True, -1, 1e300, [NOW], {}])
def test_an_exp_that_is_not_a_time_is_refused(exp: object) -> None:
    refusal(forged({"alg": "HS256"}, {"exp": exp}))
    token = jwt.api_jws.encode(json.dumps({"exp": exp}).encode(), SECRET, algorithm="HS256")
    refusal(token)


@pytest.mark.parametrize("number", ["Infinity", "NaN", "1e999"])
def test_an_infinite_exp_is_refused(number: str) -> None:
    refusal(jwt.api_jws.encode(b'{"exp":%s}' % number.encode(), SECRET, algorithm="HS256"))


def test_a_token_without_exp_is_refused() -> None:
    refusal(jwt.encode({"sub": "somebody"}, SECRET, algorithm="HS256"))


# ---- the signature


def test_a_token_signed_with_another_secret_is_refused() -> None:
    assert refusal(signed(STRANGER)).cause == "token_signature"


def test_a_listed_previous_secret_is_accepted() -> None:
    token = signed(OLD)
    assert verify(token, own=settings(JWT_PREVIOUS_SECRETS=f"{STRANGER},{OLD}")).sub == "somebody"
    refusal(token)


@pytest.mark.parametrize("name", ["none", "None", "NONE", "nOnE", ""])
def test_a_token_without_a_signature_is_refused_however_it_is_spelt(name: str) -> None:
    refusal(forged({"alg": name, "typ": "JWT"}, {"sub": "x", "exp": NOW + 60}))


def test_an_unlisted_algorithm_is_refused_even_with_a_valid_signature() -> None:
    token = signed(algorithm="HS512", secret=SECRET * 2)
    with pytest.raises(Refused):
        Verifier([SECRET * 2], ["HS256"], None, None).verify(token, NOW)


def test_the_tokens_header_cannot_choose_the_key() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    jwk = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(key.public_key()))
    token = jwt.encode({"exp": NOW + 60}, key, algorithm="ES256", headers={"jwk": jwk, "kid": "../../etc/passwd"})
    refusal(token)


def test_a_public_key_is_not_accepted_as_an_hmac_secret() -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = pem(key)
    verifier = Verifier.from_settings(settings(JWT_ALGORITHMS="RS256", JWT_PUBLIC_KEY_PATH="key.pem", JWT_SECRET=""), public)
    assert verifier.verify(signed(key, "RS256"), NOW).sub == "somebody"
    confused = forged_hmac(public)
    with pytest.raises(Refused):
        verifier.verify(confused, NOW)


def pem(key: Any) -> str:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return str(key.public_key().public_bytes(serialization.Encoding.PEM, form).decode())


def forged_hmac(secret: str) -> str:
    """HS256 by hand: PyJWT itself will not use a PEM as a secret."""
    unsigned = forged({"alg": "HS256", "typ": "JWT"}, {"sub": "x", "exp": NOW + 60}).rpartition(".")[0]
    digest = hmac.new(secret.encode(), unsigned.encode(), hashlib.sha256).digest()
    return unsigned + "." + base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def test_the_forged_tokens_of_these_tests_are_valid_with_the_right_secret() -> None:
    assert verify(forged_hmac(SECRET)).sub == "x"


@pytest.mark.parametrize("text", ["", "no key", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"])
def test_a_file_without_a_public_key_is_misconfigured(text: str) -> None:
    wanted = settings(JWT_ALGORITHMS="RS256,ES256,EdDSA", JWT_PUBLIC_KEY_PATH="key.pem", JWT_SECRET="")
    with pytest.raises(Misconfigured) as caught:
        Verifier.from_settings(wanted, text)
    assert caught.value.subject == "JWT_PUBLIC_KEY_PATH"


def test_a_public_key_for_another_algorithm_is_misconfigured() -> None:
    wanted = settings(JWT_ALGORITHMS="RS256", JWT_PUBLIC_KEY_PATH="key.pem", JWT_SECRET="")
    with pytest.raises(Misconfigured):
        Verifier.from_settings(wanted, pem(ec.generate_private_key(ec.SECP256R1())))


def test_an_elliptic_key_verifies_tokens(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    wanted = settings(JWT_ALGORITHMS="ES256", JWT_PUBLIC_KEY_PATH=str(tmp_path / "key.pem"), JWT_SECRET="")
    assert Verifier.from_settings(wanted, pem(key)).verify(signed(key, "ES256"), NOW).sub == "somebody"


# ---- claims that must match


def test_audience_and_issuer_must_match_if_they_are_set() -> None:
    both = settings(JWT_AUDIENCE="dashboards", JWT_ISSUER="us")
    assert verify(signed(aud="dashboards", iss="us"), own=both)
    assert verify(signed(aud=["others", "dashboards"], iss="us"), own=both)
    for wrong in ({}, {"aud": "dashboards"}, {"iss": "us"}, {"aud": "x", "iss": "us"}, {"aud": "dashboards", "iss": "them"}):
        refusal(signed(**wrong), own=both)


def test_audience_and_issuer_are_ignored_if_they_are_not_set() -> None:
    assert verify(signed(aud="anybody", iss="anyone"))


@pytest.mark.parametrize("vins", ["A", {"A": 1}, [1], [["A"]], 7, [None]])
def test_vins_that_are_not_a_list_of_strings_are_refused(vins: object) -> None:
    refusal(signed(vins=vins))


# ---- what is no token


@pytest.mark.parametrize("token", ["", ".", "..", "a.b.c", "x" * 4001, "é.é.é", "\0", "a b c", "e30.e30.e30"])
def test_text_that_is_not_a_token_is_refused(token: str) -> None:
    refusal_of_anything(token)


@given(st.text(max_size=200) | st.builds(lambda *parts: ".".join(parts), st.text(), st.text(), st.text()))
def test_any_text_is_refused_as_a_token(token: str) -> None:
    refusal_of_anything(token)


@given(
    st.dictionaries(
        st.sampled_from(["sub", "exp", "nbf", "iat", "vins", "aud", "iss", "jti"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text() | st.floats(),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
            max_leaves=4,
        ),
    )
)
def test_any_signed_claims_are_granted_or_refused(claims: dict[str, Any]) -> None:
    token = jwt.api_jws.encode(json.dumps(claims).encode(), SECRET, algorithm="HS256")
    try:
        grant = verify(token)
    except Refused:
        return
    assert grant.exp > NOW


def refusal_of_anything(token: str) -> None:
    with pytest.raises(Refused) as caught:
        verify(token)
    assert caught.value.status is HTTPStatus.UNAUTHORIZED


# ---- minting


@pytest.mark.parametrize(
    "variables", [{}, {"JWT_AUDIENCE": "dashboards"}, {"JWT_ISSUER": "us"}, {"JWT_ALGORITHMS": "HS512", "JWT_SECRET": SECRET * 2}]
)
def test_a_minted_token_is_valid_for_its_ttl(variables: dict[str, str]) -> None:
    own = settings(**variables)
    token = mint(own, "wall display", ["A"], 60.0, NOW)
    verifier: Callable[[str, float], Grant] = Verifier.from_settings(own).verify
    assert verifier(token, NOW + 59) == Grant("wall display", frozenset({"A"}), NOW + 60)
    with pytest.raises(Refused):
        verifier(token, NOW + 60)


def test_a_token_minted_without_vins_grants_all() -> None:
    assert verify(mint(settings(), "x", [], 60.0, NOW)).vins is None
