"""
How many files and connections the process may have open.

The soft limit is often 1,024, for programs that use `select`; the hard one is what the operator meant. So the soft one is raised
at start, as far as the settings can make use of it.
"""

from __future__ import annotations

import resource

from ..config import Settings
from ..logs import fields, log
from .admission import TOTAL

RESERVED_DESCRIPTORS = 32  # for files, and for the sockets of outputs
STRANGERS_SHARE = (
    8  # of the descriptors, for those at /streaming/ who have yet to show a token: nobody can be closed in their place
)
MOST = 1 << 20  # where neither the settings nor the hard limit bound it: what Linux allows a process by default (fs.nr_open)


def raise_limit(settings: Settings) -> int:
    """Raises the soft limit of open files as far as the settings need and the hard limit allows. Returns what it is now."""
    soft, hard = (MOST if limit == resource.RLIM_INFINITY else limit for limit in resource.getrlimit(resource.RLIMIT_NOFILE))
    wanted = wanted_descriptors(settings)
    if soft < wanted and soft < hard:
        soft = min(wanted, hard)
        _, hard_as_it_is = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard_as_it_is))
    if soft < needed_descriptors(settings):
        remedy = "raise the hard limit of open files (ulimit -Hn, LimitNOFILE), or lower MAX_VEHICLES and MAX_DASHBOARDS"
        meaning = "there may be more vehicles and dashboards than the process may have connections"
        log.warning(
            "few_descriptors", extra=fields(limit=soft, needed=needed_descriptors(settings), meaning=meaning, remedy=remedy)
        )
    return soft


def needed_descriptors(settings: Settings) -> int:
    """For those that the settings bound: MAX_VEHICLES, MAX_DASHBOARDS."""
    return settings.max_vehicles + settings.max_dashboards + RESERVED_DESCRIPTORS


def wanted_descriptors(settings: Settings) -> int:
    """With those on top that have not been admitted yet; as many as possible, if there is no bound to vehicles or dashboards."""
    if not settings.max_vehicles or not settings.max_dashboards:
        return MOST
    return needed_descriptors(settings) + TOTAL
