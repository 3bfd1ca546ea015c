"""`serve --nodes N`: what the supervisor is given of settings and environment, and what a node takes from its supervisor."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import Misconfigured
from ..scratch import scratch_folder

if TYPE_CHECKING:
    from ..config import Settings


def run_nodes(
    settings: Settings, count: int, environment: Mapping[str, str], on_listening: Callable[[list[int]], object]
) -> None:
    """Returns after the end of all nodes. Raises Misconfigured."""
    from ..supervisor.own_nats import OwnNats
    from ..supervisor.shared_ports import SharedPorts
    from ..supervisor.supervisor import Supervisor
    from .start_check import check_start

    if settings.journal_path is not None:
        fault = "is set, and --nodes shares a NATS stream as the log"
        raise Misconfigured("JOURNAL_PATH", fault, "leave it out: the stream keeps the log")
    check_start(settings, environment)
    with ExitStack() as stack:
        ports = SharedPorts(settings)
        stack.callback(ports.close)
        own = None if settings.cluster_url else OwnNats(settings, _folder(settings, environment, stack))
        if own is not None:
            stack.callback(own.close)
            own.prepare()

        async def supervise() -> None:
            await Supervisor(settings, count, environment, ports, own, on_listening).run()

        asyncio.run(supervise())


def run_node(descriptor: int, environment: Mapping[str, str]) -> None:
    """One of the nodes. What the operator has to mend is told to the supervisor, which says it once."""
    import uvloop

    from ..config import Settings
    from ..logs import log_what_nobody_caught, set_up
    from ..outputs.settings import planned
    from ..server import running
    from ..server.lifeline import Lifeline
    from .upkeep import upkeep_of

    lifeline = Lifeline.take(descriptor)
    try:
        settings = Settings.from_env(environment, jwt_secret=lifeline.jwt_secret or None)
        plans = planned(environment, settings)
        set_up(settings.log_level, settings.log_format, node=lifeline.number)
        log_what_nobody_caught()
        upkeep = upkeep_of(settings, environment) if lifeline.number == 1 else None  # one of them renews what ends at Tesla
        uvloop.run(running.serve(settings, plans, upkeep=upkeep, lifeline=lifeline))
    except Misconfigured as error:
        lifeline.tell_fault(error)
        sys.exit(2)
    finally:
        lifeline.end()


def _folder(settings: Settings, environment: Mapping[str, str], stack: ExitStack) -> Path:
    """NODES_STORE_PATH; else one for this PORT in the state folder, or, if the kernel chooses the port, a temporary one."""
    if settings.nodes_store_path is not None:
        return settings.nodes_store_path
    if settings.port == 0:
        return stack.enter_context(scratch_folder("teslafast-nodes-"))
    systemd = environment.get("STATE_DIRECTORY", "").partition(":")[0]
    if systemd:
        return Path(systemd) / f"nodes-{settings.port}"
    state = environment.get("XDG_STATE_HOME", "") or os.path.expanduser("~/.local/state")
    return Path(state) / "teslafast" / f"nodes-{settings.port}"
