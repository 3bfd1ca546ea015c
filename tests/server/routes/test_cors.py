"""Pages of other sites: what their browsers may ask, and what they may read."""

from __future__ import annotations

import pytest

from tests.support.routing import READER, answer, header, request, token

SITE = "https://dashboard.example"
ALLOWED = {"ALLOWED_ORIGINS": SITE}


@pytest.mark.parametrize("path", ["/vehicles", "/vehicles/5YJ3E1EA7KF000001"])
def test_a_preflight_of_a_listed_site_is_answered_204_and_allows_the_token(path: str) -> None:
    asked = request(
        path, "OPTIONS", origin=SITE, access_control_request_method="GET", access_control_request_headers="authorization"
    )
    found = answer(asked, READER, variables=ALLOWED)
    assert (found.status, found.body) == (204, b"")
    assert header(found, "Access-Control-Allow-Origin") == SITE
    assert "authorization" in (header(found, "Access-Control-Allow-Headers") or "").lower()
    assert "GET" in (header(found, "Access-Control-Allow-Methods") or "")
    assert header(found, "Vary") == "Origin"


def test_a_preflight_of_another_site_is_answered_403() -> None:
    found = answer(request("/vehicles", "OPTIONS", origin="https://evil.example"), variables=ALLOWED)
    assert found.status == 403
    assert header(found, "Access-Control-Allow-Origin") is None


@pytest.mark.parametrize("bearer", [f"Bearer {token()}", "Bearer nonsense", None])
def test_a_listed_site_may_read_the_answer_also_a_refusal(bearer: str | None) -> None:
    found = answer(request("/vehicles", origin=SITE, authorization=bearer), variables=ALLOWED)
    assert found.status in (200, 401)
    assert header(found, "Access-Control-Allow-Origin") == SITE


@pytest.mark.parametrize("origin", [None, "https://evil.example", "http://telemetry.example.com"])
def test_nobody_else_gets_a_header_of_cors(origin: str | None) -> None:
    found = answer(request("/vehicles", origin=origin, authorization=f"Bearer {token()}"), variables=ALLOWED)
    assert found.status == 200
    assert header(found, "Access-Control-Allow-Origin") is None


@pytest.mark.parametrize("path", ["/health", "/metrics", "/", "/stream"])
def test_a_path_without_cors_answers_options_with_405(path: str) -> None:
    assert answer(request(path, "OPTIONS", origin=SITE), variables=ALLOWED).status == 405
