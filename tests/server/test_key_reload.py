"""The key file, read again when it changes."""

from __future__ import annotations

import json
import os
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from teslafast.config import Settings
from teslafast.errors import Misconfigured, Refused
from teslafast.server.app_key_page import AppKeyPage
from teslafast.server.key_reload import KeyReload
from teslafast.server.watched_files import LOOK_EVERY_S

NOW = 1_800_000_000.0
OLD, NEW = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))


def pem(*keys: ec.EllipticCurvePrivateKey) -> str:
    form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    return "".join(key.public_key().public_bytes(*form).decode() for key in keys)


def started(path: Path) -> KeyReload:
    return KeyReload(Settings.from_env({"JWT_ALGORITHMS": "ES256", "JWT_PUBLIC_KEY_PATH": str(path)}), path)


def accepts(reload: KeyReload, key: ec.EllipticCurvePrivateKey) -> bool:
    try:
        return reload.verifier.verify(jwt.encode({"exp": NOW + 60}, key, "ES256"), NOW).exp == NOW + 60
    except Refused:
        return False


def replace(path: Path, text: str, number: int) -> None:
    path.write_text(text)
    os.utime(path, ns=(number, number))  # a file system's clock may be coarse


def test_a_key_that_is_added_and_one_that_is_taken_out_count_after_two_looks(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    path.write_text(pem(OLD))
    reload = started(path)
    assert (accepts(reload, OLD), accepts(reload, NEW)) == (True, False)
    for number, (keys, found) in enumerate([((OLD, NEW), (True, True)), ((NEW,), (False, True))], 1):
        replace(path, pem(*keys), number)
        for look in (10 * number, 10 * number + 1):
            reload.check(look * LOOK_EVERY_S)
        assert (accepts(reload, OLD), accepts(reload, NEW)) == found


@pytest.mark.parametrize("text", ["", "junk", "-----BEGIN PUBLIC KEY-----"])
def test_a_file_without_a_usable_key_changes_nothing(text: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "key.pem"
    path.write_text(pem(OLD))
    reload = started(path)
    replace(path, text, 1)
    reload.renew()
    assert accepts(reload, OLD)
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == ["token_keys_refused"]


def test_a_renewal_is_said_only_if_the_keys_are_others(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    path = tmp_path / "key.pem"
    path.write_text(pem(OLD))
    reload = started(path)
    for number, text in enumerate([pem(OLD), "# a word\n" + pem(OLD), pem(NEW), pem(NEW)], 1):
        replace(path, text, number)
        reload.renew()
    said = [record.message for record in caplog.records]
    assert said == ["token_keys_unchanged", "token_keys_unchanged", "token_keys_renewed", "token_keys_unchanged"]


def test_a_set_that_gains_a_key_of_an_unknown_kind_is_used_and_the_key_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "keys.json"

    def put(number: int, *keys: ec.EllipticCurvePrivateKey) -> None:
        jwks = [json.loads(jwt.algorithms.ECAlgorithm.to_jwk(key.public_key())) for key in keys]
        replace(path, json.dumps({"keys": [{"kty": "AKP", "kid": f"pq{number}"}, *jwks]}), number)

    put(1, OLD)
    reload = started(path)
    assert (accepts(reload, OLD), accepts(reload, NEW)) == (True, False)
    put(2, NEW)
    reload.renew()
    assert (accepts(reload, OLD), accepts(reload, NEW)) == (False, True)
    told = [(record.levelname, record.message) for record in caplog.records if "ignored" in record.message]
    assert told == [("WARNING", "token_key_ignored")] * 2


def test_a_missing_file_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="JWT_PUBLIC_KEY_PATH"):
        started(tmp_path / "missing.pem")


FOREIGN = {
    "UTF-16": pem(OLD).encode("utf-16"),
    "is DER, not PEM: openssl pkey -pubin": OLD.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    ),
    "written as two characters": pem(OLD).replace("\n", "\\n").encode(),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_public_key_in_another_form_than_pem_is_named(name: str, tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(FOREIGN[name])
    with pytest.raises(Misconfigured, match=f"^JWT_PUBLIC_KEY_PATH: .*{name}"):
        started(path)
    with pytest.raises(Misconfigured, match=f"^TESLA_PUBLIC_KEY_PATH: .*{name}"):
        AppKeyPage(path)


def test_a_key_set_whose_keys_carry_pem_too_is_read(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    key = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(OLD.public_key())) | {"pem": pem(OLD)}
    path.write_text(json.dumps({"keys": [key]}))
    assert accepts(started(path), OLD)
