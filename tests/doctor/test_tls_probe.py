"""The probe that poses as an unknown vehicle: what counts as a refusal, and what a client with a given `ca` says."""

from __future__ import annotations

import ssl

import pytest
from teslafast.doctor.tls_probe import Endpoint, ProbeResult, probe, verify_error

from tests.support.certificates import HOST, World
from tests.support.ports import free_port
from tests.support.sites import Site, answering, serving


@pytest.fixture
def tls(world: World) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(world.server.certificate, world.server.key)
    return context


def test_a_server_that_verifies_vehicles_refuses_the_probe_and_shows_its_certificate(site: Site) -> None:
    with serving(site) as port:
        result = probe(Endpoint("127.0.0.1", HOST, port))
    assert (result.refused, result.answer.status, result.fault) == (True, 0, "")
    assert result.leaf == ssl.PEM_cert_to_DER_cert((site.folder / "server.pem").read_text().partition("\n-----BEGIN")[0])


def test_a_server_that_answers_has_let_the_probe_in(tls: ssl.SSLContext) -> None:
    with answering(tls, b"HTTP/1.1 404 Not Found\r\nServer: some proxy\r\nContent-Length: 0\r\n\r\n") as port:
        result = probe(Endpoint("127.0.0.1", HOST, port))
    assert (result.refused, result.answer.status, result.answer.headers["server"]) == (False, 404, "some proxy")


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-OpenSSH\r\n"])
def test_a_server_that_closes_or_does_not_speak_http_has_not_refused_the_certificate(tls: ssl.SSLContext, answer: bytes) -> None:
    with answering(tls, answer) as port:
        result = probe(Endpoint("127.0.0.1", HOST, port))
    assert (result.refused, result.answer.status) == (False, 0)
    assert result.leaf


def test_a_server_without_tls_is_a_fault_and_not_a_refusal() -> None:
    with answering(None, b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        assert probe(Endpoint("127.0.0.1", HOST, port)) == ProbeResult(fault="the server there does not speak TLS")


def test_a_port_at_which_nothing_listens_is_an_error() -> None:
    with pytest.raises(ConnectionRefusedError):
        probe(Endpoint("127.0.0.1", HOST, free_port()))


def test_a_client_with_the_servers_ca_accepts_it_and_one_with_another_says_why(world: World, tls: ssl.SSLContext) -> None:
    with answering(tls, b"") as port:
        endpoint = Endpoint("127.0.0.1", HOST, port)
        assert verify_error(endpoint, world.server_ca.read_text()) == ""
        assert verify_error(endpoint, world.stranger.pem.decode()) == "unable to get local issuer certificate"
        assert "not valid for" in verify_error(Endpoint("127.0.0.1", "other.example.com", port), world.server_ca.read_text())
