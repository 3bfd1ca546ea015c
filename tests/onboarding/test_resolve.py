"""Options of a command that are not given are resolved from the server's environment, or refused with the remedy."""

from collections.abc import Callable
from pathlib import Path

import pytest
from teslafast.errors import Misconfigured
from teslafast.onboarding import resolve

from tests.support.certificates import World

VIN, OTHER = "5YJ3TEST5PF000001", "5YJ3TEST7PF000002"


def test_a_vin_in_lower_case_or_with_blanks_is_mended() -> None:
    assert resolve.resolve_vins([" 5yj3e1ea7kf000001 "], {}) == ["5YJ3E1EA7KF000001"]
    assert resolve.resolve_vins([], {"TESLA_VIN": "5yj3e1ea7kf000001, 5YJ3E1EA7KF000002"}) == [
        "5YJ3E1EA7KF000001",
        "5YJ3E1EA7KF000002",
    ]


def test_vins_come_from_the_options_else_from_tesla_vin() -> None:
    assert resolve.resolve_vins([OTHER], {"TESLA_VIN": VIN}) == [OTHER]
    assert resolve.resolve_vins([], {"TESLA_VIN": f"{VIN}, {OTHER}"}) == [VIN, OTHER]


@pytest.mark.parametrize(("words", "listed"), [([], ""), (["5YJ3"], ""), ([], "5YJ3TEST5PF00000!")])
def test_a_missing_or_malformed_vin_is_refused(words: list[str], listed: str) -> None:
    with pytest.raises(Misconfigured, match="--vin"):
        resolve.resolve_vins(words, {"TESLA_VIN": listed})


def test_the_ca_is_the_chain_above_the_leaf_in_cert_path(world: World, tmp_path: Path) -> None:
    whole = tmp_path / "server.pem"
    whole.write_bytes(world.server.certificate.read_bytes() + world.server_ca.read_bytes())
    assert resolve.resolve_ca(None, {"CERT_PATH": str(whole)}) == world.server_ca.read_text()
    assert resolve.resolve_hostname("given.example.com", {"CERT_PATH": str(whole)}) == "given.example.com"


def test_the_root_of_a_public_ca_comes_from_this_machines_trust_store(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A public CA's fullchain.pem holds the leaf and the intermediate; vehicles need the root besides."""
    leaf = world.pair(world.issuing, "leaf", hosts=("telemetry.example.com",))
    (tmp_path / "fullchain.pem").write_bytes(leaf.certificate.read_bytes() + world.issuing.pem)
    (tmp_path / "trusted.pem").write_bytes(world.stranger.pem + world.hidden_root.pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "trusted.pem"))
    whole = resolve.resolve_ca(None, {"CERT_PATH": str(tmp_path / "fullchain.pem")})
    assert whole == (world.issuing.pem + world.hidden_root.pem).decode()


def test_a_cert_path_with_only_the_leaf_has_no_ca(world: World) -> None:
    with pytest.raises(Misconfigured, match=r"not the CA that issued it — give the CA that issued it with --ca ca\.pem"):
        resolve.resolve_ca(None, {"CERT_PATH": str(world.server.certificate)})


def test_the_hostname_is_the_only_name_in_the_certificate_else_it_must_be_given(world: World, tmp_path: Path) -> None:
    one = world.pair(world.stranger, "one", hosts=("telemetry.example.com",))
    assert resolve.resolve_hostname(None, {"CERT_PATH": str(one.certificate)}) == "telemetry.example.com"
    for environment in ({}, {"CERT_PATH": str(world.server.certificate)}):
        with pytest.raises(Misconfigured, match="--hostname"):
            resolve.resolve_hostname(None, environment)
    wild = world.pair(world.stranger, "wild", hosts=("*.example.com",))
    with pytest.raises(Misconfigured, match="--hostname"):
        resolve.resolve_hostname(None, {"CERT_PATH": str(wild.certificate)})


@pytest.mark.parametrize("missing", ["ca", "cert", "key"])
def test_a_missing_file_is_named(missing: str, tmp_path: Path) -> None:
    path = tmp_path / "nowhere.pem"
    takers: dict[str, Callable[[], object]] = {
        "ca": lambda: resolve.resolve_ca(path, {}),
        "cert": lambda: resolve.resolve_ca(None, {"CERT_PATH": str(path)}),
        "key": lambda: resolve.resolve_key(path),
    }
    with pytest.raises(Misconfigured, match=r"nowhere\.pem"):
        takers[missing]()
