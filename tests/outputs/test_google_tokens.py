"""Tokens for Google: signed by the key file's account, or asked of the machine's metadata server."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from teslafast.errors import Misconfigured, Undelivered
from teslafast.outputs.google_tokens import MachineAccount, ServiceAccount

from tests.support.google import FakeGoogle

AUDIENCE = "https://pubsub.googleapis.com/"
KEY = rsa.generate_private_key(65537, 2048)
GOOD = {
    "type": "service_account",
    "client_email": "me@p.iam.gserviceaccount.com",
    "private_key_id": "k1",
    "private_key": KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
}


def key_file(folder: Path, said: object) -> Path:
    path = folder / "key.json"
    path.write_text(json.dumps(said))
    return path


def test_an_account_signs_a_token_for_an_hour_and_another_before_it_ends(tmp_path: Path) -> None:
    now = [1_795_420_801.5]
    account = ServiceAccount(key_file(tmp_path, GOOD), AUDIENCE, wall=lambda: now[0])

    def token() -> tuple[str, dict[str, Any]]:
        text = asyncio.run(account.token())
        claims = jwt.decode(
            text, KEY.public_key(), ["RS256"], audience=AUDIENCE, options={"verify_exp": False, "verify_iat": False}
        )
        return text, claims

    first, claims = token()
    assert jwt.get_unverified_header(first) == {"alg": "RS256", "kid": "k1", "typ": "JWT"}
    email = GOOD["client_email"]
    assert claims == {"iss": email, "sub": email, "aud": AUDIENCE, "iat": 1_795_420_801, "exp": 1_795_424_401}
    now[0] += 3000
    assert token()[0] == first
    now[0] += 400
    assert token()[1]["iat"] == 1_795_424_201
    now[0] -= 100_000_000
    assert token()[1]["iat"] == 1_695_424_201, "made while the clock was ahead"


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (GOOD | {"type": "authorized_user"}, "is of the type 'authorized_user'"),
        ([], "is of the type None"),
        (GOOD | {"private_key": "s3cret"}, "lacks a key that can be used"),
        ({"type": "service_account"}, "lacks a key that can be used"),
    ],
)
def test_a_file_that_is_no_key_file_stops_the_start_in_one_line(tmp_path: Path, said: object, words: str) -> None:
    with pytest.raises(Misconfigured, match=f"GOOGLE_APPLICATION_CREDENTIALS: .*{words}") as caught:
        ServiceAccount(key_file(tmp_path, said), AUDIENCE)
    assert "s3cret" not in str(caught.value)


def test_a_file_that_is_not_there_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="cannot be read"):
        ServiceAccount(tmp_path / "none.json", AUDIENCE)


def test_the_machine_s_account_is_asked_once_until_its_token_ends() -> None:
    now = [0.0]
    with FakeGoogle() as google:
        google.answers = [(200, {"access_token": "t1", "expires_in": 1000}), (200, {"access_token": "t2", "expires_in": 1000})]
        account = MachineAccount(google.address, wall=lambda: now[0])
        tokens = []
        now[0] = 1000.0
        for later_s in (0, 500, 300):
            now[0] += later_s
            tokens.append(asyncio.run(account.token()))
    assert tokens == ["t1", "t1", "t2"]
    assert [(one.method, one.headers["metadata-flavor"]) for one in google.requests] == [("GET", "Google")] * 2


@pytest.mark.parametrize("answer", [(404, {}), (200, {"token": 1}), (200, [])])
def test_a_machine_without_an_account_says_what_to_give(answer: tuple[int, object]) -> None:
    with FakeGoogle() as google:
        google.answers = [answer]
        with pytest.raises(Undelivered, match="metadata server"):
            asyncio.run(MachineAccount(google.address).token())
