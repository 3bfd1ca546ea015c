"""
Machines of a Fly app that runs NATS, made of network namespaces: each has an IPv6 address on a bridge of this machine, the
shipped files in /etc/nats, a volume in /data, and what Fly's DNS says, in a hosts file of the Machines that have started.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import subprocess
import time
import urllib.request
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.deploy.support.nats_files import CLUSTER
from tests.support.nats_logins import Login
from tests.support.nats_servers import PROGRAM
from tests.support.peers import PATIENCE_S

FLY_FOLDER = CLUSTER / "fly"
APP = "myapp-nats"
_NUMBERS = itertools.count()
NAMES = ("3d8d9930b32189", "91857e67c04283", "12345678901234")  # hexadecimal: the last looks like a number


def cannot() -> str:
    """Why there can be no Machines here; "" if there can."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        return "network namespaces need root, and the program ip"
    made = subprocess.run(["ip", "link", "add", "tfprobe", "type", "bridge"], capture_output=True, check=False)
    if made.returncode:
        return "no network can be made here"
    subprocess.run(["ip", "link", "del", "tfprobe"], check=True)
    return ""


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


class Machines:
    """`count` of them. `config`: their NATS_CONFIG."""

    def __init__(self, folder: Path, count: int, login: Login, config: str) -> None:
        self._folder, self._login, self._config = folder, login, config
        number = next(_NUMBERS)  # what a namespace leaves behind goes a little later than itself
        self._tag = f"tf{os.getpid() % 10_000}{number}"
        self._net = f"fdaa:{os.getpid() % 0xFFFF:x}:{number:x}"
        self.names = NAMES[:count]
        self.addresses = [f"{self._net}::{number + 2:x}" for number in range(count)]
        self.processes: dict[int, subprocess.Popen[bytes]] = {}
        self._stack = ExitStack()
        for number in range(count):
            (folder / f"data{number}").mkdir()

    def _wire(self) -> None:
        bridge = f"{self._tag}b"
        ip("link", "add", bridge, "type", "bridge")
        self._stack.callback(ip, "link", "del", bridge)
        ip("addr", "add", f"{self._net}::1/64", "dev", bridge, "nodad")
        ip("link", "set", bridge, "up")
        for number, address in enumerate(self.addresses):
            space, here, there = (f"{self._tag}{end}{number}" for end in "nvp")
            ip("netns", "add", space)
            self._stack.callback(ip, "netns", "del", space)
            ip("link", "add", here, "type", "veth", "peer", "name", there)
            ip("link", "set", here, "master", bridge, "up")
            ip("link", "set", there, "netns", space)
            ip("-n", space, "link", "set", "lo", "up")
            ip("-n", space, "addr", "add", f"{address}/64", "dev", there, "nodad")
            ip("-n", space, "link", "set", there, "up")

    def _name(self) -> None:
        """What Fly's DNS says: only Machines that have started."""
        lines = [
            f"{self.addresses[number]} {self.names[number]}.vm.{APP}.internal {APP}.internal" for number in sorted(self.processes)
        ]
        (self._folder / "hosts").write_text("\n".join(["127.0.0.1 localhost", *lines]) + "\n")

    def start(self, number: int) -> None:
        self._folder.joinpath("hosts").touch()
        mounts = {"hosts": "/etc/hosts", f"data{number}": "/data", "etc": "/etc/nats"}
        script = "; ".join(f"mount --bind {self._folder / name} {at}" for name, at in mounts.items())
        environment = {
            "PATH": f"{PROGRAM.parent}:{os.environ['PATH']}",
            "FLY_MACHINE_ID": self.names[number],
            "FLY_APP_NAME": APP,
            "NATS_CONFIG": self._config,
            "NODE_NKEY": self._login.public,
            "NATS_SERVERS": " ".join(self.names),
        }
        command = ["ip", "netns", "exec", f"{self._tag}n{number}", "sh", "-ec", f"{script}; exec {FLY_FOLDER / 'start-nats'}"]
        with (self._folder / f"log{number}").open("ab") as log:
            self.processes[number] = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        self._name()

    def replace(self, number: int) -> None:
        """As a deploy does it: kill_signal, then another with the same volume, on only when it is well."""
        self.processes[number].send_signal(signal.SIGUSR2)
        assert self.processes.pop(number).wait(6 * PATIENCE_S) in (0, 1)
        self._name()
        self.start(number)
        self.wait_ready()

    def wait_ready(self) -> None:
        until_s = time.monotonic() + 6 * PATIENCE_S
        for address in self.addresses:
            while not _well(address):
                assert time.monotonic() < until_s, [path.read_text() for path in sorted(self._folder.glob("log*"))]
                time.sleep(0.1)  # nothing tells when it is

    def wait_until_wired(self, connections: int) -> None:
        """Until each has so many to each of the others."""
        until_s = time.monotonic() + PATIENCE_S
        while True:
            counts = [Counter(one["remote_name"] for one in _ask(address, "/routez")["routes"]) for address in self.addresses]
            if all(list(each.values()) == [connections] * (len(self.names) - 1) for each in counts):
                return
            assert time.monotonic() < until_s, counts
            time.sleep(0.1)  # nothing tells when they are

    def __enter__(self) -> Self:
        for target in (Path("/data"), Path("/etc/nats")):  # to mount at; empty folders that stay are nobody's harm
            target.mkdir(exist_ok=True)
        shutil.copytree(FLY_FOLDER, self._folder / "etc")
        try:
            self._wire()
            for number in range(len(self.names)):
                self.start(number)
            self.wait_ready()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for process in self.processes.values():
            process.kill()
            process.wait()
        self._stack.close()

    @property
    def node(self) -> dict[str, str]:
        """A node's settings."""
        return {
            "CLUSTER_URL": ",".join(f"nats://[{address}]:4222" for address in self.addresses),
            "CLUSTER_MONITOR_URL": ",".join(f"http://[{address}]:8222" for address in self.addresses),
            "CLUSTER_REPLICAS": str(len(self.addresses)),
        } | self._login.settings


def _ask(address: str, path: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"http://[{address}]:8222{path}", timeout=1) as answer:
        said: dict[str, Any] = json.load(answer)
        return said


def _well(address: str) -> bool:
    try:
        return bool(_ask(address, "/healthz")["status"] == "ok")
    except OSError:
        return False
