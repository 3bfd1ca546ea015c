"""The app's public key where Tesla looks for it: served, cached, read again when it changes, and never another file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from teslafast.config import Settings
from teslafast.errors import Misconfigured
from teslafast.http_messages import Answer, Request
from teslafast.server.app_key_page import APP_KEY_PATH, AppKeyPage, app_key_files, app_key_page
from teslafast.server.watched_files import LOOK_EVERY_S

from tests.support.certificates import World
from tests.support.servers import Inside

_FORM = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
OLD, NEW = (ec.generate_private_key(ec.SECP256R1()).public_key().public_bytes(*_FORM) for _ in range(2))
PRIVATE = ec.generate_private_key(ec.SECP256R1()).private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "public-key.pem").write_bytes(OLD)
    return tmp_path / "public-key.pem"


@pytest.fixture(scope="module")
def server(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inside]:
    """In production, with a port for vehicles: none has ever connected."""
    path = tmp_path_factory.mktemp("key") / "public-key.pem"
    path.write_bytes(OLD)
    variables = {"VEHICLE_PORT": "0", "DASHBOARD_TLS": "false", "TESLA_PUBLIC_KEY_PATH": str(path), "BASE_PATH": "/car"}
    with Inside(world, **variables) as server:
        yield server


def asked(server: Inside, method: str = "GET", path: str = APP_KEY_PATH, **headers: str) -> tuple[HTTPResponse, bytes]:
    connection = HTTPConnection("127.0.0.1", server.place.port, timeout=10)
    connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response, body


def get(page: AppKeyPage, **headers: str) -> Answer:
    return page.page(Request("GET", APP_KEY_PATH, {name.replace("_", "-"): [value] for name, value in headers.items()}), None)


def replace(path: Path, content: bytes, number: int) -> None:
    path.write_bytes(content)
    os.utime(path, ns=(number, number))  # a file system's clock may be coarse


def look(page: AppKeyPage, number: int) -> None:
    """Twice: a file counts once it has stayed the same."""
    for at in (10 * number, 10 * number + 1):
        page.check(at * LOOK_EVERY_S)


# ---- over the wire


def test_anybody_gets_the_key_without_a_token_before_any_vehicle_has_connected(server: Inside) -> None:
    response, body = asked(server)
    assert (response.status, body) == (200, OLD)
    assert response.headers["Content-Type"] == "application/x-pem-file"
    assert response.headers["Cache-Control"] == "public, max-age=300"
    assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_head_says_the_same_without_the_key(server: Inside) -> None:
    response, body = asked(server, "HEAD")
    assert (response.status, body, response.headers["Content-Length"]) == (200, b"", "178")


def test_a_cache_that_has_the_key_is_not_sent_it_again(server: Inside) -> None:
    tag = asked(server)[0].headers["ETag"]
    for known in (tag, f'W/{tag}, "other"', "*"):
        response, body = asked(server, if_none_match=known)
        assert (response.status, body, response.headers["ETag"]) == (304, b"", tag)
    assert asked(server, if_none_match='"other"')[0].status == 200


def test_other_methods_and_the_vehicles_port_have_no_key(server: Inside) -> None:
    assert asked(server, "DELETE")[0].status == 405
    assert asked(server, path="/.well-known/appspecific/")[0].status == 404


def test_below_a_base_path_the_key_is_there_too(server: Inside) -> None:
    assert asked(server, path=f"/car{APP_KEY_PATH}")[1] == OLD


def test_without_the_setting_the_path_is_unknown() -> None:
    assert app_key_page(Settings.from_env({"NODE_ENV": "development"})) is None
    assert app_key_files(None) == {}


# ---- the file


def test_a_new_key_is_served_after_two_looks_with_another_tag(path: Path) -> None:
    page = AppKeyPage(path)
    before = get(page)
    replace(path, NEW, 1)
    look(page, 1)
    after = get(page)
    assert (before.body, after.body) == (OLD, NEW)
    assert dict(before.headers)["ETag"] != dict(after.headers)["ETag"]


@pytest.mark.parametrize("content", [PRIVATE, b"", None], ids=["a private key", "nothing", "no file"])
def test_a_file_that_goes_wrong_is_logged_and_the_key_stays(
    content: bytes | None, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    page = AppKeyPage(path)
    if content is None:
        path.unlink()
    else:
        replace(path, content, 1)
    look(page, 1)
    assert get(page).body == OLD
    assert [record.message for record in caplog.records] == ["app_key_refused"]


def test_a_file_that_is_only_touched_says_nothing(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    page = AppKeyPage(path)
    replace(path, OLD, 1)
    look(page, 1)
    assert caplog.records == []


@pytest.mark.parametrize(
    ("content", "says"),
    [(PRIVATE, "holds a private key"), (b"x", "holds no public key"), (None, "No such file")],
    ids=["a private key", "no key", "no file"],
)
def test_a_file_without_a_usable_key_stops_the_start_in_one_line(content: bytes | None, says: str, tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(Misconfigured, match=f"^TESLA_PUBLIC_KEY_PATH: .*{says}") as caught:
        AppKeyPage(path)
    assert "\n" not in str(caught.value)
