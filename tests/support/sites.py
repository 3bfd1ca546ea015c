"""
A set-up that can be broken: what an operator has on disk, in the environment, at Tesla, and in front of the server.

    Site        a healthy one: certificates, settings, a vehicle and a Fleet API; tests break one thing in it
    serving     a server of that site
    proxy       what ends TLS in front of one         dial       a WebSocket to it, by a name that DNS does not know
    Row         one way to break it, and the line that doctor must then print
"""

from __future__ import annotations

import contextlib
import datetime
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from teslafast.doctor.finding import Finding, State
from teslafast.doctor.options import DoctorOptions
from teslafast.doctor.report import examine
from websockets.client import ClientProtocol
from websockets.uri import parse_uri

from tests.support.certificates import HOST, NOW, SERVER_AUTH, Authority, World
from tests.support.fake_fleet_api import FleetServer
from tests.support.peers import PATIENCE_S, SECRET, Connection
from tests.support.servers import Inside

VIN = "5YJ3TEST5PF000001"
VARIABLES = ("CERT_PATH", "KEY_PATH", "CA_PATH", "REQUEST_CLIENT_CERT", "JWT_SECRET", "TESLA_VIN")


class Site:
    """
    environment   the settings that doctor reads; the server was started with the same ones unless a row changed them
    options       doctor's options
    car, tesla    the vehicle at Tesla, and Tesla
    """

    def __init__(self, world: World, folder: Path, tesla: FleetServer) -> None:
        self.world, self.folder, self.tesla = world, folder, tesla
        self.root = Authority.root("A root of our own")
        self.middle = self.root.authority("An intermediate of our own")
        self.car = tesla.cars[VIN]
        self.environment = {
            "CA_PATH": str(world.anchors),
            "REQUEST_CLIENT_CERT": "true",
            "JWT_SECRET": SECRET,
            "TESLA_VIN": VIN,
        } | tesla.environment
        self.serve_with()
        self.server_environment: dict[str, str] = dict(self.environment)
        (folder / "ca.pem").write_bytes(self.middle.pem + self.root.pem)
        (folder / "vehicles").mkdir()
        pair = world.vehicle(VIN)
        (folder / "vehicles" / f"{VIN}.pem").write_bytes(pair.certificate.read_bytes())
        (folder / "vehicles" / f"{VIN}.key").write_bytes(pair.key.read_bytes())
        self.options: dict[str, Any] = {"address": "127.0.0.1", "ca": folder / "ca.pem", "certs": folder}
        self.now = datetime.datetime.now(datetime.UTC)  # not NOW: a long run of tests outlives a token

    def serve_with(self, *above: Authority, leaf: Any = None, key: bytes | None = None, **wishes: Any) -> None:
        """Puts a server certificate of these wishes in place; `above`: what follows it in CERT_PATH (the intermediate)."""
        made, made_key = self.middle.leaf(HOST, **{"usages": (SERVER_AUTH,), "hosts": (HOST,)} | wishes)
        pem = (leaf or made).public_bytes(serialization.Encoding.PEM)
        (self.folder / "server.pem").write_bytes(pem + b"".join(one.pem for one in above or (self.middle, self.root)))
        (self.folder / "server.key").write_bytes(key or pem_of(made_key))
        self.environment |= {
            name: str(self.folder / f"server.{end}") for name, end in (("CERT_PATH", "pem"), ("KEY_PATH", "key"))
        }

    def look(self, port: int) -> list[Finding]:
        """The report on the server at this port."""
        self.options.setdefault("url", f"https://{HOST}:{port}")
        return list(examine(DoctorOptions(environment=self.environment, now=self.now, **self.options)))

    def told(self, port: int, **members: Any) -> None:
        """The vehicle was told to stream to that port; `members` go before what it was told."""
        ca = (self.folder / "ca.pem").read_text()
        self.car.config = {
            "hostname": HOST,
            "port": port,
            "ca": ca,
            "fields": {"Soc": {}},
            "exp": int(NOW.timestamp()) + 9_000_000,
        } | members


def pem_of(key: Any, password: bytes | None = None) -> bytes:
    hidden = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    pem: bytes = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, hidden)
    return pem


@contextlib.contextmanager
def serving(site: Site, **changed: str) -> Iterator[int]:
    """A server of this site; its port."""
    environment = {name: site.server_environment[name] for name in VARIABLES} | changed
    with Inside(site.world, **environment) as server:
        site.told(server.place.port)
        yield server.place.port


def dial(hostname: str, port: int, context: ssl.SSLContext, path: str = "/", **headers: str) -> Connection:
    """A WebSocket to a host that DNS does not know: it is on this machine."""
    plain = socket.create_connection(("127.0.0.1", port), PATIENCE_S)
    try:
        secure = context.wrap_socket(plain, server_hostname=hostname)
    except OSError:
        plain.close()
        raise
    return Connection(secure, ClientProtocol(parse_uri(f"wss://{hostname}:{port}{path}")), headers)


@contextlib.contextmanager
def proxy(certificate: Path, key: Path) -> Iterator[int]:
    """What an HTTP proxy does: it ends TLS with a certificate of its own, and asks nobody for theirs."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with answering(context, b"HTTP/1.1 200 OK\r\nServer: cloudish\r\nContent-Length: 0\r\n\r\n") as port:
        yield port


@contextlib.contextmanager
def answering(context: ssl.SSLContext | None, answer: bytes) -> Iterator[int]:
    """Something that gives everybody the same answer; its port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def live() -> None:
        while True:
            try:
                accepted, _ = listener.accept()
            except OSError:
                return
            with contextlib.suppress(OSError), accepted:
                end = context.wrap_socket(accepted, server_side=True) if context else accepted
                with end:
                    if end.recv(65536):
                        end.sendall(answer)

    thread = threading.Thread(target=live)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(PATIENCE_S)


def only(findings: list[Finding], check: str) -> list[Finding]:
    return [one for one in findings if one.check == check]


# what was done: its name, how, and the check, state, cause and remedy that must be said
Row = tuple[str, Callable[[Site], None], str, State, str, str]
W, N = State.WRONG, State.NOTE


def assert_said(findings: list[Finding], check: str, state: State, says: str, remedy: str) -> None:
    """Exactly one line of this check in this state, with these words."""
    (found,) = [one for one in only(findings, check) if one.state is state]
    assert says in found.says
    assert remedy in found.remedy
    assert found.line.startswith(f"{'✗' if state is State.WRONG else '!'} {check}: ")
