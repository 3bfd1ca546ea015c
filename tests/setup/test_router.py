"""What a router in this network says of its outside address: by NAT-PMP, by UPnP, or not at all."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

import pytest
from teslafast.setup.router import gateway, outside_address

from tests.support.peers import PATIENCE_S

ROUTES = """Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t0001A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
eth0\t00000000\t0101A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
"""
SERVICE = "urn:schemas-upnp-org:service:WANIPConnection:1"
DESCRIPTION = f"""<?xml version="1.0"?><root><device><serviceList><service><serviceType>{SERVICE}</serviceType>
<controlURL>/ctl/IPConn</controlURL></service></serviceList></device></root>"""


@contextmanager
def answering(answer: Callable[[bytes], bytes]) -> Iterator[tuple[str, int]]:
    """A device that answers one datagram."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as device:
        device.bind(("127.0.0.1", 0))
        device.settimeout(PATIENCE_S)

        def serve() -> None:
            asked, who = device.recvfrom(4096)
            device.sendto(answer(asked), who)

        thread = threading.Thread(target=serve)
        thread.start()
        yield device.getsockname()
        thread.join()


def nat_pmp(answer: bytes, answer_s: float = 0.3) -> str:
    """`answer_s`: how long it is waited for, and then for another router."""

    def told(asked: bytes) -> bytes:
        return answer if asked == b"\0\0" else b"what?"

    with answering(told) as (host, port), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as nobody:
        nobody.bind(("127.0.0.1", 0))
        return outside_address(host, port, nobody.getsockname(), answer_s)


def test_the_gateway_is_the_default_route() -> None:
    assert gateway(ROUTES) == "192.168.1.1"
    assert gateway("Iface\tDestination\n") == gateway("") == gateway("x\neth0\t00000000\tnot hex\t3") == ""


def test_a_router_tells_its_address_by_nat_pmp() -> None:
    assert nat_pmp(b"\0\x80\0\0" + b"\0\0\0\1" + bytes([203, 0, 113, 9]), PATIENCE_S) == "203.0.113.9"


@pytest.mark.parametrize(
    "answer", [b"", b"\0\x80\0\3" + bytes(8), b"\0\x80\0\0" + bytes(8), b"\0\x80\0\0\0\0\0\1\x7f\0\0\1", b"x" * 64]
)
def test_an_answer_that_says_no_address_is_none(answer: bytes) -> None:
    assert nat_pmp(answer) == ""


class Igd:
    """A router's HTTP side."""

    def __init__(self, description: str, answer: str) -> None:
        asked: list[str] = []

        class Handler(BaseHTTPRequestHandler):
            def _answer(self, text: str) -> None:
                self.send_response_only(200)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            def do_GET(self) -> None:
                self._answer(description)

            def do_POST(self) -> None:
                asked.append(f"{self.path} {self.headers['SOAPAction']}")
                self.rfile.read(int(self.headers["Content-Length"]))
                self._answer(answer)

            def log_message(self, format: str, *args: object) -> None:
                """Says nothing."""

        self.asked = asked
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.location = f"http://127.0.0.1:{self._server.server_port}/root.xml"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,)).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def upnp(location: str) -> str:
    head = f"HTTP/1.1 200 OK\r\nST: upnp:rootdevice\r\nLocation: {location}\r\n\r\n"
    with answering(lambda asked: head.encode()) as at:
        return outside_address("", 1, at, PATIENCE_S)


def said(address: str) -> str:
    return f"<s:Envelope><s:Body><NewExternalIPAddress>{address}</NewExternalIPAddress></s:Body></s:Envelope>"


def test_a_router_tells_its_address_by_upnp() -> None:
    with Igd(DESCRIPTION, said("198.51.100.4")) as igd:
        assert upnp(igd.location) == "198.51.100.4"
        assert igd.asked == [f'/ctl/IPConn "{SERVICE}#GetExternalIPAddress"']


@pytest.mark.parametrize(
    ("description", "answer"),
    [
        (DESCRIPTION, said("")),
        (DESCRIPTION, said("0.0.0.0")),
        (DESCRIPTION, "<nothing/>"),
        (DESCRIPTION, said("999.1.1.1")),
        ("<root/>", said("198.51.100.4")),
        (DESCRIPTION.replace("/ctl/IPConn", "http://203.0.113.1/ctl"), said("198.51.100.4")),
    ],
)
def test_a_router_that_says_something_else_has_said_nothing(description: str, answer: str) -> None:
    with Igd(description, answer) as igd:
        assert upnp(igd.location) == ""


@pytest.mark.parametrize(
    "location", ["http://203.0.113.9/root.xml", "http://localhost:1/root.xml", "ftp://127.0.0.1/x", "nonsense", "http://[x"]
)
def test_a_device_that_sends_us_elsewhere_is_not_followed(location: str) -> None:
    assert upnp(location) == ""
