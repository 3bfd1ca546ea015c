"""
Puts the hub together, in memory or over what the journal has kept, and the outputs over it.

What is not set is not imported: a server at rest has 37 MB instead of 49, and is up in half the time.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from .._fanout import FLAT_PREFIXES, Fanout
from ..config import Settings
from ..core.hub import Hub, memory_log
from ..core.turn import Turn
from ..core.views import MakeLog
from ..dashboards.tokens import Verifier
from ..disk_thread import DiskCalls
from ..errors import Misconfigured
from ..metrics import Counts

if TYPE_CHECKING:
    from ..outputs.group import Outputs
    from ..outputs.moving import MovingOutputs
    from ..outputs.settings import OutputPlan
    from ..storage.checkpointer import Checkpointer
    from .client_certificates import PassedOnCertificates
    from .clustered import ClusteredServer

    AnyOutputs = Outputs | MovingOutputs


_Connection = TypeVar("_Connection")


def assembled(
    settings: Settings, loop: asyncio.AbstractEventLoop, plans: Sequence[OutputPlan] = ()
) -> tuple[Hub, Checkpointer | None]:
    """
    The hub, and what keeps its values with JOURNAL_PATH. Raises Misconfigured.

    plans    the outputs that will read its log: whether one of them wants more of a record than its event
    """
    keeps_own = bool(settings.cluster_url) or any(plan.wants_own_bytes for plan in plans)
    began_s = time.monotonic()
    counts = Counts()
    turn = Turn(loop, time.monotonic, settings.coalesce_ms, counts.turns)
    make_log = partial(memory_log, schedule=turn.ask_flush)
    if settings.journal_path is None:
        log = _in_memory(settings.ring_bytes, make_log)
        return Hub(settings, turn, log, secrets.token_hex(8), make_log, loop, counts, keeps_own=keeps_own), None
    from ..storage.checkpointer import Checkpointer  # nobody pays for what is not set
    from ..storage.group_commit import Carried, GroupCommit
    from ..storage.journal import Journal

    journal = Journal.open(settings.journal_path, settings.ring_bytes, keeps_own)
    try:
        log = journal.log(FLAT_PREFIXES, turn.ask_flush, sync=settings.journal_sync_ms > 0)
        hub = Hub(settings, turn, log, journal.epoch, make_log, loop, counts, keeps_own=keeps_own)
        commit = None
        if settings.journal_sync_ms or journal.carrier is not None:
            disk = journal if settings.journal_sync_ms else Carried(journal)
            commit = GroupCommit(disk, log, settings.journal_sync_ms / 1000, loop, counts.syncs, journal.path)
            turn.hold_replies_by(commit)
        return hub, Checkpointer(hub, journal, commit, loop, began_s)
    except BaseException:
        journal.unmake()
        raise


def assembled_cluster(settings: Settings, hub: Hub, loop: asyncio.AbstractEventLoop) -> ClusteredServer | None:
    """What makes this server one node of several, with CLUSTER_URL; else None. Raises Misconfigured."""
    if not settings.cluster_url:
        return None
    from .clustered import ClusteredServer  # nobody pays for what is not set

    return ClusteredServer(settings, hub, loop)


def assembled_outputs(
    plans: Sequence[OutputPlan], hub: Hub, checkpointer: Checkpointer | None, cluster: ClusteredServer | None = None
) -> AnyOutputs | None:
    """
    The outputs, with their cursors in the cluster, or beside the journal if there is one; None if there are no plans.

    Raises Misconfigured.
    """
    if not plans:
        return None
    if cluster is not None:
        return cluster.moving_outputs(plans)
    from ..outputs.group import Outputs  # nobody pays for what is not set

    return Outputs(plans, hub, checkpointer.cursors([plan.cursor for plan in plans]) if checkpointer is not None else None)


def passed_on_certificates(settings: Settings, disk: DiskCalls) -> PassedOnCertificates | None:
    """None unless CLIENT_CERT_HEADER is set. Raises Misconfigured."""
    if not settings.client_cert_header or settings.ca_path is None:
        return None
    from .client_certificates import PassedOnCertificates  # and cryptography with it

    return PassedOnCertificates(settings.ca_path, disk)


def prepared(verifier: Verifier, connect: Callable[..., _Connection]) -> Callable[..., _Connection]:
    """`connect`, but what tokens need is imported before: once a vehicle is here, no dashboard waits for that."""

    def connected(*arguments: Any) -> _Connection:
        verifier.prepare()
        return connect(*arguments)

    return connected


def _in_memory(ring_bytes: int, make_log: MakeLog) -> Fanout:
    try:
        return make_log(ring_bytes, FLAT_PREFIXES)
    except (OSError, OverflowError, ValueError) as error:
        fault = f"this machine cannot give {ring_bytes} bytes of memory ({error})"
        raise Misconfigured("RING_BYTES", fault, "set a smaller one, for example 64MiB") from None
