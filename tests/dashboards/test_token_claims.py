"""What other issuers put into a token's claims, and several tokens in one request."""

from __future__ import annotations

import jwt
import pytest
from teslafast.dashboards.tokens import Verifier
from teslafast.errors import Refused

from tests.dashboards.test_tokens import NOW, SECRET, STRANGER, refusal, settings, signed, verify


@pytest.mark.parametrize("vins", [["5yj3e1ea7kf000001"], [" 5YJ3E1EA7KF000001 "], ["5YJ3E1EA7KF000001", "5yj3e1ea7kf000001"]])
def test_vins_in_lower_case_or_with_blanks_are_mended(vins: list[str]) -> None:
    assert verify(signed(vins=vins)).vins == frozenset({"5YJ3E1EA7KF000001"})


@pytest.mark.parametrize("vins", [["A B"], ["a/b"], [""], ["\ud800"], ["5YJ3E1EA7KF000001", "é"]])
def test_text_among_the_vins_that_can_name_no_vehicle_is_refused_and_said(vins: list[str]) -> None:
    assert "not a VIN" in str(refusal(signed(vins=vins)))


@pytest.mark.parametrize(
    ("sub", "name"), [(17, "17"), (-1, "-1"), (None, ""), ("Ana", "Ana"), ("x" * 500, "x" * 128), ("\ud800", "?")]
)
def test_the_sub_is_text_a_number_or_absent_and_bounded(sub: object, name: str) -> None:
    assert verify(signed(sub=sub)).sub == name


@pytest.mark.parametrize("sub", [True, [1], {"a": 1}])
def test_a_sub_of_another_type_is_refused_in_our_words(sub: object) -> None:
    assert str(refusal(signed(sub=sub))) == "the token's sub is neither text nor a number"


@pytest.mark.parametrize("jti", [7, "x", None])
def test_a_jti_of_any_type_is_taken(jti: object) -> None:
    assert verify(signed(jti=jti))


def test_what_is_wrong_with_a_token_is_said_without_a_name_of_our_library() -> None:
    both = settings(JWT_AUDIENCE="dashboards", JWT_ISSUER="us")
    told = {
        str(refusal(signed(aud="x", iss="us"), own=both)),
        str(refusal(signed(aud="dashboards", iss="x"), own=both)),
        str(refusal(signed(iss="us"), own=both)),
        str(refusal(jwt.encode({"sub": "x"}, SECRET))),
        str(refusal("nonsense")),
        str(refusal(signed(SECRET * 2, "HS512"))),
    }
    assert len(told) == 6
    assert not [text for text in told if "Error" in text]


# ---- several tokens


def test_the_first_token_that_verifies_is_granted() -> None:
    good = signed(sub="good")
    assert (
        Verifier.from_settings(settings()).verify_first(["nonsense", signed(STRANGER), good, signed(sub="later")], NOW).sub
        == "good"
    )


def test_no_token_and_no_good_token_are_refused() -> None:
    verifier = Verifier.from_settings(settings())
    for tokens, cause in (([], "no_token"), ([signed(exp=NOW - 1), "nonsense"], "token_expired")):
        with pytest.raises(Refused) as caught:
            verifier.verify_first(tokens, NOW)
        assert caught.value.cause == cause
