"""`FakeTesla` on loopback: one port for login and tokens, one for the Fleet API of each region."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

from tests.support.fake_tesla import FakeTesla

REGIONS = ("na", "eu")


@dataclass
class Raw:
    """An answer as it is sent, with headers of its own. `length`: what its head says, -1 for the truth."""

    content: bytes
    headers: dict[str, str] = field(default_factory=dict)
    length: int = -1


class TeslaServer:
    """`with TeslaServer(tesla) as server`: answers until the block ends; `server.environment` is what a command needs."""

    def __init__(self, tesla: FakeTesla) -> None:
        self.tesla = tesla
        self._lock = threading.Lock()
        self._servers = {name: self._listen(name) for name in ("auth", *REGIONS)}
        self.addresses = {name: f"http://127.0.0.1:{server.server_port}" for name, server in self._servers.items()}
        tesla.bases = {region: self.addresses[region] for region in REGIONS}
        self._threads = [threading.Thread(target=server.serve_forever, args=(0.02,)) for server in self._servers.values()]

    @property
    def environment(self) -> dict[str, str]:
        return {
            "TESLA_AUTH_URL": f"{self.addresses['auth']}/oauth2/v3/authorize",
            "TESLA_TOKEN_URL": f"{self.addresses['auth']}/oauth2/v3/token",
            "TESLA_API_BASE_URL": self.addresses["na"],
            "TESLA_CLIENT_ID": self.tesla.client_id,
            "TESLA_CLIENT_SECRET": self.tesla.client_secret,
        }

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for server in self._servers.values():
            server.shutdown()
            server.server_close()
        for thread in self._threads:
            thread.join()

    def _listen(self, name: str) -> ThreadingHTTPServer:
        whole = self

        class Handler(BaseHTTPRequestHandler):
            def _do(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length)
                with whole._lock:
                    status, answer = whole._answer(name, self, body)
                if status == 0:
                    self.close_connection = True
                    return
                self.send_response_only(status)
                content, length = b"", -1
                if status == 302:
                    self.send_header("Location", answer)
                elif isinstance(answer, Raw):
                    content, length = answer.content, answer.length
                    for header in answer.headers.items():
                        self.send_header(*header)
                else:
                    content = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
                    self.send_header("Content-Type", "text/html" if isinstance(answer, str) else "application/json")
                self.send_header("Content-Length", str(len(content) if length < 0 else length))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_DELETE = _do  # noqa: N815 — http.server's names

            def log_message(self, format: str, *args: object) -> None:
                """Says nothing."""

        return ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def _answer(self, name: str, request: BaseHTTPRequestHandler, body: bytes) -> tuple[int, Any]:
        if name in REGIONS:
            if request.headers.get("Content-Type") != "application/json":
                return 406, {"response": None, "error": "Not Acceptable"}
            bearer = request.headers.get("Authorization", "").removeprefix("Bearer ")
            return self.tesla.api(name, request.command, request.path, bearer, json.loads(body) if body else None)
        parts = urlsplit(request.path)
        if request.command == "GET" and parts.path == "/oauth2/v3/authorize":
            return self.tesla.authorize(dict(parse_qsl(parts.query)))
        if request.command == "POST" and parts.path == "/oauth2/v3/token":
            return self.tesla.token(dict(parse_qsl(body.decode(), keep_blank_values=True)))
        return 404, "nothing here"
